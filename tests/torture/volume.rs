//! Volumes of a test's own: an ext4 image behind a loop device, and a small tmpfs. Both need
//! root; where they cannot be mounted the caller is told why.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Runs a program; its words when it fails.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}: {}", arguments.join(" "), said.trim().replace('\n', "; ")))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A mounted volume; dropped, it is unmounted.
pub(crate) struct Volume {
    /// Where it is mounted.
    pub(crate) at: PathBuf,
}

impl Volume {
    /// A tmpfs of so many MiB.
    pub(crate) fn memory(at: PathBuf, mib: u32) -> Result<Self, String> {
        std::fs::create_dir_all(&at).unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs", text(&at)])?;
        Ok(Self { at })
    }

    /// Mounts an image.
    pub(crate) fn image(image: &Path, at: PathBuf) -> Result<Self, String> {
        std::fs::create_dir_all(&at).unwrap();
        run("mount", &["-o", "loop", text(image), text(&at)])?;
        Ok(Self { at })
    }

    /// Makes a tmpfs larger.
    pub(crate) fn enlarge(&self, mib: u32) {
        run("mount", &["-o", &format!("remount,size={mib}m"), text(&self.at)]).unwrap();
    }

    /// Free and whole size in bytes.
    pub(crate) fn space(&self) -> (u64, u64) {
        let said = run("stat", &["-f", "-c", "%a %b %S", text(&self.at)]).unwrap();
        let numbers: Vec<u64> = said.split_whitespace().map(|word| word.parse().unwrap()).collect();
        (numbers[0] * numbers[2], numbers[1] * numbers[2])
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // A process that was just killed may hold it a moment longer.
        for _ in 0..40 {
            if run("umount", &[text(&self.at)]).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        let _ = run("umount", &["-l", text(&self.at)]);
    }
}

/// Makes an empty ext4 file system in a file.
pub(crate) fn new_image(file: &Path, mib: u64) -> Result<(), String> {
    std::fs::File::create(file).and_then(|file| file.set_len(mib << 20)).unwrap();
    run("mkfs.ext4", &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", text(file)])
        .map(drop)
}

/// Copies an image as it is on its disk, without the holes.
pub(crate) fn copy_image(from: &Path, to: &Path) {
    run("cp", &["--sparse=always", text(from), text(to)]).unwrap();
}

/// Unmounts everything below a folder.
pub(crate) fn unmount_all(below: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for line in mounts.lines().rev() {
        let at = line.split(' ').nth(1).unwrap_or_default();
        if Path::new(at).starts_with(below) {
            let _ = run("umount", &["-l", at]);
        }
    }
}
