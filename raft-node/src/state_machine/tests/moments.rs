//! Reads of one moment, while the store goes on.

use std::path::Path;
use std::sync::Arc;

use crate::consensus::tests::memory_engines;
use crate::state_machine::testing::{self, key, put, put_command, transaction};
use crate::state_machine::{Command, EntryPayload, Moment, Operation, Reader, State, StateStore};
use crate::types::Revision;

fn store(directory: &Path) -> (Arc<StateStore>, State) {
    StateStore::open(directory, memory_engines()).unwrap()
}

fn apply(state: &mut State, command: Command) {
    let index = state.applied().map_or(0, |position| position.index) + 1;
    let payload = EntryPayload::Group(testing::group(0, &[command]));
    state.apply(&[testing::entry(index, payload)]).unwrap();
}

fn delete(name: &str) -> Command {
    Command::Transaction(transaction(vec![Operation::Delete(testing::delete(key(name)))]))
}

/// The revision that the answer names, and the value with its own revision.
fn read(moment: &Moment<'_>, key: &str) -> (u64, Option<(Vec<u8>, u64)>) {
    let reader = Reader::new(moment);
    let found = reader.get("default", key.as_bytes(), None).unwrap().unwrap();
    let value = found.map(|record| (record.value, record.mod_revision.0));
    (reader.header().unwrap().revision.0, value)
}

#[test]
fn a_moment_stays_what_it_was_while_records_are_replaced_and_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let (store, mut state) = store(directory.path());
    apply(&mut state, put_command(put("a", "1")));
    apply(&mut state, put_command(put("b", "1")));
    let live = store.live();
    let before = live.moment();
    apply(&mut state, put_command(put("a", "2")));
    apply(&mut state, delete("b"));
    apply(&mut state, put_command(put("c", "1")));
    let first = state.revision().0 - 4;
    assert_eq!(read(&before, "a"), (first + 1, Some((b"1".to_vec(), first))));
    assert_eq!(read(&before, "b"), (first + 1, Some((b"1".to_vec(), first + 1))));
    assert_eq!(read(&before, "c"), (first + 1, None));
    let after = live.moment();
    assert_eq!(read(&after, "a"), (first + 4, Some((b"2".to_vec(), first + 2))));
    assert_eq!(read(&after, "b"), (first + 4, None));
    assert_eq!(read(&after, "c"), (first + 4, Some((b"1".to_vec(), first + 4))));
}

#[test]
fn what_is_remembered_of_a_state_goes_with_it() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ahead, mut state) = store(one.path());
    apply(&mut state, put_command(put("a", "1")));
    apply(&mut state, delete("a"));
    apply(&mut state, put_command(put("b", "1")));
    let (behind, mut state) = store(other.path());
    apply(&mut state, put_command(put("a", "1")));
    let snapshot = ahead.build_snapshot().unwrap();
    behind.install(&snapshot).unwrap();
    let live = behind.live();
    assert_eq!(read(&live.moment(), "a").1, None);
    assert_eq!(read(&live.moment(), "b").1.map(|found| found.0), Some(b"1".to_vec()));
    assert_eq!(behind.applied().revision, Revision(read(&live.moment(), "b").0));
}
