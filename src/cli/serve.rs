//! `rulerun serve`: runs the rules.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::data::whole;
use super::outcome::{Exit, Failure, Outcome};
use super::rules::{Loaded, unread};
use super::{Environment, Global, out};
use crate::base::report::{self, Style};
use crate::base::{Diagnostic, SourceMap};
use crate::language::codes;
use crate::model::Lookup;
use crate::serve::app::Options;
use crate::serve::journal::{Kind, Voice};
use crate::serve::reload::{self, SharedLookup};
use crate::serve::server::{self, Config, Server, StartError};
use crate::serve::{curl, dev};

const EXAMPLES: &str = "\
Examples:
  rulerun serve                             ./rules and ./schemas
  rulerun serve --dev                       try things out: secrets are made up, e-mail is captured
  rulerun serve --dev --speed 1440          a day passes in a minute
  rulerun serve --listen 0.0.0.0:8080 --data /var/lib/rulerun";

/// What `serve` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArgs {
    /// Rule files or folders [default: --rules, else rules and schemas].
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Address and port to listen on, instead of the rules' own.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address_and_port)]
    pub(super) listen: Option<String>,
    /// Folder that keeps the state, instead of the rules' own.
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    pub(super) data: Option<String>,
    /// Make up missing secrets and keep them in the data folder, print ready curl lines, and
    /// capture e-mail instead of sending it.
    #[arg(long)]
    pub(super) dev: bool,
    /// Let the waits of sequences pass so many times faster.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u32>(1..=1_000_000))]
    pub(super) speed: u32,
    /// With --speed: reach services on other machines all the same.
    #[arg(long, requires = "speed")]
    pub(super) yes_really_send: bool,
}

/// Refuses what names no address or no port, before anybody tries to listen there.
fn address_and_port(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':').filter(|(address, _)| !address.is_empty());
    match parts.map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(_)) => Ok(text.to_owned()),
        _ => Err(String::from("write an address and a port, such as 127.0.0.1:8080")),
    }
}

/// Runs until it is told to stop.
///
/// # Errors
/// The rules cannot be read, a setting is missing, or the address or data folder is taken.
pub(super) fn run(global: &Global, args: &ServeArgs) -> Outcome {
    let paths = if args.paths.is_empty() { global.rules.clone() } else { args.paths.clone() };
    let colour = out::Ink::for_notes().on;
    let real: SharedLookup = Arc::new(Environment::load()?);
    let (lookup, made) = if args.dev { made_up(&paths, args, real)? } else { (real, Vec::new()) };
    let mut config = Config::new(paths, Arc::clone(&lookup));
    config.listen.clone_from(&args.listen);
    config.data = args.data.as_ref().map(PathBuf::from);
    config.options = Options { speed: args.speed, dev: args.dev, ..Options::default() };
    config.voice = Voice { every: args.dev, colour, silent: false };
    config.style = out::notes_style();
    config.really_send = args.yes_really_send;
    config.roots = lookup.env("SSL_CERT_FILE").map(PathBuf::from);
    config.on_fatal = Arc::new(stop_at_once);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    runtime.block_on(serve(config, args, &made, &*lookup))
}

/// The disk has failed: what sled believes and what is written may differ from now on, so
/// nothing more may be answered. The next start reads what is really there.
#[expect(clippy::exit, reason = "no destructor may write after the disk has failed")]
fn stop_at_once(why: &str) {
    out::note(&format!("error: rulerun stops: {why}"));
    std::process::exit(server::EXIT_IO);
}

/// sled panics on some damage. Its words are nobody's help: whoever called it tells what is
/// wrong. In a thread of its own nobody would: what waits for it would wait for ever, so from
/// when the server runs that is the end. Panics of our own are shown like everywhere.
fn guard_against_panics(runs: Arc<AtomicBool>) {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        match thread.name().unwrap_or_default() {
            "store" | "open store" | "scrub" if is_within_sled(panic) => {}
            name if name.starts_with("sled-io") || name == "log flusher" => {
                if runs.load(Ordering::Relaxed) {
                    stop_at_once(
                        "a part of the store failed inside; start again, and `rulerun doctor` \
                         says whether its files are damaged",
                    );
                }
            }
            _ => usual(panic),
        }
    }));
}

/// Whether a panic comes from the sources of sled, in the folder of its version.
fn is_within_sled(panic: &std::panic::PanicHookInfo<'_>) -> bool {
    panic.location().is_some_and(|at| at.file().contains("/sled-0."))
}

/// The environment with made-up secrets for what the rules need, and their names.
fn made_up(
    paths: &[PathBuf],
    args: &ServeArgs,
    real: SharedLookup,
) -> Result<(SharedLookup, Vec<String>), Failure> {
    let loaded = Loaded::read(paths)?;
    let data = args.data.clone().or_else(|| {
        let rules = loaded.rules.as_ref()?;
        rules.data.resolve(&*real).ok().flatten()
    });
    let data = PathBuf::from(data.unwrap_or_else(|| String::from("data")));
    let (lookup, made) = dev::lookup(real, &loaded.sources, &data).map_err(|error| {
        Failure::new(format!("cannot keep made-up secrets in {}: {error}", data.display()))
    })?;
    Ok((Arc::new(lookup), made))
}

