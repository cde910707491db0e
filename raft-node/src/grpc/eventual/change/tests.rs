//! What writes change, what they say of it, and whom they make a client wait for.

use std::sync::Arc;

use bytes::Bytes;
use quorate_proto::v1::eventual_write::Change;
use quorate_proto::v1::{
    ErrorCode, EventualField, EventualMapChange, EventualPut, EventualSetChange, EventualStrategy, EventualType,
    EventualWrite, EventualWriteRequest,
};

use super::*;
use crate::grpc::eventual::asked::WriteAsked;
use crate::grpc::eventual::testing::{domain, tier};

const CLUSTER: u64 = 42;

/// One member that takes writes.
struct Member {
    tier: Arc<Tier>,
    limits: Limits,
    domain: EventualDomain,
}

fn member(id: u64) -> Member {
    Member {
        tier: tier(id),
        limits: Limits::default(),
        domain: domain(Strategy::LastWrite),
    }
}

impl Member {
    fn does(&self, writes: &[EventualWrite]) -> Done {
        let predecessors = self.tier.store.predecessors();
        let batch = Batch {
            tier: &self.tier,
            limits: &self.limits,
            domain: &self.domain,
            cluster: CLUSTER,
            now_ms: self.tier.wall_ms(),
            predecessors: &predecessors,
            with_contexts: true,
            first_process: 0,
        };
        let request = EventualWriteRequest {
            writes: writes.to_vec(),
            ..EventualWriteRequest::default()
        };
        batch.perform(&WriteAsked::of(&request).writes)
    }

    /// Does one write that is not refused.
    fn writes(&self, write: EventualWrite) -> EventualWritten {
        self.does(&[write]).results.pop().unwrap().unwrap()
    }

    /// What another member did to the only key comes here.
    fn hears(&self, other: &Member) {
        let number = place_of(Space::Register).shard(true);
        let mut frame = Vec::new();
        let have = quorate_eventual::Clock::default();
        let shard = other.tier.store.lock(number);
        let none = quorate_eventual::Fetched::default();
        shard.encode_missing(number, &have, &none, &mut frame).unwrap();
        let (body, _) = quorate_eventual::frame::split(&frame).unwrap();
        let frame = quorate_eventual::frame::Frame::decode(body, self.tier.store.actors()).unwrap();
        frame.apply(&mut self.tier.store.lock(number)).unwrap();
    }
}

fn place_of(space: Space) -> Place {
    Place::of(Address {
        domain: 9,
        space,
        name: b"k",
        element: None,
    })
}

fn change(change: Change) -> EventualWrite {
    EventualWrite {
        key: "k".into(),
        change: Some(change),
        ..EventualWrite::default()
    }
}

fn put(strategy: EventualStrategy, value: &'static str) -> EventualWrite {
    change(Change::Put(EventualPut {
        value: value.into(),
        strategy: strategy.into(),
        written_at_ms: 0,
    }))
}

fn sibling(value: &'static str, context: &Bytes) -> EventualWrite {
    EventualWrite {
        context: context.clone(),
        ..put(EventualStrategy::Siblings, value)
    }
}

