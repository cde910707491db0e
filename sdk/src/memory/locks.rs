//! Locks of tasks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::handle::{Memory, Shared};
use super::metrics::count;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::lease::{Loss, Session};
use crate::lock::{LockGuard, LockHold, LockOp};
use crate::txn::Op;

/// The locks that a memory holds, by task.
#[derive(Debug, Default)]
pub(super) struct TaskLocks(Mutex<BTreeMap<String, LockGuard>>);

impl TaskLocks {
    pub(super) fn held(&self) -> usize {
        self.0.lock().values().filter(|guard| guard.loss().is_none()).count()
    }

    /// All of them, to be given back.
    pub(super) fn take_all(&self) -> Vec<LockGuard> {
        std::mem::take(&mut *self.0.lock()).into_values().collect()
    }

    fn holds(&self, task: &str, token: u64) -> bool {
        self.0.lock().get(task).is_some_and(|guard| guard.token() == token)
    }

    /// The lock of a task, if it is held: by this token, if one is given.
    fn take(&self, task: &str, token: Option<u64>) -> Option<LockGuard> {
        let mut held = self.0.lock();
        let guard = held.get(task)?;
        if token.is_some_and(|token| token != guard.token()) {
            return None;
        }
        held.remove(task)
    }
}

/// The lock of a task, held by this memory.
///
/// It stays held when this is dropped: until [`release`](Self::release), [`Memory::release_task_lock`] or
/// [`Memory::shutdown`], and no longer than the process lives, plus its time to live. A panic that drops it gives it back, and
/// [`hold_while`](Self::hold_while) does in any case.
///
/// Its session is renewed in the background. Whatever is written under it should carry it as a fence, so that it is refused
/// if the lock was lost: [`sync_task_state(..).fence(&lock)`](crate::MemoryWrite::fence).
#[must_use = "it says that the lock is held: none means that somebody else has it"]
pub struct TaskLock {
    shared: Weak<Shared>,
    task: String,
    hold: LockHold,
    session: Session,
}

impl Memory {
    /// Takes the lock of a task, if nobody has it; none if somebody does, be it this memory. Nobody is waited for: to wait, take
    /// the lock `tasks/{task}/lock` behind the prefix by [`Client::lock`](crate::Client::lock). If this process dies, the lock
    /// is free after `ttl`, from 500 ms to a day.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a time to live out of its range or a name that is none;
    /// [`Closed`](ErrorKind::Closed), and what any call may return.
    pub async fn acquire_task_lock(&self, task: &str, ttl: Duration) -> Result<Option<TaskLock>> {
        let shared = &self.shared;
        let _pass = shared.gate.enter()?;
        let lock = shared.client.lock(shared.table.task_lock(task)?);
        let held = lock.value(self.worker_id()).ttl(ttl).try_acquire().await?;
        let Some(guard) = held else {
            count(&shared.counters.locks_contended, 1);
            return Ok(None);
        };
        count(&shared.counters.locks_acquired, 1);
        let lock = TaskLock {
            shared: Arc::downgrade(shared),
            task: task.to_owned(),
            hold: guard.hold().clone(),
            session: guard.session().clone(),
        };
        // What it replaces was lost before: two cannot have it.
        drop(shared.locks.0.lock().insert(task.to_owned(), guard));
        Ok(Some(lock))
    }

    /// Gives back the lock of a task that this memory holds. Nobody else's is touched.
    ///
    /// # Errors
    ///
    /// [`Fenced`](ErrorKind::Fenced) if this memory does not hold it, or has lost it; [`Closed`](ErrorKind::Closed), and what
    /// any call may return: it is given back in the background then.
    pub async fn release_task_lock(&self, task: &str) -> Result<()> {
        let _pass = self.shared.gate.enter()?;
        self.shared.release(task, None).await
    }
}

impl Shared {
    async fn release(&self, task: &str, token: Option<u64>) -> Result<()> {
        let Some(guard) = self.locks.take(task, token) else {
            return Err(not_held(task));
        };
        guard.release().await?;
        count(&self.counters.locks_released, 1);
        Ok(())
    }
}

fn not_held(task: &str) -> Error {
    let message = format!("the lock of task {task:?} is not held by this memory");
    Error::new(ErrorKind::Fenced, Outcome::NotApplied, message)
}

impl TaskLock {
    /// The task.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// The fencing token: greater than that of every holder before.
    pub fn token(&self) -> u64 {
        self.hold.token
    }

    /// Until this moment the lock is certainly held, unless it was released; every renewal moves it. See
    /// [`Session::deadline`].
    pub fn deadline(&self) -> Instant {
        self.session.deadline()
    }

    /// Why it is lost; none while its session lives.
    pub fn loss(&self) -> Option<Loss> {
        self.session.loss()
    }

