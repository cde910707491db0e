//! Staged writes over a store read as if they were in it.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use proptest::prelude::*;

use crate::codec;
use crate::mvcc::Record;
use crate::state_machine::recent::Recent;
use crate::state_machine::resident::Resident;
use crate::state_machine::staged::Staged;
use crate::storage::{Batch, Durability, Engine, MemoryEngine, Stage, Table, View};
use crate::types::Revision;

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;
type Write = (Table, Vec<u8>, Option<u8>);

fn write() -> impl Strategy<Value = Write> {
    let tables = [
        Table::Latest,
        Table::Index,
        Table::History,
        Table::Coordination,
        Table::Items,
    ];
    let table = prop::sample::select(tables.to_vec());
    (table, prop::collection::vec(0..3_u8, 0..3), any::<Option<u8>>())
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    let key = prop::collection::vec(0..3_u8, 0..3);
    (key, 0..3_u8).prop_map(|(key, kind)| match kind {
        0 => Bound::Included(key),
        1 => Bound::Excluded(key),
        _ => Bound::Unbounded,
    })
}

fn borrowed(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn inside(key: &[u8], from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> bool {
    let behind = match from {
        Bound::Included(from) => key >= from.as_slice(),
        Bound::Excluded(from) => key > from.as_slice(),
        Bound::Unbounded => true,
    };
    behind
        && match to {
            Bound::Included(to) => key <= to.as_slice(),
            Bound::Excluded(to) => key < to.as_slice(),
            Bound::Unbounded => true,
        }
}

/// Of the newest records only those that decode are kept in memory.
fn row(table: Table, value: u8) -> Vec<u8> {
    if table != Table::Latest {
        return vec![value];
    }
    let record = Record {
        create_revision: Revision(1),
        mod_revision: Revision(2),
        version: 1,
        lease: None,
        expires_at: None,
        tags: Vec::new(),
        value: vec![value],
    };
    codec::encode(&record).unwrap()
}

fn change(rows: &mut Rows, staged: &mut Staged<'_>, (table, key, value): Write) {
    match value {
        Some(value) => {
            staged.put(table, key.clone(), row(table, value));
            rows.insert((table, key), row(table, value));
        }
        None => {
            staged.delete(table, key.clone());
            rows.remove(&(table, key));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn staged_writes_read_as_if_written(
        base in prop::collection::vec(write(), 0..20),
        kept in prop::collection::vec(write(), 0..20),
        undone in prop::collection::vec(write(), 0..20),
        after in prop::collection::vec(write(), 0..5),
        from in bound(),
        to in bound(),
        reverse in any::<bool>(),
        stop_after in 1..8_usize,
    ) {
        let engine = MemoryEngine::new();
        let mut rows = Rows::new();
        let mut batch = Batch::new();
        let recent = Recent::default();
        for (table, key, value) in base {
            let value = row(table, value.unwrap_or(0));
            if table == Table::Latest {
                recent.writes(&key, Some(&value));
            }
            rows.insert((table, key.clone()), value.clone());
            batch.put(table, key, value);
        }
        engine.write(batch, Durability::Memory).unwrap();

        let mut resident = Resident::load(&engine).unwrap();
        let mut staged = Staged::new(&engine, &mut resident, &recent, 0);
        staged.savepoint(true);
        kept.into_iter().for_each(|write| change(&mut rows, &mut staged, write));
        let hash = staged.hash();
        staged.savepoint(true);
        let mut unused = rows.clone();
        undone.into_iter().for_each(|write| change(&mut unused, &mut staged, write));
        staged.rollback();
        prop_assert_eq!(staged.hash(), hash);
        staged.savepoint(false);
        after.into_iter().for_each(|write| change(&mut rows, &mut staged, write));

        for table in [Table::Latest, Table::Index, Table::History, Table::Coordination, Table::Items] {
            let mut expected: Vec<_> = rows
                .iter()
                .filter(|((own, key), _)| *own == table && inside(key, &from, &to))
                .map(|((_, key), value)| (key.clone(), value.clone()))
                .collect();
            if reverse {
                expected.reverse();
            }
            expected.truncate(stop_after);
            let mut seen = Vec::new();
            staged.scan(table, borrowed(&from), borrowed(&to), reverse, &mut |key, value| {
                seen.push((key.to_vec(), value.to_vec()));
                if seen.len() == stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }).unwrap();
            prop_assert_eq!(seen, expected);
        }
        for ((table, key), value) in &rows {
            prop_assert_eq!(staged.get(*table, key).unwrap(), Some(value.clone()));
        }
        engine.write(staged.into_batch(), Durability::Memory).unwrap();
        for (table, key) in rows.keys().chain(unused.keys()) {
            if *table == Table::Latest && let Some(kept) = recent.get(key) {
                prop_assert_eq!(Some(&*kept.stored), rows.get(&(*table, key.clone())).map(Vec::as_slice));
            }
        }
        let written = crate::state_machine::testing::dump(&engine);
        let mut expected: Vec<_> = rows.into_iter().map(|((table, key), value)| (table, key, value)).collect();
        expected.sort();
        prop_assert_eq!(written, expected);
    }
}
