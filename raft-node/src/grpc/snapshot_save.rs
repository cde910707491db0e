//! Streams a fresh checkpoint of this member's state to an operator.

use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use quorate_proto::v1::SnapshotChunk;
use serde_json::json;
use tokio::sync::mpsc::Sender;
use tonic::Status;

use crate::state_machine::{ManifestFile, SnapshotFiles, StateStore};

const CHUNK_BYTES: usize = 512 << 10;

/// Makes the snapshot and sends it; blocks on disk and network.
pub(super) fn send(store: &StateStore, chunks: &Sender<Result<SnapshotChunk, Status>>) {
    let sent = store.build_snapshot().and_then(|snapshot| stream(&snapshot, chunks));
    if let Err(error) = sent {
        // The operator hung up, or is told.
        let _ = chunks.blocking_send(Err(Status::internal(format!(
            "the snapshot could not be sent: {error}"
        ))));
    }
}

fn stream(snapshot: &SnapshotFiles, chunks: &Sender<Result<SnapshotChunk, Status>>) -> io::Result<()> {
    let push = |chunk| {
        chunks
            .blocking_send(Ok(chunk))
            .map_err(|_| io::Error::other("the receiver hung up"))
    };
    let (term, index) = snapshot.manifest.last_log_id.unwrap_or((0, 0));
    let file = |file: &ManifestFile| json!({ "name": file.name, "bytes": file.bytes, "crc32c": file.crc32c });
    let files: Vec<_> = snapshot.manifest.files.iter().map(file).collect();
    let manifest = json!({ "term": term, "index": index, "files": files });
    push(SnapshotChunk {
        manifest: Bytes::from(manifest.to_string()),
        ..SnapshotChunk::default()
    })?;
    for file in &snapshot.manifest.files {
        let mut from = File::open(snapshot.directory.join(&file.name))?;
        let mut offset = 0;
        // An empty file is one chunk without data: without one the receiver would not make it.
        while offset == 0 || offset < file.bytes {
            let mut data = vec![0; CHUNK_BYTES];
            let read = from.read(&mut data)?;
            data.truncate(read);
            let crc32c = crc32c::crc32c(&data);
            push(SnapshotChunk {
                file: file.name.clone(),
                offset,
                data: Bytes::from(data),
                crc32c,
                ..SnapshotChunk::default()
            })?;
            offset += read as u64;
            if read == 0 {
                break;
            }
        }
    }
    Ok(())
}
