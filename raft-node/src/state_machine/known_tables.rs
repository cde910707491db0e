//! Notices tables that have changed on disk since an earlier snapshot.
//!
//! A table of the engine never changes once it is written, and a snapshot takes the checksum of each of its files anyway. So
//! one that has another checksum than in the snapshot before is damaged: a new snapshot would hand the damage on under a
//! checksum that is right.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use parking_lot::Mutex;

use super::snapshot::{Manifest, ManifestFile};

const TABLE: &str = ".sst";

/// Size and checksum of the tables of one engine, as they were in its last snapshot. Empty after a start.
#[derive(Debug, Default)]
pub(super) struct KnownTables(Mutex<BTreeMap<String, (u64, u32)>>);

impl KnownTables {
    /// Those of a snapshot from which the engine was made.
    pub(super) fn of(manifest: &Manifest) -> Self {
        Self(Mutex::new(tables(manifest).collect()))
    }

    /// Takes note of a new snapshot, whose files are in `copy`. Fails if a table of the engine, whose files are in `live`, is
    /// not what it was.
    pub(super) fn compare(&self, live: &Path, copy: &Path, manifest: &Manifest) -> io::Result<()> {
        let mut now = BTreeMap::new();
        for (name, measured) in tables(manifest) {
            // Whoever looked into the copy may have made tables there, under names that the engine uses for others.
            if are_the_same(&live.join(&name), &copy.join(&name))? {
                now.insert(name, measured);
            }
        }
        let mut known = self.0.lock();
        for (name, measured) in &now {
            if known.get(name).is_some_and(|before| before != measured) {
                return Err(io::Error::other(format!(
                    "{}: damaged: it has changed since the snapshot before, and tables never do",
                    live.join(name).display()
                )));
            }
        }
        // Tables that are gone are forgotten.
        *known = now;
        Ok(())
    }
}

fn tables(manifest: &Manifest) -> impl Iterator<Item = (String, (u64, u32))> + '_ {
    let is_table = |file: &&ManifestFile| file.name.ends_with(TABLE);
    let files = manifest.files.iter().filter(is_table);
    files.map(|file| (file.name.clone(), (file.bytes, file.crc32c)))
}

/// Whether both are names of one file; no if one of them is gone.
fn are_the_same(one: &Path, other: &Path) -> io::Result<bool> {
    let identity = |path: &Path| match fs::metadata(path) {
        Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let one = identity(one)?;
    Ok(one.is_some() && one == identity(other)?)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// An engine with these tables, of which a snapshot has every one but `others`, which it has made itself.
    fn engine(tables: &[&str], others: &[&str]) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let (live, copy) = (root.path().join("live"), root.path().join("copy"));
        for directory in [&live, &copy] {
            fs::create_dir(directory).unwrap();
        }
        for name in tables {
            fs::write(live.join(name), name).unwrap();
            match others.contains(name) {
                true => fs::write(copy.join(name), name).unwrap(),
                false => fs::hard_link(live.join(name), copy.join(name)).unwrap(),
            }
        }
        (root, live, copy)
    }

    fn manifest(files: &[(&str, u32)]) -> Manifest {
        let file = |(name, crc32c): &(&str, u32)| ManifestFile {
            name: (*name).to_owned(),
            bytes: 10,
            crc32c: *crc32c,
        };
        Manifest {
            last_log_id: None,
            membership: None,
            files: files.iter().map(file).collect(),
        }
    }

    #[test]
    fn a_table_that_has_changed_is_named_and_other_files_may_change() {
        let known = KnownTables::of(&manifest(&[("1.sst", 7), ("CURRENT", 1)]));
        let (_root, live, copy) = engine(&["1.sst", "2.sst", "CURRENT"], &[]);
        let compare = |files: &[(&str, u32)]| known.compare(&live, &copy, &manifest(files));
        compare(&[("1.sst", 7), ("2.sst", 8), ("CURRENT", 2)]).unwrap();
        let error = compare(&[("1.sst", 7), ("2.sst", 9)]).unwrap_err();
        assert!(error.to_string().contains("live/2.sst: damaged"), "{error}");
        compare(&[("1.sst", 7)]).unwrap();
        compare(&[("2.sst", 9)]).unwrap();
    }

    #[test]
    fn a_table_of_the_snapshot_alone_is_no_table_of_the_engine() {
        let known = KnownTables::default();
        let (_root, live, copy) = engine(&["1.sst"], &["1.sst"]);
        known.compare(&live, &copy, &manifest(&[("1.sst", 7)])).unwrap();
        known.compare(&live, &copy, &manifest(&[("1.sst", 8)])).unwrap();
    }
}
