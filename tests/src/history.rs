//! Every operation with its times and its answer.
//!
//! Times are of one monotonic clock, taken before the call and after its answer, in one process: real-time order is
//! then exact. Each written value is unique and names its operation, so that a value found in the store leads back to
//! the one call that can have written it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::model::Versioned;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Writes a key.
    Put {
        /// The key.
        key: Bytes,
        /// Unique in the history.
        value: Bytes,
    },
    /// Writes a key if its modification revision is still `expected`; 0: if it does not exist.
    CompareAndSwap {
        /// The key.
        key: Bytes,
        /// Its modification revision.
        expected: u64,
        /// Unique in the history.
        value: Bytes,
    },
    /// Deletes a key.
    Delete {
        /// The key.
        key: Bytes,
    },
    /// Reads a key.
    Get {
        /// The key.
        key: Bytes,
        /// Linearizable; otherwise some prefix of the log, monotonic for the client.
        strong: bool,
    },
}

impl Request {
    /// The key.
    pub fn key(&self) -> &Bytes {
        match self {
            Request::Put { key, .. }
            | Request::CompareAndSwap { key, .. }
            | Request::Delete { key }
            | Request::Get { key, .. } => key,
        }
    }

    /// The value it writes.
    pub fn value(&self) -> Option<&Bytes> {
        match self {
            Request::Put { value, .. } | Request::CompareAndSwap { value, .. } => Some(value),
            Request::Delete { .. } | Request::Get { .. } => None,
        }
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Written, or deleted, at this revision.
    Written {
        /// The revision it made.
        revision: u64,
    },
    /// Nothing was changed since the compare did not hold, or there was nothing to delete.
    Unchanged {
        /// The revision at which that was so.
        revision: u64,
        /// The key as the answer shows it.
        current: Option<Versioned>,
    },
    /// The key as it was at a revision.
    Read {
        /// The revision.
        revision: u64,
        /// The key, if it existed.
        record: Option<Versioned>,
    },
    /// Refused or failed, and certainly not applied.
    NotApplied,
    /// It may have been applied, or may yet be.
    Unknown,
}

impl Response {
    /// The revision of which it speaks.
    pub fn revision(&self) -> Option<u64> {
        match self {
            Response::Written { revision } | Response::Unchanged { revision, .. } | Response::Read { revision, .. } => {
                Some(*revision)
            }
            Response::NotApplied | Response::Unknown => None,
        }
    }
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which client; its calls do not overlap.
    pub client: u64,
    /// Just before the call.
    pub invoked: Duration,
    /// Just after the answer.
    pub returned: Duration,
    /// What was asked for.
    pub request: Request,
    /// What came back.
    pub response: Response,
}

/// Collects operations from many clients.
#[derive(Debug)]
pub struct History {
    start: Instant,
    operations: Mutex<Vec<Operation>>,
    acknowledged_writes: AtomicUsize,
}

impl Default for History {
    fn default() -> Self {
        History {
            start: Instant::now(),
            operations: Mutex::new(Vec::new()),
            acknowledged_writes: AtomicUsize::new(0),
        }
    }
}

impl History {
    /// Now, on the clock of this history.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Adds an operation that began at `invoked` and ends now.
    pub fn record(&self, client: u64, invoked: Duration, request: Request, response: Response) {
        let operation = Operation {
            client,
            invoked,
            returned: self.now(),
            request,
            response,
        };
        if matches!(operation.response, Response::Written { .. }) {
            self.acknowledged_writes.fetch_add(1, Ordering::AcqRel);
        }
        self.operations.lock().push(operation);
    }

    /// Operations recorded so far.
    pub fn len(&self) -> usize {
        self.operations.lock().len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes acknowledged so far.
    pub fn acknowledged_writes(&self) -> usize {
        self.acknowledged_writes.load(Ordering::Acquire)
    }

    /// A copy of what was recorded so far.
    pub fn operations(&self) -> Vec<Operation> {
        self.operations.lock().clone()
    }
}
