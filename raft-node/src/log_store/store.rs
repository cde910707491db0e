//! The log store: its state in memory, and the way to the writer.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::device::{EntryReader, LogDevice, Recovered};
use super::tail::{Tail, entry_bytes};
use super::writer::{self, Operation, Work};
use super::{Disk, LogError, LogMetrics, LogOptions, SegmentLog};
use crate::blocking::blocking;
use crate::consensus::{Entry, LogId, Vote};
use crate::failpoints;
use crate::request::EntryTimes;

/// Most times that a read starts again because the log was truncated or purged under it.
const READ_ATTEMPTS_MAX: u32 = 64;

/// Unit in which room in the queue is counted.
const ROOM_BYTES: u64 = 1024;

/// Votes and entries: a handle that can be cloned. Operations that change the log come from one task; reads may come
/// from any.
#[derive(Clone)]
pub struct LogStore {
    pub(super) shared: Arc<Shared>,
    sender: mpsc::Sender<Operation>,
}

pub(super) struct Shared {
    pub state: Mutex<State>,
    pub metrics: Arc<LogMetrics>,
    pub times: Arc<EntryTimes>,
    pub options: LogOptions,
    reader: Arc<dyn EntryReader>,
    /// Room for bytes in the queue, in units of [`ROOM_BYTES`].
    room: Arc<Semaphore>,
    failed: watch::Sender<Option<LogError>>,
}

/// What the log is once everything that was enqueued is written.
#[derive(Default)]
pub(super) struct State {
    pub vote: Option<Vote>,
    pub committed: Option<LogId>,
    pub purged: Option<LogId>,
    /// Newest entry, or else `purged`.
    pub last: Option<LogId>,
    /// Index of the oldest entry.
    first: Option<u64>,
    pub tail: Tail,
    /// Counts truncations and purges, so that a read notices them.
    generation: u64,
    /// Number of the operation that was enqueued last.
    operation: u64,
}

impl LogStore {
    /// Opens the log in the files of `disk` and starts its writer. Needs no runtime; the operations do.
    pub fn open(disk: impl Disk, options: LogOptions) -> Result<LogStore, LogError> {
        options.check()?;
        Self::with_device(SegmentLog::new(disk, options.segment_bytes), options)
    }

    /// Opens the log on any medium.
    pub fn with_device(mut device: impl LogDevice, options: LogOptions) -> Result<LogStore, LogError> {
        options.check()?;
        if failpoints::hit("log-open") {
            return Err(LogError::io("open", "the log", 0, failpoints::injected("log-open")));
        }
        let recovered = device.recover()?;
        let metrics = Arc::new(LogMetrics::default());
        metrics.disk_bytes.store(device.disk_bytes(), Ordering::Relaxed);
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(&recovered)),
            metrics,
            times: Arc::default(),
            options,
            reader: device.reader(),
            room: Arc::new(Semaphore::new(room_for(options.queue_bytes_max) as usize)),
            failed: watch::Sender::new(None),
        });
        let (sender, receiver) = mpsc::channel(usize::try_from(options.queue_operations_max).unwrap_or(usize::MAX));
        writer::start(device, receiver, Arc::clone(&shared))?;
        Ok(LogStore { shared, sender })
    }

    /// Writes and syncs everything that was enqueued, then stops the writer and lets go of the files. Every later
    /// change fails with [`LogError::Closed`].
    pub async fn shutdown(&self) -> Result<(), LogError> {
        let (done, stopped) = oneshot::channel();
        self.enqueue(|_, _| Ok(Some(Work::Shutdown(done)))).await?;
        stopped.await.unwrap_or_else(|_| Err(self.shared.failure()))
    }

    /// Becomes something when the log has failed for good: the node must stop then.
    pub fn failed(&self) -> watch::Receiver<Option<LogError>> {
        self.shared.failed.subscribe()
    }

    /// Counters.
    pub fn metrics(&self) -> Arc<LogMetrics> {
        Arc::clone(&self.shared.metrics)
    }

    /// When the newest entries were where.
    pub fn times(&self) -> Arc<EntryTimes> {
        Arc::clone(&self.shared.times)
    }

    /// Index of the oldest entry, if there is one.
    pub fn first_index(&self) -> Option<u64> {
        self.shared.state.lock().first
    }

    /// Index of the newest entry, or of the newest that was purged.
    pub fn last_index(&self) -> Option<u64> {
        self.shared.state.lock().last.map(|last| last.index)
    }

    /// Space that the log takes on disk.
    pub fn disk_bytes(&self) -> u64 {
        self.shared.metrics.disk_bytes.load(Ordering::Relaxed)
    }

    /// Changes the state and hands the work that follows from it to the writer, in one step, so that both see changes
    /// in the same order. No work means that there was nothing to do. Waits while the queue is full.
    pub(super) async fn enqueue(
        &self,
        change: impl FnOnce(&mut State, u64) -> Result<Option<Work>, LogError>,
    ) -> Result<(), LogError> {
        self.shared.check()?;
        let slot = self.sender.reserve().await.map_err(|_| self.shared.failure())?;
        let mut state = self.shared.state.lock();
        let number = state.operation + 1;
        if let Some(work) = change(&mut state, number)? {
            state.operation = number;
            slot.send(Operation { number, work });
        }
        Ok(())
    }

    /// Waits for room in the queue. What is larger than the whole queue takes all of it.
    pub(super) async fn room(&self, bytes: u64) -> Result<OwnedSemaphorePermit, LogError> {
        let units = room_for(bytes.min(self.shared.options.queue_bytes_max));
        let room = Arc::clone(&self.shared.room).acquire_many_owned(units).await;
        room.map_err(|_| self.shared.failure())
    }
}

