//! Saving a snapshot of one member's state in a directory.
//!
//! Invariants: nothing is written outside the directory; every chunk is checked against its checksum before it is
//! written; the manifest is written last, so a directory without one is not a snapshot.

use std::path::{Component, Path, PathBuf};

use quorate_proto::v1;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::call::Nature;
use crate::client::Client;
use crate::cluster::cluster_of;
use crate::error::{Error, ErrorKind, Outcome, Result};

/// Name of the manifest in the directory of a snapshot.
pub const SNAPSHOT_MANIFEST: &str = "manifest.json";

/// How far a snapshot has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotProgress {
    /// The file that is being written.
    pub file: String,
    /// Files begun.
    pub files: u64,
    /// Bytes written, of all files.
    pub bytes: u64,
}

impl Client {
    /// Streams a snapshot of the member at `endpoint` into `directory`, which must not exist or be empty, and is made if
    /// need be. `progress` is called after each chunk. There is no time-out, but a member that falls silent is given up
    /// after some seconds. What was written stays after an error, without a manifest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SnapshotDamaged`] when a checksum or an offset is wrong, [`ErrorKind::Io`] when a file cannot be
    /// written, and what a call may return.
    pub async fn snapshot_save(
        &self,
        endpoint: &str,
        directory: impl AsRef<Path>,
        mut progress: impl FnMut(&SnapshotProgress),
    ) -> Result<SnapshotProgress> {
        let _running = self.core.begin(Nature::Read)?;
        let endpoint = self.core.routing.known_or_new(endpoint)?;
        let mut target = Target::new(directory.as_ref()).await?;
        let refused = |status| Error::of_status(&status).with_outcome(Outcome::NotAMutation);
        let stream = cluster_of(&endpoint)
            .snapshot_save(v1::SnapshotSaveRequest {})
            .await
            .map_err(refused)?;
        let mut chunks = stream.into_inner();
        while let Some(chunk) = chunks.message().await.map_err(refused)? {
            target.accept(&chunk).await?;
            progress(&target.progress);
        }
        target.finish().await
    }
}

/// A directory that a snapshot is written into.
struct Target {
    directory: PathBuf,
    manifest: Option<bytes::Bytes>,
    file: Option<File>,
    offset: u64,
    progress: SnapshotProgress,
}

impl Target {
    async fn new(directory: &Path) -> Result<Self> {
        let failed = |error| io_error(directory, &error);
        tokio::fs::create_dir_all(directory).await.map_err(failed)?;
        let mut entries = tokio::fs::read_dir(directory).await.map_err(failed)?;
        if entries.next_entry().await.map_err(failed)?.is_some() {
            let message = format!(
                "{} is not empty: a snapshot needs a directory of its own",
                directory.display()
            );
            return Err(Error::invalid("directory", message).with_outcome(Outcome::NotAMutation));
        }
        let progress = SnapshotProgress::default();
        Ok(Self {
            directory: directory.to_owned(),
            manifest: None,
            file: None,
            offset: 0,
            progress,
        })
    }

    async fn accept(&mut self, chunk: &v1::SnapshotChunk) -> Result<()> {
        if !chunk.manifest.is_empty() {
            self.manifest = Some(chunk.manifest.clone());
        }
        if chunk.file.is_empty() {
            return Ok(());
        }
        let (expected, found) = (chunk.crc32c, crc32c(&chunk.data));
        if expected != found {
            let message = format!(
                "{} at {}: checksum {found:08x} instead of {expected:08x}",
                chunk.file.escape_debug(),
                chunk.offset
            );
            return Err(damaged(message));
        }
        if chunk.file != self.progress.file {
            self.begin_file(&chunk.file).await?;
        }
        if chunk.offset != self.offset {
            let message = format!("{}: data at {} instead of {}", chunk.file, chunk.offset, self.offset);
            return Err(damaged(message));
        }
        let path = self.directory.join(&chunk.file);
        if let Some(file) = &mut self.file {
            file.write_all(&chunk.data)
                .await
                .map_err(|error| io_error(&path, &error))?;
        }
        self.offset += chunk.data.len() as u64;
        self.progress.bytes += chunk.data.len() as u64;
        Ok(())
    }

    async fn begin_file(&mut self, name: &str) -> Result<()> {
        self.end_file().await?;
        let path = Path::new(name);
        let plain = path
            .components()
            .all(|component| matches!(component, Component::Normal(_)));
        if !plain || name == SNAPSHOT_MANIFEST {
            return Err(damaged(format!("{:?} is not a file name of a snapshot", name)));
        }
        let path = self.directory.join(path);
        let failed = |error| io_error(&path, &error);
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(failed)?;
        }
        // A file that comes twice would be mixed up with itself.
        self.file = Some(File::create_new(&path).await.map_err(failed)?);
        self.offset = 0;
        self.progress.file = name.to_owned();
        self.progress.files += 1;
        Ok(())
    }

    async fn end_file(&mut self) -> Result<()> {
        let Some(mut file) = self.file.take() else {
            return Ok(());
        };
        let path = self.directory.join(&self.progress.file);
        file.flush().await.map_err(|error| io_error(&path, &error))?;
        file.sync_all().await.map_err(|error| io_error(&path, &error))
    }

    async fn finish(mut self) -> Result<SnapshotProgress> {
        self.end_file().await?;
        let Some(manifest) = self.manifest.take() else {
            return Err(damaged("the snapshot ended without a manifest".to_owned()));
        };
        let path = self.directory.join(SNAPSHOT_MANIFEST);
        let failed = |error| io_error(&path, &error);
        let mut file = File::create_new(&path).await.map_err(failed)?;
        file.write_all(&manifest).await.map_err(failed)?;
        file.flush().await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        // The directory's own entries last.
        let directory = File::open(&self.directory).await.map_err(failed)?;
        directory.sync_all().await.map_err(failed)?;
        Ok(self.progress)
    }
}

fn damaged(message: String) -> Error {
    Error::new(ErrorKind::SnapshotDamaged, Outcome::NotAMutation, message)
}

fn io_error(path: &Path, error: &std::io::Error) -> Error {
    Error::new(
        ErrorKind::Io,
        Outcome::NotAMutation,
        format!("{}: {error}", path.display()),
    )
}

/// CRC-32C (Castagnoli), a table look-up a byte: a snapshot is bounded by disk and network.
fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, byte| {
        CRC32C_TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8)
    })
}

const CRC32C_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0x82f6_3b78
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_castagnoli_one() {
        // The check value that the definition of CRC-32C gives.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
