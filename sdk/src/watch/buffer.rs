//! What one watch has received and its consumer has not taken. Pure.
//!
//! Invariants: revisions enter in ascending order, each whole; everything up to `received` has entered, and everything up to
//! `taken` has left; a buffer that is full takes nothing but the rest of a revision whose first part it took.

use std::collections::VecDeque;
use std::sync::Arc;

use super::delivery::Delivery;

/// The events of one revision are no more than this: a member holds no transaction that large.
pub(super) const REVISION_BYTES_MAX: usize = 256 << 20;
/// Bytes of revisions that wait; the last one may pass it.
pub(super) const BUFFER_BYTES_MAX: usize = 8 << 20;

/// One revision, in the parts in which it came.
#[derive(Debug)]
pub(super) struct Revision {
    pub(super) first: Arc<Delivery>,
    /// Nearly always empty.
    pub(super) rest: Vec<Arc<Delivery>>,
    bytes: usize,
}

impl Revision {
    fn new(first: Arc<Delivery>) -> Self {
        let bytes = first.bytes;
        Self {
            first,
            rest: Vec::new(),
            bytes,
        }
    }
}

/// What the consumer is given.
#[derive(Debug)]
pub(super) enum Taken {
    Revision(Revision),
    Mark(u64),
}

#[derive(Debug)]
struct Entry {
    what: Taken,
    /// Once it is taken, everything up to here is.
    through: u64,
}

/// What became of something that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// There is something to take.
    Ready,
    /// It was kept, or was nothing to take.
    Nothing,
    /// The consumer must take first what is there.
    Full,
    /// One revision is this large.
    TooLarge { bytes: usize },
    /// It contradicts what came before.
    OutOfOrder { expected_after: u64 },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Buffer {
    entries: VecDeque<Entry>,
    /// Those of the entries that are revisions, and their bytes.
    revisions: usize,
    bytes: usize,
    revisions_max: usize,
    partial: Option<Revision>,
    /// None until the start is known.
    received: Option<u64>,
    taken: u64,
    marks_wanted: bool,
}

impl Buffer {
    /// `received`: everything up to there counts as received; none: the start is not known yet.
    pub(super) fn new(received: Option<u64>, revisions_max: usize, marks_wanted: bool) -> Self {
        Self {
            entries: VecDeque::new(),
            revisions: 0,
            bytes: 0,
            revisions_max,
            partial: None,
            received,
            taken: received.unwrap_or(0),
            marks_wanted,
        }
    }

    /// The start, now that it is known; false if it is another than was.
    pub(super) fn start(&mut self, revision: u64) -> bool {
        match self.received {
            Some(received) => received == revision,
            None => {
                self.received = Some(revision);
                self.taken = revision;
                true
            }
        }
    }

    /// Everything up to this revision was received; none if the start is not known.
    pub(super) fn received(&self) -> Option<u64> {
        self.received
    }

    /// Everything up to this revision was taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Revisions that wait to be taken.
    pub(super) fn revisions(&self) -> usize {
        self.revisions
    }

    /// Takes in a part of a revision.
    pub(super) fn receive(&mut self, delivery: Arc<Delivery>) -> Received {
        let received = self.received.unwrap_or(0);
        let (revision, more) = (delivery.revision, delivery.more);
        let whole = match self.partial.take() {
            Some(partial) if partial.first.revision != revision => {
                let expected_after = partial.first.revision - 1;
                return Received::OutOfOrder { expected_after };
            }
            None if revision <= received => {
                return Received::OutOfOrder {
                    expected_after: received,
                };
            }
            None if self.is_full() => return Received::Full,
            None => Revision::new(delivery),
            Some(mut partial) => {
                partial.bytes += delivery.bytes;
                partial.rest.push(delivery);
                partial
            }
        };
        if whole.bytes > REVISION_BYTES_MAX {
            return Received::TooLarge { bytes: whole.bytes };
        }
        if more {
            self.partial = Some(whole);
            return Received::Nothing;
        }
        self.revisions += 1;
        self.bytes += whole.bytes;
        self.received = Some(revision);
        self.entries.push_back(Entry {
            what: Taken::Revision(whole),
            through: revision,
        });
        Received::Ready
    }

    /// Everything up to `revision` has come.
    pub(super) fn mark(&mut self, revision: u64) -> Received {
        let received = self.received.unwrap_or(0);
        if let Some(partial) = &self.partial
            && revision >= partial.first.revision
        {
            let expected_after = partial.first.revision;
            return Received::OutOfOrder { expected_after };
        }
        // A member answers a probe with what it has applied: that may be before the start.
        if revision < received {
            return Received::Nothing;
        }
        self.received = Some(revision);
        match self.entries.back_mut() {
            // Nobody reads one mark after the other: the last one says it all.
            Some(Entry {
                what: Taken::Mark(last),
                through,
            }) => {
                (*last, *through) = (revision, revision);
                Received::Nothing
            }
            Some(entry) if !self.marks_wanted => {
                entry.through = revision;
                Received::Nothing
            }
            None if !self.marks_wanted => {
                self.taken = revision;
                Received::Nothing
            }
            _ => {
                self.entries.push_back(Entry {
                    what: Taken::Mark(revision),
                    through: revision,
                });
                Received::Ready
            }
        }
    }

    /// A revision of which only a part came comes again as a whole.
    pub(super) fn forget_partial(&mut self) {
        self.partial = None;
    }

    pub(super) fn take(&mut self) -> Option<Taken> {
        let entry = self.entries.pop_front()?;
        self.taken = entry.through;
        if let Taken::Revision(revision) = &entry.what {
            self.revisions -= 1;
            self.bytes -= revision.bytes;
        }
        Some(entry.what)
    }

