//! What a set of operations means: the values they wrote, but for those that one of them supersedes. Said without clocks,
//! logs, or anything else of the algorithm.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::Sibling;
use crate::{ActorId, Hlc, Life};

/// The name of an operation, the same at every member.
pub type Id = (ActorId, u64);

/// A value as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub hlc: Hlc,
    pub life: Life,
    pub bytes: Vec<u8>,
}

impl Stored {
    /// What a sibling says, whose value is this, wherever it was.
    pub fn of(sibling: &Sibling, value: &[u8]) -> Self {
        Stored {
            hlc: sibling.hlc,
            life: sibling.life,
            bytes: value.to_vec(),
        }
    }
}

/// What an operation did where it was written.
#[derive(Clone, Debug)]
pub struct Op {
    pub key: Vec<u8>,
    pub value: Option<Stored>,
    pub removed: BTreeSet<Id>,
    /// Of a counter: what it added, and the additions that its share consists of, its own among them.
    pub added: Option<(i64, BTreeSet<Id>)>,
}

/// The values of each key, by the operation that wrote them.
pub type Live = BTreeMap<Vec<u8>, BTreeMap<Id, Stored>>;

/// Every operation that there ever was.
#[derive(Default)]
pub struct Oracle {
    ops: BTreeMap<Id, Op>,
}

impl Oracle {
    /// A new operation. False if its name was used before.
    pub fn record(&mut self, id: Id, op: Op) -> bool {
        self.ops.insert(id, op).is_none()
    }

    pub fn op(&self, id: Id) -> Option<&Op> {
        self.ops.get(&id)
    }

    /// Those for which `covered` holds.
    pub fn covered<'a>(&'a self, covered: impl Fn(Id) -> bool + 'a) -> impl Iterator<Item = (Id, &'a Op)> {
        self.ops
            .iter()
            .map(|(id, op)| (*id, op))
            .filter(move |(id, _)| covered(*id))
    }

    /// What the operations mean for which `covered` holds.
    pub fn live(&self, covered: impl Fn(Id) -> bool) -> Live {
        let superseded: BTreeSet<Id> = self
            .covered(&covered)
            .flat_map(|(_, op)| op.removed.iter().copied())
            .collect();
        let mut live = Live::new();
        for (id, op) in self.covered(&covered) {
            if let Some(value) = op.value.as_ref().filter(|_| !superseded.contains(&id)) {
                live.entry(op.key.clone()).or_default().insert(id, value.clone());
            }
        }
        live
    }

    /// Dots that are superseded by operations for which `covered` holds, and that are not covered.
    pub fn awaited(&self, covered: impl Fn(Id) -> bool) -> BTreeSet<Id> {
        self.covered(&covered)
            .flat_map(|(_, op)| op.removed.iter().copied())
            .filter(|id| !covered(*id))
            .collect()
    }
}
