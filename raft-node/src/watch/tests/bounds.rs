//! What bounds a watch, and what becomes of one that meets its bound.

use std::time::Duration;

use quorate_proto::v1::{ErrorCode, watch_message};

use super::{LIMITS, Member, keys, newest, take, until};
use crate::mvcc::Selector;
use crate::state_machine::testing::{put, put_command};
use crate::types::Revision;
use crate::watch::hub::HubLimits;
use crate::watch::outbox::{WATCH_BYTES_MAX, WATCH_MESSAGES_MAX};

fn everything() -> crate::watch::spec::WatchSpec {
    keys(Selector::Prefix(Vec::new()))
}

#[tokio::test]
async fn one_watch_too_many_is_refused_with_the_limit_and_there_is_room_when_one_ends() {
    let member = Member::new(HubLimits {
        watches_max: 2,
        ..LIMITS
    });
    let stream = member.hub.open();
    for id in 1..=2 {
        stream.add(id, everything()).unwrap();
    }
    let refused = stream.add(3, everything()).unwrap_err().error();
    assert_eq!(refused.code(), ErrorCode::LimitReached);
    assert_eq!((refused.limit, refused.value), (2, 3));
    stream.cancel(1);
    assert!(stream.add(3, everything()).is_ok());
    drop(stream);
    assert!(
        member.hub.open().add(1, everything()).is_ok(),
        "a stream that is gone has no watches"
    );
}

#[tokio::test]
async fn an_id_is_free_again_when_its_watch_has_been_said_to_have_ended() {
    let member = Member::new(LIMITS);
    let stream = member.hub.open();
    stream.add(1, everything()).unwrap();
    assert!(stream.add(1, everything()).is_err());
    stream.cancel(1);
    assert!(stream.add(1, everything()).is_err());
    assert!(matches!(take(&stream)[..], [watch_message::Message::Canceled(_)]));
    assert!(stream.add(1, everything()).is_ok());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cancelled_with_the_revision_to_resume_from() {
    let stall_max = Duration::from_millis(200);
    let mut member = Member::new(HubLimits { stall_max, ..LIMITS });
    let stream = member.hub.open();
    let watch = stream.add(7, everything()).unwrap();
    stream.begin(watch, member.newest());
    for number in 0..3 {
        member.apply(put_command(put([number], vec![0; WATCH_BYTES_MAX / 2])), true);
    }
    let held = std::sync::Arc::clone(stream.outbox());
    let waiting = async {
        while !held.watches().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
    let mut events = 0;
    let error = until(&stream, |message| match message {
        watch_message::Message::Canceled(canceled) => canceled.error,
        watch_message::Message::Events(_) => {
            events += 1;
            None
        }
        _ => None,
    })
    .await;
    assert_eq!(error.code(), ErrorCode::Lagged);
    assert_eq!((events, error.boundary), (0, 2), "what was not read is given back");
}

#[tokio::test]
async fn no_mark_speaks_of_what_was_given_back() {
    let stall_max = Duration::from_millis(500);
    let mut member = Member::new(HubLimits { stall_max, ..LIMITS });
    let stream = member.hub.open();
    for id in [7, 8] {
        // The other is of something else, and keeps its mark.
        let spec = if id == 7 {
            everything()
        } else {
            keys(Selector::Key(b"other".to_vec()))
        };
        let watch = stream.add(id, spec).unwrap();
        stream.begin(watch, member.newest());
    }
    for number in 0..3 {
        member.apply(put_command(put([number], vec![0; WATCH_BYTES_MAX / 2])), true);
    }
    for probe in [1, 2] {
        stream.probe(probe, stream.admit_probe().unwrap(), &[], newest(member.newest()));
        stream.probe(probe + 2, stream.admit_probe().unwrap(), &[7], newest(Revision(1)));
    }
    let held = std::sync::Arc::clone(stream.outbox());
    let waiting = async {
        while held.watches().len() > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
    let mut marked = Vec::new();
    until(&stream, |message| match message {
        watch_message::Message::Mark(mark) => {
            marked.extend(mark.watch_ids);
            None
        }
        watch_message::Message::Canceled(canceled) => (canceled.watch_id == 7).then_some(()),
        _ => None,
    })
    .await;
    assert_eq!(marked, [8, 8]);
}

#[tokio::test]
async fn a_slow_watch_gets_the_rest_from_the_store_and_holds_up_no_other() {
    let mut member = Member::new(LIMITS);
    let (slow, fast) = (member.hub.open(), member.hub.open());
    for stream in [&slow, &fast] {
        let watch = stream.add(1, everything()).unwrap();
        stream.begin(watch, member.newest());
    }
    let revisions = 3 * WATCH_MESSAGES_MAX as u64;
    for number in 0..revisions {
        member.apply(put_command(put(number.to_be_bytes(), "v")), true);
    }
    for stream in [&fast, &slow] {
        let mut next = 2;
        until(stream, |message| {
            let watch_message::Message::Events(events) = message else {
                return None;
            };
            assert_eq!(events.revision, next);
            next += 1;
            (events.revision == revisions + 1).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_revision_larger_than_all_bounds_travels_in_parts() {
    let mut member = Member::new(LIMITS);
    let stream = member.hub.open();
    let watch = stream.add(1, everything()).unwrap();
    stream.begin(watch, Revision(1));
    let operations =
        (0..20_u8).map(|number| crate::state_machine::Operation::Put(put([number], vec![number; WATCH_BYTES_MAX / 2])));
    let transaction = crate::state_machine::testing::transaction(operations.collect());
    member.apply(crate::state_machine::Command::Transaction(transaction), true);
    let (mut parts, mut events) = (0, 0);
    until(&stream, |message| {
        let watch_message::Message::Events(part) = message else {
            return None;
        };
        assert_eq!(part.revision, 2);
        parts += 1;
        events += part.events.len();
        (!part.more).then_some(())
    })
    .await;
    assert_eq!(events, 20);
    assert!(parts >= 10, "{parts} parts");
}

#[tokio::test]
async fn nothing_is_collected_while_nobody_watches() {
    let member = Member::new(LIMITS);
    assert!(!member.store.feed().is_watched());
    let stream = member.hub.open();
    stream.add(1, everything()).unwrap();
    assert!(member.store.feed().is_watched());
    stream.cancel(1);
    assert!(!member.store.feed().is_watched());
}

#[tokio::test]
async fn what_is_in_the_outboxes_is_counted_in_and_out() {
    let mut member = Member::new(LIMITS);
    let streams = [member.hub.open(), member.hub.open()];
    for stream in &streams {
        let watch = stream.add(1, everything()).unwrap();
        stream.begin(watch, member.newest());
    }
    member.apply(put_command(put("k", vec![0; 1000])), true);
    let [read, unread] = streams;
    let got = |message| matches!(message, watch_message::Message::Events(_)).then_some(());
    until(&read, got).await;
    let held = member.hub.outbox_bytes();
    assert!((1000..2000).contains(&held), "of the stream that is not read: {held}");
    drop(unread);
    assert_eq!(member.hub.outbox_bytes(), 0);
}