async fn serve(config: Config, args: &ServeArgs, made: &[String], lookup: &dyn Lookup) -> Outcome {
    let style = config.style;
    let runs = Arc::<AtomicBool>::default();
    guard_against_panics(Arc::clone(&runs));
    let mut server = match Server::start(config).await {
        Ok(server) => server,
        Err(StartError::Rules(sources, found)) => {
            show_refusal(&sources, found, style);
            return Err(Failure::Rules);
        }
        Err(StartError::Sources(error)) => return Err(unread(&error)),
        Err(error) => return Err(Failure::new(error.to_string())),
    };
    runs.store(true, Ordering::Relaxed);
    if !server.warnings.is_empty() {
        out::note(report::human(&server.sources, &server.warnings, style).trim_end());
    }
    // Whoever reads the greeting may send a signal right away.
    let mut signals = Signals::listen()?;
    greet(&server, args, made, lookup);
    let ended = wait(&mut server, &mut signals).await;
    // A second signal does not wait for anything.
    tokio::spawn(async move {
        signals.stop().await;
        stop_now();
    });
    server.app.journal.say(Kind::Rules, "stopping: open calls are finished, everything is kept");
    server.stop().await;
    ended.map_or(Ok(Exit::Fine), |why| Err(Failure::new(why)))
}

#[expect(clippy::exit, reason = "the person has asked twice")]
fn stop_now() {
    std::process::exit(130);
}

/// Shows why the server does not start. Settings that are missing are one list, because a
/// drawing of each would say the same thing many times.
fn show_refusal(sources: &SourceMap, found: Vec<Diagnostic>, style: Style) {
    let (missing, rest): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|found| found.code == codes::MISSING_SETTING);
    if !rest.is_empty() {
        out::note(report::human(sources, &rest, style).trim_end());
    }
    if !missing.is_empty() {
        out::note("These settings are missing:");
        let widest = missing.iter().map(|found| found.message.len()).max().unwrap_or(0);
        for found in &missing {
            let (line, _) = sources.line_column(found.span.file, found.span.start as usize);
            let path = &sources.file(found.span.file).path;
            out::note(&format!("  {:<widest$}  {path}:{line}", found.message));
        }
        out::note(
            "Set them in the environment or in .env. `rulerun secret` makes a key, and\n\
             `rulerun serve --dev` makes up what is missing.",
        );
    }
    out::note("rulerun does not start until this is mended.");
}

/// Serves until a signal asks to stop, or a part has failed; then says why.
async fn wait(server: &mut Server, signals: &mut Signals) -> Option<String> {
    loop {
        tokio::select! {
            () = stop(&mut signals.terminate, &mut signals.interrupt) => return None,
            _ = signals.hangup.recv() => server.reload(),
            why = server.failed() => return Some(why),
        }
    }
}

/// The signals that mean something, received from when this is made.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|why| Failure::new(format!("signals cannot be received: {why}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Resolves when a signal asks to stop.
    async fn stop(&mut self) {
        stop(&mut self.terminate, &mut self.interrupt).await;
    }
}

async fn stop(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// What a person sees first: where it is, what runs, and how to try it.
fn greet(server: &Server, args: &ServeArgs, made: &[String], lookup: &dyn Lookup) {
    let ink = out::Ink::for_notes();
    let live = server.app.live.load_full();
    let base = format!("http://{}", server.address);
    let mode = if args.dev { ", for development" } else { "" };
    out::note(&format!(
        "{} {} at {base}{mode}: {}",
        ink.bold("rulerun"),
        env!("CARGO_PKG_VERSION"),
        reload::counts(&live.rules)
    ));
    if args.speed > 1 {
        out::note(&format!("The waits of sequences pass {} times faster.", args.speed));
    }
    if !args.dev {
        return;
    }
    if !made.is_empty() {
        let count = made.len();
        let noun = if count == 1 { "secret was" } else { "secrets were" };
        let folder = args.data.clone().unwrap_or_else(|| live.data.clone());
        out::note(&format!("{count} missing {noun} made up and kept in {folder}/{}.", dev::FILE));
    }
    out::note("E-mails are captured; `rulerun outbox` shows them. Ready to try:\n");
    let now = server.app.now();
    for endpoint in &live.rules.endpoints {
        let about = endpoint.about.as_ref().map(|about| format!(": {about}")).unwrap_or_default();
        out::note(&ink.dim(&format!("# {}{about}", endpoint.full_name())));
        let body = curl::example(&live.rules, endpoint, now).to_string().into_bytes();
        out::note(&format!("{}\n", curl::ready(endpoint, &base, lookup, body, now).line()));
    }
    if args.listen.is_some() {
        out::note(&format!("Other commands find this server with RULERUN_URL={base}"));
    }
    out::note("What happens is shown here. Ctrl-C stops.\n");
}
