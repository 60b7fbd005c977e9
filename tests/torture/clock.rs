//! The wall clock jumps, and the process sleeps while work falls due: nothing leaves early
//! or twice, what is overdue starts within a second, what is too late is skipped, and
//! retries go on by elapsed time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::load::Client;
use crate::shim::Shim;
use crate::sink::Sink;
use crate::smtp_server::Server;
use crate::tally::{Job, Tally};
use crate::world::{Up, World, ms, write};

/// E-mails by the wall clock, events with retries by elapsed time.
const RULES: &str = r#"
queue batch=64 every="5s"
sender "Acme <hello@example.com>"
service "crm" type="http" {
    url (env)"CRM_URL"
    retry "1s" "1s" "1s" "1s"
}
service "calm" type="http" {
    url (env)"CALM_URL"
}
service "mail" type="smtp" {
    url (env)"SMTP_URL"
}
events to="crm" path="/in" {
    event "noted"
}
events to="calm" path="/in" {
    event "crowded"
}
webhooks "t" {
    path "/t"
    endpoint "note" {
        payload { n integer; }
        send "noted"
    }
    endpoint "crowd" {
        payload { n integer; }
        save "tally" id="all" { last "{{n}}"; }
        send "crowded"
    }
    endpoint "later" {
        payload { email email; }
        start "later"
    }
    endpoint "soon" {
        payload { email email; }
        start "soon"
    }
}
sequence "later" to="{{email}}" kind="transactional" {
    email "hour" after="1h" subject="hour"
    email "month" after="30d" max-late="500d" subject="month"
    email "too-late" after="31d" subject="too late"
}
sequence "soon" to="{{email}}" kind="transactional" {
    email "soon" after="2s" subject="soon"
}
"#;

/// In milliseconds.
const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// Overdue work has begun, and the first e-mail of it has arrived, within a second.
const BEGUN: Duration = Duration::from_secs(1);
/// All of it has left by then.
const DONE: Duration = Duration::from_secs(10);
/// How long is waited for what must not come.
const NEVER: Duration = Duration::from_millis(2_500);
/// Callers that wait for one another while the clock is set, and calls of each.
const CROWD: u64 = 24;
const CROWD_CALLS: u64 = 10;
/// Tries that the receiver refuses.
const REFUSED: usize = 3;
/// The shortest wait between two: 1 s less jitter, and less what a jump of the clock may be
/// misjudged by.
const WAIT: Duration = Duration::from_millis(800);
/// Three waits with jitter, each begun at most a second late, and a slow machine.
const RETRIED: Duration = Duration::from_millis(3 * 1_100 + 3_000);

pub(crate) fn run(job: &Job) -> Tally {
    let shim = match Shim::build(&job.folder) {
        Ok(shim) => shim,
        Err(why) => return Tally::all_skipped(5, why),
    };
    let mut tally = Tally::default();
    let world = World::new(job, RULES, Sink::refusing(REFUSED));
    for name in ["hour", "month", "too-late", "soon"] {
        write(&world.folder.join(format!("rules/emails/{name}.md")), "Hello.\n");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mail = runtime.block_on(Server::start(Vec::new()));
    let mut command = world.command();
    command.env("SMTP_URL", format!("smtp://127.0.0.1:{}", mail.port));
    let calm = Sink::start();
    command.env("CALM_URL", calm.url());
    shim.load(&mut command);
    let up = crate::world::up(command);
    let people = job.count(20, 200);
    let mut test = Test {
        up,
        shim,
        mail,
        calm,
        tally: &mut tally,
        world: &world,
        people,
        calls: 0,
        called: vec![],
    };
    test.jumps();
    test.retries_kept_their_pace();
    test.sleep(job.seconds(3, 30));
    tally
}

struct Test<'a> {
    up: Up,
    shim: Shim,
    mail: Server,
    /// Takes the crowd's events at the first try.
    calm: Sink,
    tally: &'a mut Tally,
    world: &'a World,
    people: usize,
    calls: u64,
    /// When each event was called for.
    called: Vec<Instant>,
}

