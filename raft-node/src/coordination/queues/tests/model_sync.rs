//! What a queue is made by those who sync it, against the model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::model::{QUEUES, Run, new_item};
use super::model_queue::{ModelItem, ModelQueue, Place};
use crate::coordination::queues::{
    Enqueued, ItemPlace, ItemState, NewItem, QueueOperation, QueueReply, SyncItem, SyncQueue,
};
use crate::types::{QueueRefusal, Revision};

/// The revision that is expected.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// Of the last change.
    Last,
    /// One before it.
    Before,
    /// That there is nothing.
    Nothing,
}

/// An item, by its place among those of a state; or any.
#[derive(Clone, Copy, Debug)]
enum Pick {
    In(ItemState, usize),
    Any(u64),
    /// A ready one, said to be in another group.
    Elsewhere(usize),
}

/// What is wanted, before it is known which items there are.
#[derive(Clone, Debug)]
pub struct Wish {
    expected: Expected,
    remove: Vec<Pick>,
    give_back: Vec<Pick>,
    claim: Vec<Pick>,
    enqueue: Vec<(NewItem, bool)>,
    leased: bool,
}

fn pick(states: &'static [ItemState]) -> impl Strategy<Value = Pick> {
    prop_oneof![
        16 => (prop::sample::select(states), 0..8_usize).prop_map(|(state, at)| Pick::In(state, at)),
        1 => (1..30_u64).prop_map(Pick::Any),
        1 => (0..8_usize).prop_map(Pick::Elsewhere),
    ]
}

pub fn wish() -> impl Strategy<Value = Wish> {
    const ALL: &[ItemState] = &[
        ItemState::Ready,
        ItemState::Delayed,
        ItemState::Claimed,
        ItemState::Dead,
    ];
    let some = |states| prop::collection::vec(pick(states), 0..3);
    let expected = prop_oneof![12 => Just(Expected::Last), 1 => Just(Expected::Before), 1 => Just(Expected::Nothing)];
    (
        expected,
        some(ALL),
        some(&[ItemState::Claimed]),
        some(&[ItemState::Ready]),
        prop::collection::vec((new_item(), any::<bool>()), 0..3),
        any::<bool>(),
    )
        .prop_map(|(expected, remove, give_back, claim, enqueue, leased)| Wish {
            expected,
            remove,
            give_back,
            claim,
            enqueue,
            leased,
        })
}

/// Items added, each with whether it is a duplicate; and items claimed.
type Done = (Vec<(u64, bool)>, Vec<u64>);

impl ModelQueue {
    /// What is to be done, each item named once.
    fn resolve(&self, queue: usize, wish: Wish, lease: u64) -> SyncQueue {
        let mut named = BTreeSet::new();
        let mut places = |picks: Vec<Pick>| -> Vec<ItemPlace> {
            let found = picks.into_iter().filter_map(|pick| self.picked(pick));
            found.filter(|place| named.insert(place.item)).collect()
        };
        let remove = places(wish.remove);
        let give_back = places(wish.give_back).into_iter().map(|place| place.item).collect();
        let claim = places(wish.claim);
        let enqueue = wish.enqueue.into_iter().map(|(new, claimed)| {
            let delay_ms = if claimed { 0 } else { new.delay_ms };
            let new = NewItem { delay_ms, ..new };
            SyncItem { new, claimed }
        });
        let expected = match wish.expected {
            Expected::Last => self.changed,
            Expected::Before => self.changed - 1,
            Expected::Nothing => 0,
        };
        SyncQueue {
            queue: QUEUES[queue].to_owned(),
            expected: Revision(expected),
            remove,
            give_back,
            enqueue: enqueue.collect(),
            claim,
            lease: wish.leased.then_some(crate::types::LeaseId(lease)),
            worker: "w".to_owned(),
            visibility_ms: None,
        }
    }

    fn picked(&self, pick: Pick) -> Option<ItemPlace> {
        let listed = |state, at: usize| {
            let listed = self.listed(state);
            listed.get(at % listed.len().max(1)).copied()
        };
        let item = match pick {
            Pick::In(state, at) => listed(state, at)?,
            Pick::Elsewhere(at) => listed(ItemState::Ready, at)?,
            Pick::Any(item) => item,
        };
        let new = self.items.get(&item).map(|item| item.new.clone()).unwrap_or_default();
        let wrong = if matches!(pick, Pick::Elsewhere(_)) { "!" } else { "" };
        Some(ItemPlace {
            item,
            priority: new.priority,
            group: new.group + wrong,
        })
    }