    /// Completes when it is lost or released.
    pub async fn lost(&self) -> Loss {
        self.session.lost().await
    }

    /// To start a transaction with: it is refused with [`Fenced`](ErrorKind::Fenced) unless the lock is held.
    pub fn fence(&self) -> Op {
        LockOp::fence(&self.hold).into()
    }

    /// Does the work while the lock is held, and gives it back then, whatever came of the work. If this is dropped before it is
    /// done, or the work panics, the work goes with it and the lock is given back in the background.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # async fn example(memory: quorate::Memory) -> quorate::Result<()> {
    /// if let Some(lock) = memory.acquire_task_lock("task-123", Duration::from_secs(30)).await? {
    ///     let work = async {
    ///         memory.sync_task_state("task-123", "processing").fence(&lock).await?;
    ///         memory.sync_task_state("task-123", "completed").fence(&lock).await
    ///     };
    ///     // First whether it was done under the lock, then what came of it.
    ///     let written = lock.hold_while(work).await??;
    ///     println!("completed at revision {}", written.revision);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// That the lock was taken away by force is not noticed here, but by whatever is written under it with its fence.
    ///
    /// # Errors
    ///
    /// [`Fenced`](ErrorKind::Fenced) if the lock is not held any more: with [`Outcome::NotApplied`] the work was not begun; with
    /// [`Outcome::Unknown`] it was dropped where it was when the session ended, or it was done and the lock was no longer this
    /// one's in the end. [`Closed`](ErrorKind::Closed) if the memory was shut down before. Work that was done under the lock is
    /// returned even if the lock can only be given back in the background.
    pub fn hold_while<W: IntoFuture>(&self, work: W) -> impl Future<Output = Result<W::Output>> {
        // Made here and not in the future, which may be dropped before it is polled for the first time.
        let given_back = GivenBack(self);
        async move {
            let done = self.do_while_held(work).await;
            drop(given_back);
            done
        }
    }

    async fn do_while_held<W: IntoFuture>(&self, work: W) -> Result<W::Output> {
        self.check_held()?;
        let done = tokio::select! {
            biased;
            done = work.into_future() => done,
            loss = self.lost() => return Err(self.lost_by(loss, Outcome::Unknown)),
        };
        // A memory that is being shut down gives back locks as well: this one may have been another's for a while.
        if let Some(shared) = self.shared.upgrade()
            && !shared.locks.holds(&self.task, self.token())
        {
            return Err(not_held(&self.task).with_outcome(Outcome::Unknown));
        }
        match self.give_back().await {
            Err(error) if *error.kind() == ErrorKind::Fenced => Err(error.with_outcome(Outcome::Unknown)),
            _ => Ok(done),
        }
    }

    /// Gives it back.
    ///
    /// # Errors
    ///
    /// As [`Memory::release_task_lock`].
    pub async fn release(self) -> Result<()> {
        self.give_back().await
    }

    async fn give_back(&self) -> Result<()> {
        let shared = self.memory()?;
        let _pass = shared.gate.enter()?;
        shared.release(&self.task, Some(self.token())).await
    }

    fn check_held(&self) -> Result<()> {
        let shared = self.memory()?;
        let _pass = shared.gate.enter()?;
        if let Some(loss) = self.loss() {
            return Err(self.lost_by(loss, Outcome::NotApplied));
        }
        if shared.locks.holds(&self.task, self.token()) {
            Ok(())
        } else {
            Err(not_held(&self.task))
        }
    }

    fn memory(&self) -> Result<Arc<Shared>> {
        let closed = || {
            let message = "the memory was shut down, and gave back its locks";
            Error::new(ErrorKind::Closed, Outcome::NotApplied, message)
        };
        self.shared.upgrade().ok_or_else(closed)
    }

    fn lost_by(&self, loss: Loss, outcome: Outcome) -> Error {
        let message = format!("the lock of task {:?} was lost: {loss}", self.task);
        Error::new(ErrorKind::Fenced, outcome, message)
    }

    /// Gives it back in the background, if it was not given back before: a guard that is dropped is.
    fn abandon(&self) {
        if let Some(shared) = self.shared.upgrade() {
            drop(shared.locks.take(&self.task, Some(self.token())));
        }
    }
}

/// Whatever ends the work, the lock does not outlive it.
struct GivenBack<'a>(&'a TaskLock);

impl Drop for GivenBack<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl From<&TaskLock> for Op {
    fn from(lock: &TaskLock) -> Self {
        lock.fence()
    }
}

impl Drop for TaskLock {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nobody is left to release it.
            self.abandon();
        }
    }
}

impl fmt::Debug for TaskLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLock")
            .field("task", &self.task)
            .field("token", &self.token())
            .field("loss", &self.loss())
            .finish()
    }
}
