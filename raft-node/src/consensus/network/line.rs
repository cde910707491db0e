//! A way to end from elsewhere what somebody waits on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures::task::AtomicWaker;

/// A connection, or what is on it, that others may cut. Copies are of the same one.
#[derive(Clone, Default)]
pub struct Line(Arc<State>);

#[derive(Default)]
struct State {
    cut: AtomicBool,
    waiting: AtomicWaker,
}

impl Line {
    /// Ends it; whoever waits on it is woken.
    pub fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
        self.0.waiting.wake();
    }

    /// Whether it was cut; if not, the task is woken when it is. One task waits on a line at a time.
    pub fn poll_cut(&self, task: &Context<'_>) -> bool {
        self.0.waiting.register(task.waker());
        self.0.cut.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Line")
            .field(&self.0.cut.load(Ordering::Relaxed))
            .finish()
    }
}
