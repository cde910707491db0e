//! Whose entries they are.

use bincode::{Decode, Encode};
use quorate_eventual::SHARDS_PER_SET;

use super::{Disk, DiskError};
use crate::codec::{self, Record};
use crate::storage::{EntriesError, EntryBatch};

/// Behind the rows of all shards.
const KEY: &[u8] = b"\xff\xffmanifest";

/// Says whose entries a directory holds.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Manifest {
    pub cluster_id: u64,
    pub shards: u16,
}

impl Record for Manifest {
    const ID: u16 = 0x0404;
    const VERSION: u8 = 1;
}

impl Disk {
    /// Refuses entries of another cluster. A directory that says nothing is this member's from now on.
    pub(super) fn check_manifest(&self, cluster_id: u64) -> Result<(), DiskError> {
        let directory = || self.directory.to_path_buf();
        let unreadable = |source| DiskError::Manifest {
            directory: directory(),
            source,
        };
        let row = self.store.get(KEY).map_err(|error| match error {
            EntriesError::Damaged(error) | EntriesError::Failed(error) => self.failed()(error),
        })?;
        let Some(row) = row else {
            return self.write_manifest(cluster_id);
        };
        let manifest: Manifest = codec::decode(&row).map_err(unreadable)?;
        if manifest.cluster_id != cluster_id {
            return Err(DiskError::Cluster {
                directory: directory(),
                is: manifest.cluster_id,
                wanted: cluster_id,
            });
        }
        if manifest.shards != SHARDS_PER_SET {
            return Err(DiskError::Shards {
                directory: directory(),
                is: manifest.shards,
                wanted: SHARDS_PER_SET,
            });
        }
        Ok(())
    }

    /// A member of no cluster has no entries either; it says whose they are when it next starts.
    pub(super) fn write_manifest(&self, cluster_id: u64) -> Result<(), DiskError> {
        if cluster_id == 0 {
            return Ok(());
        }
        let manifest = Manifest {
            cluster_id,
            shards: SHARDS_PER_SET,
        };
        let row = codec::encode(&manifest).map_err(|source| DiskError::Manifest {
            directory: self.directory.to_path_buf(),
            source,
        })?;
        let mut batch = EntryBatch::default();
        batch.put(KEY, &row);
        self.store.write(batch).map_err(self.failed())?;
        self.store.sync().map_err(self.failed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let manifest = Manifest {
            cluster_id: 0x0102,
            shards: 256,
        };
        let bytes = codec::encode(&manifest).unwrap();
        let expected = [
            0x04, 0x04, 1, 6, 0, 0, 0, 87, 119, 17, 206, 0xfb, 0x02, 0x01, 0xfb, 0x00, 0x01,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(codec::decode::<Manifest>(&bytes).unwrap(), manifest);
    }
}
