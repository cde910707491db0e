//! Requests that a client repeats because it did not get the answer.
//!
//! Putting a value again where the last write wins, or where values are merged, does no harm. Adding to a counter again
//! does; a set that is changed again undoes what somebody else did to it meanwhile. What such a request did is kept, by the
//! client's session and sequence, at the process that did it, and answers its repetitions there.
//!
//! What is kept is bounded: a request that is repeated after so many others that its answer is gone is done again.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use prost::Message;
use quorate_eventual::{ActorIndex, ShardNumber, Strategy};
use quorate_proto::v1::{Error, EventualWritten, eventual_write::Change};

use super::asked::{Asked, AskedChange};
use super::check;
use crate::grpc::error::invalid;
use crate::mvcc::EventualDomain;

/// Bytes of answers that are kept, of some 300,000 small requests; beyond that, those that were used last stay.
const KEPT_BYTES_MAX: u64 = 64 << 20;
/// An answer is kept for at most so long: the longest call that the SDK makes.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// What the cache needs for each, about.
const ENTRY_BYTES: usize = 128;

/// What a request did.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    /// Of each write; none if nothing was refused and nobody asked. An error is large and rare.
    pub(super) results: Vec<Result<EventualWritten, Box<Error>>>,
    /// What a member has that has what the request left: the last operation of each actor in each shard.
    pub(super) written: Vec<(ShardNumber, ActorIndex, u64)>,
    pub(super) any_refused: bool,
}

impl Done {
    fn bytes(&self) -> usize {
        let results = self.results.iter().map(|result| match result {
            Ok(written) => size_of_val(result) + written.context.len(),
            Err(error) => size_of_val(result) + size_of::<Error>() + error.encoded_len(),
        });
        results.sum::<usize>() + self.written.len() * size_of::<(ShardNumber, ActorIndex, u64)>()
    }
}

#[derive(Clone, Debug)]
struct Kept {
    /// Of what was asked.
    body: u64,
    done: Arc<Done>,
}

/// Answers that are kept for clients that repeat a request.
#[derive(Debug)]
pub struct Repeats {
    kept: Cache<(u64, u64), Kept>,
}

impl Default for Repeats {
    fn default() -> Self {
        Self::of_bytes(KEPT_BYTES_MAX)
    }
}

impl Repeats {
    fn of_bytes(bytes_max: u64) -> Self {
        let weigh = |_: &(u64, u64), kept: &Kept| u32::try_from(ENTRY_BYTES + kept.done.bytes()).unwrap_or(u32::MAX);
        let kept = Cache::builder()
            .max_capacity(bytes_max)
            .weigher(weigh)
            // The other policy there is keeps what was asked for often, and turns away what is new.
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(KEPT)
            .build();
        Repeats { kept }
    }

    /// What the request of this name did; it is done now if it was not before. `body` tells it from another of the same name,
    /// which is refused: the answer of the one says nothing of the other.
    pub(super) fn once(
        &self,
        (session, sequence): (u64, u64),
        body: u64,
        perform: impl FnOnce() -> Done,
    ) -> Result<Arc<Done>, Error> {
        if session == 0 {
            let message =
                "it has a sequence but no session: clients choose a random one, so that no other has the same";
            return Err(invalid("stamp", message));
        }
        let kept = self.kept.get_with((session, sequence), || Kept {
            body,
            done: Arc::new(perform()),
        });
        if kept.body != body {
            let message =
                format!("sequence {sequence} of the session was another request: each must have a number of its own");
            return Err(invalid("stamp", message));
        }
        Ok(kept.done)
    }
}

