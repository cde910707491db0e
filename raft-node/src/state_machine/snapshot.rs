//! Snapshots: checkpoints of the store with a manifest, one directory each.
//!
//! ```text
//! <data>/snapshots/<term>-<index>/MANIFEST.quorate      written last, so a directory without one is waste
//! <data>/snapshots/<term>-<index>/<files of the engine>
//! <data>/snapshots/incoming/<term>-<index>/...          being received; resumed, also after a restart
//! <data>/snapshots/installing-<n>/...                   received whole, being installed
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bincode::{Decode, Encode};
use parking_lot::Mutex;

use crate::codec::{self, Record};
use crate::consensus::{StoredMembership, decode_membership};

/// Name of the manifest's file.
pub const MANIFEST_FILE: &str = "MANIFEST.quorate";
const INCOMING: &str = "incoming";
const READ_BYTES: usize = 1 << 20;
/// The newest, and the one before it in case the newest proves broken.
const SNAPSHOTS_KEPT: usize = 2;

/// openraft's snapshot, with our files.
pub type RaftSnapshot = openraft::alias::SnapshotOf<crate::consensus::TypeConfig, SnapshotFiles>;
/// What openraft knows of a snapshot.
pub type RaftSnapshotMeta = openraft::alias::SnapshotMetaOf<crate::consensus::TypeConfig>;

/// What a snapshot holds. Stored and sent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Manifest {
    /// Term and index of the last applied entry; absent for an empty store.
    pub last_log_id: Option<(u64, u64)>,
    /// The membership at that entry, encoded; absent before the first.
    pub membership: Option<Vec<u8>>,
    /// Every file but the manifest, sorted by name.
    pub files: Vec<ManifestFile>,
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ManifestFile {
    /// Plain name, no directory.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// CRC-32C of the whole file.
    pub crc32c: u32,
}

impl Record for Manifest {
    const ID: u16 = 0x0401;
    const VERSION: u8 = 1;
}

impl Manifest {
    /// Describes the files in `directory`.
    pub fn of(directory: &Path, last_log_id: Option<(u64, u64)>, membership: Option<Vec<u8>>) -> io::Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == MANIFEST_FILE || !entry.file_type()?.is_file() {
                continue;
            }
            let (bytes, crc32c) = measure(&entry.path())?;
            files.push(ManifestFile { name, bytes, crc32c });
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            last_log_id,
            membership,
            files,
        })
    }

    /// Refuses names that would leave the snapshot's directory.
    pub fn check(&self) -> io::Result<()> {
        for file in &self.files {
            let plain = Path::new(&file.name)
                .file_name()
                .is_some_and(|name| name == file.name.as_str());
            if !plain || file.name == MANIFEST_FILE {
                return Err(io::Error::other(format!(
                    "a snapshot cannot hold a file named {:?}",
                    file.name
                )));
            }
        }
        Ok(())
    }

    /// What openraft wants to know.
    pub fn meta(&self) -> io::Result<RaftSnapshotMeta> {
        Ok(RaftSnapshotMeta {
            last_log_id: self.last_log_id.map(crate::consensus::log_id_of),
            last_membership: match &self.membership {
                Some(bytes) => decode_membership(bytes).map_err(io::Error::other)?,
                None => StoredMembership::default(),
            },
        })
    }

    fn directory_name(&self) -> String {
        let (term, index) = self.last_log_id.unwrap_or((0, 0));
        format!("{term:020}-{index:020}")
    }
}

/// Size and checksum of a file.
pub fn measure(path: &Path) -> io::Result<(u64, u32)> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; READ_BYTES];
    let (mut bytes, mut crc) = (0, 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, crc));
        }
        bytes += read as u64;
        crc = crc32c::crc32c_append(crc, &buffer[..read]);
    }
}

/// A snapshot on disk. While it exists, or a copy of it, its files are not pruned.
#[derive(Clone, Debug)]
pub struct SnapshotFiles {
    /// Where its files are.
    pub directory: PathBuf,
    /// What they should be.
    pub manifest: Manifest,
    /// Held, not looked at.
    _pin: Arc<()>,
}

impl SnapshotFiles {
    /// Files that no store looks after, such as those that were just received.
    pub fn unpinned(directory: PathBuf, manifest: Manifest) -> Self {
        Self {
            directory,
            manifest,
            _pin: Arc::default(),
        }
    }

    /// The snapshot for openraft.
    pub fn into_raft(self) -> io::Result<RaftSnapshot> {
        Ok(RaftSnapshot {
            meta: self.manifest.meta()?,
            snapshot: self,
        })
    }
}

/// The directory that holds a member's snapshots.
#[derive(Debug)]
pub struct SnapshotStore {
    root: PathBuf,
    /// Snapshots that somebody reads, by name. Taken whenever the set of snapshots changes or is looked at.
    pins: Mutex<BTreeMap<String, Weak<()>>>,
    /// Makes the names of snapshots that are being installed unique.
    accepted: AtomicU64,
    /// One snapshot is received at a time.
    receiving: tokio::sync::Mutex<()>,
}

