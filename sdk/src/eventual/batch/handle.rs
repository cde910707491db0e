//! What a program has of a batch.

use std::sync::Arc;

use bytes::Bytes;
use quorate_proto::v1;

use super::writer::Shared;
use crate::error::{Error, Result};
use crate::eventual::write::{Asked, EventualChange, EventualPut};

/// A writer that collects writes and sends them together. A push returns once there is room for the write; that it arrived
/// is known after [`flush`](Self::flush) or [`close`](Self::close).
///
/// Writes of one key arrive in order. Additions to one counter that wait together are sent as their sum; of puts that wait
/// together only the last is sent, if their strategy is [`LastWrite`](crate::Strategy::LastWrite); the same holds for each field
/// of a map. Retries end with the call time-out of the client: what could not be sent by then is reported as failed.
///
/// Clones share one writer. When the last one is dropped, what was accepted is still sent, as long as the client and the
/// runtime live. Close the batch before the client.
#[derive(Clone)]
pub struct EventualBatch {
    handle: Arc<Handle>,
}

/// Ends the task when the last clone goes.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A write for a batch: a put or a change, not awaited.
#[derive(Clone)]
pub struct BatchWrite(Asked);

/// What became of the writes of a batch since the last flush.
#[derive(Clone, Debug, Default)]
#[must_use = "it says which writes failed"]
#[non_exhaustive]
pub struct Flushed {
    /// Writes that were done; those that became one count once.
    pub written: u64,
    /// Writes that failed, in order, 1,024 at most.
    pub failed: Vec<FailedWrite>,
    /// How many more failed.
    pub failed_left_out: u64,
}

/// A write of a batch that failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FailedWrite {
    /// Its key.
    pub key: Bytes,
    /// Why.
    pub error: Error,
}

impl From<EventualPut> for BatchWrite {
    fn from(put: EventualPut) -> Self {
        Self(put.0)
    }
}

impl From<EventualChange> for BatchWrite {
    fn from(change: EventualChange) -> Self {
        Self(change.0)
    }
}

impl EventualBatch {
    pub(super) fn start(shared: Arc<Shared>) -> Self {
        let task = Arc::clone(&shared);
        tokio::spawn(async move { task.run().await });
        Self {
            handle: Arc::new(Handle(shared)),
        }
    }

    /// Takes a write in, and waits while the buffer is full: `batch.push(eventual.put("key", "value")).await?`.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a write of another domain, or with acknowledgements or a
    /// time-out of its own; [`TooLarge`](crate::ErrorKind::TooLarge) for one that is larger than the buffer;
    /// [`Closed`](crate::ErrorKind::Closed) after [`close`](Self::close).
    pub async fn push(&self, write: impl Into<BatchWrite>) -> Result<()> {
        let Asked {
            domain,
            write,
            acks,
            timeout,
            ..
        } = write.into().0;
        let shared = &self.handle.0;
        if domain != shared.domain {
            let message = format!(
                "a write of domain {domain:?} cannot go with those of {:?}",
                shared.domain
            );
            return Err(Error::invalid("domain", message));
        }
        if acks > 1 {
            return Err(Error::invalid(
                "acks",
                "writes of a batch are acknowledged by one member",
            ));
        }
        if timeout.is_some() {
            return Err(Error::invalid(
                "timeout",
                "writes of a batch have the client's time-out",
            ));
        }
        shared.push(write).await
    }

    /// Writes a register. As [`push`](Self::push).
    pub async fn put(&self, key: impl crate::IntoBytes, value: impl crate::IntoBytes) -> Result<()> {
        let put = v1::EventualPut {
            value: value.into_bytes(),
            ..Default::default()
        };
        self.change(key, v1::eventual_write::Change::Put(put)).await
    }

    /// Adds to a counter. As [`push`](Self::push).
    pub async fn add(&self, key: impl crate::IntoBytes, number: i64) -> Result<()> {
        self.change(key, v1::eventual_write::Change::Add(number)).await
    }

    async fn change(&self, key: impl crate::IntoBytes, change: v1::eventual_write::Change) -> Result<()> {
        let write = v1::EventualWrite {
            key: key.into_bytes(),
            change: Some(change),
            ..Default::default()
        };
        self.handle.0.push(write).await
    }

    /// Sends everything that was pushed before, waits for the answers, and returns what became of all writes since the last
    /// flush.
    pub async fn flush(&self) -> Flushed {
        self.handle.0.flush().await
    }

    /// Writes that were pushed and are not answered; those that became one count once.
    pub fn pending(&self) -> usize {
        self.handle.0.pending()
    }

    /// Takes in nothing more, of any clone, and does as [`flush`](Self::flush).
    pub async fn close(&self) -> Flushed {
        self.handle.0.close();
        self.handle.0.flush().await
    }
}