fn delete(space: EventualType) -> EventualWrite {
    change(Change::Delete(EventualDelete { r#type: space.into() }))
}

#[test]
fn a_write_is_waited_for_by_its_own_number() {
    let member = member(1);
    let done = member.does(&[put(EventualStrategy::Max, "1"), put(EventualStrategy::Max, "2")]);
    let shard = place_of(Space::Register).shard(true);
    assert_eq!(done.written, [(shard, member.tier.store.me(), 2)]);
}

#[test]
fn a_write_that_changed_nothing_waits_for_what_it_found() {
    let (here, there) = (member(1), member(2));
    there.writes(put(EventualStrategy::Max, "9"));
    here.hears(&there);
    let done = here.does(&[put(EventualStrategy::Max, "7")]);
    assert!(done.results[0].as_ref().unwrap().superseded);
    let shard = place_of(Space::Register).shard(true);
    let actor = here.tier.store.actors().find(there.tier.store.id()).unwrap();
    assert_eq!(done.written, [(shard, actor, 1)], "it is of another process");

    here.writes(delete(EventualType::Register));
    let again = here.does(&[delete(EventualType::Register)]);
    assert!(
        again.written.contains(&(shard, here.tier.store.me(), 1)),
        "it is gone by the first"
    );
}

#[test]
fn a_set_that_is_deleted_again_waits_for_the_first_deletion() {
    let member = member(1);
    let add = ["a", "b"].map(Bytes::from).to_vec();
    member.writes(change(Change::Set(EventualSetChange {
        add,
        remove: Vec::new(),
    })));
    member.writes(delete(EventualType::Set));
    let again = member.does(&[delete(EventualType::Set)]);
    let shard = place_of(Space::Set).shard(true);
    assert_eq!(again.written, [(shard, member.tier.store.me(), 4)]);
}

#[test]
fn the_context_of_a_write_covers_nothing_that_its_author_did_not_see() {
    let member = member(1);
    let nothing = Bytes::new();
    member.writes(sibling("another's", &nothing));
    let mine = member.writes(sibling("mine", &nothing));
    assert_eq!(mine.siblings, 2);
    let again = member.writes(sibling("mine again", &mine.context));
    assert_eq!(again.siblings, 2, "it replaced mine, and not the other's");
    let third = member.writes(sibling("mine at last", &again.context));
    assert_eq!(third.siblings, 2);
}

#[test]
fn a_write_that_changed_nothing_gives_its_context_back() {
    let member = member(1);
    let seen = member.writes(put(EventualStrategy::Max, "9")).context;
    let smaller = EventualWrite {
        context: seen.clone(),
        ..put(EventualStrategy::Max, "7")
    };
    assert_eq!(member.writes(smaller).context, seen);
}

#[test]
fn a_set_or_a_map_of_which_an_element_is_too_long_is_not_changed_at_all() {
    let member = member(1);
    let long = Bytes::from(vec![b'x'; member.limits.key_bytes_max as usize + 1]);
    let big = Bytes::from(vec![b'x'; member.limits.value_bytes_max as usize + 1]);
    let field = |name: &'static str, value: Bytes| EventualField {
        name: name.into(),
        value,
    };
    let changes = [
        Change::Set(EventualSetChange {
            add: vec!["a".into()],
            remove: vec![long.clone()],
        }),
        Change::Map(EventualMapChange {
            put: vec![field("a", "1".into()), field("b", big)],
            remove: Vec::new(),
        }),
        Change::Map(EventualMapChange {
            put: vec![field("a", "1".into())],
            remove: vec![long],
        }),
    ];
    for one in changes {
        let done = member.does(&[change(one)]);
        let error = done.results[0].as_ref().unwrap_err();
        assert_eq!(
            (error.code(), error.outcome()),
            (ErrorCode::TooLarge, Outcome::NotApplied)
        );
        assert!(done.written.is_empty());
    }
}

#[test]
fn what_is_refused_half_way_says_that_part_of_it_is_done() {
    let mut member = member(1);
    member.domain.entries_max = 10;
    let add = (0..20).map(|number| Bytes::from(format!("member {number}"))).collect();
    let done = member.does(&[change(Change::Set(EventualSetChange {
        add,
        remove: Vec::new(),
    }))]);
    let error = done.results[0].as_ref().unwrap_err();
    assert_eq!(
        (error.code(), error.outcome()),
        (ErrorCode::DomainFull, Outcome::Unknown)
    );
    assert!(
        error.message.starts_with("part of the write is done"),
        "{}",
        error.message
    );
    let shard = place_of(Space::Set).shard(true);
    assert_eq!(done.written, [(shard, member.tier.store.me(), 9)]);

    let done = member.does(&[change(Change::Flag(true))]);
    assert_eq!(done.results[0].as_ref().unwrap_err().outcome(), Outcome::NotApplied);
}

#[test]
fn a_value_that_would_grow_too_large_is_refused_with_the_limit() {
    let mut member = member(1);
    let half = |letter: &str| format!("[\"{}\"]", letter.repeat(600 << 10));
    let put = |value: String| {
        change(Change::Put(EventualPut {
            value: value.into(),
            strategy: EventualStrategy::Union.into(),
            written_at_ms: 0,
        }))
    };
    member.limits.value_bytes_max = 1 << 20;
    member.writes(put(half("a")));
    let done = member.does(&[put(half("b"))]);
    let error = done.results[0].as_ref().unwrap_err();
    assert_eq!(
        (error.code(), &*error.field, error.limit),
        (ErrorCode::TooLarge, "value", 1 << 20)
    );
    assert!(error.value > error.limit);
}

#[test]
fn of_each_actor_in_each_shard_the_last_operation_is_kept() {
    let shard = |number| ShardNumber::new(number).unwrap();
    let tier = tier(1);
    let me = tier.store.me();
    let other = tier.store.actors().index(quorate_eventual::ActorId(2)).unwrap();
    let mut written = vec![
        (shard(9), me, 4),
        (shard(2), me, 1),
        (shard(9), me, 6),
        (shard(9), other, 2),
        (shard(2), me, 2),
        (shard(9), me, 5),
    ];
    keep_newest(&mut written);
    let mut kept = [(shard(2), me, 2), (shard(9), me, 6), (shard(9), other, 2)];
    kept.sort_unstable();
    assert_eq!(written, kept);
}
