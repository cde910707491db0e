//! Bytes that are no frame: refused, or at least harmless.

use proptest::proptest;

use super::*;

#[test]
fn a_frame_with_any_byte_changed_is_refused() {
    let (shard, number) = furnished();
    for good in [own(&shard, number), state(&shard, number)] {
        for at in 0..good.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] ^= change;
                assert!(split(&bytes).is_err(), "byte {at}");
            }
        }
    }
}

#[test]
fn a_frame_that_ends_early_is_refused() {
    let (shard, number) = furnished();
    let good = own(&shard, number);
    for end in 0..good.len() {
        assert!(split(&good[..end]).is_err());
        if end > FRAME_HEAD_BYTES {
            assert!(Frame::decode(&good[FRAME_HEAD_BYTES..end], shard.actors()).is_err());
        }
    }
}

/// As if a peer made it so: the checksum is right.
#[test]
fn a_body_with_any_byte_changed_makes_nothing_panic() {
    let (shard_of_peer, number) = furnished();
    for good in [own(&shard_of_peer, number), state(&shard_of_peer, number)] {
        for at in FRAME_HEAD_BYTES..good.len() {
            for change in 1..=255 {
                let mut bytes = good.clone();
                bytes[at] ^= change;
                let mut receiver = shard(1);
                if apply_body(&mut receiver, &bytes[FRAME_HEAD_BYTES..]).is_ok() {
                    put(&mut receiver, &place("k"), Strategy::LastWrite, "after", 0);
                    state(&receiver, number);
                    receiver.drop_ended(u64::MAX, usize::MAX);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, kind in 0_u8..3) {
        let _ = split(&bytes);
        let _ = Frame::decode(&bytes, &Actors::default());
        let mut body = vec![VERSION, kind, 3];
        body.extend_from_slice(&bytes);
        let _ = apply_body(&mut shard(1), &body);
    }
}

#[test]
fn room_is_made_only_for_what_came() {
    let mut body = vec![VERSION, KIND_OPS, 3, 0, 1, 0, 1];
    wire::put_number(&mut body, 1 << 40);
    let refused = Frame::decode(&body, &Actors::default()).unwrap_err();
    assert!(matches!(refused, Unusable::Damaged(_)));
}
