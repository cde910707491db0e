//! The data directory: whose it is, and that only one process uses it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use bincode::{Decode, Encode};
use rustix::fs::{FlockOperation, flock};

use crate::codec::{self, Record};
use crate::environment::Random;
use crate::types::{DirectoryId, MemberId};

/// Version of the layout of the directory. A newer one is refused, never guessed at.
const FORMAT: u32 = 1;
const IDENTITY_FILE: &str = "IDENTITY";
const LOCK_FILE: &str = "LOCK";

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct IdentityRecord {
    format: u32,
    member: MemberId,
    directory: DirectoryId,
    /// 0 until the member belongs to a cluster.
    cluster_id: u64,
    /// The log was made: from then on a directory without one has lost its votes and entries.
    log_made: bool,
}

impl Record for IdentityRecord {
    const ID: u16 = 0x0403;
    const VERSION: u8 = 1;
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot be read or written.
    #[error("data_directory {path}: {doing}: {source}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Another process has it.
    #[error("data_directory {0} is used by another process: stop it, or choose another directory")]
    Locked(PathBuf),
    /// It belongs to another member.
    #[error(
        "data_directory {path} belongs to member {found}, the configuration says member_id = {expected}: a directory \
         stays with its member"
    )]
    OtherMember {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: MemberId,
        /// Who asked.
        expected: MemberId,
    },
    /// It was written by a newer version.
    #[error("data_directory {path} has format {found}; this version knows {FORMAT}: use a newer version")]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Its log is gone, and with it the votes and entries that this member acknowledged.
    #[error(
        "data_directory {0} has lost its log: a member without its votes must not take part under its old id; remove \
         it and join with a new directory and a new id (`quorate member replace`)"
    )]
    LogLost(PathBuf),
    /// Its identity is damaged.
    #[error("data_directory {path}: its identity is damaged ({reason}): join with a new directory and a new id")]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// How.
        reason: String,
    },
}

/// A data directory that this process holds.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    identity: IdentityRecord,
    /// Held, and with it the lock, until the member ends.
    _lock: File,
}

