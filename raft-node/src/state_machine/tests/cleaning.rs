//! Garbage goes in small steps, and nothing that can be read goes with it.

use crate::state_machine::testing::{Store, compact, put, put_command};
use crate::state_machine::{Cleaner, Reader};
use crate::storage::{Engine, Table};
use crate::types::Revision;

fn rows(store: &Store, table: Table) -> usize {
    store.dump().iter().filter(|row| row.0 == table).count()
}

fn ten_writes() -> Store {
    let mut store = Store::new();
    for number in 0..10_u8 {
        store.apply_one(put_command(put("a", [number])));
    }
    store
}

#[test]
fn nothing_goes_before_compaction() {
    let store = ten_writes();
    assert_eq!(Cleaner.step(&store.engine, 100).unwrap(), 0);
    assert_eq!((rows(&store, Table::History), rows(&store, Table::Changes)), (9, 10));
}

#[test]
fn steps_are_bounded_and_go_on_after_a_restart() {
    let mut store = ten_writes();
    store.apply_one(compact(8));
    let hash = store.state.hash();
    assert_eq!(Cleaner.step(&store.engine, 4).unwrap(), 4);
    assert_eq!(rows(&store, Table::Changes), 6);
    let store = store.reopen();
    assert_eq!(Cleaner.step(&store.engine, 4).unwrap(), 2);
    assert_eq!(Cleaner.step(&store.engine, 4).unwrap(), 0);
    assert_eq!((rows(&store, Table::History), rows(&store, Table::Changes)), (4, 4));
    assert_eq!(store.state.hash(), hash, "cleaning is no logical write");
    let view = store.engine.view();
    for revision in 8..=11_u8 {
        let found = Reader::new(&*view)
            .get("default", b"a", Some(Revision(revision.into())))
            .unwrap()
            .unwrap();
        assert_eq!(found.unwrap().value, [revision - 2]);
    }
}

#[test]
fn a_step_of_no_revisions_does_nothing() {
    let mut store = ten_writes();
    store.apply_one(compact(8));
    assert_eq!(Cleaner.step(&store.engine, 0).unwrap(), 0);
    assert_eq!(Cleaner.step(&store.engine, 100).unwrap(), 6);
}