    /// The first refusal says which, and of what.
    fn sync(&mut self, wanted: &SyncQueue, token: u64, now: u64) -> Result<Done, (&'static str, u64)> {
        if self.changed > wanted.expected.0 && (wanted.expected.0 > 0 || !self.items.is_empty()) {
            return Err(("changed", self.changed));
        }
        for place in &wanted.remove {
            match self.items.get(&place.item) {
                None => return Err(("unknown", place.item)),
                Some(item) if item.place == Place::Ready && !stands_at(item, place) => {
                    return Err(("not ready", place.item));
                }
                Some(_) => self.remove(place.item),
            }
        }
        for item in &wanted.give_back {
            match self.items.get(item).map(|found| found.state()) {
                None => return Err(("unknown", *item)),
                Some(ItemState::Claimed) => self.give_back(*item),
                Some(_) => return Err(("not claimed", *item)),
            }
        }
        let claim = Place::Claimed {
            token,
            deadline: now + self.config.visibility_ms,
            lease: wanted.lease.map(|lease| lease.0),
        };
        let (mut pushed, mut added, mut claimed) = (Vec::new(), Vec::new(), Vec::new());
        for item in &wanted.enqueue {
            let place = item.claimed.then_some(claim.clone());
            let (id, duplicate) = self.push_to(item.new.clone(), place, now).ok_or(("full", 0))?;
            pushed.push((id, duplicate));
            if item.claimed && !duplicate {
                added.push(id);
            }
        }
        for place in &wanted.claim {
            match self.items.get(&place.item) {
                None => return Err(("unknown", place.item)),
                Some(item) if stands_at(item, place) => {
                    self.claim_one(place.item, claim.clone());
                    claimed.push(place.item);
                }
                Some(_) => return Err(("not ready", place.item)),
            }
        }
        claimed.extend(added);
        self.may_claim(&claimed)?;
        Ok((pushed, claimed))
    }

    fn may_claim(&self, claimed: &[u64]) -> Result<(), (&'static str, u64)> {
        if claimed.is_empty() {
            return Ok(());
        }
        if self.paused {
            return Err(("paused", 0));
        }
        let all = self.count(ItemState::Claimed) as u64;
        if self.config.claimed_max != 0 && all > self.config.claimed_max {
            return Err(("too many", all));
        }
        let groups: BTreeSet<_> = claimed.iter().map(|item| &self.items[item].new.group).collect();
        for group in groups {
            let own = self
                .items
                .values()
                .filter(|item| item.new.group == *group && item.state() == ItemState::Claimed);
            let own = own.count() as u64;
            if self.config.group_claimed_max != 0 && own > self.config.group_claimed_max {
                return Err(("too many", own));
            }
        }
        Ok(())
    }
}

/// It is ready, and where it is said to be. It may be one that this very sync has added.
fn stands_at(item: &ModelItem, place: &ItemPlace) -> bool {
    let at = (item.new.priority, &item.new.group);
    item.place == Place::Ready && at == (place.priority, &place.group)
}

fn kind(refusal: &QueueRefusal) -> (&'static str, u64) {
    match refusal {
        QueueRefusal::Changed { found, .. } => ("changed", found.0),
        QueueRefusal::UnknownItem { item, .. } => ("unknown", *item),
        QueueRefusal::NotReady { item, .. } => ("not ready", *item),
        QueueRefusal::NotClaimed { item, .. } => ("not claimed", *item),
        QueueRefusal::Full { .. } => ("full", 0),
        QueueRefusal::Paused { .. } => ("paused", 0),
        QueueRefusal::TooManyClaims { claims, .. } => ("too many", *claims),
        other => panic!("{other:?}"),
    }
}

impl Run {
    pub fn sync(&mut self, queue: usize, wish: Wish) {
        let wanted = self.queues[queue].resolve(queue, wish, self.lease.0);
        let (now, token) = (self.store.now, self.store.state.revision().next());
        let mut after = self.queues[queue].clone();
        let expected = after.sync(&wanted, token.0, now);
        match (self.operate(QueueOperation::Sync(wanted)), expected) {
            (Ok(reply), Ok((pushed, claimed))) => {
                let changed = if after.looks_like(&self.queues[queue]) {
                    Revision(after.changed)
                } else {
                    token
                };
                let pushed = pushed.into_iter().map(|(item, duplicate)| Enqueued { item, duplicate });
                let synced = QueueReply::Synced {
                    enqueued: pushed.collect(),
                    claimed: claimed.clone(),
                    visibility_ms: after.config.visibility_ms,
                    new: false,
                    changed,
                };
                assert_eq!(reply, synced);
                self.queues[queue] = after;
                let receipts = claimed.into_iter().map(|item| (queue, super::receipt(item, token.0)));
                self.receipts.extend(receipts);
            }
            (Err(refusal), Err(expected)) => assert_eq!(kind(&refusal), expected, "{refusal}"),
            other => panic!("{other:?}"),
        }
    }
}
