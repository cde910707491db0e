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
    known: AtomicBool,
    waiting: AtomicWaker,
}

impl Line {
    /// Ends it; whoever waits on it is woken.
    pub fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
        self.0.waiting.wake();
    }

    /// Who called on it is one of those it is for.
    pub fn know(&self) {
        // It is known from its first call on, and the other calls need not write.
        if !self.is_known() {
            self.0.known.store(true, Ordering::Relaxed);
        }
    }

    /// Whether somebody called on it whom it is for.
    pub fn is_known(&self) -> bool {
        self.0.known.load(Ordering::Relaxed)
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
