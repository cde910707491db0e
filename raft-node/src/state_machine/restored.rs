//! A state that begins with a snapshot which an operator saved.
//!
//! Its revision jumps forward: what the old cluster did after the snapshot is lost, and none of the revisions that clients
//! may have seen then must ever mean something else. Nothing before the jump can be read or watched any more.

use std::fs;
use std::io;
use std::path::Path;

use super::head::{Head, LogPosition, StoredMembership};
use super::snapshot::{ManifestFile, measure, sync_directory};
use super::store::{EngineUse, OpenEngine};
use super::{current, store};
use crate::codec;
use crate::storage::{Batch, Durability, Engine, Table};
use crate::types::Revision;

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoredState {
    /// The last entry that the snapshot holds.
    pub applied: LogPosition,
    /// The revision of the snapshot.
    pub revision_before: Revision,
    /// The revision now.
    pub revision: Revision,
}

/// A state that is being made below the data directory of a member, and is none until [`finish`](Self::finish).
pub struct Restoring<'a> {
    data: &'a Path,
    engine: std::sync::Arc<dyn Engine>,
    state: RestoredState,
}

impl<'a> Restoring<'a> {
    /// Copies the files of the snapshot in `saved`, checks each, and moves the revision on by `revision_jump`.
    pub fn begin(
        saved: &Path,
        files: &[ManifestFile],
        data: &'a Path,
        open: &OpenEngine,
        revision_jump: u64,
    ) -> io::Result<Restoring<'a>> {
        let directory = store::state_root(data).join(current::FIRST.to_string());
        fs::create_dir_all(&directory)?;
        for file in files {
            copy(saved, &directory, file)?;
        }
        sync_directory(&directory)?;
        let engine = open(&directory, EngineUse::Live).map_err(io::Error::other)?;
        let head = Head::load(engine.as_ref()).map_err(io::Error::other)?;
        let head = head.filter(|head| head.applied.is_some());
        let head = head.ok_or_else(|| io::Error::other("the snapshot is of an empty store"))?;
        let revision = head.revision.0.checked_add(revision_jump).map(Revision);
        let revision =
            revision.ok_or_else(|| io::Error::other("the revision would be larger than there is room for"))?;
        let state = RestoredState {
            applied: head.applied.unwrap_or(LogPosition { term: 0, index: 0 }),
            revision_before: head.revision,
            revision,
        };
        let head = Head {
            revision,
            compacted: revision,
            ..head
        };
        let mut batch = Batch::new();
        let row = codec::encode(&head).map_err(io::Error::other)?;
        batch.put(Table::Meta, Head::key(), row);
        engine.write(batch, Durability::Synced).map_err(io::Error::other)?;
        Ok(Restoring { data, engine, state })
    }

    /// The last entry that the snapshot holds.
    pub fn applied(&self) -> LogPosition {
        self.state.applied
    }

    /// Gives the state its members, in the bytes of a membership, and makes it the live one.
    pub fn finish(self, membership: Vec<u8>) -> io::Result<RestoredState> {
        let mut batch = Batch::new();
        let row = codec::encode(&StoredMembership { bytes: membership }).map_err(io::Error::other)?;
        batch.put(Table::Meta, StoredMembership::key(), row);
        self.engine.write(batch, Durability::Synced).map_err(io::Error::other)?;
        drop(self.engine);
        current::set(&store::state_root(self.data), current::FIRST)?;
        Ok(self.state)
    }
}

fn copy(saved: &Path, directory: &Path, file: &ManifestFile) -> io::Result<()> {
    let (from, to) = (saved.join(&file.name), directory.join(&file.name));
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", from.display()));
    fs::copy(&from, &to).map_err(failed)?;
    let (bytes, crc32c) = measure(&to)?;
    if (bytes, crc32c) != (file.bytes, file.crc32c) {
        return Err(io::Error::other(format!(
            "{}: damaged: it has {bytes} bytes and the checksum {crc32c:08x}; when it was saved it had {} and {:08x}",
            from.display(),
            file.bytes,
            file.crc32c
        )));
    }
    fs::File::open(&to)?.sync_all()
}
