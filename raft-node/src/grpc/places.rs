//! Places that who came first gives up to who comes next.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::consensus::network::Line;

/// Places that are taken, in the order in which they were.
#[derive(Default)]
pub(super) struct Places {
    /// Counts takings and signs of life, so that both have an order without a clock.
    ticks: AtomicU64,
    taken: Mutex<BTreeMap<u64, Arc<Holder>>>,
    /// Places that were taken from holders who have not noticed yet.
    leaving: AtomicU64,
}

struct Holder {
    heard: AtomicU64,
    line: Line,
    from: Option<IpAddr>,
}

/// A place; free again when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    holder: Arc<Holder>,
}

impl Places {
    /// Takes one more. When it is given to somebody else, `line` is cut.
    pub(super) fn take(self: &Arc<Self>, line: Line) -> Place {
        self.take_from(line, None)
    }

    /// The same for somebody who came from there.
    pub(super) fn take_from(self: &Arc<Self>, line: Line, from: Option<IpAddr>) -> Place {
        let number = self.tick();
        let holder = Arc::new(Holder {
            heard: AtomicU64::new(number),
            line,
            from,
        });
        self.taken.lock().insert(number, Arc::clone(&holder));
        Place {
            places: Arc::clone(self),
            number,
            holder,
        }
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.lock().len()
    }

    /// How many are taken by somebody of whom is not known that he belongs here. Looks at all of them.
    pub(super) fn taken_by_strangers(&self) -> usize {
        let taken = self.taken.lock();
        taken.values().filter(|holder| !holder.line.is_known()).count()
    }

    /// Somebody was pushed out and still has what it had: it would be wrong to push out another for it.
    pub(super) fn someone_leaves(&self) -> bool {
        self.leaving.load(Ordering::Acquire) > 0
    }

    /// Takes the oldest one from its holder. Says whether there was one.
    pub(super) fn push_out_oldest(&self) -> bool {
        let oldest = self.taken.lock().pop_first();
        oldest.is_some_and(|(_, holder)| self.push_out(&holder))
    }

    /// Takes the one from its holder that gave no sign of life for longest. Strangers go before those who belong here, and of
    /// these those first who came from where most came from. Looks at all of them.
    pub(super) fn push_out_quietest(&self) -> bool {
        let mut taken = self.taken.lock();
        let has_strangers = taken.values().any(|holder| !holder.line.is_known());
        let may_go = |holder: &Holder| !(has_strangers && holder.line.is_known());
        let froms = taken.values().filter(|holder| may_go(holder)).map(|holder| holder.from);
        let crowd = most_common(froms);
        let quietest = taken
            .iter()
            .filter(|(_, holder)| may_go(holder) && Some(holder.from) == crowd)
            .min_by_key(|(_, holder)| holder.heard.load(Ordering::Relaxed));
        let Some(number) = quietest.map(|(number, _)| *number) else {
            return false;
        };
        taken.remove(&number).is_some_and(|holder| self.push_out(&holder))
    }

    fn push_out(&self, holder: &Holder) -> bool {
        self.leaving.fetch_add(1, Ordering::AcqRel);
        holder.line.cut();
        true
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::Relaxed)
    }
}

impl Place {
    /// A sign of life.
    pub(super) fn heard(&self) {
        self.holder.heard.store(self.places.tick(), Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.places.taken.lock().remove(&self.number).is_none() {
            self.places.leaving.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Where most came from.
fn most_common(froms: impl Iterator<Item = Option<IpAddr>>) -> Option<Option<IpAddr>> {
    let mut counts: HashMap<Option<IpAddr>, usize> = HashMap::new();
    for from in froms {
        *counts.entry(from).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(from, _)| from)
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use futures::task::noop_waker_ref;

    use super::*;

    fn take(places: &Arc<Places>) -> (Place, Line) {
        let line = Line::default();
        (places.take(line.clone()), line)
    }

    fn lost((_, line): &(Place, Line)) -> bool {
        line.poll_cut(&Context::from_waker(noop_waker_ref()))
    }

    #[test]
    fn the_oldest_goes_first_whatever_it_said_since() {
        let places = Arc::<Places>::default();
        let [first, second] = [take(&places), take(&places)];
        first.0.heard();
        assert!(places.push_out_oldest());
        assert!(lost(&first) && !lost(&second));
        assert_eq!(places.taken(), 1);
        assert!(places.someone_leaves());
        drop(first);
        assert!(!places.someone_leaves());
    }

    #[test]
    fn the_quietest_is_the_one_that_was_heard_longest_ago() {
        let places = Arc::<Places>::default();
        let [first, second, third] = [take(&places), take(&places), take(&places)];
        first.0.heard();
        assert!(places.push_out_quietest());
        assert!(lost(&second) && !lost(&first) && !lost(&third));
        assert!(places.push_out_quietest());
        assert!(lost(&third) && !lost(&first));
    }

    #[test]
    fn a_place_that_was_dropped_is_nobodys() {
        let places = Arc::<Places>::default();
        drop(take(&places));
        assert_eq!(places.taken(), 0);
        assert!(!places.push_out_oldest() && !places.push_out_quietest());
    }

    #[test]
    fn strangers_go_before_those_who_belong_here() {
        let places = Arc::<Places>::default();
        let [member, stranger] = [take(&places), take(&places)];
        member.1.know();
        stranger.0.heard();
        assert_eq!(places.taken_by_strangers(), 1);
        assert!(places.push_out_quietest());
        assert!(lost(&stranger) && !lost(&member));
        assert!(places.push_out_quietest());
        assert!(lost(&member));
    }

    #[test]
    fn of_strangers_those_go_first_who_came_from_where_most_came_from() {
        let places = Arc::<Places>::default();
        let from = |last: u8| {
            let line = Line::default();
            (
                places.take_from(line.clone(), Some(IpAddr::from([127, 0, 0, last]))),
                line,
            )
        };
        let [alone, one, another] = [from(1), from(2), from(2)];
        assert!(places.push_out_quietest());
        assert!(lost(&one) && !lost(&alone) && !lost(&another));
    }
}
