//! Settings of a batch.

use std::sync::Arc;
use std::time::Duration;

use super::handle::EventualBatch;
use super::writer::{BatchObserver, Settings, Shared};
use crate::builder::within;
use crate::consistency::whole_ms;
use crate::error::Result;
use crate::eventual::handle::Eventual;
use crate::eventual::value::Strategy;

/// Writes that one request may carry.
const WRITES_MAX: u64 = 4_096;
const INTERVAL_MS_MAX: u64 = 60_000;
const BUFFER_WRITES_MAX: u64 = 1 << 20;
const BUFFER_BYTES_MAX: u64 = 1 << 30;

/// Settings of an [`EventualBatch`].
#[derive(Clone)]
#[must_use = "nothing is written before `open`"]
pub struct OpenBatch {
    eventual: Eventual,
    settings: Settings,
}

impl OpenBatch {
    pub(in crate::eventual) fn new(eventual: &Eventual) -> Self {
        Self {
            eventual: eventual.clone(),
            settings: Settings::default(),
        }
    }

    /// How long a write waits for others to go with it, 1 ms to a minute. Default: 100 ms.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.settings.interval = interval;
        self
    }

    /// How many writes go together at once, 1 to 4,096: when as many wait they are sent before the interval is over.
    /// Default: 512.
    pub fn writes(mut self, writes: usize) -> Self {
        self.settings.writes = writes;
        self
    }

    /// What may wait for its answer: writes, from as many as go together to 1,048,576, and bytes, from 1 to 1 GiB. A push
    /// beyond that waits. Default: 8,192 writes, 8 MiB.
    pub fn buffer(mut self, writes: usize, bytes: usize) -> Self {
        self.settings.buffer_writes = writes;
        self.settings.buffer_bytes = bytes;
        self
    }

    /// The strategy of puts that name none. Puts of [`Strategy::LastWrite`] without a context become one if they wait
    /// together: only the last one is sent. Default: that of the domain, which this client does not know, so that all are
    /// sent.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.settings.strategy = Some(strategy);
        self
    }

    /// Who is told of each request what became of its writes. Default: nobody.
    pub(crate) fn observed_by(mut self, observer: BatchObserver) -> Self {
        self.settings.observer = Some(observer);
        self
    }

    /// Starts the writer, in the Tokio runtime of the caller.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a setting out of its range.
    pub fn open(self) -> Result<EventualBatch> {
        let Settings {
            writes,
            buffer_writes,
            buffer_bytes,
            ..
        } = self.settings;
        within("interval", whole_ms(self.settings.interval), 1, INTERVAL_MS_MAX)?;
        within("writes", writes as u64, 1, WRITES_MAX)?;
        within("buffer.writes", buffer_writes as u64, writes as u64, BUFFER_WRITES_MAX)?;
        within("buffer.bytes", buffer_bytes as u64, 1, BUFFER_BYTES_MAX)?;
        let Eventual { core, domain } = self.eventual;
        Ok(EventualBatch::start(Arc::new(Shared::new(core, domain, self.settings))))
    }
}