impl SnapshotStore {
    /// Makes the directory and deletes what a crash left unfinished. What was received in part stays, to be resumed.
    pub fn open(root: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(root.join(INCOMING))?;
        for entry in fs::read_dir(&root)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let whole = is_snapshot_name(&name) && entry.path().join(MANIFEST_FILE).exists();
            if name != INCOMING && !whole {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Self {
            root,
            pins: Mutex::default(),
            accepted: AtomicU64::default(),
            receiving: tokio::sync::Mutex::default(),
        })
    }

    /// A fresh path to make a checkpoint in. One at a time: the caller sees to it.
    pub fn building(&self) -> io::Result<PathBuf> {
        let path = self.root.join("building");
        remove_if_there(&path)?;
        Ok(path)
    }

    /// Puts a finished checkpoint under its name, durably, and deletes old snapshots that nobody reads. If there is one
    /// of the same log id already, that one stays: somebody may be sending it.
    pub fn publish(&self, built: &Path, manifest: Manifest) -> io::Result<SnapshotFiles> {
        write_manifest(built, &manifest)?;
        let mut pins = self.pins.lock();
        let name = manifest.directory_name();
        let directory = self.root.join(&name);
        if let Ok(manifest) = read_manifest(&directory) {
            remove_if_there(built)?;
            return Ok(SnapshotFiles {
                directory,
                manifest,
                _pin: pin(&mut pins, &name),
            });
        }
        remove_if_there(&directory)?;
        fs::rename(built, &directory)?;
        sync_directory(&self.root)?;
        let files = SnapshotFiles {
            directory,
            manifest,
            _pin: pin(&mut pins, &name),
        };
        self.prune(&mut pins)?;
        Ok(files)
    }

    /// Keeps a snapshot that was installed: a received one is moved to its place, another one is copied.
    pub fn keep(&self, snapshot: &SnapshotFiles) -> io::Result<SnapshotFiles> {
        if snapshot.directory == self.root.join(snapshot.manifest.directory_name()) {
            return Ok(snapshot.clone());
        }
        if snapshot.directory.starts_with(&self.root) {
            return self.publish(&snapshot.directory, snapshot.manifest.clone());
        }
        let copy = self.installing();
        fs::create_dir_all(&copy)?;
        for file in &snapshot.manifest.files {
            fs::copy(snapshot.directory.join(&file.name), copy.join(&file.name))?;
        }
        self.publish(&copy, snapshot.manifest.clone())
    }

    /// The newest snapshot whose manifest is whole.
    pub fn newest(&self) -> io::Result<Option<SnapshotFiles>> {
        let mut pins = self.pins.lock();
        for name in self.names()?.into_iter().rev() {
            let directory = self.root.join(&name);
            match read_manifest(&directory) {
                Ok(manifest) => {
                    return Ok(Some(SnapshotFiles {
                        directory,
                        manifest,
                        _pin: pin(&mut pins, &name),
                    }));
                }
                Err(error) => tracing::warn!(directory = %directory.display(), %error, "skipping a broken snapshot"),
            }
        }
        Ok(None)
    }

    /// Held while a snapshot is received; none if another one is being received.
    pub fn begin_receiving(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        self.receiving.try_lock().ok()
    }

    /// Where the files of a snapshot being received go. Kept between attempts, so that a broken transfer resumes.
    pub fn incoming(&self, manifest: &Manifest) -> io::Result<PathBuf> {
        let mine = manifest.directory_name();
        let root = self.root.join(INCOMING);
        for entry in fs::read_dir(&root)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy() != mine {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let path = root.join(mine);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Takes a snapshot that was received whole out of reach of the next transfer.
    pub fn accept(&self, received: &Path) -> io::Result<PathBuf> {
        let path = self.installing();
        fs::rename(received, &path)?;
        Ok(path)
    }

    /// Deletes a received snapshot that was not installed.
    pub fn discard(&self, accepted: &Path) -> io::Result<()> {
        remove_if_there(accepted)
    }

    fn installing(&self) -> PathBuf {
        let number = self.accepted.fetch_add(1, Ordering::Relaxed);
        self.root.join(format!("installing-{number}"))
    }

    /// Names of the snapshots, oldest first.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if is_snapshot_name(&name) {
                found.push(name);
            }
        }
        found.sort();
        Ok(found)
    }

    fn prune(&self, pins: &mut BTreeMap<String, Weak<()>>) -> io::Result<()> {
        pins.retain(|_, pin| pin.strong_count() > 0);
        let names = self.names()?;
        let surplus = names.len().saturating_sub(SNAPSHOTS_KEPT);
        for name in names[..surplus].iter().filter(|name| !pins.contains_key(*name)) {
            remove_if_there(&self.root.join(name))?;
        }
        Ok(())
    }
}

/// The pin of a snapshot, shared by all who read it.
fn pin(pins: &mut BTreeMap<String, Weak<()>>, name: &str) -> Arc<()> {
    if let Some(pin) = pins.get(name).and_then(Weak::upgrade) {
        return pin;
    }
    let pin = Arc::default();
    pins.insert(name.to_owned(), Arc::downgrade(&pin));
    pin
}

