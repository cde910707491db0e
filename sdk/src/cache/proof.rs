//! How fresh a cache is, as a look-up finds it without waiting for anybody.
//!
//! Written by whoever reads the stream, one at a time; read by every look-up. What is published is in this order: entries,
//! then the position up to which they are true, then the moment as of which that is known to be the newest. A look-up reads
//! it the other way round, the entry last: what it then finds is true at the position, or known to be newer.

use std::sync::atomic::{AtomicU64, Ordering};

use super::stats::Miss;

/// No answer can be given a moment.
const NEVER: u64 = 0;

/// What the stream of a cache has shown. Moments are nanoseconds of the cache's clock, at least 1.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// Odd while a stream keeps the entries true.
    turn: AtomicU64,
    epoch: AtomicU64,
    position: AtomicU64,
    /// Everything held is as fresh as this.
    as_of: AtomicU64,
    /// How long it may be answered after that; 0: as long as the stream lives.
    lease: AtomicU64,
}

/// What a look-up may answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    turn: u64,
    /// Entries are true at this revision, unless they are known to be newer.
    pub(super) position: u64,
    /// Nanoseconds since everything was as fresh as it is.
    pub(super) staleness: u64,
    /// When that was found.
    pub(super) now: u64,
}

impl Proof {
    /// Entries are kept true from now on. `lease` in nanoseconds; 0: none.
    pub(super) fn begin(&self, epoch: u64, position: u64, lease: u64) {
        self.end();
        self.epoch.store(epoch, Ordering::Relaxed);
        self.position.store(position, Ordering::Relaxed);
        self.lease.store(lease, Ordering::Relaxed);
        self.turn.fetch_add(1, Ordering::AcqRel);
    }

    /// They are not any more.
    pub(super) fn end(&self) {
        if self.is_kept() {
            self.turn.fetch_add(1, Ordering::AcqRel);
        }
        self.as_of.store(NEVER, Ordering::Release);
    }

    pub(super) fn is_kept(&self) -> bool {
        !self.turn.load(Ordering::Acquire).is_multiple_of(2)
    }

    /// Everything up to `revision` is in the entries.
    pub(super) fn reach(&self, revision: u64) {
        self.position.fetch_max(revision, Ordering::AcqRel);
    }

    /// What is held is as fresh as the moment `as_of`.
    pub(super) fn prove(&self, as_of: u64) {
        self.as_of.fetch_max(as_of, Ordering::AcqRel);
    }

    /// Nanoseconds since the moment as of which everything is known.
    pub(super) fn age(&self, now: u64) -> Option<u64> {
        let as_of = self.as_of.load(Ordering::Acquire);
        (as_of != NEVER).then(|| now.saturating_sub(as_of))
    }

    /// Whether it may be answered now, no older than `staleness_max` nanoseconds. `seen`: epoch and revision that the client
    /// has seen; none while they change. The entry must be looked up afterwards, and then [`is_still`](Self::is_still) asked.
    pub(super) fn stand(
        &self,
        staleness_max: u64,
        clock: impl FnOnce() -> u64,
        seen: impl FnOnce() -> Option<(u64, u64)>,
    ) -> Result<Standing, Miss> {
        let turn = self.turn.load(Ordering::Acquire);
        if turn.is_multiple_of(2) {
            return Err(Miss::Broken);
        }
        let as_of = self.as_of.load(Ordering::Acquire);
        let position = self.position.load(Ordering::Acquire);
        let epoch = self.epoch.load(Ordering::Relaxed);
        match seen() {
            Some((seen_epoch, revision)) if seen_epoch == epoch && revision <= position => {}
            _ => return Err(Miss::Behind),
        }
        let now = clock();
        let staleness = now.saturating_sub(as_of);
        let lease = self.lease.load(Ordering::Relaxed);
        if as_of == NEVER || staleness > staleness_max || (lease != 0 && staleness >= lease) {
            return Err(Miss::TooOld);
        }
        Ok(Standing {
            turn,
            position,
            staleness,
            now,
        })
    }

    /// Whether the stream that the standing is of still kept everything true when the entry was looked up.
    pub(super) fn is_still(&self, standing: &Standing) -> bool {
        self.turn.load(Ordering::Acquire) == standing.turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn proof() -> Proof {
        let proof = Proof::default();
        proof.begin(0, 5, 0);
        proof.prove(100 * MS);
        proof
    }

    fn stand(proof: &Proof, bound: u64, now: u64, seen: (u64, u64)) -> Result<u64, Miss> {
        let standing = proof.stand(bound, || now, || Some(seen))?;
        Ok(standing.staleness)
    }

    #[test]
    fn an_answer_is_as_old_as_the_question_that_proves_it() {
        let proof = proof();
        assert_eq!(stand(&proof, 50 * MS, 150 * MS, (0, 5)), Ok(50 * MS));
        assert_eq!(stand(&proof, 50 * MS, 150 * MS + 1, (0, 5)), Err(Miss::TooOld));
        proof.prove(120 * MS);
        proof.prove(110 * MS);
        assert_eq!(stand(&proof, 50 * MS, 150 * MS, (0, 5)), Ok(30 * MS));
    }

    #[test]
    fn nothing_is_answered_behind_what_the_client_has_seen_or_in_another_epoch() {
        let proof = proof();
        assert_eq!(stand(&proof, u64::MAX, 100 * MS, (0, 6)), Err(Miss::Behind));
        proof.reach(6);
        assert_eq!(stand(&proof, u64::MAX, 100 * MS, (0, 6)), Ok(0));
        assert_eq!(stand(&proof, u64::MAX, 100 * MS, (1, 2)), Err(Miss::Behind));
        assert_eq!(proof.stand(u64::MAX, || 0, || None), Err(Miss::Behind));
    }

    #[test]
    fn a_stream_that_ended_proves_nothing_and_the_next_one_starts_over() {
        let proof = proof();
        let before = proof.stand(u64::MAX, || 100 * MS, || Some((0, 5))).unwrap();
        assert!(proof.is_still(&before));
        proof.end();
        assert!(!proof.is_still(&before));
        assert_eq!(stand(&proof, u64::MAX, 100 * MS, (0, 5)), Err(Miss::Broken));
        proof.begin(0, 9, 0);
        assert!(!proof.is_still(&before));
        assert_eq!(stand(&proof, u64::MAX, 100 * MS, (0, 5)), Err(Miss::TooOld));
    }

    #[test]
    fn a_lease_ends_what_no_bound_does() {
        let proof = proof();
        proof.begin(0, 5, 30 * MS);
        proof.prove(100 * MS);
        assert_eq!(stand(&proof, u64::MAX, 130 * MS - 1, (0, 5)), Ok(30 * MS - 1));
        assert_eq!(stand(&proof, u64::MAX, 130 * MS, (0, 5)), Err(Miss::TooOld));
    }
}
