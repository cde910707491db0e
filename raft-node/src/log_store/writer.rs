//! The one thread that writes: it takes everything that waits, writes it, syncs once, and then acknowledges. What was purged
//! gives its space back between two groups, a little at a time, so that nobody waits long for that.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use openraft::storage::IOFlushed;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::device::LogDevice;
use super::store::{Shared, entries_bytes};
use super::{LogError, LogMetrics, LogRecord};
use crate::canary::{self, Canary};
use crate::consensus::{Entry, TypeConfig, Vote};
use crate::environment::{Clock, SystemClock};
use crate::failpoints;

/// Something for the writer to do.
pub(super) struct Operation {
    /// Counts operations in the order of the stream.
    pub number: u64,
    pub work: Work,
}

pub(super) enum Work {
    /// Write entries, and acknowledge once they are durable.
    Append {
        entries: Vec<Entry>,
        callback: IOFlushed<TypeConfig>,
        /// Given back once they are written.
        room: OwnedSemaphorePermit,
    },
    /// Write a vote, and answer once it is durable.
    Vote {
        vote: Vote,
        done: oneshot::Sender<Result<(), LogError>>,
    },
    /// Write something that nobody waits for.
    Note(LogRecord),
    /// Write what waits, and stop.
    Shutdown(oneshot::Sender<Result<(), LogError>>),
}

/// Who waits for a sync.
enum Waiter {
    Append(IOFlushed<TypeConfig>),
    Vote(oneshot::Sender<Result<(), LogError>>),
}

impl Waiter {
    fn tell(self, outcome: &Result<(), LogError>) {
        match self {
            Waiter::Append(callback) => callback.io_completed(outcome.clone().map_err(Into::into)),
            // Nobody may wait any more: the future was dropped.
            Waiter::Vote(done) => drop(done.send(outcome.clone())),
        }
    }
}

/// What is written and synced together.
#[derive(Default)]
struct Group {
    records: Vec<LogRecord>,
    entries: u64,
    bytes: u64,
    waiters: Vec<Waiter>,
    room: Vec<OwnedSemaphorePermit>,
    needs_sync: bool,
    last_operation: u64,
    shutdown: Option<oneshot::Sender<Result<(), LogError>>>,
}

struct Writer<D> {
    device: D,
    shared: Arc<Shared>,
    clock: SystemClock,
}

/// Starts the thread. It ends after a shutdown, or when nobody can send any more.
pub(super) fn start(
    device: impl LogDevice,
    receiver: mpsc::Receiver<Operation>,
    shared: Arc<Shared>,
) -> Result<(), LogError> {
    let thread = std::thread::Builder::new().name("log-writer".to_owned());
    let started = thread.spawn(move || {
        let alarm = Alarm(Arc::clone(&shared));
        let writer = Writer {
            device,
            shared,
            clock: SystemClock,
        };
        run(writer, receiver);
        drop(alarm);
    });
    started
        .map(drop)
        .map_err(|error| LogError::io("start the writer of", "the log", 0, error))
}

/// A writer that panics must not look like one that is slow.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(&LogError::Closed);
        }
    }
}

fn run<D: LogDevice>(mut writer: Writer<D>, mut receiver: mpsc::Receiver<Operation>) {
    while let Some(first) = writer.next(&mut receiver) {
        let mut group = collect(first, &mut receiver, &writer.shared);
        let outcome = writer.write(&group);
        // Newest first: openraft then ignores the older ones as old news. Told in the other order it takes the second
        // within a microsecond for a burst and sleeps, which Tokio's timer turns into a millisecond.
        for waiter in group.waiters.drain(..).rev() {
            waiter.tell(&outcome);
        }
        if let Some(done) = group.shutdown.take() {
            let outcome = outcome.and_then(|()| writer.close());
            let shared = Arc::clone(&writer.shared);
            // Lets go of the files first: whoever waits may open them again.
            drop(writer);
            refuse_rest(&mut receiver, &shared);
            drop(done.send(outcome));
            return;
        }
    }
    // Every handle is gone, so nobody waits; what was enqueued is written nevertheless.
    if writer.shared.check().is_ok()
        && let Err(error) = writer.close()
    {
        tracing::error!(%error, "the log could not be closed");
    }
}

/// Takes what waits, up to the limits of a group.
fn collect(first: Operation, receiver: &mut mpsc::Receiver<Operation>, shared: &Shared) -> Group {
    let mut group = Group::default();
    let mut operations = 1;
    group.add(first);
    while group.shutdown.is_none()
        && operations < shared.options.queue_operations_max
        && group.bytes < shared.options.group_bytes_max
    {
        let Ok(next) = receiver.try_recv() else { break };
        group.add(next);
        operations += 1;
    }
    group
}

