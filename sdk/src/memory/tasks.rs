//! States and progress of tasks.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::handle::Memory;
use super::read::MemoryRead;
use super::write::MemoryWrite;
use crate::builder::within;
use crate::error::Result;

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskProgress {
    /// 0 to 100.
    pub percent: u8,
    /// In the words of whoever reported it.
    pub status: String,
    /// Who that was.
    pub worker: String,
    /// When, by its clock, in milliseconds since 1970.
    pub updated_at_ms: u64,
}

impl Memory {
    /// Writes the state of a task, at `tasks/{task}/state` in the strong tier. Await the builder, which takes an expected
    /// revision and fences; see [`MemoryWrite`].
    pub fn sync_task_state<T: Serialize + ?Sized>(&self, task: &str, state: &T) -> MemoryWrite<'_> {
        self.write_to(self.shared.table.task_state(task), state)
    }

    /// The state of a task. Await the builder, which takes a level; see [`MemoryRead`].
    pub fn get_task_state<T: DeserializeOwned>(&self, task: &str) -> MemoryRead<'_, T> {
        self.read_from(self.shared.table.task_state(task))
    }

    /// Reports how far a task is, 0 to 100 percent, at `tasks/{task}/progress` in the eventual tier. It returns when the batch
    /// has taken it, and waits while that is full; of reports that wait together the last is sent. Of two that were made at
    /// the same time at different members the later one stays.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for more than 100 percent or a name that is none;
    /// [`Closed`](crate::ErrorKind::Closed).
    pub async fn sync_task_progress(&self, task: &str, percent: u8, status: &str) -> Result<()> {
        within("percent", percent.into(), 0, 100)?;
        let progress = TaskProgress {
            percent,
            status: status.to_owned(),
            worker: self.worker_id().to_owned(),
            updated_at_ms: wall_ms(),
        };
        self.write_to(self.shared.table.task_progress(task), &progress).await?;
        Ok(())
    }

    /// How far a task is, as it was reported last. Await the builder; see [`MemoryRead`].
    pub fn get_task_progress(&self, task: &str) -> MemoryRead<'_, TaskProgress> {
        self.read_from(self.shared.table.task_progress(task))
    }
}

/// The clock of this program, for people.
pub(super) fn wall_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since_1970 = since_1970.unwrap_or(Duration::ZERO);
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