/// Term and index in twenty digits each, as [`Manifest::directory_name`] writes them.
fn is_snapshot_name(name: &str) -> bool {
    let digits = |part: &str| part.len() == 20 && part.bytes().all(|byte| byte.is_ascii_digit());
    name.split_once('-')
        .is_some_and(|(term, index)| digits(term) && digits(index))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write_manifest(directory: &Path, manifest: &Manifest) -> io::Result<()> {
    for file in &manifest.files {
        File::open(directory.join(&file.name))?.sync_all()?;
    }
    let bytes = codec::encode(manifest).map_err(io::Error::other)?;
    fs::write(directory.join(MANIFEST_FILE), bytes)?;
    File::open(directory.join(MANIFEST_FILE))?.sync_all()?;
    sync_directory(directory)
}

fn read_manifest(directory: &Path) -> io::Result<Manifest> {
    codec::decode(&fs::read(directory.join(MANIFEST_FILE))?).map_err(io::Error::other)
}

/// Makes the names in a directory durable.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(root: &Path, index: u64, content: &str) -> (PathBuf, Manifest) {
        let directory = root.join(format!("built-{index}-{content}"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("data"), content).unwrap();
        let manifest = Manifest::of(&directory, Some((1, index)), None).unwrap();
        (directory, manifest)
    }

    fn store() -> (tempfile::TempDir, SnapshotStore) {
        let root = tempfile::tempdir().unwrap();
        let store = SnapshotStore::open(root.path().join("snapshots")).unwrap();
        (root, store)
    }

    #[test]
    fn manifest_bytes_are_frozen() {
        let file = ManifestFile {
            name: String::from("a"),
            bytes: 300,
            crc32c: 7,
        };
        let manifest = Manifest {
            last_log_id: Some((2, 9)),
            membership: Some(vec![1, 2]),
            files: vec![file],
        };
        let bytes = codec::encode(&manifest).unwrap();
        let expected = [1, 2, 9, 1, 2, 1, 2, 1, 1, b'a', 0xFB, 0x2C, 0x01, 7];
        assert_eq!(bytes[codec::HEADER_BYTES..], expected);
        assert_eq!(bytes[..3], [0x01, 0x04, 1]);
    }

    #[test]
    fn the_two_newest_snapshots_are_kept() {
        let (root, store) = store();
        for index in 1..=4 {
            let (directory, manifest) = built(root.path(), index, "x");
            store.publish(&directory, manifest).unwrap();
        }
        assert_eq!(store.names().unwrap().len(), 2);
        assert_eq!(store.newest().unwrap().unwrap().manifest.last_log_id, Some((1, 4)));
    }

    #[test]
    fn a_snapshot_that_is_being_read_is_not_pruned() {
        let (root, store) = store();
        let (directory, manifest) = built(root.path(), 1, "x");
        let read = store.publish(&directory, manifest).unwrap();
        for index in 2..=4 {
            let (directory, manifest) = built(root.path(), index, "x");
            store.publish(&directory, manifest).unwrap();
        }
        assert!(read.directory.join("data").exists());
        drop(read);
        let (directory, manifest) = built(root.path(), 5, "x");
        store.publish(&directory, manifest).unwrap();
        assert_eq!(store.names().unwrap().len(), 2);
    }

    #[test]
    fn a_second_snapshot_of_the_same_entry_does_not_replace_the_first() {
        let (root, store) = store();
        let (directory, manifest) = built(root.path(), 1, "first");
        let first = store.publish(&directory, manifest).unwrap();
        let (directory, manifest) = built(root.path(), 1, "second");
        let second = store.publish(&directory, manifest).unwrap();
        assert_eq!(second.directory, first.directory);
        assert_eq!(fs::read_to_string(first.directory.join("data")).unwrap(), "first");
    }

    #[test]
    fn what_a_crash_left_unfinished_is_deleted() {
        let (root, store) = store();
        let (directory, manifest) = built(root.path(), 1, "x");
        store.publish(&directory, manifest).unwrap();
        for name in ["building", "installing-0", "00000000000000000001-00000000000000000009"] {
            fs::create_dir_all(root.path().join("snapshots").join(name)).unwrap();
        }
        let reopened = SnapshotStore::open(root.path().join("snapshots")).unwrap();
        assert_eq!(reopened.names().unwrap(), ["00000000000000000001-00000000000000000001"]);
        assert!(!root.path().join("snapshots/building").exists());
        assert!(!root.path().join("snapshots/installing-0").exists());
    }

    #[test]
    fn a_name_that_leaves_the_directory_is_refused() {
        for name in ["../x", "a/b", MANIFEST_FILE, ""] {
            let file = ManifestFile {
                name: name.to_owned(),
                bytes: 0,
                crc32c: 0,
            };
            let manifest = Manifest {
                last_log_id: None,
                membership: None,
                files: vec![file],
            };
            assert!(manifest.check().is_err(), "{name:?}");
        }
    }
}
