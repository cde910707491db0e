//! Requests that a client repeats because it did not get the answer.
//!
//! Writing a value again does no harm; adding to a counter again does. What such a request did is kept, by the client's
//! session and sequence, at the process that did it.

use std::time::Duration;

use moka::sync::Cache;
use quorate_eventual::ShardNumber;
use quorate_proto::v1::{Error, EventualWritten};

/// Requests whose answers are kept: beyond that, the ones that were used least go first.
const REQUESTS_MAX: u64 = 65_536;
/// An answer is kept for so long: longer than any client repeats.
const KEPT: Duration = Duration::from_secs(300);

/// What a request did.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    /// Of each write. An error is large and rare.
    pub(super) results: Vec<Result<EventualWritten, Box<Error>>>,
    /// The last operation of each shard that was written to.
    pub(super) written: Vec<(ShardNumber, u64)>,
    pub(super) any_refused: bool,
}

/// Answers that are kept for clients that repeat a request.
#[derive(Debug)]
pub struct Repeats {
    done: Cache<(u64, u64), std::sync::Arc<Done>>,
}

impl Default for Repeats {
    fn default() -> Self {
        Repeats {
            done: Cache::builder().max_capacity(REQUESTS_MAX).time_to_live(KEPT).build(),
        }
    }
}

impl Repeats {
    /// What the request did; it is done now if it was not before.
    pub(super) fn once(&self, session: u64, sequence: u64, perform: impl FnOnce() -> Done) -> std::sync::Arc<Done> {
        self.done
            .get_with((session, sequence), || std::sync::Arc::new(perform()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_done_once() {
        let repeats = Repeats::default();
        let mut times = 0;
        for _ in 0..3 {
            repeats.once(7, 1, || {
                times += 1;
                Done::default()
            });
        }
        repeats.once(7, 2, || {
            times += 1;
            Done::default()
        });
        assert_eq!(times, 2);
    }
}