    fn is_full(&self) -> bool {
        self.revisions >= self.revisions_max || self.bytes >= BUFFER_BYTES_MAX
    }

    /// Whether it has room for more than a few revisions.
    pub(super) fn is_drained(&self) -> bool {
        self.revisions <= self.revisions_max / 2 && self.bytes <= BUFFER_BYTES_MAX / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(revision: u64, bytes: usize, more: bool) -> Arc<Delivery> {
        Arc::new(Delivery {
            revision,
            wall_ms: 0,
            events: Vec::new(),
            bytes,
            more,
        })
    }

    fn whole(revision: u64) -> Arc<Delivery> {
        part(revision, 1, false)
    }

    fn started(revisions_max: usize, marks_wanted: bool) -> Buffer {
        Buffer::new(Some(9), revisions_max, marks_wanted)
    }

    fn taken(buffer: &mut Buffer) -> Vec<u64> {
        std::iter::from_fn(|| buffer.take())
            .map(|taken| match taken {
                Taken::Revision(revision) => revision.first.revision,
                Taken::Mark(revision) => revision,
            })
            .collect()
    }

    #[test]
    fn a_revision_is_taken_when_its_last_part_has_come() {
        let mut buffer = started(8, false);
        assert_eq!(buffer.receive(part(10, 5, true)), Received::Nothing);
        assert!(buffer.take().is_none());
        assert_eq!(buffer.receive(part(10, 7, false)), Received::Ready);
        assert_eq!((buffer.received(), buffer.taken()), (Some(10), 9));
        let Some(Taken::Revision(revision)) = buffer.take() else {
            panic!()
        };
        assert_eq!((revision.rest.len(), revision.bytes, buffer.taken()), (1, 12, 10));
    }

    #[test]
    fn a_part_that_is_forgotten_comes_again() {
        let mut buffer = started(8, false);
        buffer.receive(part(10, 1, true));
        buffer.forget_partial();
        assert_eq!(buffer.received(), Some(9));
        assert_eq!(buffer.receive(part(10, 1, true)), Received::Nothing);
        assert_eq!(buffer.receive(part(10, 1, false)), Received::Ready);
        assert_eq!(taken(&mut buffer), [10]);
    }

    #[test]
    fn what_came_before_or_interrupts_a_revision_is_out_of_order() {
        let mut buffer = started(8, false);
        assert_eq!(buffer.receive(whole(9)), Received::OutOfOrder { expected_after: 9 });
        buffer.mark(12);
        assert_eq!(buffer.receive(whole(12)), Received::OutOfOrder { expected_after: 12 });
        buffer.receive(part(15, 1, true));
        assert_eq!(buffer.mark(15), Received::OutOfOrder { expected_after: 15 });
        assert_eq!(buffer.mark(14), Received::Nothing);
        assert_eq!(buffer.receive(whole(16)), Received::OutOfOrder { expected_after: 14 });
    }

    #[test]
    fn a_full_buffer_takes_nothing_but_the_rest_of_a_revision() {
        let mut buffer = started(2, false);
        buffer.receive(whole(10));
        buffer.receive(part(11, 1, true));
        assert_eq!(buffer.receive(part(11, 1, false)), Received::Ready);
        assert_eq!(buffer.receive(whole(12)), Received::Full);
        assert_eq!(buffer.received(), Some(11));
        assert!(!buffer.is_drained());
        buffer.take();
        assert!(buffer.is_drained());
        assert_eq!(buffer.receive(whole(12)), Received::Ready);
    }

    #[test]
    fn bytes_fill_a_buffer_as_revisions_do() {
        let mut buffer = started(100, false);
        assert_eq!(buffer.receive(part(10, BUFFER_BYTES_MAX + 1, false)), Received::Ready);
        assert_eq!(buffer.receive(whole(11)), Received::Full);
        buffer.take();
        assert_eq!(buffer.receive(whole(11)), Received::Ready);
    }

    #[test]
    fn a_revision_without_end_is_too_large() {
        let mut buffer = started(8, false);
        assert_eq!(buffer.receive(part(10, REVISION_BYTES_MAX, true)), Received::Nothing);
        let bytes = REVISION_BYTES_MAX + 1;
        assert_eq!(buffer.receive(part(10, 1, true)), Received::TooLarge { bytes });
    }

    #[test]
    fn marks_that_nobody_asked_for_move_the_position_in_their_turn() {
        let mut buffer = started(8, false);
        buffer.mark(11);
        assert_eq!(buffer.taken(), 11);
        buffer.receive(whole(12));
        assert_eq!(buffer.mark(14), Received::Nothing);
        assert_eq!((buffer.received(), buffer.taken()), (Some(14), 11));
        assert_eq!(taken(&mut buffer), [12]);
        assert_eq!(buffer.taken(), 14);
    }

    #[test]
    fn marks_in_a_row_are_taken_as_one() {
        let mut buffer = started(8, true);
        assert_eq!(buffer.mark(10), Received::Ready);
        assert_eq!(buffer.mark(11), Received::Nothing);
        buffer.receive(whole(12));
        buffer.mark(12);
        assert_eq!(taken(&mut buffer), [11, 12, 12]);
    }

    #[test]
    fn the_start_is_learnt_once() {
        let mut buffer = Buffer::new(None, 8, false);
        assert!(buffer.start(5));
        assert_eq!((buffer.received(), buffer.taken()), (Some(5), 5));
        assert!(buffer.start(5));
        assert!(!buffer.start(4));
    }
}
