//! Five times as many calls as the server can serve, none of which waits for another: it goes
//! on serving nearly as many as at its peak, and turns the rest away politely. The callers
//! have a core of their own where there are two.

use std::fmt::Write as _;
use std::time::Duration;

use crate::crowd::{Seen, patient, steady};
use crate::load::Client;
use crate::sink::Sink;
use crate::tally::{Job, Tally, percentile};
use crate::world::{Up, World};

/// Each call is stored and remembers this many records, so that it costs the server far more
/// than it costs its caller, and more than it costs to turn away: the callers must never be
/// what is overrun.
const RECORDS: usize = 48;

fn rules() -> String {
    let mut rules = String::from(RULES);
    for at in 0..RECORDS {
        let _ = writeln!(rules, "        save \"r{at}\" id=\"{{{{n}}}}\" {{ n \"{{{{n}}}}\"; }}");
    }
    rules + "    }\n}\n"
}

/// The rules up to the steps of their endpoint.
const RULES: &str = r#"
server listen="127.0.0.1:0" {
    limits per-client=20000 in-flight=16
}
webhooks "t" {
    path "/t"
    endpoint "note" {
        payload { n integer; text text optional; }
"#;

/// Callers at the peak; each waits for its answer, and all of them find a place.
const CALLERS: usize = 16;
/// So many times the calls of the peak are made in the overload.
const TIMES: u64 = 5;
/// So many tenths of the peak must really have been made.
const OFFERED: u64 = 45;
/// Goodput must be this share of the peak, in percent.
const GOODPUT: u64 = 90;
/// The server's memory, in KiB.
const MEMORY: u64 = 256 * 1_024;
/// Admitted calls are answered by then (p99): on one core that is overrun, and with room for a
/// machine that does something else as well; 200 to 270 ms were seen.
const ADMITTED: Duration = Duration::from_millis(400);
/// How often it is measured at most.
const MEASURED: u64 = 3;

pub(crate) fn run(job: &Job) -> Tally {
    let mut tally = Tally::default();
    // Whatever else the machine does in one of these minutes would count against the server:
    // a measurement that is not good enough is made again, twice at most, and each with an
    // empty store, because one that has grown is slower.
    for measured in 1..=MEASURED {
        let inner = Job { folder: job.folder.join(format!("measured-{measured}")), ..job.clone() };
        std::fs::create_dir(&inner.folder).unwrap();
        let world = World::new(&inner, &rules(), Sink::start());
        let up = world.up();
        if tally.cases == 0 {
            tally.figure("own_cores", core_each(&up));
        }
        let flood = Flood::measure(job, &up, measured << 44);
        tally.cases += 1;
        tally.acked += flood.all().map(|seen| seen.admitted.len()).sum::<usize>();
        tally.lost += lost(&up, flood.all().flat_map(|seen| &seen.kept));
        for wrong in flood.all().flat_map(|seen| &seen.wrong) {
            tally.wrong(wrong);
        }
        flood.tell(&mut tally);
        up.kill();
        let faults = flood.faults();
        if faults.is_empty() {
            return tally;
        }
        if measured == MEASURED {
            for fault in faults {
                tally.wrong(fault);
            }
        }
    }
    tally
}

/// What was seen before, within and after an overload.
struct Flood {
    before: Seen,
    within: Seen,
    after: Seen,
    /// How long the first and the last took, and the overload.
    calm: Duration,
    flooded: Duration,
    /// The most memory that the server had, in KiB.
    memory: u64,
}

impl Flood {
    /// Callers at their peak, five times as many calls, and the same callers again; their
    /// numbers begin at `from`.
    fn measure(job: &Job, up: &Up, from: u64) -> Self {
        // The first second warms up.
        let _ = patient(up.address, CALLERS, Duration::from_secs(1), from);
        let (calm, flooded) = (job.seconds(4, 15), job.seconds(5, 60));
        let before = patient(up.address, CALLERS, calm, from + (1 << 40));
        let rate = TIMES * per_second(before.admitted.len(), calm);
        let within = steady(up.address, rate, flooded, from + (2 << 40));
        let after = patient(up.address, CALLERS, calm, from + (3 << 40));
        Self { before, within, after, calm, flooded, memory: up.process.memory("VmHWM") }
    }

    fn all(&self) -> impl Iterator<Item = &Seen> {
        [&self.before, &self.within, &self.after].into_iter()
    }

    /// Admitted calls in a second: before, within and after.
    fn rates(&self) -> [u64; 3] {
        let rate = |seen: &Seen, time| per_second(seen.admitted.len(), time);
        [
            rate(&self.before, self.calm),
            rate(&self.within, self.flooded),
            rate(&self.after, self.calm),
        ]
    }

    /// Calls in a second that were made in the overload, and answered.
    fn offered(&self) -> u64 {
        per_second(self.within.admitted.len() + self.within.refused, self.flooded)
    }

    /// Goodput in percent of the peak. A store that has grown by tens of thousands of calls is
    /// slower for everybody: the peak in the middle of the flood is taken to be the mean of
    /// the one before it and the one behind it.
    fn share(&self) -> u64 {
        let [before, rate, after] = self.rates();
        rate * 100 / u64::midpoint(before, after).max(1)
    }

    /// How long an admitted call takes (p99).
    fn p99(&self) -> Duration {
        let mut admitted = self.within.admitted.clone();
        Duration::from_micros(percentile(&mut admitted, 99).into())
    }

    /// Why it must be measured again.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let ([before, ..], offered) = (self.rates(), self.offered());
        if offered * 10 < before * OFFERED {
            faults.push(format!("{offered} calls a second are not {TIMES} times {before}"));
        }
        if self.within.refused == 0 {
            faults.push(String::from("nobody was turned away: it was no overload"));
        }
        // Without optimisation nobody promises speed.
        if !cfg!(debug_assertions) && self.share() < GOODPUT {
            faults.push(format!("goodput falls to {} % of the peak", self.share()));
        }
        if !cfg!(debug_assertions) && self.p99() > ADMITTED {
            faults.push(format!("an admitted call takes {:?} (p99)", self.p99()));
        }
        faults
    }

    fn tell(&self, tally: &mut Tally) {
        let [before, rate, after] = self.rates();
        tally.figure("peak_before_per_s", before);
        tally.figure("peak_after_per_s", after);
        tally.figure("offered_per_s", self.offered());
        tally.figure("not_begun", self.within.not_begun);
        tally.figure("goodput_per_s", rate);
        tally.figure("goodput_percent", self.share());
        tally.figure("refused", self.within.refused);
        tally.figure("at_the_door", self.within.at_the_door);
        tally.figure("p99_admitted_ms", self.p99().as_millis());
        tally.figure("rss_mib", self.memory / 1_024);
        let memory = self.memory;
        tally.must(memory <= MEMORY, || format!("it takes {} MiB of memory", memory / 1_024));
    }
}

fn per_second(count: usize, time: Duration) -> u64 {
    count as u64 / time.as_secs()
}

/// Gives the server a core and its callers another, so that callers who are many do not take
/// from the server what it should serve them with. Where that cannot be, they share.
fn core_each(up: &Up) -> bool {
    let pin = |core: &str, pid: u32| {
        let mut taskset = std::process::Command::new("taskset");
        let pinned = taskset.args(["-a", "-c", "-p", core, &pid.to_string()]).output();
        pinned.is_ok_and(|output| output.status.success())
    };
    pin("0", up.process.pid()) && pin("1", std::process::id())
}

/// Looks for some of the executions.
fn lost<'a>(up: &Up, kept: impl Iterator<Item = &'a (u64, String)>) -> usize {
    let mut client = Client::new(up.address);
    let mut is_missing = |(n, id): &&(u64, String)| {
        let reply = client.get(&format!("/api/v1/executions/{id}"));
        !reply.is_ok_and(|reply| reply.json()["inputs"]["n"] == *n)
    };
    kept.filter(|call| is_missing(call)).count()
}
