//! A queue as one would write it without any thought for speed: a map of items, and for each priority a list of groups.

use std::collections::BTreeMap;

use crate::coordination::queues::{ItemState, NewItem, QueueConfig};

/// Where an item of the model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Ready,
    Delayed {
        due: u64,
    },
    Claimed {
        token: u64,
        deadline: u64,
        lease: Option<u64>,
    },
    Dead,
}

#[derive(Clone, Debug)]
pub struct ModelItem {
    pub new: NewItem,
    pub attempts: u32,
    pub checkpoint: Option<Vec<u8>>,
    pub place: Place,
}

/// What the model hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    pub item: u64,
    pub attempt: u32,
    pub checkpoint: Option<Vec<u8>>,
    pub payload: Vec<u8>,
}

/// Why a receipt is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worthless {
    Unknown,
    TimedOut,
    Another,
    Over,
}

#[derive(Clone, Debug, Default)]
pub struct ModelQueue {
    pub config: QueueConfig,
    pub paused: bool,
    pub items: BTreeMap<u64, ModelItem>,
    pub handed_out: u64,
    pub keys: BTreeMap<String, (u64, u64)>,
    /// Revision at which what [`ModelQueue::looks_like`] compares was last another.
    pub changed: u64,
    rotation: BTreeMap<u8, Vec<String>>,
}

impl ModelQueue {
    pub fn made_at(revision: u64) -> ModelQueue {
        ModelQueue {
            changed: revision,
            ..ModelQueue::default()
        }
    }

    pub fn count(&self, state: ItemState) -> usize {
        self.items.values().filter(|item| item.state() == state).count()
    }

    /// None: the queue is full. The batch is taken back by whoever calls.
    pub fn push(&mut self, new: NewItem, now: u64) -> Option<(u64, bool)> {
        self.push_to(new, None, now)
    }

    /// The same; where the item begins, if that is somewhere else.
    pub fn push_to(&mut self, new: NewItem, place: Option<Place>, now: u64) -> Option<(u64, bool)> {
        if let Some((item, until)) = new.dedupe_key.as_ref().and_then(|key| self.keys.get(key))
            && *until > now
        {
            return Some((*item, true));
        }
        if self.items.len() as u64 >= self.config.depth_max {
            return None;
        }
        self.handed_out += 1;
        let item = self.handed_out;
        if let Some(key) = &new.dedupe_key {
            self.keys
                .insert(key.clone(), (item, now + self.config.dedupe_window_ms));
        }
        let place = place.unwrap_or(match new.delay_ms {
            0 => Place::Ready,
            delay => Place::Delayed { due: now + delay },
        });
        let group = new.group.clone();
        let counts_for_its_group = !matches!(place, Place::Delayed { .. });
        let attempts = u32::from(matches!(place, Place::Claimed { .. }));
        let checkpoint = None;
        self.items.insert(
            item,
            ModelItem {
                new,
                attempts,
                checkpoint,
                place,
            },
        );
        // A limit that was lowered counts for a group from when one of its ready or claimed items changes.
        if counts_for_its_group {
            self.settle(&group);
        }
        Some((item, false))
    }

    pub fn claim(&mut self, count: u32, token: u64, lease: Option<u64>, deadline: u64) -> Vec<Handed> {
        let mut handed = Vec::new();
        while handed.len() < count as usize {
            let claimed = self.count(ItemState::Claimed) as u64;
            if self.paused || (self.config.claimed_max != 0 && claimed >= self.config.claimed_max) {
                break;
            }
            let Some(group) = self.rotation.values().rev().find_map(|groups| groups.first()).cloned() else {
                break;
            };
            if self.is_full(&group) {
                self.settle(&group);
                continue;
            }
            handed.push(self.hand_out(&group, token, lease, deadline));
        }
        handed
    }

    fn hand_out(&mut self, group: &str, token: u64, lease: Option<u64>, deadline: u64) -> Handed {
        let (priority, groups) = self
            .rotation
            .iter_mut()
            .rev()
            .find(|(_, groups)| !groups.is_empty())
            .unwrap();
        let priority = *priority;
        groups.remove(0);
        let next =
            |item: &ModelItem| item.place == Place::Ready && item.new.priority == priority && item.new.group == group;
        let (id, item) = self.items.iter_mut().find(|(_, item)| next(item)).unwrap();
        item.attempts += 1;
        item.place = Place::Claimed { token, deadline, lease };
        let handed = Handed {
            item: *id,
            attempt: item.attempts,
            checkpoint: item.checkpoint.clone(),
            payload: item.new.payload.clone(),
        };
        self.settle(group);
        handed
    }

