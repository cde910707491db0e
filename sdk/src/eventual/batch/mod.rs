//! A writer that collects writes and sends them together.
//!
//! `buffer` holds what was pushed and not yet answered, and makes one write of several of a key where that changes nothing;
//! `writer` is the task that sends; `handle` is what a program has of it.
//!
//! Invariants: what was accepted is sent or reported as failed, in order for each key; the buffer holds no more than its
//! limits; one request is under way at a time.

mod buffer;
mod handle;
mod open;
mod writer;

pub use handle::{BatchWrite, EventualBatch, FailedWrite, Flushed};
pub use open::OpenBatch;
pub(crate) use writer::BatchObserver;
