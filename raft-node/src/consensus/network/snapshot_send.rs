//! Sends a snapshot, file by file. The receiver first says what it has already, so that a transfer that broke goes on
//! where it stopped.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use quorate_proto::internal as proto;
use quorate_proto::internal::raft_client::RaftClient;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::{Roster, wire};
use crate::codec;
use crate::consensus::Vote;
use crate::failpoints;
use crate::state_machine::SnapshotFiles;
use crate::types::{DirectoryId, MemberId};

const PART_BYTES: usize = 512 << 10;
/// Parts read ahead of the network.
const PARTS_QUEUED_MAX: usize = 4;

/// To whom, for the metadata of the calls.
pub(super) struct Stamp {
    pub(super) roster: Arc<Roster>,
    pub(super) target: MemberId,
    pub(super) directory: DirectoryId,
}

impl Stamp {
    fn on<T>(&self, message: T) -> Request<T> {
        self.roster.stamp(message, self.target, self.directory)
    }
}

/// Sends what is missing and waits until the receiver has installed it. Returns the receiver's vote.
pub(super) async fn send(
    client: &mut RaftClient<Channel>,
    stamp: &Stamp,
    vote: &Vote,
    snapshot: &SnapshotFiles,
) -> Result<Vote, Status> {
    if failpoints::pass("peer-snapshot-send").await {
        return Err(Status::unavailable("failpoint peer-snapshot-send"));
    }
    let manifest = codec::encode(&snapshot.manifest).map_err(|error| Status::internal(error.to_string()))?;
    let manifest = Bytes::from(manifest);
    let missing = client
        .snapshot_missing(stamp.on(proto::SnapshotManifest {
            manifest: manifest.clone(),
        }))
        .await?;
    let missing = missing.into_inner().files;
    tracing::info!(target = stamp.target, files = missing.len(), "sending a snapshot");

    let (parts, queue) = mpsc::channel(PARTS_QUEUED_MAX);
    let first = proto::SnapshotPart {
        vote: Some(wire::vote(vote)),
        manifest,
        ..Default::default()
    };
    let directory = snapshot.directory.clone();
    let reading = tokio::spawn(async move {
        if parts.send(first).await.is_err() {
            return Ok(());
        }
        for file in missing {
            read_file(&directory, &file, &parts).await?;
        }
        Ok::<(), io::Error>(())
    });
    let installed = client.snapshot_send(stamp.on(ReceiverStream::new(queue))).await;
    match reading.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(Status::internal(format!("cannot read the snapshot: {error}"))),
        Err(error) => return Err(Status::internal(error.to_string())),
    }
    wire::vote_back(installed?.into_inner().vote).map_err(|error| Status::internal(error.to_string()))
}

async fn read_file(
    directory: &Path,
    missing: &proto::MissingFile,
    parts: &mpsc::Sender<proto::SnapshotPart>,
) -> io::Result<()> {
    let mut file = tokio::fs::File::open(directory.join(&missing.name)).await?;
    let mut offset = missing.from_offset;
    file.seek(io::SeekFrom::Start(offset)).await?;
    loop {
        let mut data = vec![0; PART_BYTES];
        let read = file.read(&mut data).await?;
        data.truncate(read);
        if read == 0 {
            return Ok(());
        }
        let crc32c = crc32c::crc32c(&data);
        let part = proto::SnapshotPart {
            file: missing.name.clone(),
            offset,
            data: Bytes::from(data),
            crc32c,
            ..Default::default()
        };
        // The receiver hung up: its answer says why.
        if parts.send(part).await.is_err() {
            return Ok(());
        }
        offset += read as u64;
    }
}