/// Answers what was enqueued behind the shutdown.
fn refuse_rest(receiver: &mut mpsc::Receiver<Operation>, shared: &Shared) {
    receiver.close();
    let refusal = Err(shared.failure());
    while let Ok(operation) = receiver.try_recv() {
        match operation.work {
            Work::Append { callback, .. } => Waiter::Append(callback).tell(&refusal),
            Work::Vote { done, .. } => Waiter::Vote(done).tell(&refusal),
            Work::Note(_) => {}
            Work::Shutdown(done) => drop(done.send(Ok(()))),
        }
    }
}

impl Group {
    fn add(&mut self, operation: Operation) {
        self.last_operation = operation.number;
        match operation.work {
            Work::Append {
                entries,
                callback,
                room,
            } => {
                self.entries += entries.len() as u64;
                self.bytes += entries_bytes(&entries);
                self.records.extend(entries.into_iter().map(LogRecord::Entry));
                self.waiters.push(Waiter::Append(callback));
                self.room.push(room);
                self.needs_sync |= !canary::is(Canary::AcknowledgedBeforeSync);
            }
            Work::Vote { vote, done } => {
                self.records.push(LogRecord::Vote(vote));
                self.waiters.push(Waiter::Vote(done));
                self.needs_sync |= !canary::is(Canary::VoteNotSynced);
            }
            Work::Note(record) => {
                // Purges are rare, and space comes back only after a sync.
                self.needs_sync |= matches!(record, LogRecord::Purge(_));
                self.records.push(record);
            }
            Work::Shutdown(done) => {
                self.shutdown = Some(done);
                self.needs_sync = true;
            }
        }
    }
}

impl<D: LogDevice> Writer<D> {
    /// The next operation; space is given back while there is none, and once before each. None when nobody can send any more.
    fn next(&mut self, receiver: &mut mpsc::Receiver<Operation>) -> Option<Operation> {
        loop {
            let may_have_more = self.reclaim();
            match receiver.try_recv() {
                Ok(operation) => return Some(operation),
                Err(TryRecvError::Empty) if may_have_more => {}
                Err(TryRecvError::Empty) => return receiver.blocking_recv(),
                Err(TryRecvError::Disconnected) => return None,
            }
        }
    }

    /// True if there may be more to give back.
    fn reclaim(&mut self) -> bool {
        if self.shared.check().is_err() {
            return false;
        }
        match self.device.reclaim() {
            Ok(more) => {
                if more {
                    self.count_disk_bytes();
                }
                more
            }
            Err(error) => {
                tracing::error!(%error, "the log failed, and this node with it");
                self.shared.fail(&error);
                false
            }
        }
    }

    fn count_disk_bytes(&self) {
        let bytes = self.device.disk_bytes();
        self.shared.metrics.disk_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Writes a group and syncs it if anybody waits. After the first failure nothing is tried again: what a failed
    /// sync left behind cannot be known.
    fn write(&mut self, group: &Group) -> Result<(), LogError> {
        self.shared.check()?;
        let written = self.write_and_sync(group);
        if let Err(error) = &written {
            tracing::error!(%error, "the log failed, and this node with it");
            self.shared.fail(error);
        }
        written
    }

    fn write_and_sync(&mut self, group: &Group) -> Result<(), LogError> {
        let metrics = Arc::clone(&self.shared.metrics);
        if failpoints::hit("log-write") {
            return Err(LogError::io("fail", "the log", 0, failpoints::injected("log-write")));
        }
        let bytes = self.device.write(&group.records)?;
        LogMetrics::add(&metrics.bytes, bytes);
        LogMetrics::add(&metrics.entries, group.entries);
        if group.needs_sync {
            let start = self.clock.monotonic();
            if failpoints::hit("log-sync") {
                return Err(LogError::io("fail", "the log", 0, failpoints::injected("log-sync")));
            }
            self.device.sync()?;
            if failpoints::hit("log-synced") {
                return Err(LogError::io("fail", "the log", 0, failpoints::injected("log-synced")));
            }
            let now = self.clock.monotonic();
            metrics.synced(now.saturating_sub(start));
            for record in &group.records {
                if let LogRecord::Entry(entry) = record {
                    self.shared.times.synced(entry.log_id.index, now);
                }
            }
        }
        self.count_disk_bytes();
        let mut state = self.shared.state.lock();
        state.tail.evict(self.shared.options.tail_bytes, group.last_operation);
        Ok(())
    }

    /// Makes everything durable, and writes one more record behind it: its word that what is before it was durable
    /// lets damage to the last group be told from a torn tail. What was purged is given back.
    fn close(&mut self) -> Result<(), LogError> {
        let committed = self.shared.state.lock().committed;
        self.device.sync()?;
        self.device.write(&[LogRecord::Committed(committed)])?;
        self.device.sync()?;
        while self.device.reclaim()? {}
        Ok(())
    }
}
