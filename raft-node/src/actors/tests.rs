use super::*;
use crate::storage::MemoryEngine;
use crate::types::{ActorId, ActorRefusal};

fn none() -> Actors {
    Actors::load(&MemoryEngine::new()).unwrap()
}

fn finals(numbers: &[(u16, u64)]) -> Finals {
    Finals(numbers.to_vec())
}

#[test]
fn a_new_actor_of_a_member_ends_the_one_before() {
    let mut actors = none();
    assert_eq!(actors.register(1, ActorId(10)), Ok(0));
    assert_eq!(actors.register(2, ActorId(20)), Ok(0));
    assert_eq!(actors.register(1, ActorId(11)), Ok(1));
    let table = ActorTable::of(&actors, &ActorTable::default());
    assert_eq!(
        (table.live(1), table.live(2), table.live(3)),
        (Some(ActorId(11)), Some(ActorId(20)), None)
    );
    assert_eq!(table.over().collect::<Vec<_>>(), [(ActorId(10), 1)]);
}

#[test]
fn registering_again_changes_nothing_and_an_actor_never_comes_back() {
    let mut actors = none();
    actors.register(1, ActorId(10)).unwrap();
    assert!(actors.take_unpublished());
    assert_eq!(actors.register(1, ActorId(10)), Ok(0));
    assert!(!actors.take_unpublished());
    let used = Err(ActorRefusal::Used { actor: ActorId(10) });
    assert_eq!(actors.register(2, ActorId(10)), used);
    actors.register(1, ActorId(11)).unwrap();
    assert_eq!(actors.register(1, ActorId(10)), used);
    actors.retire(ActorId(10), finals(&[])).unwrap();
    assert_eq!(actors.register(1, ActorId(10)), used);
}

#[test]
fn a_retired_actor_keeps_the_numbers_with_which_it_was_retired() {
    let mut actors = none();
    actors.register(1, ActorId(10)).unwrap();
    actors.register(1, ActorId(11)).unwrap();
    let ended = finals(&[(0, 5), (255, 1)]);
    assert_eq!(actors.retire(ActorId(10), ended.clone()), Ok(1));
    assert_eq!(actors.retire(ActorId(10), ended.clone()), Ok(0));
    let other = actors.retire(ActorId(10), finals(&[(0, 6)]));
    assert_eq!(other, Err(ActorRefusal::Retired { actor: ActorId(10) }));
    let table = ActorTable::of(&actors, &ActorTable::default());
    let known = table.finals(ActorId(10)).unwrap();
    assert_eq!((known.last(0), known.last(1), known.last(255)), (5, 0, 1));
    assert_eq!(table.over().count(), 0);
    assert_eq!(table.finals(ActorId(11)), None);
}

#[test]
fn a_live_actor_can_be_retired_and_leaves_its_member_without_one() {
    let mut actors = none();
    actors.register(1, ActorId(10)).unwrap();
    actors.retire(ActorId(10), finals(&[])).unwrap();
    let table = ActorTable::of(&actors, &ActorTable::default());
    assert_eq!(table.live(1), None);
    assert_eq!(table.retired().count(), 1);
}

#[test]
fn what_is_not_one_number_for_each_shard_in_order_is_refused() {
    let mut actors = none();
    actors.register(1, ActorId(10)).unwrap();
    for wrong in [&[(1, 1), (0, 1)][..], &[(1, 1), (1, 2)], &[(SHARDS, 1)], &[(3, 0)]] {
        let refused = actors.retire(ActorId(10), finals(wrong));
        assert_eq!(refused, Err(ActorRefusal::Finals { shards: SHARDS }), "{wrong:?}");
    }
    let unknown = actors.retire(ActorId(9), finals(&[]));
    assert_eq!(unknown, Err(ActorRefusal::Unknown { actor: ActorId(9) }));
}