impl DataDirectory {
    /// Opens or makes the directory of `member`.
    pub fn open(path: &Path, member: MemberId, random: &dyn Random) -> Result<Self, DirectoryError> {
        let failed = |doing| {
            move |source| DirectoryError::Io {
                path: path.to_owned(),
                doing,
                source,
            }
        };
        fs::create_dir_all(path).map_err(failed("cannot be made"))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(failed("its lock file cannot be opened"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| DirectoryError::Locked(path.to_owned()))?;
        let identity = match fs::read(path.join(IDENTITY_FILE)) {
            Ok(bytes) => read_identity(path, &bytes, member)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.join("log").exists() => {
                return Err(DirectoryError::Damaged {
                    path: path.to_owned(),
                    reason: String::from("there is a log, but IDENTITY is missing"),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = DirectoryId(random.nonzero_u64());
                let fresh = IdentityRecord {
                    format: FORMAT,
                    member,
                    directory,
                    cluster_id: 0,
                    log_made: false,
                };
                write_identity(path, &fresh).map_err(failed("its identity cannot be written"))?;
                fresh
            }
            Err(error) => return Err(failed("its identity cannot be read")(error)),
        };
        Ok(Self {
            path: path.to_owned(),
            identity,
            _lock: lock,
        })
    }

    /// True once the member's log was made here.
    pub fn log_made(&self) -> bool {
        self.identity.log_made
    }

    /// Remembers, durably, that the log was made. Before anything is acknowledged.
    pub fn set_log_made(&mut self) -> Result<(), DirectoryError> {
        if self.identity.log_made {
            return Ok(());
        }
        self.identity.log_made = true;
        write_identity(&self.path, &self.identity).map_err(|source| DirectoryError::Io {
            path: self.path.clone(),
            doing: "its identity cannot be written",
            source,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its own id.
    pub fn id(&self) -> DirectoryId {
        self.identity.directory
    }

    /// The cluster it belongs to; 0 for none yet.
    pub fn cluster_id(&self) -> u64 {
        self.identity.cluster_id
    }

    /// What writes the cluster's id into the directory, to be kept apart from it.
    pub fn cluster_writer(&self) -> impl Fn(u64) -> io::Result<()> + Send + Sync + 'static {
        let (path, identity) = (self.path.clone(), self.identity.clone());
        move |cluster_id| {
            write_identity(
                &path,
                &IdentityRecord {
                    cluster_id,
                    ..identity.clone()
                },
            )
        }
    }
}

fn read_identity(path: &Path, bytes: &[u8], member: MemberId) -> Result<IdentityRecord, DirectoryError> {
    let identity: IdentityRecord = codec::decode(bytes).map_err(|error| DirectoryError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    if identity.format > FORMAT {
        return Err(DirectoryError::NewerFormat {
            path: path.to_owned(),
            found: identity.format,
        });
    }
    if identity.member != member {
        return Err(DirectoryError::OtherMember {
            path: path.to_owned(),
            found: identity.member,
            expected: member,
        });
    }
    Ok(identity)
}

fn write_identity(path: &Path, identity: &IdentityRecord) -> io::Result<()> {
    let next = path.join("IDENTITY.next");
    fs::write(&next, codec::encode(identity).map_err(io::Error::other)?)?;
    File::open(&next)?.sync_all()?;
    fs::rename(&next, path.join(IDENTITY_FILE))?;
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::SystemRandom;

    #[test]
    fn a_directory_keeps_its_identity_and_its_cluster() {
        let root = tempfile::tempdir().unwrap();
        let first = DataDirectory::open(root.path(), 3, &SystemRandom).unwrap();
        first.cluster_writer()(77).unwrap();
        let id = first.id();
        drop(first);
        let again = DataDirectory::open(root.path(), 3, &SystemRandom).unwrap();
        assert_eq!((again.id(), again.cluster_id()), (id, 77));
    }

    #[test]
    fn a_directory_that_is_in_use_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let _held = DataDirectory::open(root.path(), 3, &SystemRandom).unwrap();
        assert!(matches!(
            DataDirectory::open(root.path(), 3, &SystemRandom),
            Err(DirectoryError::Locked(_))
        ));
    }

    #[test]
    fn a_directory_of_another_member_is_refused() {
        let root = tempfile::tempdir().unwrap();
        drop(DataDirectory::open(root.path(), 3, &SystemRandom).unwrap());
        let error = DataDirectory::open(root.path(), 4, &SystemRandom).unwrap_err();
        assert!(
            matches!(
                error,
                DirectoryError::OtherMember {
                    found: 3,
                    expected: 4,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_newer_format_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let newer = IdentityRecord {
            format: FORMAT + 1,
            member: 3,
            directory: DirectoryId(1),
            cluster_id: 0,
            log_made: false,
        };
        write_identity(root.path(), &newer).unwrap();
        let error = DataDirectory::open(root.path(), 3, &SystemRandom).unwrap_err();
        assert!(matches!(error, DirectoryError::NewerFormat { found: 2, .. }), "{error}");
    }

    #[test]
    fn a_directory_that_lost_its_identity_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("log")).unwrap();
        let error = DataDirectory::open(root.path(), 3, &SystemRandom).unwrap_err();
        assert!(matches!(error, DirectoryError::Damaged { .. }), "{error}");
    }

    #[test]
    fn identity_bytes_are_frozen() {
        let identity = IdentityRecord {
            format: 1,
            member: 3,
            directory: DirectoryId(300),
            cluster_id: 7,
            log_made: true,
        };
        let bytes = codec::encode(&identity).unwrap();
        assert_eq!(bytes[codec::HEADER_BYTES..], [1, 3, 0xFB, 0x2C, 0x01, 7, 1]);
        assert_eq!(bytes[..3], [0x03, 0x04, 1]);
    }

    #[test]
    fn a_damaged_identity_is_refused() {
        let root = tempfile::tempdir().unwrap();
        drop(DataDirectory::open(root.path(), 3, &SystemRandom).unwrap());
        let mut bytes = fs::read(root.path().join(IDENTITY_FILE)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(root.path().join(IDENTITY_FILE), bytes).unwrap();
        let error = DataDirectory::open(root.path(), 3, &SystemRandom).unwrap_err();
        assert!(matches!(error, DirectoryError::Damaged { .. }), "{error}");
    }
}
