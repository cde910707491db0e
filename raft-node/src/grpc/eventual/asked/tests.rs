//! What is read in place is what the decoder reads.

use proptest::prelude::*;
use quorate_proto::v1::EventualMapChange;

use super::*;

fn put() -> impl Strategy<Value = EventualWrite> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from);
    (bytes(), bytes(), -1..9_i32, any::<u64>(), any::<u64>(), bytes()).prop_map(
        |(key, value, strategy, written_at_ms, ttl_ms, context)| EventualWrite {
            key,
            ttl_ms,
            context,
            change: Some(Change::Put(EventualPut {
                value,
                strategy,
                written_at_ms,
            })),
        },
    )
}

fn request() -> impl Strategy<Value = EventualWriteRequest> {
    let writes = proptest::collection::vec(put(), 0..20);
    let stamp = proptest::option::of((any::<u64>(), any::<u64>(), any::<u64>()));
    (writes, "[a-zä]{0,9}", any::<(u32, u64, bool)>(), stamp).prop_map(
        |(writes, domain, (acks, timeout_ms, quiet), stamp)| EventualWriteRequest {
            domain,
            writes,
            acks,
            timeout_ms,
            token: Bytes::from_static(b"token"),
            quiet,
            stamp: stamp.map(|(session, sequence, first_process)| EventualStamp {
                session,
                sequence,
                first_process,
            }),
        },
    )
}

proptest! {
    #[test]
    fn a_request_of_puts_is_read_in_place_as_it_is_decoded(request in request()) {
        let bytes = request.encode_to_vec();
        prop_assert_eq!(WriteAsked::of_puts(&bytes), Some(WriteAsked::of(&request)));
        let again: Vec<_> = WriteAsked::of(&request).writes.iter().map(|write| write.to_wire()).collect();
        prop_assert_eq!(again, request.writes);
    }

    #[test]
    fn whatever_is_read_in_place_is_what_the_decoder_reads(
        request in request(), changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = request.encode_to_vec();
        prop_assume!(!bytes.is_empty());
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(asked) = WriteAsked::of_puts(&bytes) {
            let decoded = EventualWriteRequest::decode(&bytes[..]).expect("what is read in place can be decoded");
            prop_assert_eq!(asked, WriteAsked::of(&decoded));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = WriteAsked::of_puts(&bytes);
    }
}

#[test]
fn a_request_with_another_change_or_none_is_decoded() {
    let with = |change| EventualWriteRequest {
        writes: vec![EventualWrite {
            key: "k".into(),
            change,
            ..EventualWrite::default()
        }],
        ..EventualWriteRequest::default()
    };
    for change in [
        None,
        Some(Change::Add(1)),
        Some(Change::Map(EventualMapChange::default())),
    ] {
        assert_eq!(WriteAsked::of_puts(&with(change).encode_to_vec()), None);
    }
}

/// The decoder merges them.
#[test]
fn a_put_that_comes_twice_is_decoded() {
    let write = |value: &'static str| EventualWrite {
        change: Some(Change::Put(EventualPut {
            value: value.into(),
            ..EventualPut::default()
        })),
        ..EventualWrite::default()
    };
    let mut twice = write("a").encode_to_vec();
    twice.extend(write("b").encode_to_vec());
    let mut bytes = Vec::new();
    prost::encoding::bytes::encode(2, &twice, &mut bytes);
    assert!(EventualWriteRequest::decode(&bytes[..]).is_ok());
    assert_eq!(WriteAsked::of_puts(&bytes), None);
}

#[test]
fn a_field_of_a_later_version_is_decoded() {
    let mut bytes = EventualWriteRequest::default().encode_to_vec();
    prost::encoding::uint64::encode(99, &1, &mut bytes);
    assert_eq!(WriteAsked::of_puts(&bytes), None);
    assert!(decode(bytes.into()).is_ok());
    assert!(decode(Bytes::from_static(b"\x12\xff")).is_err());
}
