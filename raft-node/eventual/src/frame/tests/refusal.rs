//! Frames that are whole, and must not be applied here.

use super::*;

/// A frame of kind "operations", with one range for each of `ranges`: actor, number of the first, how many. Each operation
/// deletes nothing.
fn ranges(place: &Place, ranges: &[(u64, u64, u64)]) -> Vec<u8> {
    let mut body = vec![VERSION, KIND_OPS];
    wire::put_number(&mut body, u64::from(place.shard(false).get()));
    wire::put_number(&mut body, ranges.len() as u64);
    for (actor, ..) in ranges {
        body.extend_from_slice(&actor.to_le_bytes());
    }
    wire::put_number(&mut body, ranges.len() as u64);
    for (at, (_, first, count)) in (0..).zip(ranges) {
        for number in [at, *first, *count] {
            wire::put_number(&mut body, number);
        }
        for _ in 0..*count {
            body.push(0);
            wire::put_bytes(&mut body, place.bytes());
        }
    }
    body
}

fn reached(shard: &Shard, actor: u64) -> u64 {
    shard.clock().get(shard.actors().index(ActorId(actor)).unwrap())
}

#[test]
fn a_gap_refuses_the_whole_frame() {
    let place = place("k");
    let mut receiver = shard(1);
    for gap in [
        vec![(7, 1, 3), (8, 2, 1)],
        vec![(7, 1, 2), (7, 4, 1)],
        vec![(7, 1, 2), (8, 1, 1), (7, 4, 1)],
    ] {
        assert_eq!(apply_body(&mut receiver, &ranges(&place, &gap)), Err(Refusal::Gap));
        assert_eq!((reached(&receiver, 7), reached(&receiver, 8)), (0, 0), "{gap:?}");
    }
    apply_body(&mut receiver, &ranges(&place, &[(7, 1, 3), (8, 1, 1)])).unwrap();
    assert_eq!((reached(&receiver, 7), reached(&receiver, 8)), (3, 1));
}

#[test]
fn what_came_before_is_skipped() {
    let place = place("k");
    let mut receiver = shard(1);
    apply_body(&mut receiver, &ranges(&place, &[(7, 1, 3)])).unwrap();
    let applied = apply_body(&mut receiver, &ranges(&place, &[(7, 2, 4)])).unwrap();
    assert_eq!((applied.operations, reached(&receiver, 7)), (2, 5));
    let applied = apply_body(&mut receiver, &ranges(&place, &[(7, 1, 2)])).unwrap();
    assert_eq!((applied.operations, reached(&receiver, 7)), (0, 5));
}

#[test]
fn nobody_tells_a_process_what_it_has_not_done() {
    let place = place("k");
    let mut receiver = shard(7);
    put(&mut receiver, &place, Strategy::LastWrite, "mine", 0);
    assert_eq!(
        apply_body(&mut receiver, &ranges(&place, &[(7, 2, 1)])),
        Err(Refusal::Gap)
    );
    assert!(apply_body(&mut receiver, &ranges(&place, &[(7, 1, 1)])).is_ok());
    // One of the same name, that did more.
    let mut impostor = shard(7);
    put(&mut impostor, &place, Strategy::LastWrite, "a", 0);
    put(&mut impostor, &place, Strategy::LastWrite, "b", 0);
    let state = state(&impostor, place.shard(false));
    assert_eq!(apply(&mut receiver, &state), Err(Refusal::Gap));
}

#[test]
fn a_key_of_another_shard_is_refused() {
    let (sender, number) = furnished();
    for good in [own(&sender, number), state(&sender, number)] {
        let mut body = good[FRAME_HEAD_BYTES..].to_vec();
        assert_eq!(u16::from(body[2]), number.get(), "it has one byte");
        body[2] ^= 1;
        let refused = Frame::decode(&body, sender.actors()).unwrap_err();
        assert_eq!(refused, Unusable::Damaged(Damaged("a key is not in the frame's shard")));
    }
}

#[test]
fn what_this_build_does_not_know_is_refused() {
    let (sender, number) = furnished();
    let good = own(&sender, number)[FRAME_HEAD_BYTES..].to_vec();
    let changed = |at: usize, to: u8| {
        let mut body = good.clone();
        body[at] = to;
        Frame::decode(&body, sender.actors()).unwrap_err()
    };
    assert_eq!(changed(0, 2), Unusable::Version(2));
    assert_eq!(changed(1, 9), Unusable::Damaged(Damaged("a frame is of no known kind")));
    let mut flagged = ranges(&place("k"), &[(7, 1, 1)]);
    let flags = flagged.len() - place("k").bytes().len() - 2;
    flagged[flags] = 8;
    let refused = Frame::decode(&flagged, sender.actors()).unwrap_err();
    assert_eq!(refused, Unusable::Damaged(Damaged("a flag is not known")));
}

#[test]
fn a_state_has_no_value_beyond_its_clock() {
    let place = place("k");
    let mut sender = shard(7);
    put(&mut sender, &place, Strategy::LastWrite, "a", 0);
    let mut body = state(&sender, place.shard(false))[FRAME_HEAD_BYTES..].to_vec();
    // Version, kind, shard, one actor, its id; then the clock: one actor, its place, its number.
    let mut number = Vec::new();
    wire::put_number(&mut number, u64::from(place.shard(false).get()));
    let at = 2 + number.len() + 1 + 8 + 2;
    assert_eq!(body[at], 1);
    body[at] = 0;
    let refused = Frame::decode(&body, sender.actors()).unwrap_err();
    let wanted = Damaged("a value is not among what the state covers");
    assert_eq!(refused, Unusable::Damaged(wanted));
}