impl Test<'_> {
    /// Calls an endpoint for everybody.
    fn everybody(&mut self, endpoint: &str) {
        let mut client = Client::new(self.up.address);
        for person in 0..self.people {
            let body = format!("{{\"email\":\"p{person}@shop.example\"}}");
            let reply = client.post(&format!("/t/{endpoint}"), "", &body).unwrap();
            assert_eq!(reply.status, 200, "{}", reply.text);
            self.tally.acked += 1;
        }
    }

    /// An event whose first tries are refused.
    fn note(&mut self) {
        let body = format!("{{\"n\":{}}}", self.calls);
        self.called.push(Instant::now());
        let reply = Client::new(self.up.address).post("/t/note", "", &body).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text);
        (self.calls, self.tally.acked) = (self.calls + 1, self.tally.acked + 1);
    }

    /// E-mails that left: how many with each subject.
    fn left(&self) -> BTreeMap<String, usize> {
        let mut left = BTreeMap::new();
        for message in self.mail.messages() {
            let subject = message.lines().find_map(|line| line.strip_prefix("Subject: "));
            *left.entry(subject.unwrap_or_default().to_owned()).or_default() += 1;
        }
        left
    }

    fn count(&self, subject: &str) -> usize {
        self.left().get(subject).copied().unwrap_or(0)
    }

    /// Everybody gets this e-mail from now on; answers when the first left.
    fn all_leave(&mut self, subject: &str, when: &str) {
        let began = Instant::now();
        let mut first = None;
        while self.count(subject) < self.people && began.elapsed() < DONE {
            if first.is_none() && self.count(subject) > 0 {
                first = Some(began.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let first = first.unwrap_or_else(|| began.elapsed());
        let count = self.count(subject);
        self.tally.lost += self.people.saturating_sub(count);
        self.tally.figure(&format!("{when}_begun_ms"), ms(first));
        self.tally.must(first <= BEGUN, || format!("{when}: overdue work began after {first:?}"));
    }

    /// Nothing leaves but what should have.
    fn nothing_more(&mut self, when: &str, expected: &[&str]) {
        std::thread::sleep(NEVER);
        let expected: BTreeMap<String, usize> =
            expected.iter().map(|subject| ((*subject).to_owned(), self.people)).collect();
        let left = self.left();
        for (subject, count) in &left {
            let more = count.saturating_sub(expected.get(subject).copied().unwrap_or(0));
            self.tally.duplicated += more;
        }
        self.tally.must(left == expected, || format!("{when}: {left:?} left, not {expected:?}"));
    }

    /// Jumps while nothing else wakes the queue.
    fn jump(&mut self, to: i64) {
        self.shim.turn_clock(to);
        self.tally.cases += 1;
    }

    /// Jumps while an event is being refused, and calls for another before anybody has looked
    /// at the clock; both arrive all the same.
    fn jump_amid_retries(&mut self, to: i64) {
        self.note();
        std::thread::sleep(Duration::from_millis(300));
        self.jump(to);
        self.note();
    }

    /// Jumps amid calls that change the same record, so that many have their moment long before
    /// they are written; whatever clock they go by, all arrive.
    fn jump_amid_a_crowd(&mut self, to: i64) {
        let address = self.up.address;
        let callers: Vec<_> = (0..CROWD)
            .map(|caller| {
                std::thread::spawn(move || {
                    let mut client = Client::new(address);
                    for call in 0..CROWD_CALLS {
                        let n = caller * CROWD_CALLS + call;
                        let reply = client.post("/t/crowd", "", &format!("{{\"n\":{n}}}")).unwrap();
                        assert_eq!(reply.status, 200, "{}", reply.text);
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(50));
        self.jump(to);
        for caller in callers {
            caller.join().unwrap();
        }
        let all = usize::try_from(CROWD * CROWD_CALLS).unwrap();
        self.tally.acked += all;
        let there = || self.calm.came().numbers.len();
        let began = Instant::now();
        while there() < all && began.elapsed() < DONE {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.tally.lost += all - there();
        self.tally.duplicated += self.calm.came().duplicated();
        self.tally.figure("crowd_arrived_ms", ms(began.elapsed()));
    }

    fn jumps(&mut self) {
        self.everybody("later");
        self.jump_amid_retries(HOUR - 60 * SECOND);
        self.nothing_more("a minute early", &[]);
        self.events_arrive();
        self.jump(HOUR + 5 * SECOND);
        self.all_leave("hour", "hour");
        self.note();
        self.jump_amid_a_crowd(0);
        self.note();
        self.nothing_more("an hour back", &["hour"]);
        self.jump_amid_retries(HOUR + 10 * SECOND);
        self.nothing_more("forth again", &["hour"]);
        self.events_arrive();
        self.jump(400 * DAY);
        self.all_leave("month", "400_days");
        self.jump_amid_retries(401 * DAY);
        self.nothing_more("400 days on", &["hour", "month"]);
        self.events_arrive();
    }

    /// The process stands still while e-mails fall due.
    fn sleep(&mut self, time: Duration) {
        self.everybody("soon");
        self.up.freeze();
        std::thread::sleep(time);
        self.up.process.signal("CONT");
        self.tally.cases += 1;
        self.all_leave("soon", "sleep");
        self.nothing_more("after the sleep", &["hour", "month", "soon"]);
    }

    /// Waits for every event so far.
    fn events_arrive(&mut self) {
        let calls = usize::try_from(self.calls).unwrap();
        let began = Instant::now();
        while self.world.sink.came().numbers.len() < calls && began.elapsed() < RETRIED {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Every event arrived, in its own time, whatever the clock said.
    fn retries_kept_their_pace(&mut self) {
        let calls = usize::try_from(self.calls).unwrap();
        let came = self.world.sink.came();
        self.tally.lost += calls - came.numbers.len();
        self.tally.duplicated += came.duplicated();
        let (mut slowest, mut shortest) = (Duration::ZERO, Duration::MAX);
        for delivery in came.deliveries.values() {
            for pair in delivery.tries.windows(2) {
                let wait = pair[1] - pair[0];
                shortest = shortest.min(wait);
                self.tally.must(wait >= WAIT, || {
                    format!("call {}: tried again after {wait:?}, before its second", delivery.n)
                });
            }
            let first = delivery.tries[0] - self.called[usize::try_from(delivery.n).unwrap()];
            self.tally
                .must(first <= BEGUN, || format!("call {}: tried after {first:?}", delivery.n));
            let whole = delivery.tries[delivery.tries.len() - 1] - delivery.tries[0];
            slowest = slowest.max(whole);
        }
        self.tally.figure("shortest_wait_ms", ms(shortest));
        self.tally.figure("slowest_retries_ms", ms(slowest));
        self.tally.must(slowest <= RETRIED, || format!("three retries took {slowest:?}"));
    }
}
