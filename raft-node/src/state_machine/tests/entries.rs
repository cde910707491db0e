//! What stops the node, and what every entry leaves behind.

use bytes::Bytes;

use crate::codec;
use crate::state_machine::testing::{Store, entry, group, put, put_command};
use crate::state_machine::{EntryPayload, Fatal, Group, GroupReply, LogPosition};
use crate::types::Revision;

#[test]
fn an_entry_that_is_applied_already_stops_the_state() {
    let mut store = Store::new();
    let payload = || EntryPayload::Group(group(0, &[put_command(put("a", "1"))]));
    store.state.apply(&[entry(5, payload())]).unwrap();
    let before = store.dump();
    for index in [5, 4] {
        let error = store
            .state
            .apply(&[entry(6, payload()), entry(index, payload())])
            .unwrap_err();
        assert!(matches!(error, Fatal::Rule { .. }), "{error}");
        assert!(matches!(store.state.apply(&[]).unwrap_err(), Fatal::FailedBefore));
        assert_eq!(store.dump(), before, "nothing of the call was written");
        store = store.reopen();
    }
}

#[test]
fn a_command_that_is_damaged_or_unknown_stops_the_state() {
    let whole = group(0, &[put_command(put("a", "1"))]).bytes().to_vec();
    let mut unknown = whole[..20].to_vec();
    codec::seal(0x01FF, 1, &mut unknown, |_| Ok(())).unwrap();
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    let mut longer = whole.clone();
    longer.push(0);
    for bytes in [unknown, flipped, longer, whole[..whole.len() - 1].to_vec(), Vec::new()] {
        let mut store = Store::new();
        let damaged = EntryPayload::Group(Group::from_bytes(Bytes::from(bytes)));
        let good = EntryPayload::Group(group(0, &[put_command(put("a", "1"))]));
        let error = store.state.apply(&[entry(1, good), entry(2, damaged)]).unwrap_err();
        assert!(matches!(error, Fatal::Entry { index: 2, .. }), "{error}");
        assert_eq!(store.reopen().state.revision(), Revision::EMPTY);
    }
}

#[test]
fn a_group_that_claims_too_many_commands_stops_the_state() {
    let mut bytes = group(0, &[]).bytes().to_vec();
    bytes[16..20].copy_from_slice(&4097_u32.to_le_bytes());
    let mut store = Store::new();
    let payload = EntryPayload::Group(Group::from_bytes(Bytes::from(bytes)));
    assert!(matches!(
        store.state.apply(&[entry(1, payload)]).unwrap_err(),
        Fatal::Rule { index: 1, .. }
    ));
}

#[test]
fn blank_and_membership_entries_move_the_applied_position() {
    let mut store = Store::new();
    assert_eq!((store.state.applied(), store.state.membership()), (None, None));
    let entries = [
        entry(3, EntryPayload::Blank),
        entry(4, EntryPayload::Membership(b"three members".to_vec())),
        entry(5, EntryPayload::Blank),
    ];
    assert_eq!(store.state.apply(&entries).unwrap(), vec![GroupReply::default(); 3]);
    let store = store.reopen();
    let position = LogPosition { term: 1, index: 5 };
    assert_eq!(store.state.applied(), Some(position));
    assert_eq!(store.state.membership(), Some(&b"three members"[..]));
    assert_eq!(store.state.published().load().applied_index, 5);
}

#[test]
fn progress_is_published_with_each_call() {
    let mut store = Store::new();
    let published = store.state.published();
    assert_eq!(published.load().revision, Revision::EMPTY);
    store.now = 7;
    store.apply_one(put_command(put("a", "1")));
    let progress = published.load();
    assert_eq!(
        (progress.revision, progress.applied_index, progress.log_time.0),
        (Revision(2), 1, 7)
    );
}
