//! Which files a member has, by what they are for.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::HarnessError;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A segment of the log: entries and votes.
    Log,
    /// Rows of the state.
    Table,
    /// Which tables the state consists of.
    Manifest,
    /// Which directory, or which manifest, is the live one.
    Pointer,
    /// A file of a snapshot, its manifest too.
    Snapshot,
    /// Any file of the eventual tier.
    Eventual,
    /// Whose directory it is.
    Identity,
}

impl Place {
    /// What there is most of, and matters most, more than once: a deck.
    pub(super) const ALL: [Place; 12] = [
        Place::Log,
        Place::Log,
        Place::Log,
        Place::Table,
        Place::Table,
        Place::Table,
        Place::Manifest,
        Place::Manifest,
        Place::Pointer,
        Place::Snapshot,
        Place::Eventual,
        Place::Identity,
    ];
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Log => "log",
            Place::Table => "table",
            Place::Manifest => "manifest",
            Place::Pointer => "pointer",
            Place::Snapshot => "snapshot",
            Place::Eventual => "eventual tier",
            Place::Identity => "identity",
        })
    }
}

/// The files of a member that are for this, in a fixed order; empty ones are left out.
pub(super) fn candidates(data: &Path, place: Place) -> Result<Vec<PathBuf>, HarnessError> {
    let mut files = Vec::new();
    walk(data, &mut files).map_err(HarnessError::io(format!("list {}", data.display())))?;
    files.retain(|file| {
        file.strip_prefix(data)
            .is_ok_and(|inside| place_of(inside) == Some(place))
    });
    files.sort();
    Ok(files)
}

/// A member that runs makes and deletes files meanwhile.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => walk(&path, files)?,
            Ok(metadata) if metadata.len() > 0 => files.push(path),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What RocksDB writes for people to read is for nothing, and neither are locks.
fn place_of(inside: &Path) -> Option<Place> {
    let name = inside.file_name()?.to_str()?;
    if name == "LOCK" || name.starts_with("LOG") || name.starts_with("OPTIONS-") {
        return None;
    }
    let first = inside.components().next()?.as_os_str().to_str()?;
    match (first, inside.components().count()) {
        ("IDENTITY", 1) => Some(Place::Identity),
        ("log", _) => Some(Place::Log),
        ("snapshots", _) => Some(Place::Snapshot),
        ("eventual", _) => Some(Place::Eventual),
        ("state", 2) => Some(Place::Pointer),
        ("state", _) if name.ends_with(".sst") => Some(Place::Table),
        ("state", _) if name.starts_with("MANIFEST-") => Some(Place::Manifest),
        ("state", _) if name == "CURRENT" => Some(Place::Pointer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_a_member_has_its_place() {
        let cases = [
            ("log/00000001.log", Some(Place::Log)),
            ("state/CURRENT", Some(Place::Pointer)),
            ("state/3/CURRENT", Some(Place::Pointer)),
            ("state/3/MANIFEST-000005", Some(Place::Manifest)),
            ("state/3/000012.sst", Some(Place::Table)),
            ("state/3/LOG", None),
            ("state/3/OPTIONS-000007", None),
            ("snapshots/00001-00002/MANIFEST.quorate", Some(Place::Snapshot)),
            ("snapshots/00001-00002/000012.sst", Some(Place::Snapshot)),
            ("eventual/000004.log", Some(Place::Eventual)),
            ("IDENTITY", Some(Place::Identity)),
            ("LOCK", None),
        ];
        for (path, place) in cases {
            assert_eq!(place_of(Path::new(path)), place, "{path}");
        }
    }
}
