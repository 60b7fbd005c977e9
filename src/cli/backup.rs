//! `rulerun backup`: a copy of everything in one file, from a running server or from a data
//! folder that no server uses. Only a whole backup ever gets the name that was asked for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use serde_json::json;

use super::client::{Client, Remote};
use super::outcome::{Exit, Failure, Outcome};
use super::place::{self, Place};
use super::{Format, Global, out, progress};
use crate::store::{self, Contents, Unfit};

const EXAMPLES: &str = "\
Examples:
  rulerun backup /backups/rulerun.backup            of the running server, or of the stopped one
  rulerun backup - | ssh backups.example.com 'cat > rulerun.backup'
  rulerun doctor /backups/rulerun.backup            look whether it is whole and sound";

/// What `backup` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct BackupArgs {
    /// The file, which is replaced once the new one is whole; - writes to the pipe.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    remote: Remote,
}

/// Where a backup comes from.
enum Source {
    Folder(PathBuf),
    Server(Client),
}

pub(super) fn run(global: &Global, args: &BackupArgs) -> Outcome {
    let source = source(global, args)?;
    if args.file == Path::new("-") {
        let mut pipe = io::stdout().lock();
        if pipe.is_terminal() {
            return Err(Failure::new("a backup is nothing to look at")
                .help("name a file, or let a program take it: `rulerun backup - | …`"));
        }
        let contents = draw(&source, &mut pipe)?;
        out::note(&format!("the backup holds {}", summary(&contents)));
        return Ok(Exit::Fine);
    }
    let contents = keep(&source, &args.file)?;
    let name = args.file.display();
    match args.remote.format {
        Format::Human => {
            out::data(&format!("{name} holds {}\n", summary(&contents)))?;
        }
        Format::Json => {
            let mut shape = place::shape(&contents);
            shape["file"] = json!(name.to_string());
            out::json(&shape)?;
        }
    }
    Ok(Exit::Fine)
}

fn summary(contents: &Contents) -> String {
    let (moment, size) = (place::moment(contents.taken), place::size(contents.bytes));
    format!("{} ({size}, begun {moment})", place::holds(contents))
}

/// A server that was named is asked. Otherwise the data folder on this machine is copied
/// directly, unless a server uses it or there is none: then that server is asked.
fn source(global: &Global, args: &BackupArgs) -> Result<Source, Failure> {
    if args.place.data.is_none() && args.remote.is_named()? {
        return Ok(Source::Server(Client::open(global, &args.remote)?));
    }
    let folder = args.place.store(global)?;
    if store::is_store(&folder) && !store::is_used(&folder).map_err(|why| place::failure(&why))? {
        return Ok(Source::Folder(folder));
    }
    if args.place.data.is_some() && !store::is_store(&folder) {
        return Err(place::failure(&store::CareError::Missing(folder)));
    }
    Ok(Source::Server(Client::open(global, &args.remote)?))
}

/// Writes the backup beside its name and gives it the name when it is whole and on disk.
fn keep(source: &Source, path: &Path) -> Result<Contents, Failure> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let fault = |error: io::Error| Failure::io(format!("cannot write {}", path.display()), &error);
    // An earlier try may have left it, with who knows what permissions.
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
        _ => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).map_err(fault)?;
    let drawn = draw(source, &mut file).and_then(|contents| {
        file.sync_all().map_err(fault)?;
        fs::rename(&part, path).map_err(fault)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(fault)?;
        folder.sync_all().map_err(fault)?;
        Ok(contents)
    });
    if drawn.is_err() {
        // What is half written helps nobody; if it cannot be removed, the next try does it.
        let _ = fs::remove_file(&part);
    }
    drawn
}

fn draw(source: &Source, to: &mut dyn Write) -> Result<Contents, Failure> {
    progress::during("copying", |bytes| draw_to(source, &mut Counted { to, bytes }))
}

fn draw_to(source: &Source, to: &mut dyn Write) -> Result<Contents, Failure> {
    match source {
        Source::Folder(folder) => {
            store::back_up_folder(folder, place::now(), to).map_err(|error| place::failure(&error))
        }
        Source::Server(client) => {
            let mut from = client.download("/backup")?;
            let mut tee = Tee { from: &mut from, to, failed: None };
            let checked = store::check_backup(&mut tee);
            match (checked, tee.failed) {
                (_, Some(error)) => Err(Failure::new(format!("cannot write the backup: {error}"))),
                (Ok(contents), None) => Ok(contents),
                (Err(Unfit::Io(error)), None) => {
                    Err(Failure::new(format!("the server did not finish the backup: {error}"))
                        .help("its own messages say why; nothing was kept"))
                }
                (Err(unfit), None) => {
                    Err(Failure::new(format!("what the server sent is no whole backup: {unfit}"))
                        .help("nothing was kept"))
                }
            }
        }
    }
}

/// Counts what is written.
struct Counted<'t> {
    to: &'t mut dyn Write,
    bytes: &'t AtomicU64,
}

impl Write for Counted<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = self.to.write(buffer)?;
        self.bytes.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Writes away what is read, so that a backup is checked while it arrives.
struct Tee<'t> {
    from: &'t mut dyn Read,
    to: &'t mut dyn Write,
    failed: Option<io::Error>,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        if let Err(error) = self.to.write_all(&buffer[..length]) {
            self.failed = Some(error);
            return Err(io::Error::other("it cannot be written"));
        }
        Ok(length)
    }
}
