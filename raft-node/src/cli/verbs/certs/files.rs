//! Files of certificates: never overwritten unless that was asked for, keys for the owner alone.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
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

    /// Its permissions: those of the file whose place it takes, but that a key is for no others than its owner and group.
    fn mode(&self, before: Option<&Metadata>) -> u32 {
        match (before.map(|before| before.mode() & 0o777), self.secret) {
            (None, true) => 0o600,
            (None, false) => 0o644,
            (Some(mode), true) => mode & 0o770,
            (Some(mode), false) => mode,
        }
    }

    fn beside(&self) -> PathBuf {
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        beside.into()
    }
}

/// Writes all of them or says why not. Unless `renew`, one that exists is an error and nothing is written. All are ready before
/// the first takes its place: there is hardly a moment in which a certificate and its key do not belong together. A file that takes
/// the place of another belongs to whom that belonged, and can be read by who could read that.
pub(super) fn write(files: &[NewFile], renew: bool) -> Result<(), Failure> {
    if !renew && let Some(there) = files.iter().find(|file| file.path.exists()) {
        return Err(Failure::usage(format!(
            "{} exists: nothing was written; name another directory, or say --renew where there is that flag",
            there.path.display()
        )));
    }
    let (mut prepared, mut placed) = (0, 0);
    let written = put_in_place(files, &mut prepared, &mut placed);
    // Keys that nobody uses are not left lying about. But what belongs to a file that is in its place already is.
    if written.is_err() && placed == 0 {
        for file in &files[..prepared] {
            let _ = std::fs::remove_file(file.beside());
        }
    }
    written
}

fn put_in_place(files: &[NewFile], prepared: &mut usize, placed: &mut usize) -> Result<(), Failure> {
    let failed = |file: &NewFile| {
        let path = file.path.clone();
        move |error| Failure::file(&path, &error)
    };
    for file in files {
        if let Some(directory) = file.path.parent() {
            std::fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &error))?;
        }
        *prepared += 1;
        prepare(file).map_err(failed(file))?;
    }
    for file in files {
        std::fs::rename(file.beside(), &file.path).map_err(failed(file))?;
        *placed += 1;
    }
    for file in files {
        if let Some(directory) = file.path.parent() {
            let synced = File::open(directory).and_then(|directory| directory.sync_all());
            synced.map_err(|error| Failure::file(directory, &error))?;
        }
    }
    Ok(())
}

/// Writes it beside its place.
fn prepare(file: &NewFile) -> std::io::Result<()> {
    let beside = file.beside();
    let before = match std::fs::metadata(&file.path) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        before => Some(before?),
    };
    let mode = file.mode(before.as_ref());
    // What an earlier attempt has left may have other permissions.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    // For nobody else until it belongs to whom it is for.
    let mut written = options.write(true).create_new(true).mode(0o600).open(&beside)?;
    if let Some(before) = before {
        let made = written.metadata()?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            fchown(&written, Some(before.uid()), Some(before.gid()))?;
        }
    }
    written.set_permissions(Permissions::from_mode(mode))?;
    written.write_all(file.text.as_bytes())?;
    written.sync_all()
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    #[test]
    fn all_are_replaced_and_belong_to_whom_those_before_belonged() {
        let directory = tempfile::tempdir().unwrap();
        let (key, certificate) = (directory.path().join("own.key"), directory.path().join("own.crt"));
        let files = |text: &str| {
            let text = || text.to_owned();
            [
                NewFile::secret(key.clone(), text()),
                NewFile::public(certificate.clone(), text()),
            ]
        };
        write(&files("first"), false).unwrap();
        assert!(write(&files("second"), false).is_err());
        let root = std::fs::metadata(&key).unwrap().uid() == 0;
        if root {
            chown(&key, Some(65_532), Some(65_532)).unwrap();
        } else {
            eprintln!("skipped: only root can give a file to somebody else");
        }
        write(&files("third"), true).unwrap();
        for (path, mode) in [(&key, 0o600), (&certificate, 0o644)] {
            assert_eq!(std::fs::read_to_string(path).unwrap(), "third");
            assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, mode);
        }
        if root {
            assert_eq!(std::fs::metadata(&key).unwrap().uid(), 65_532);
        }
        std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
        write(&files("fourth"), true).unwrap();
        let mode = std::fs::metadata(&key).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o640, "whoever reads it by its group still can, and nobody else");
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            2,
            "nothing is left beside them"
        );
    }

    #[test]
    fn what_cannot_be_put_in_its_place_is_not_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let (key, taken) = (directory.path().join("own.key"), directory.path().join("own.crt"));
        std::fs::create_dir(&taken).unwrap();
        let files = [
            NewFile::public(taken, String::from("certificate")),
            NewFile::secret(key, String::from("key")),
        ];
        assert!(write(&files, true).is_err());
        let left = std::fs::read_dir(directory.path()).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["own.crt"]);
    }
}
