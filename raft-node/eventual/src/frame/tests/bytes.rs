//! What members of other builds expect.

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn golden_bytes_of_operations() {
    let (shard, number) = furnished();
    let golden = [
        "9c00000060102e6a", // length, checksum
        "0101",             // version, kind
        "29",               // shard 41
        "02",               // 2 actors
        "feca000000000000",
        "efbe000000000000",
        "01",                                                                            // one range
        "00 01 05",                                                                      // actor, first, count
        "03 0600000001016b 01 0101 0100006c50c4a001 01 0468657265",                      // op
        "00 1100000001016e65696768626f7572203536",                                       // op
        "02 1100000001016e65696768626f7572203536 01 0002",                               // op
        "05 1100000001016e65696768626f7572203536 0400006c50c4a001 06 e0acc5a28c34 0161", // op
        "01 1100000001016e65696768626f7572203536 0500006c50c4a001 06 0162",              // op
    ];
    assert_eq!(hex(&own(&shard, number)), golden.concat().replace(' ', ""));
}

#[test]
fn golden_bytes_of_a_state() {
    let (mut shard, number) = furnished();
    let gone = shard.actors().index(ActorId(0xbeef)).unwrap();
    assert!(shard.retire(gone, 1));
    let golden = [
        "7b000000068b94c0", // length, checksum
        "0102",             // version, kind
        "29",               // shard 41
        "02",               // 2 actors
        "feca000000000000",
        "efbe000000000000",
        "01 0005",                                                                            // clock
        "01 0101",                                                                            // retired
        "00",                                                                                 // pending
        "00",                                                                                 // known
        "03",                                                                                 // values
        "0600000001016b 0001 00 0100006c50c4a001 01 0468657265",                              // value
        "1100000001016e65696768626f7572203536 0004 04 0400006c50c4a001 06 e0acc5a28c34 0161", // value
        "1100000001016e65696768626f7572203536 0005 00 0500006c50c4a001 06 0162",              // value
    ];
    assert_eq!(hex(&state(&shard, number)), golden.concat().replace(' ', ""));
}

#[test]
fn frames_stand_one_behind_the_other() {
    let (shard, number) = furnished();
    let both = [own(&shard, number), state(&shard, number)].concat();
    let (first, rest) = split(&both).unwrap();
    let (second, rest) = split(rest).unwrap();
    assert!(rest.is_empty());
    assert!(!Frame::decode(first, shard.actors()).unwrap().is_state());
    assert!(Frame::decode(second, shard.actors()).unwrap().is_state());
}

#[test]
fn a_value_superseded_within_the_frame_is_left_out() {
    let place = place("k");
    let number = place.shard(false);
    let mut shard = shard(1);
    put(&mut shard, &place, Strategy::LastWrite, &"x".repeat(1_000), 0);
    let long = own(&shard, number).len();
    put(&mut shard, &place, Strategy::LastWrite, "y", 0);
    assert!(long > 1_000 && own(&shard, number).len() < 100);
}
