//! What became of every item, from the truth.

use std::collections::BTreeMap;

use quorate_proto::v1;
use quorate_proto::v1::QueueClaimEnd;
use quorate_proto::v1::queue_event::What;
use quorate_proto::v1::watch_event::Event as Wire;

use super::record::Receipt;
use crate::watch_check::{Event, Truth};

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for a claim.
    Ready,
    /// Its delay is not over.
    Delayed,
    /// Somebody has it.
    Claimed,
    /// It is a dead letter.
    Dead,
    /// It was acknowledged at this revision.
    Acked(u64),
}

/// A claim of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The right to it.
    pub token: u64,
    /// The revision of the claim.
    pub revision: u64,
    /// It ends with this lease; 0: with none.
    pub lease: u64,
    /// When it ended, if it did.
    pub ended: Option<(u64, Ended)>,
}

/// Why a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// The item was done.
    Acked,
    /// It was given back.
    Nacked,
    /// It lasted as long as it may.
    TimedOut,
    /// Its lease has ended.
    LeaseEnded,
}

/// An item, from its push on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The revision of the push.
    pub pushed: u64,
    /// Where it is in the end.
    pub state: State,
    /// In their order.
    pub claims: Vec<Claim>,
    /// It was a dead letter, and is none any more.
    pub redriven: bool,
}

/// Everything about one queue.
#[derive(Clone, Debug, Default)]
pub struct Items {
    /// By id.
    pub all: BTreeMap<u64, Item>,
    /// What cannot happen to an item.
    pub wrong: Vec<String>,
    /// What happened, in its order.
    pub steps: Vec<(u64, Step)>,
}

/// What a revision did to items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// They can be claimed from now on.
    Ready(Vec<u64>),
    /// They were claimed, in this order.
    Claimed(Vec<u64>),
}

impl Items {
    /// As the truth tells them.
    pub fn of(truth: &Truth, queue: &str) -> Items {
        let mut items = Items::default();
        for (revision, events) in truth.between(0, truth.last()) {
            for event in events {
                let Event::Other(event) = event else { continue };
                let Some(Wire::Queue(event)) = &event.what else {
                    continue;
                };
                if event.queue == queue
                    && let Some(what) = &event.what
                {
                    items.apply(revision, what);
                }
            }
        }
        items
    }

    /// A claim.
    pub fn claim(&self, receipt: Receipt) -> Option<&Claim> {
        let claims = &self.all.get(&receipt.item)?.claims;
        claims.iter().find(|claim| claim.token == receipt.token)
    }

    /// Every claim, with its item.
    pub fn claims(&self) -> impl Iterator<Item = (u64, &Claim)> {
        let all = self.all.iter();
        all.flat_map(|(item, life)| life.claims.iter().map(|claim| (*item, claim)))
    }

    fn apply(&mut self, revision: u64, what: &What) {
        match what {
            What::Enqueued(event) => self.pushed(revision, &event.items, event.delayed),
            What::Ready(event) => {
                self.all_from(revision, &event.items, &[State::Delayed], State::Ready);
                self.steps.push((revision, Step::Ready(event.items.clone())));
            }
            What::Claimed(event) => self.claimed(revision, event),
            What::Acked(event) => self.ended(revision, &event.items, Some(Ended::Acked), State::Acked(revision)),
            What::Returned(event) => {
                let state = if event.delayed { State::Delayed } else { State::Ready };
                self.ended(revision, &event.items, ended(event.why()), state);
                if !event.delayed {
                    self.steps.push((revision, Step::Ready(event.items.clone())));
                }
            }
            What::Dead(event) => self.ended(revision, &event.items, ended(event.why()), State::Dead),
            What::Redriven(event) => {
                self.all_from(revision, &event.items, &[State::Dead], State::Ready);
                for item in &event.items {
                    if let Some(life) = self.all.get_mut(item) {
                        life.redriven = true;
                    }
                }
                self.steps.push((revision, Step::Ready(event.items.clone())));
            }
            What::Purged(event) => {
                self.wrong
                    .push(format!("nobody purges items, and revision {revision} does: {event:?}"));
            }
            What::Created(_) | What::Configured(_) | What::Deleted(_) | What::Paused(_) | What::Resumed(_) => {}
        }
    }

    fn pushed(&mut self, revision: u64, items: &[u64], delayed: bool) {
        for item in items {
            // What is pushed at one revision is told in two parts, if some of it is delayed.
            let later = self
                .all
                .range(item..)
                .next()
                .filter(|(_, later)| later.pushed < revision);
            if let Some((later, life)) = later {
                let what = format!(
                    "item {item} is pushed at revision {revision}, and item {later} was at {}",
                    life.pushed
                );
                self.wrong.push(what);
            }
            let fresh = Item {
                pushed: revision,
                state: if delayed { State::Delayed } else { State::Ready },
                claims: Vec::new(),
                redriven: false,
            };
            if let Some(before) = self.all.insert(*item, fresh) {
                self.wrong.push(format!(
                    "item {item} is pushed at revision {revision}, and was {before:?}"
                ));
            }
        }
        if !delayed {
            self.steps.push((revision, Step::Ready(items.to_vec())));
        }
    }

    fn claimed(&mut self, revision: u64, event: &v1::QueueClaimedEvent) {
        self.all_from(revision, &event.items, &[State::Ready], State::Claimed);
        for item in &event.items {
            let Some(life) = self.all.get_mut(item) else { continue };
            if let Some(before) = life.claims.last()
                && before.token >= event.token
            {
                self.wrong.push(format!(
                    "item {item} is claimed at revision {revision} with token {}, and before that with {}",
                    event.token, before.token
                ));
            }
            life.claims.push(Claim {
                token: event.token,
                revision,
                lease: event.lease,
                ended: None,
            });
        }
        self.steps.push((revision, Step::Claimed(event.items.clone())));
    }

    fn ended(&mut self, revision: u64, items: &[u64], why: Option<Ended>, state: State) {
        self.all_from(revision, items, &[State::Claimed], state);
        for item in items {
            let claim = self.all.get_mut(item).and_then(|life| life.claims.last_mut());
            match (claim, why) {
                (Some(claim), Some(why)) if claim.ended.is_none() => claim.ended = Some((revision, why)),
                (claim, why) => {
                    let what = format!("item {item} comes back at revision {revision} for {why:?} from {claim:?}");
                    self.wrong.push(what);
                }
            }
        }
    }

    /// Items come from one of these states to another.
    fn all_from(&mut self, revision: u64, items: &[u64], from: &[State], to: State) {
        for item in items {
            match self.all.get_mut(item) {
                Some(life) if from.contains(&life.state) => life.state = to,
                life => self.wrong.push(format!(
                    "item {item} becomes {to:?} at revision {revision}, and was {life:?}"
                )),
            }
        }
    }
}

fn ended(why: QueueClaimEnd) -> Option<Ended> {
    match why {
        QueueClaimEnd::Nacked => Some(Ended::Nacked),
        QueueClaimEnd::TimedOut => Some(Ended::TimedOut),
        QueueClaimEnd::LeaseEnded => Some(Ended::LeaseEnded),
        QueueClaimEnd::Unspecified => None,
    }
}
