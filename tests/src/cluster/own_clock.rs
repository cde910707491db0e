//! A wall clock of a member's own, which can be set while it runs.
//!
//! A library that is loaded before all others (`libfaketime`) adds to the time of day what a file says. The monotonic clock
//! stays as it is: no clock of a machine that is set moves that one.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::HarnessError;

/// Where distributions put it.
const LIBRARIES: [&str; 7] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib64/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib/libfaketimeMT.so.1",
];

/// What makes it possible to set a member's clock.
#[derive(Clone, Debug)]
pub(super) struct OwnClocks {
    library: PathBuf,
}

impl OwnClocks {
    /// The error says what is missing.
    pub(super) fn new() -> Result<OwnClocks, HarnessError> {
        let library = LIBRARIES.iter().map(PathBuf::from).find(|path| path.is_file());
        let missing = || HarnessError::Broken("libfaketimeMT.so.1 (faketime) is not installed".to_owned());
        Ok(OwnClocks {
            library: library.ok_or_else(missing)?,
        })
    }

    /// A program that is started with this takes its time of day from the file.
    pub(super) fn apply(&self, command: &mut Command, file: &Path) -> Result<(), HarnessError> {
        if !file.exists() {
            set(file, 0)?;
        }
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Ok(())
    }
}

/// From now on the clock that this file belongs to is ahead by so much, or behind.
pub(super) fn set(file: &Path, ahead_ms: i64) -> Result<(), HarnessError> {
    // Put in place whole: it is read at any moment.
    let new = file.with_extension("new");
    let ahead_seconds = ahead_ms as f64 / 1000.0;
    std::fs::write(&new, format!("{ahead_seconds:+.3}\n")).map_err(HarnessError::io("write the offset of a clock"))?;
    std::fs::rename(&new, file).map_err(HarnessError::io("set a clock"))
}
