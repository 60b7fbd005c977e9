//! What the server takes and gives, as ratios to a bare hyper echo on the same machine in
//! the same run: `cargo bench --bench throughput`. Server, echo and sink are processes of
//! their own; the load generator shares the machine with them, for all alike.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures with the clock")]
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark is a program for its own developers"
)]

mod load;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use load::{Load, Measured};

const RULES: &str = r##"
server listen="127.0.0.1:0"
queue batch=256 every="5s" keep="30d"
sender "Bench <bench@example.com>"
service "sink" type="http" {
    url (env)"SINK_URL"
    in-flight 64
    sign secret=(env)"SINK_SECRET" scheme="standard"
    retry "5s"
}
schema "person" {
    email email example="sarah@example.com"
    first_name text example="Sarah"
    score number min=0 max=1 example=0.5
    status text example="sent"
    notes text optional
}
schema "ping" {
    number integer example=1
    notes text optional
}
events to="sink" path="/{{event.slug}}" {
    event "ping"
}
webhooks "bench" {
    path "/bench"
    endpoint "start" key=(env)"BENCH_KEY" {
        payload "person"
        require #"status == "sent" && score >= 0.1"# else="Not yet."
        start "later"
    }
    endpoint "event" key=(env)"BENCH_KEY" {
        payload "ping"
        send "ping"
    }
}
sequence "later" to="{{email}}" kind="transactional" {
    email "later-1" after="30d" subject="Hello {{first_name}}"
    email "later-2" after="31d" subject="Hello again"
    email "later-3" after="32d" subject="Hello once more"
    email "later-4" after="33d" subject="Good-bye"
}
"##;

/// About 2 KiB with the other fields, the size of a usual form with a note.
const NOTES: usize = 1_800;
const CONNECTIONS: usize = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(kind) = arguments.iter().find_map(|argument| argument.strip_prefix("--as=")) {
        return load::serve(kind);
    }
    // `cargo test` runs benches with --test; there is nothing to test here.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let seconds = arguments.iter().find_map(|argument| argument.strip_prefix("--seconds="));
    let run = Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(5));
    let folder = tempfile::tempdir().expect("a folder");
    prepare(folder.path());
    let mut table = Table::default();

    let echo = Process::helper("echo");
    let body = person(0, "sent");
    let bare = Load { port: echo.port, path: "/".into(), connections: CONNECTIONS }
        .run(run, move |_| body.clone());
    table.row("bare hyper echo", &bare, None);
    drop(echo);

    let sink = Process::helper("sink");
    let server = Process::rulerun(folder.path(), sink.port);
    println!("idle: {} MiB resident", server.resident() / 1024);
    let start =
        Load { port: server.port, path: "/bench/start/bench-key".into(), connections: CONNECTIONS };
    let refused = start.run(run, |_| person(0, "failed"));
    table.row("refused by its guard (422)", &refused, Some(&bare));
    let accepted = start.run(run, |number| person(number, "sent"));
    table.row("accepted, durable, 4 e-mails scheduled", &accepted, Some(&bare));
    let one = Load { connections: 1, ..start.clone() }
        .run(run, |number| person(number + 1_000_000_000, "sent"));
    table.row("the same over 1 connection", &one, Some(&bare));

    deliveries(&server, &sink, &mut table, run);
    scheduled(server, folder.path(), sink.port, &start);
    table.print();
}

/// Events through the queue to the sink: how many a second arrive.
fn deliveries(server: &Process, sink: &Process, table: &mut Table, run: Duration) {
    let events =
        Load { port: server.port, path: "/bench/event/bench-key".into(), connections: CONNECTIONS };
    let notes = "x".repeat(900);
    let before = count(sink.port);
    let began = Instant::now();
    let queued =
        events.run(run, move |number| format!("{{\"number\":{number},\"notes\":\"{notes}\"}}"));
    table.row("events accepted while they are delivered", &queued, None);
    while count(sink.port) - before < queued.answers && began.elapsed() < run * 20 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let arrived = count(sink.port) - before;
    let rate = arrived as f64 / began.elapsed().as_secs_f64();
    println!("deliveries: {arrived} of {} arrived, {rate:.0}/s end to end", queued.answers);
}

/// Memory and start-up with 100,000 people waiting for their first e-mail.
fn scheduled(server: Process, folder: &Path, sink: u16, start: &Load) {
    let load = Load { connections: CONNECTIONS, ..start.clone() };
    let mut more = 0;
    while more < 100_000 {
        more += load.run_count(100_000 - more, |number| person(number + 2_000_000_000, "sent"));
    }
    println!("with over 100,000 sequences scheduled: {} MiB resident", server.resident() / 1024);
    drop(server);
    let began = Instant::now();
    let server = Process::rulerun(folder, sink);
    let again = Load { port: server.port, connections: 1, ..start.clone() };
    again.run_count(1, |number| person(number + 3_000_000_000, "sent"));
    println!(
        "start to first 200 with them, after a kill: {} ms, then {} MiB resident",
        began.elapsed().as_millis(),
        server.resident() / 1024
    );
}

fn prepare(folder: &Path) {
    let emails = folder.join("rules/emails");
    std::fs::create_dir_all(&emails).expect("folders");
    std::fs::write(folder.join("rules/bench.kdl"), RULES).expect("rules");
    for number in 1..=4 {
        std::fs::write(emails.join(format!("later-{number}.md")), "Hello {{first_name}}.\n")
            .expect("a text");
    }
}

fn person(number: u64, status: &str) -> String {
    format!(
        "{{\"email\":\"p{number}@example.com\",\"first_name\":\"Sarah\",\"score\":0.5,\"status\":\"{status}\",\"notes\":\"{}\"}}",
        "n".repeat(NOTES)
    )
}

/// How many requests the sink has had.
fn count(port: u16) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the sink");
    stream.write_all(b"GET /count HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stream, &mut text).expect("an answer");
    text.rsplit("\r\n").next().and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// A child process that listens on a port, and is killed at the end.
struct Process {
    child: Child,
    port: u16,
}

impl Process {
    fn helper(kind: &str) -> Self {
        let this = std::env::current_exe().expect("this program");
        Self::start(Command::new(this).arg(format!("--as={kind}")))
    }

    fn rulerun(folder: &Path, sink: u16) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a port")
            .port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rulerun"));
        command
            .current_dir(folder)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
            .env("BENCH_KEY", "bench-key")
            .env("SINK_URL", format!("http://127.0.0.1:{sink}"))
            .env("SINK_SECRET", "bench-secret")
            .stderr(Stdio::null());
        let child = command.spawn().expect("rulerun");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(2));
        }
        Self { child, port }
    }

    /// Starts a helper, which prints its port.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a helper");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("a line");
        Self { child, port: line.trim().parse().expect("a port") }
    }

    /// Resident memory in KiB.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Default)]
struct Table {
    rows: Vec<String>,
}

impl Table {
    fn row(&mut self, name: &str, measured: &Measured, ceiling: Option<&Measured>) {
        let ratio = ceiling
            .map_or_else(String::new, |bare| format!("{:.2}", measured.rate() / bare.rate()));
        let row = format!(
            "{name:<42} {:>9.0}/s  {ratio:>5}  p50 {:>6.2} ms  p99 {:>6.2} ms  statuses {:?}",
            measured.rate(),
            measured.percentile(0.50),
            measured.percentile(0.99),
            measured.statuses,
        );
        println!("{row}");
        self.rows.push(row);
    }

    fn print(&self) {
        println!("\n{:<42} {:>11}  {:>5}", "", "calls", "ratio");
        for row in &self.rows {
            println!("{row}");
        }
    }
}
