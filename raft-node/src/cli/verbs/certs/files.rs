//! Files of certificates: never overwritten unless that was asked for, keys for the owner alone.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::cli::exit::Failure;

/// A file to be written.
pub(super) struct NewFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// It holds a key.
    pub(super) secret: bool,
}

impl NewFile {
    /// Anyone may read it.
    pub(super) fn public(path: PathBuf, text: String) -> Self {
        Self {
            path,
            text,
            secret: false,
        }
    }

    /// A key.
    pub(super) fn secret(path: PathBuf, text: String) -> Self {
        Self {
            path,
            text,
            secret: true,
        }
    }
}

/// Writes all of them or says why not. Unless `renew`, one that exists is an error and nothing is written. Each file is replaced
/// whole; between a certificate and its key there is a moment, in which whoever reads them keeps the old ones.
pub(super) fn write(files: &[NewFile], renew: bool) -> Result<(), Failure> {
    if !renew && let Some(there) = files.iter().find(|file| file.path.exists()) {
        return Err(Failure::usage(format!(
            "{} exists: nothing was written; name another directory, or say --renew where there is that flag",
            there.path.display()
        )));
    }
    for file in files {
        if let Some(directory) = file.path.parent() {
            std::fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &error))?;
        }
        write_one(file).map_err(|error| Failure::file(&file.path, &error))?;
    }
    Ok(())
}

fn write_one(file: &NewFile) -> std::io::Result<()> {
    let mode = if file.secret { 0o600 } else { 0o644 };
    let beside = file.path.with_extension("new");
    // What an earlier attempt has left may have other permissions.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut written = options.write(true).create_new(true).mode(mode).open(&beside)?;
    written.set_permissions(Permissions::from_mode(mode))?;
    written.write_all(file.text.as_bytes())?;
    written.sync_all()?;
    std::fs::rename(&beside, &file.path)?;
    match file.path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::usage(format!(
            "{} does not exist: `quorate certs init` makes the authorities first",
            path.display()
        )),
        _ => Failure::file(path, &error),
    })
}
