//! The life of a server: start, serve, drain, stop. Everything that may refuse a start is
//! looked at before the first socket is opened.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::app::{App, Options};
use super::apply;
use super::checks;
use super::clean_up;
use super::clock::SystemClock;
use super::deliver::{Deliver, FinalDots, Network};
use super::ingress::Ingress;
use super::journal::{Kind, Voice};
use super::people;
use super::reload::{self, Check, Reloader, SharedLookup};
use super::secrets;
use super::settings::Live;
use super::sources::SourceError;
use crate::base::report::Style;
use crate::base::{Clock, Diagnostic, SourceMap};
use crate::store::{MemoryStore, OpenError, SledStore, Store, StoreError};

/// Exit code after the disk failed (`EX_IOERR` of sysexits.h).
pub const EXIT_IO: i32 = 74;
/// How long open calls may take when the server stops. Of its ten seconds two are left for
/// closing the store: the log of a large one takes a while to add up.
const DRAIN: Duration = Duration::from_secs(8);

/// How to start.
#[derive(Clone)]
pub struct Config {
    /// Rule paths; empty means the default folders.
    pub paths: Vec<PathBuf>,
    /// Overrides `listen`.
    pub listen: Option<String>,
    /// Overrides the data folder.
    pub data: Option<PathBuf>,
    /// Keep state in memory alone (tests, `--data :memory:`).
    pub memory: bool,
    /// More certificate authorities to trust (a PEM file).
    pub roots: Option<PathBuf>,
    /// Speed, development, jitter.
    pub options: Options,
    /// How much to say.
    pub voice: Voice,
    /// How diagnostics are drawn.
    pub style: Style,
    /// Looks variables up.
    pub lookup: SharedLookup,
    /// Send to the outside even with `--speed`.
    pub really_send: bool,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Called when the disk has failed and nothing can be trusted any more.
    pub on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl Config {
    /// A silent server with this lookup, on the system clock.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>, lookup: SharedLookup) -> Self {
        Self {
            paths,
            listen: None,
            data: None,
            memory: false,
            roots: None,
            options: Options::default(),
            voice: Voice::silent(),
            style: Style { colour: false, width: 100 },
            lookup,
            really_send: false,
            clock: Arc::new(SystemClock),
            on_fatal: Arc::new(|_| {}),
        }
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Files that cannot be read.
    #[error(transparent)]
    Sources(#[from] SourceError),
    /// Rules or settings that are refused.
    #[error("the rules have problems")]
    Rules(Box<SourceMap>, Vec<Diagnostic>),
    /// A start that would be unsafe.
    #[error("{0}")]
    Unsafe(String),
    /// An address that cannot be listened on.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// The address.
        address: String,
        /// The system's words.
        why: String,
    },
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A part of the server could not be set up, such as TLS.
    #[error("{0}")]
    Setup(String),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What its parts share.
    pub app: Arc<App>,
    /// Warnings of the rules that started.
    pub warnings: Vec<Diagnostic>,
    /// The rule files, for showing them.
    pub sources: SourceMap,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    reload: Arc<Notify>,
}

impl Server {
    /// Starts a server.
    ///
    /// # Errors
    /// Everything that must not be served: rules with problems, missing secrets, an open
    /// address without credentials, a store that does not open.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let check = checker(&config);
        let loaded = reload::load(&config.paths, &*config.lookup, 1, &*check)?;
        let Some(mut live) = loaded.live else {
            return Err(StartError::Rules(Box::new(loaded.sources), loaded.found));
        };
        if let Some(listen) = &config.listen {
            live.listen.clone_from(listen);
        }
        let refuse = refuser(&config);
        if let Some(why) = refuse(&live) {
            return Err(StartError::Unsafe(why));
        }
        let listener = bind(&live.listen).await?;
        let address = listener.local_addr().map_err(|why| cannot_listen(&live.listen, &why))?;
        let folder = data_folder(&config, &live);
        let store = open_store(&config, folder.as_deref()).await?;
        let dots = final_dots(folder.as_deref())?;
        let app =
            Arc::new(App::new(store, Arc::new(live), config.clock, config.voice, config.options));
        let (stop, stopped) = watch::channel(false);
        let (reload, swapped) = (Arc::new(Notify::new()), Arc::<Notify>::default());
        let mut tasks = JoinSet::new();
        let deliver = Deliver::noting(Network::Sockets, Arc::clone(&app), config.roots, dots);
        let deliver = deliver.map_err(StartError::Setup)?;
        // Before anybody can call it off.
        deliver.make_up().await.map_err(|error| cannot_go_on(folder.as_deref(), error))?;
        tasks.spawn(Ingress::new(Arc::clone(&app)).run(listener, stopped.clone()));
        tasks.spawn(deliver.run(stopped.clone()));
        let reloader = Reloader {
            app: Arc::clone(&app),
            paths: config.paths,
            seen: loaded.seen,
            lookup: config.lookup,
            check,
            refuse,
            style: config.style,
            swapped: Arc::clone(&swapped),
        };
        tasks.spawn(reloader.run(stopped.clone(), Arc::clone(&reload)));
        after_pauses(&app).await;
        tasks.spawn(apply::run(Arc::clone(&app), swapped, stopped.clone()));
        tasks.spawn(clean_up::run(Arc::clone(&app), stopped));
        Ok(Self {
            address,
            app,
            warnings: loaded.found,
            sources: loaded.sources,
            stop,
            tasks,
            reload,
        })
    }

