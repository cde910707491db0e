//! How many calls a member works on at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate_proto::v1::{Error, ErrorCode, Outcome};

/// Counts the calls in work.
#[derive(Clone)]
pub(super) struct Admission {
    outstanding: Arc<AtomicU64>,
    outstanding_max: u64,
    /// What there are too many of, and which limit says so.
    too_many: &'static str,
}

/// One call in work; dropped when its reply leaves.
pub(super) struct Permit(Arc<AtomicU64>);

impl Admission {
    /// `too_many` ends the sentence that begins with how many there are.
    pub(super) fn new(outstanding_max: u64, too_many: &'static str) -> Self {
        Self {
            outstanding: Arc::default(),
            outstanding_max,
            too_many,
        }
    }

    /// Admits a call, or says that the member is full.
    pub(super) fn admit(&self) -> Result<Permit, Error> {
        let before = self.outstanding.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(Arc::clone(&self.outstanding));
        if before < self.outstanding_max {
            return Ok(permit);
        }
        Err(Error {
            code: ErrorCode::Overloaded.into(),
            message: format!("{} {}: try again later", self.outstanding_max, self.too_many),
            limit: self.outstanding_max,
            value: before,
            outcome: Outcome::NotApplied.into(),
            ..Error::default()
        })
    }

    /// Calls in work.
    pub(super) fn outstanding(&self) -> u64 {
        self.outstanding.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
