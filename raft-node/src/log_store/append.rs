//! What openraft writes.

use std::io;

use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use tokio::sync::oneshot;

use super::store::entries_bytes;
use super::writer::Work;
use super::{LogRecord, LogStore};
use crate::consensus::{Entry, LogId, TypeConfig, Vote};
use crate::environment::{Clock, SystemClock};
use crate::failpoints;

impl LogStore {
    /// Makes an empty log one that begins behind `purged`, of a member that has voted. Durable once the log was shut down.
    pub async fn begin_after(&mut self, purged: LogId, vote: Vote) -> Result<(), io::Error> {
        self.save_vote(&vote).await?;
        self.purge(purged).await
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        self.shared.check()?;
        let state = self.shared.state.lock();
        Ok(LogState {
            last_purged_log_id: state.purged,
            last_log_id: state.last,
        })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    /// Durable on return.
    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        if failpoints::pass("log-vote").await {
            return Err(failpoints::injected("log-vote"));
        }
        let (done, synced) = oneshot::channel();
        let vote = *vote;
        self.enqueue(|state, _| {
            state.vote = Some(vote);
            Ok(Some(Work::Vote { vote, done }))
        })
        .await?;
        let outcome = synced.await.unwrap_or_else(|_| Err(self.shared.failure()));
        Ok(outcome?)
    }

    /// Never syncs: an older position is as good after a crash, only slower.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        if failpoints::pass("log-committed").await {
            return Err(failpoints::injected("log-committed"));
        }
        self.enqueue(|state, _| {
            state.committed = committed;
            Ok(Some(Work::Note(LogRecord::Committed(committed))))
        })
        .await?;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.shared.state.lock().committed)
    }

    /// Readable on return; the callback says when they are durable.
    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        if failpoints::pass("log-append").await {
            return Err(failpoints::injected("log-append"));
        }
        let room = self.room(entries_bytes(&entries)).await?;
        self.enqueue(|state, number| {
            state.append(&entries, number)?;
            let now = SystemClock.monotonic();
            for entry in &entries {
                self.shared.times.appended(entry.log_id.index, now);
            }
            Ok(Some(Work::Append {
                entries,
                callback,
                room,
            }))
        })
        .await?;
        Ok(())
    }

    /// Durable before anything that is appended later. Truncated entries that a crash brings back are as harmless as
    /// they were before: only their leader's successors decide about them.
    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        if failpoints::pass("log-truncate").await {
            return Err(failpoints::injected("log-truncate"));
        }
        self.enqueue(|state, _| {
            let truncated = state.truncate_after(last_log_id);
            Ok(truncated.then_some(Work::Note(LogRecord::TruncateAfter(last_log_id))))
        })
        .await?;
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        if failpoints::pass("log-purge").await {
            return Err(failpoints::injected("log-purge"));
        }
        self.enqueue(|state, _| {
            let purged = state.purge(log_id);
            Ok(purged.then_some(Work::Note(LogRecord::Purge(log_id))))
        })
        .await?;
        Ok(())
    }
}
