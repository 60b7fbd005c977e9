//! A small object that is loaded before the C object and makes its calls fail or its clock
//! lie. It is compiled here; without a C compiler the caller is told so.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::volume::run;

/// The object and the two files that steer it.
pub(crate) struct Shim {
    object: PathBuf,
    plan: PathBuf,
    clock: PathBuf,
}

/// The error of a failing disk, of a full one, and of none: half is written.
pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;
pub(crate) const HALF: i32 = 0;

impl Shim {
    /// Compiles it into a folder.
    ///
    /// # Errors
    /// Why it cannot be used here.
    pub(crate) fn build(folder: &Path) -> Result<Self, String> {
        let object = folder.join("shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture/shim.c");
        let (into, from) = (object.to_str().unwrap(), source.to_str().unwrap());
        run("cc", &["-shared", "-fPIC", "-O2", "-Wall", "-o", into, from, "-ldl", "-lpthread"])
            .map_err(|why| format!("no C compiler: {why}"))?;
        let shim = Self { object, plan: folder.join("plan"), clock: folder.join("clock") };
        shim.turn_clock(0);
        Ok(shim)
    }

    /// Loads it into a program.
    pub(crate) fn load(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.object);
        command.env("TORTURE_PLAN", &self.plan).env("TORTURE_CLOCK", &self.clock);
    }

    /// From now on the `number`th call of this kind fails.
    pub(crate) fn fail(&self, call: &str, number: usize, error: i32) {
        let draft = self.plan.with_extension("draft");
        std::fs::write(&draft, format!("{call} {number} {error}\n")).unwrap();
        std::fs::rename(draft, &self.plan).unwrap();
    }

    /// Whether the plan has struck.
    pub(crate) fn has_struck(&self) -> bool {
        self.plan.with_extension("hit").exists()
    }

    /// Takes the plan away; whether it has struck, and how many syncs came after that.
    pub(crate) fn struck(&self) -> Option<usize> {
        let _ = std::fs::remove_file(&self.plan);
        let hit = self.plan.with_extension("hit");
        let noted = std::fs::read(&hit).ok()?;
        std::fs::remove_file(hit).unwrap();
        Some(noted.len() - 1)
    }

    /// The wall clock is this many milliseconds ahead of the real one.
    pub(crate) fn turn_clock(&self, millis: i64) {
        let mut open = std::fs::OpenOptions::new();
        let file = open.write(true).create(true).truncate(false).open(&self.clock).unwrap();
        file.write_all_at(&millis.to_ne_bytes(), 0).unwrap();
    }
}
