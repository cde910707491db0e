//! Snapshots: checkpoints of the store with a manifest, one directory each.
//!
//! ```text
//! <data>/snapshots/<term>-<index>/MANIFEST.quorate      written last, so a directory without one is waste
//! <data>/snapshots/<term>-<index>/<files of the engine>
//! <data>/snapshots/incoming/<term>-<index>/...          being received; resumed, or deleted at the next start
//! ```

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bincode::{Decode, Encode};

use crate::codec::{self, Record};
use crate::consensus::{StoredMembership, decode_membership};

/// Name of the manifest's file.
pub const MANIFEST_FILE: &str = "MANIFEST.quorate";
const INCOMING: &str = "incoming";
const READ_BYTES: usize = 1 << 20;

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

/// A snapshot on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFiles {
    /// Where its files are.
    pub directory: PathBuf,
    /// What they should be.
    pub manifest: Manifest,
}

impl SnapshotFiles {
    /// The snapshot for openraft.
    pub fn into_raft(self) -> io::Result<RaftSnapshot> {
        Ok(RaftSnapshot {
            meta: self.manifest.meta()?,
            snapshot: self,
        })
    }
}

/// The directory that holds a member's snapshots.
#[derive(Clone, Debug)]
pub struct SnapshotStore {
    root: PathBuf,
}

impl SnapshotStore {
    /// Makes the directory and deletes what a crash left unfinished.
    pub fn open(root: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(root.join(INCOMING))?;
        let store = Self { root };
        for entry in fs::read_dir(&store.root)? {
            let entry = entry?;
            if entry.file_name() != INCOMING && !entry.path().join(MANIFEST_FILE).exists() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(store)
    }

    /// A fresh path to make a checkpoint in.
    pub fn building(&self) -> io::Result<PathBuf> {
        let path = self.root.join("building");
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        Ok(path)
    }

    /// Puts a finished checkpoint under its name, durably, and deletes all but the two newest snapshots.
    pub fn publish(&self, built: &Path, manifest: Manifest) -> io::Result<SnapshotFiles> {
        write_manifest(built, &manifest)?;
        let directory = self.root.join(manifest.directory_name());
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::rename(built, &directory)?;
        sync_directory(&self.root)?;
        self.prune(2)?;
        Ok(SnapshotFiles { directory, manifest })
    }

    /// Keeps a snapshot that was installed: a received one is moved to its place, another one is copied.
    pub fn keep(&self, snapshot: &SnapshotFiles) -> io::Result<SnapshotFiles> {
        if snapshot.directory.starts_with(self.root.join(INCOMING)) {
            return self.publish(&snapshot.directory, snapshot.manifest.clone());
        }
        let target = self.root.join(snapshot.manifest.directory_name());
        if snapshot.directory == target {
            return Ok(snapshot.clone());
        }
        let copy = self.building()?;
        fs::create_dir_all(&copy)?;
        for file in &snapshot.manifest.files {
            fs::copy(snapshot.directory.join(&file.name), copy.join(&file.name))?;
        }
        self.publish(&copy, snapshot.manifest.clone())
    }

    /// The newest snapshot whose manifest is whole.
    pub fn newest(&self) -> io::Result<Option<SnapshotFiles>> {
        for directory in self.directories()?.into_iter().rev() {
            match read_manifest(&directory) {
                Ok(manifest) => return Ok(Some(SnapshotFiles { directory, manifest })),
                Err(error) => tracing::warn!(directory = %directory.display(), %error, "skipping a broken snapshot"),
            }
        }
        Ok(None)
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

    fn directories(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let path = entry?.path();
            if path.join(MANIFEST_FILE).exists() {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    fn prune(&self, keep: usize) -> io::Result<()> {
        let directories = self.directories()?;
        let surplus = directories.len().saturating_sub(keep);
        for directory in &directories[..surplus] {
            fs::remove_dir_all(directory)?;
        }
        Ok(())
    }
}

fn write_manifest(directory: &Path, manifest: &Manifest) -> io::Result<()> {
    let bytes = codec::encode(manifest).map_err(io::Error::other)?;
    fs::write(directory.join(MANIFEST_FILE), bytes)?;
    for file in &manifest.files {
        File::open(directory.join(&file.name))?.sync_all()?;
    }
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
