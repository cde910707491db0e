//! What clients did to the eventual tier, what was done to members, and what every member has at the end.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// What a key is for; its first letters say it, so that a key is of one kind only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Kind {
    /// A register whose values stand beside each other until one that has read them replaces them.
    Siblings,
    /// A register of which the newest value stays.
    LastWrite,
    /// A register of JSON arrays that are joined.
    Union,
    /// A register of numbers of which the greatest stays.
    Max,
    /// A sum.
    Counter,
    /// Members.
    Set,
}

/// Every kind.
pub const KINDS: [Kind; 6] = [
    Kind::Siblings,
    Kind::LastWrite,
    Kind::Union,
    Kind::Max,
    Kind::Counter,
    Kind::Set,
];

/// A key of one domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Key {
    /// Its domain.
    pub domain: &'static str,
    /// What it is for.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

/// One change. Values and members are unique among all writes of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Change {
    /// A value for a register; for a union its one element, for a maximum a number.
    Put {
        /// The value.
        value: String,
        /// What a read had given whose context went with it.
        over: Option<BTreeSet<String>>,
    },
    /// The register is deleted, with the context of a read.
    Delete {
        /// What the read had given.
        over: BTreeSet<String>,
    },
    /// Added to a counter; not less than 0.
    Add(i64),
    /// Added to a set.
    Insert(String),
    /// Taken from a set.
    Remove(String),
}

/// What a client was told of a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// So many members have it, that which answered included.
    Acked(u32),
    /// It was not done.
    Refused(String),
    /// Nobody knows.
    Unknown(String),
}

/// A write. Times are microseconds since the run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Write {
    /// Who wrote it.
    pub writer: u64,
    /// Where.
    pub key: Key,
    /// What.
    pub change: Change,
    /// The member that answered; 0 if none did.
    pub member: u64,
    /// It was sent once only: there is at most one of it.
    pub once: bool,
    /// Before it was sent.
    pub began_us: u64,
    /// After its answer, or when it was given up.
    pub ended_us: u64,
    /// What was said of it.
    pub outcome: Outcome,
}

impl Write {
    /// How many members are known to have had it.
    pub fn acked(&self) -> u32 {
        match self.outcome {
            Outcome::Acked(members) => members,
            Outcome::Refused(_) | Outcome::Unknown(_) => 0,
        }
    }

    /// It may have been done.
    pub fn is_possible(&self) -> bool {
        !matches!(self.outcome, Outcome::Refused(_))
    }
}

/// A read of a client that goes from member to member with its token. Only it writes the key: numbers that rise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// Who read.
    pub reader: u64,
    /// Of which member.
    pub member: u64,
    /// What it had written there or anywhere, if that was acknowledged.
    pub wrote: u64,
    /// The greatest number that it has tried to write.
    pub tried: u64,
    /// What came.
    pub read: HopRead,
    /// Before the read.
    pub began_us: u64,
    /// After it.
    pub ended_us: u64,
}

/// What a [`Hop`] was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum HopRead {
    /// The number; 0 if there was none.
    Number(u64),
    /// Something that the token names was lost with its process.
    ContextLost,
    /// It cannot be had now.
    NotNow(String),
}

/// The process of a member ended at once. Its memory went with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Kill {
    /// Whose.
    pub member: u64,
    /// Before the signal was sent.
    pub began_us: u64,
    /// After the process had ended.
    pub ended_us: u64,
}

/// All members had what each of them had had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Even {
    /// Before the first was asked.
    pub began_us: u64,
    /// After the last had answered.
    pub ended_us: u64,
}

/// What a member has under a key, in a form that is equal at two members exactly if they have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Held {
    /// Of a register: its values. For a union or a maximum: what the member made of them.
    pub values: BTreeSet<String>,
    /// Processes and numbers of siblings.
    pub dots: BTreeSet<(u64, u64)>,
    /// Of a counter.
    pub sum: i64,
    /// Of a set.
    pub members: BTreeSet<String>,
    /// When it was written and when it goes.
    pub times: (u64, Option<u64>),
}

/// What one member has.
pub type State = BTreeMap<Key, Held>;

/// Everything that happened.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Writes of all clients.
    pub writes: Vec<Write>,
    /// Reads with tokens.
    pub hops: Vec<Hop>,
    /// Memory that was lost.
    pub kills: Vec<Kill>,
    /// When nothing could be lost any more that had been acknowledged before.
    pub evens: Vec<Even>,
    /// What every member had at the end, by member.
    pub states: BTreeMap<u64, State>,
}

impl History {
    /// The write is at the end wherever it was not replaced: two members had it, of which one at most lost its memory before
    /// all were even again, or the one that had it did not lose it before that.
    pub fn survives(&self, write: &Write) -> bool {
        match write.acked() {
            0 => false,
            1 => !self.kills.iter().any(|kill| self.endangers(kill, write)),
            _ => true,
        }
    }

    fn endangers(&self, kill: &Kill, write: &Write) -> bool {
        let even_before = |even: &Even| write.ended_us <= even.began_us && even.ended_us <= kill.began_us;
        kill.member == write.member && write.began_us <= kill.ended_us && !self.evens.iter().any(even_before)
    }

    /// The member's process was the same one from the beginning of the one write to the end of the other.
    pub fn same_process(&self, first: &Write, second: &Write) -> bool {
        let between = |kill: &Kill| kill.ended_us >= first.began_us && kill.began_us <= second.ended_us;
        let member = first.member;
        member != 0 && member == second.member && !self.kills.iter().any(|kill| kill.member == member && between(kill))
    }

    /// Writes of each key, in the order in which they began.
    pub fn by_key(&self, kind: Kind) -> BTreeMap<&Key, Vec<&Write>> {
        let mut by_key: BTreeMap<&Key, Vec<&Write>> = BTreeMap::new();
        for write in self.writes.iter().filter(|write| write.key.kind == kind) {
            by_key.entry(&write.key).or_default().push(write);
        }
        for writes in by_key.values_mut() {
            writes.sort_by_key(|write| write.began_us);
        }
        by_key
    }

    /// What the members have under a key, if they agree; what the first has, if they do not.
    pub fn held(&self, key: &Key) -> Held {
        let state = self.states.values().next();
        state.and_then(|state| state.get(key)).cloned().unwrap_or_default()
    }
}