impl Shared {
    /// Records the first failure, which is final.
    pub fn fail(&self, error: &LogError) {
        self.failed.send_if_modified(|failed| {
            let first = failed.is_none();
            if first {
                *failed = Some(error.clone());
            }
            first
        });
        // Whoever waits for room must learn of it.
        self.room.close();
    }

    /// Why nothing works any more.
    pub fn failure(&self) -> LogError {
        self.failed.borrow().clone().unwrap_or(LogError::Closed)
    }

    pub fn check(&self) -> Result<(), LogError> {
        self.failed.borrow().clone().map_or(Ok(()), Err)
    }

    /// Entries of `indexes` that the log has, as of one moment. With `bytes_max` the first ones of them, at least one;
    /// without it all of them.
    pub fn read(&self, indexes: &Range<u64>, bytes_max: Option<u64>) -> Result<Vec<Entry>, LogError> {
        for _ in 0..READ_ATTEMPTS_MAX {
            self.check()?;
            let plan = self.state.lock().plan_read(indexes, bytes_max);
            let wanted = plan.from_device.end - plan.from_device.start;
            if wanted == 0 {
                return Ok(plan.from_tail);
            }
            // The threads of consensus read here, for a member that lags behind: heartbeats do not wait for the disk.
            let read = blocking(|| {
                self.reader
                    .read(plan.from_device.clone(), bytes_max.unwrap_or(u64::MAX))
            });
            if self.state.lock().generation != plan.generation {
                continue;
            }
            let mut entries = read.inspect_err(|error| self.fail(error))?;
            let complete = entries.len() as u64 == wanted;
            if entries.is_empty() || (bytes_max.is_none() && !complete) {
                let error = LogError::NotConsecutive {
                    found: plan.from_device.end,
                    expected: plan.from_device.start + entries.len() as u64,
                };
                self.fail(&error);
                return Err(error);
            }
            entries.extend(plan.from_tail);
            return Ok(entries);
        }
        Err(LogError::Option {
            option: "attempts to read while the log changes",
            value: u64::from(READ_ATTEMPTS_MAX),
            min: 1,
            max: u64::from(READ_ATTEMPTS_MAX),
        })
    }
}

/// How to read a range.
struct ReadPlan {
    generation: u64,
    /// What is on the medium only.
    from_device: Range<u64>,
    /// What follows, from memory.
    from_tail: Vec<Entry>,
}

impl State {
    fn new(recovered: &Recovered) -> Self {
        Self {
            vote: recovered.vote,
            committed: recovered.committed,
            purged: recovered.purged,
            last: recovered.last,
            first: recovered.first_index,
            ..Self::default()
        }
    }

    /// Appends `entries`, which must follow the last one.
    pub fn append(&mut self, entries: &[Entry], operation: u64) -> Result<(), LogError> {
        let mut last = self.last;
        for entry in entries {
            let found = entry.log_id.index;
            if let Some(expected) = last.map(|last| last.index + 1)
                && found != expected
            {
                return Err(LogError::NotConsecutive { found, expected });
            }
            last = Some(entry.log_id);
        }
        for entry in entries {
            self.first.get_or_insert(entry.log_id.index);
            self.tail.push(entry.clone(), operation);
        }
        self.last = last;
        Ok(())
    }

    /// Removes entries after `last`. Returns whether there were any.
    pub fn truncate_after(&mut self, last: Option<LogId>) -> bool {
        if last >= self.last {
            return false;
        }
        let end = last.map_or(0, |last| last.index + 1);
        self.tail.truncate_from(end);
        self.last = last.max(self.purged);
        self.first = self.first.filter(|first| *first < end);
        self.generation += 1;
        true
    }

    /// Removes entries up to and including `purged`. Returns whether that is news.
    pub fn purge(&mut self, purged: LogId) -> bool {
        if Some(purged) <= self.purged {
            return false;
        }
        self.purged = Some(purged);
        if self.last <= self.purged {
            self.last = self.purged;
            self.first = None;
            self.tail = Tail::default();
        } else {
            self.first = self.first.max(Some(purged.index + 1));
            self.tail.purge_to(purged.index);
        }
        self.generation += 1;
        true
    }

    fn plan_read(&self, indexes: &Range<u64>, bytes_max: Option<u64>) -> ReadPlan {
        let mut plan = ReadPlan {
            generation: self.generation,
            from_device: 0..0,
            from_tail: Vec::new(),
        };
        let (Some(first), Some(last)) = (self.first, self.last) else {
            return plan;
        };
        let (start, end) = (indexes.start.max(first), indexes.end.min(last.index + 1));
        if start >= end {
            return plan;
        }
        let tail_start = self.tail.first_index().unwrap_or(end).clamp(start, end);
        plan.from_device = start..tail_start;
        // A limited read that has to go to the medium may stop where the memory begins.
        if start == tail_start || bytes_max.is_none() {
            let bytes_max = bytes_max.unwrap_or(u64::MAX);
            self.tail.copy(tail_start..end, bytes_max, &mut plan.from_tail);
        }
        plan
    }
}

/// Bytes that entries count for, in the queue and in memory.
pub(super) fn entries_bytes(entries: &[Entry]) -> u64 {
    entries.iter().map(entry_bytes).sum()
}

fn room_for(bytes: u64) -> u32 {
    // The options keep the queue under 1 GiB, so this is under a million.
    u32::try_from(bytes.div_ceil(ROOM_BYTES)).unwrap_or(u32::MAX)
}