    /// Reads the rule files again now.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Stops: no new calls, open ones are finished, leases handed back, everything written
    /// out. Takes at most ten seconds.
    pub async fn stop(mut self) {
        self.app.draining.store(true, Ordering::Relaxed);
        self.app.journal.end();
        // Nobody listens any more only if every task has ended by itself.
        let _ = self.stop.send(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(DRAIN, ended).await;
        self.tasks.abort_all();
        if let Err(error) = self.app.store.close().await {
            self.app
                .journal
                .say(Kind::Warning, &format!("the store did not close cleanly: {error}"));
        }
    }

    /// Resolves when a part of the server has ended that never should.
    pub async fn failed(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Err(error)) => format!("a part of the server failed: {error}"),
            _ => String::from("a part of the server ended"),
        }
    }
}

/// Checks that need resolved settings, for the start and for every reload.
fn checker(config: &Config) -> Check {
    let (dev, lookup) = (config.options.dev, Arc::clone(&config.lookup));
    Arc::new(move |live| {
        if dev {
            return Vec::new();
        }
        let mut found = secrets::weak(&live.rules, &*lookup);
        found.extend(checks::real_mail(live));
        found
    })
}

/// Says why rules would be unsafe to serve, for the start and for every reload.
fn refuser(config: &Config) -> reload::Refuse {
    let fast = config.options.speed > 1 && !config.really_send && !config.options.dev;
    Arc::new(move |live| checks::unsafe_to_serve(live, fast))
}

async fn bind(address: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|why| cannot_listen(address, &why))
}

fn cannot_listen(address: &str, why: &std::io::Error) -> StartError {
    let why = if why.kind() == std::io::ErrorKind::AddrInUse {
        String::from(
            "another program uses this port; stop it, or choose one with --listen 127.0.0.1:8090",
        )
    } else {
        why.to_string()
    };
    StartError::Listen { address: address.to_owned(), why }
}

/// Where state lies; none when it is kept in memory.
fn data_folder(config: &Config, live: &Live) -> Option<PathBuf> {
    let said = || config.data.clone().unwrap_or_else(|| PathBuf::from(&live.data));
    (!config.memory).then(said)
}

async fn open_store(config: &Config, folder: Option<&Path>) -> Result<Arc<dyn Store>, StartError> {
    let now = crate::base::time::millis(config.clock.now());
    let Some(folder) = folder.map(|folder| folder.join("store")) else {
        return Ok(Arc::new(MemoryStore::new(now)));
    };
    let on_fatal = Arc::clone(&config.on_fatal);
    // Opening reads files and may wait for a dying process.
    let opened = tokio::task::spawn_blocking(move || {
        SledStore::open(&folder, now, Box::new(move |why| on_fatal(why)))
    });
    match opened.await {
        Ok(opened) => Ok(Arc::new(opened?)),
        Err(error) => Err(StartError::Setup(format!("the store could not be opened: {error}"))),
    }
}

/// What the last process left about e-mails that were at their final dot.
fn final_dots(folder: Option<&Path>) -> Result<FinalDots, StartError> {
    let Some(folder) = folder else { return Ok(FinalDots::default()) };
    FinalDots::open(folder).map_err(|error| {
        let file = format!("the file final-dots in {}", folder.display());
        StartError::Setup(format!("cannot use {file}: {error}"))
    })
}

/// A store that has opened and cannot be used, in the words of one that does not open.
fn cannot_go_on(folder: Option<&Path>, error: StoreError) -> StartError {
    let folder = folder.map(|folder| folder.join("store")).unwrap_or_default();
    StartError::Store(match error {
        StoreError::Damaged(why) => OpenError::Damaged(folder, why),
        error => OpenError::Io(folder, error.to_string()),
    })
}

/// Lets go what a pause held that was ended right before the last process died.
async fn after_pauses(app: &App) {
    if let Err(error) = people::pauses::let_go(&*app.store).await {
        let text = format!("what was held by ended pauses waits for another start: {error}");
        app.journal.say(Kind::Warning, &text);
    }
}