    /// Claims a ready item, wherever it stands in the order.
    pub fn claim_one(&mut self, item: u64, place: Place) {
        let found = self.items.get_mut(&item).unwrap();
        found.attempts += 1;
        found.place = place;
        let (priority, group) = (found.new.priority, found.new.group.clone());
        if let Some(groups) = self.rotation.get_mut(&priority) {
            groups.retain(|own| *own != group);
        }
        self.settle(&group);
    }

    /// A claimed item is ready again, however often it was claimed.
    pub fn give_back(&mut self, item: u64) {
        // First its group has a claim less, then the item is ready: that is the order of turns.
        self.move_to(item, Place::Dead);
        self.move_to(item, Place::Ready);
    }

    /// Whoever reads the two would act alike: how long claims and delays last is not compared.
    pub fn looks_like(&self, other: &ModelQueue) -> bool {
        let seen = |item: &ModelItem| match item.place {
            Place::Claimed { token, .. } => (ItemState::Claimed, token),
            _ => (item.state(), 0),
        };
        let items = |queue: &ModelQueue| -> Vec<_> { queue.items.iter().map(|(id, item)| (*id, seen(item))).collect() };
        (self.paused, &self.config, items(self)) == (other.paused, &other.config, items(other))
    }

    pub fn check(&self, item: u64, token: u64, now: u64) -> Result<(), Worthless> {
        match self.items.get(&item).map(|item| &item.place) {
            None => Err(Worthless::Unknown),
            Some(Place::Claimed {
                token: own, deadline, ..
            }) if *own == token => {
                if *deadline > now {
                    Ok(())
                } else {
                    Err(Worthless::TimedOut)
                }
            }
            Some(Place::Claimed { .. }) => Err(Worthless::Another),
            Some(_) => Err(Worthless::Over),
        }
    }

    /// The item is out of its claim, for `place`, unless it was claimed too often.
    pub fn back(&mut self, item: u64, place: Place) -> ItemState {
        let attempts_max = self.config.attempts_max;
        let group = self.items[&item].new.group.clone();
        // First its group has a claim less, then the item is where it goes: that is the order of turns.
        self.items.get_mut(&item).unwrap().place = Place::Dead;
        self.settle(&group);
        let found = self.items.get_mut(&item).unwrap();
        found.place = if found.attempts >= attempts_max {
            Place::Dead
        } else {
            place
        };
        let state = found.state();
        self.settle(&group);
        state
    }

    pub fn revive(&mut self, item: u64) {
        let found = self.items.get_mut(&item).unwrap();
        found.attempts = 0;
        self.move_to(item, Place::Ready);
    }

    pub fn move_to(&mut self, item: u64, place: Place) {
        let found = self.items.get_mut(&item).unwrap();
        found.place = place;
        let group = found.new.group.clone();
        self.settle(&group);
    }

    /// The item is done, or thrown away.
    pub fn remove(&mut self, item: u64) {
        let removed = self.items.remove(&item).unwrap();
        if matches!(removed.state(), ItemState::Ready | ItemState::Claimed) {
            self.settle(&removed.new.group);
        }
    }

    /// The items of a state, in the order in which they are listed.
    pub fn listed(&self, state: ItemState) -> Vec<u64> {
        let mut found: Vec<_> = self.items.iter().filter(|(_, item)| item.state() == state).collect();
        if state == ItemState::Ready {
            found.sort_by_key(|(id, item)| (255 - item.new.priority, item.new.group.clone(), **id));
        }
        found.into_iter().map(|(id, _)| *id).collect()
    }

    fn is_full(&self, group: &str) -> bool {
        let claimed = self
            .items
            .values()
            .filter(|item| item.new.group == group && item.state() == ItemState::Claimed);
        self.config.group_claimed_max != 0 && claimed.count() as u64 >= self.config.group_claimed_max
    }

    /// A group stands in the list of each priority at which it has ready items, unless it is full; a newcomer is last.
    fn settle(&mut self, group: &str) {
        let full = self.is_full(group);
        for priority in 0..=u8::MAX {
            let ready = self
                .items
                .values()
                .any(|item| item.place == Place::Ready && item.new.group == group && item.new.priority == priority);
            let groups = self.rotation.entry(priority).or_default();
            let at = groups.iter().position(|own| own == group);
            match (ready && !full, at) {
                (true, None) => groups.push(group.to_owned()),
                (false, Some(at)) => drop(groups.remove(at)),
                _ => {}
            }
            if groups.is_empty() {
                self.rotation.remove(&priority);
            }
        }
    }
}

impl ModelItem {
    pub fn state(&self) -> ItemState {
        match self.place {
            Place::Ready => ItemState::Ready,
            Place::Delayed { .. } => ItemState::Delayed,
            Place::Claimed { .. } => ItemState::Claimed,
            Place::Dead => ItemState::Dead,
        }
    }
}
