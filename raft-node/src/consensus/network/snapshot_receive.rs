//! Receives a snapshot into a directory of its own; only when every file is whole is it handed to openraft.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_proto::internal as proto;
use tonic::{Status, Streaming};

use super::wire;
use crate::codec;
use crate::consensus::Vote;
use crate::state_machine::{Manifest, RaftSnapshot, SnapshotFiles, SnapshotStore, StateStore, measure};

/// What of the snapshot is not here yet. A file that is longer than it should be is fetched anew.
pub(super) fn missing(store: &SnapshotStore, manifest: &Manifest) -> io::Result<Vec<proto::MissingFile>> {
    manifest.check()?;
    let directory = store.incoming(manifest)?;
    let mut missing = Vec::new();
    for file in &manifest.files {
        let path = directory.join(&file.name);
        let have = fs::metadata(&path).ok().map(|metadata| metadata.len());
        if have == Some(file.bytes) && measure(&path)? == (file.bytes, file.crc32c) {
            continue;
        }
        let from_offset = have.filter(|have| *have < file.bytes).unwrap_or(0);
        missing.push(proto::MissingFile {
            name: file.name.clone(),
            from_offset,
        });
    }
    Ok(missing)
}

/// Writes the parts, checks every file at the end, and takes the snapshot out of reach of the next transfer. The disk
/// is worked on by threads that may wait: those of consensus must not.
pub(super) async fn receive(
    state: &Arc<StateStore>,
    mut parts: Streaming<proto::SnapshotPart>,
) -> Result<(Vote, RaftSnapshot), Status> {
    let _one = state.snapshots().begin_receiving().ok_or_else(busy)?;
    let first = parts
        .message()
        .await?
        .ok_or_else(|| Status::invalid_argument("an empty snapshot stream"))?;
    let vote = wire::vote_back(first.vote).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let manifest: Manifest =
        codec::decode(&first.manifest).map_err(|error| Status::invalid_argument(error.to_string()))?;
    manifest
        .check()
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let meta = manifest
        .meta()
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let manifest = Arc::new(manifest);
    let (store, expected) = (Arc::clone(state), Arc::clone(&manifest));
    let directory = Arc::new(blocking(move || store.snapshots().incoming(&expected)).await?);
    while let Some(part) = parts.message().await? {
        let (manifest, directory) = (Arc::clone(&manifest), Arc::clone(&directory));
        blocking(move || write_part(&manifest, &directory, &part)).await?;
    }
    let state = Arc::clone(state);
    blocking(move || {
        check(&manifest, &directory)?;
        let accepted = state.snapshots().accept(&directory)?;
        let snapshot = SnapshotFiles::unpinned(accepted, Manifest::clone(&manifest));
        Ok((vote, RaftSnapshot { meta, snapshot }))
    })
    .await
}

/// Deletes a snapshot that was not installed.
pub(super) async fn discard(state: &Arc<StateStore>, accepted: PathBuf) -> Result<(), Status> {
    let state = Arc::clone(state);
    blocking(move || state.snapshots().discard(&accepted)).await
}

/// The sender tries again; by then the other transfer has ended or gone silent.
pub(super) fn busy() -> Status {
    Status::unavailable("another snapshot is being received")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Status> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Status::internal(error.to_string()))?
        .map_err(failed)
}

fn write_part(manifest: &Manifest, directory: &Path, part: &proto::SnapshotPart) -> io::Result<()> {
    if !manifest.files.iter().any(|file| file.name == part.file) {
        return Err(io::Error::other(format!("{:?} is not in the manifest", part.file)));
    }
    if crc32c::crc32c(&part.data) != part.crc32c {
        return Err(io::Error::other(format!(
            "a part of {:?} was damaged on its way",
            part.file
        )));
    }
    let path = directory.join(&part.file);
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let have = file.metadata()?.len();
    if part.offset < have {
        file.set_len(part.offset)?;
    } else if part.offset > have {
        return Err(io::Error::other(format!(
            "{:?}: bytes {have} to {} are missing",
            part.file, part.offset
        )));
    }
    file.write_all(&part.data)
}

fn check(manifest: &Manifest, directory: &Path) -> io::Result<()> {
    for file in &manifest.files {
        let path = directory.join(&file.name);
        if file.bytes == 0 && !path.exists() {
            fs::File::create(&path)?;
        }
        if measure(&path)? != (file.bytes, file.crc32c) {
            // The next attempt must not build on it.
            fs::remove_file(&path)?;
            return Err(io::Error::other(format!(
                "{:?} does not have the checksum of the manifest",
                file.name
            )));
        }
    }
    Ok(())
}

fn failed(error: io::Error) -> Status {
    Status::internal(error.to_string())
}
