//! What tests do by hand.

use super::node::Node;
use super::targets::{place, shard_number};
use crate::frame::{Frame, Unusable, split};
use crate::resolve::counter::{self, Share};
use crate::shard::{Action, Gap, Moment, Refused, ShardLimits, Write, Written};
use crate::{ActorId, ActorIndex, Applied, Clock, Context, Place, Space, Strategy};

pub const NOW_MS: u64 = 1_790_000_000_000;

/// An empty member.
pub fn member(actor: u64) -> Node {
    Node::new(ActorId(actor), &[], ShardLimits::default(), None)
}

/// An empty member that keeps little.
pub fn frugal_member(actor: u64, log_ops_max: usize, orphan_bytes_max: usize) -> Node {
    let limits = ShardLimits {
        log_ops_max,
        orphan_bytes_max,
        ..ShardLimits::default()
    };
    Node::new(ActorId(actor), &[], limits, None)
}

pub fn register(number: usize) -> Place {
    place(Space::Register, None, number)
}

pub fn counter() -> Place {
    place(Space::Counter, None, 100)
}

impl Node {
    pub fn does(
        &mut self,
        place: &Place,
        action: Action<'_>,
        context: Option<&Context>,
        expires_at_ms: u64,
        now_ms: u64,
    ) -> Result<Written, Refused> {
        let predecessors: Vec<ActorIndex> = self.earlier.iter().map(|actor| self.index(*actor)).collect();
        let write = Write {
            place,
            action,
            context,
            expires_at_ms,
        };
        let moment = Moment {
            now_ms,
            predecessors: &predecessors,
        };
        self.shard.write(&write, moment)
    }

    pub fn puts(&mut self, place: &Place, strategy: Strategy, value: &str) -> Written {
        self.puts_until(place, strategy, value, 0, NOW_MS)
    }

    pub fn puts_until(&mut self, place: &Place, strategy: Strategy, value: &str, end_ms: u64, now_ms: u64) -> Written {
        self.does(place, put(strategy, value), None, end_ms, now_ms).unwrap()
    }

    pub fn puts_over(&mut self, place: &Place, strategy: Strategy, value: &str, context: &Context) -> Written {
        self.does(place, put(strategy, value), Some(context), 0, NOW_MS)
            .unwrap()
    }

    pub fn deletes(&mut self, place: &Place, context: Option<&Context>) -> Written {
        self.does(place, Action::Delete, context, 0, NOW_MS).unwrap()
    }

    pub fn adds(&mut self, delta: i64) -> Written {
        self.does(&counter(), Action::Add(delta), None, 0, NOW_MS).unwrap()
    }

    /// The values there, in order.
    pub fn values(&self, place: &Place) -> Vec<String> {
        self.values_at(place, NOW_MS)
    }

    pub fn values_at(&self, place: &Place, now_ms: u64) -> Vec<String> {
        let mut held = self.shard.read(place, now_ms);
        assert!(held.fill(&self.fetched()), "a value is lost");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut values: Vec<String> = held.siblings.iter().map(|(_, one)| text(one.value.bytes())).collect();
        values.sort();
        values
    }

    pub fn sum_at(&self, now_ms: u64) -> i64 {
        let held = self.shard.read(&counter(), now_ms);
        counter::sum(
            held.siblings
                .iter()
                .map(|(_, one)| Share::decode(one.value.bytes()).unwrap()),
        )
    }

    pub fn sum(&self) -> i64 {
        self.sum_at(NOW_MS)
    }

    pub fn context(&self, place: &Place) -> Context {
        self.shard.read(place, NOW_MS).context
    }

    /// A frame of its own operations after `after`, if it can make one.
    pub fn own_after(&self, after: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.shard.encode_own(shard_number(), after, &mut bytes).ok()?;
        Some(bytes)
    }

    /// A frame of everything that a member lacks that has `have`, if it can make one of operations.
    pub fn missing_to(&self, have: &Clock) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let fetched = self.fetched();
        self.shard
            .encode_missing(shard_number(), have, &fetched, &mut bytes)
            .ok()?;
        Some(bytes)
    }

    pub fn state_without(&self, have: &Clock) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoded = self
            .shard
            .encode_state(shard_number(), have, &self.fetched(), &mut bytes);
        encoded.unwrap();
        bytes
    }

    pub fn decodes<'a>(&self, bytes: &'a [u8]) -> Result<Frame<'a>, Unusable> {
        Frame::decode(split(bytes)?.0, &self.actors)
    }

    /// Takes a frame, if there is one.
    pub fn takes(&mut self, bytes: &[u8]) -> Result<Applied, Gap> {
        if bytes.is_empty() {
            return Ok(Applied::default());
        }
        let frame = self.decodes(bytes).unwrap();
        frame.apply(&mut self.shard)
    }

    /// Takes everything that another has and it lacks, as operations or as a state.
    pub fn catches_up_with(&mut self, other: &Node) -> Applied {
        let have = other.clock_of(&self.numbers(true));
        let bytes = other.missing_to(&have).unwrap_or_else(|| other.state_without(&have));
        self.takes(&bytes).unwrap()
    }

    /// Takes the other's state, whether operations would have done or not.
    pub fn joins(&mut self, other: &Node) -> Applied {
        let have = other.clock_of(&self.numbers(true));
        self.takes(&other.state_without(&have)).unwrap()
    }
}

pub fn put(strategy: Strategy, value: &str) -> Action<'_> {
    Action::Put {
        value: value.as_bytes(),
        strategy,
        written: None,
    }
}