/// Tells what is asked from anything else.
pub(super) fn body(domain: &EventualDomain, quiet: bool, writes: &[Asked<'_>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u32(domain.id.0);
    hasher.write_u8(u8::from(quiet));
    let mut bytes = Vec::new();
    for write in writes {
        bytes.clear();
        // Into a vector it always fits.
        let _ = write.to_wire().encode_length_delimited(&mut bytes);
        hasher.write(&bytes);
    }
    hasher.finish()
}

/// Doing it twice may be something else than doing it once.
pub(super) fn must_be_once(domain: &EventualDomain, write: &Asked<'_>) -> bool {
    let put_as = |strategy| check::strategy(strategy, domain) == Ok(Strategy::Siblings);
    match write.change {
        AskedChange::Put(put) => put_as(put.strategy),
        AskedChange::Other(Change::Put(put)) => put_as(put.strategy),
        AskedChange::Other(Change::Map(map)) => !map.remove.is_empty(),
        AskedChange::Other(Change::Add(_) | Change::Set(_) | Change::Delete(_) | Change::Flag(_)) => true,
        AskedChange::Nothing => false,
    }
}

#[cfg(test)]
mod tests {
    use quorate_proto::v1::{EventualDelete, EventualMapChange, EventualPut, EventualStrategy, EventualWrite};

    use super::*;
    use crate::grpc::eventual::testing::domain;

    fn add(delta: i64) -> EventualWrite {
        change(Change::Add(delta))
    }

    fn change(change: Change) -> EventualWrite {
        EventualWrite {
            key: "k".into(),
            change: Some(change),
            ..EventualWrite::default()
        }
    }

    #[test]
    fn a_request_is_done_once() {
        let repeats = Repeats::default();
        let mut times = 0;
        for (sequence, _) in [(1, 'a'), (1, 'b'), (1, 'c'), (2, 'd')] {
            let done = repeats.once((7, sequence), 5, || {
                times += 1;
                Done::default()
            });
            assert!(done.is_ok());
        }
        assert_eq!(times, 2);
    }

    #[test]
    fn another_request_of_the_same_name_is_refused() {
        let repeats = Repeats::default();
        let domain = domain(Strategy::LastWrite);
        let ask = |name, delta| repeats.once(name, body(&domain, true, &[Asked::of(&add(delta))]), Done::default);
        assert!(ask((7, 1), 3).is_ok());
        assert_eq!(ask((7, 1), 4).unwrap_err().field, "stamp");
        assert!(ask((7, 1), 3).is_ok() && ask((7, 2), 4).is_ok());
        assert_eq!(ask((0, 1), 3).unwrap_err().field, "stamp", "no session");
    }

    #[test]
    fn the_newest_answers_stay() {
        let repeats = Repeats::of_bytes(100 * ENTRY_BYTES as u64);
        let is_new = |sequence| {
            let mut new = false;
            let done = repeats.once((7, sequence), 5, || {
                new = true;
                Done::default()
            });
            assert!(done.is_ok());
            repeats.kept.run_pending_tasks();
            new
        };
        for sequence in 1..=1_000 {
            assert!(is_new(sequence));
        }
        assert!(repeats.kept.entry_count() <= 100);
        for sequence in (901..=1_000).rev() {
            assert!(!is_new(sequence), "{sequence}");
        }
        assert!(is_new(1));
    }

    #[test]
    fn what_does_no_harm_is_not_kept() {
        let put = |strategy: EventualStrategy| {
            change(Change::Put(EventualPut {
                strategy: strategy.into(),
                ..EventualPut::default()
            }))
        };
        let (plain, siblings) = (domain(Strategy::Max), domain(Strategy::Siblings));
        assert!(!must_be_once(&plain, &Asked::of(&put(EventualStrategy::LastWrite))));
        assert!(!must_be_once(&plain, &Asked::of(&put(EventualStrategy::Unspecified))));
        assert!(must_be_once(&plain, &Asked::of(&put(EventualStrategy::Siblings))));
        assert!(must_be_once(&siblings, &Asked::of(&put(EventualStrategy::Unspecified))));
        assert!(must_be_once(&plain, &Asked::of(&add(1))));
        assert!(must_be_once(&plain, &Asked::of(&change(Change::Flag(false)))));
        assert!(must_be_once(
            &plain,
            &Asked::of(&change(Change::Delete(EventualDelete::default())))
        ));
        let mut map = EventualMapChange::default();
        assert!(!must_be_once(&plain, &Asked::of(&change(Change::Map(map.clone())))));
        map.remove.push("field".into());
        assert!(must_be_once(&plain, &Asked::of(&change(Change::Map(map)))));
    }
}
