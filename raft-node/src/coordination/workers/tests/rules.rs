//! The rules that tie the rows together.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::coordination::workers::rows::{self, BY_LOAD, WorkerState};
use crate::coordination::workers::{load, read_data};
use crate::leases::{self, Attachment};
use crate::rows::{Key, Parts};
use crate::state_machine::testing::Store;
use crate::storage::Table;

const ON: ControlFlow<()> = ControlFlow::Continue(());

/// Panics unless the rules hold.
pub fn check(store: &Store) {
    let view = &store.engine;
    let mut by_load = BTreeSet::new();
    let mut assigned = BTreeMap::new();
    let mut leases_of_workers = 0;
    rows::scan_workers(view, None, &mut |worker, row| {
        assert!(row.assigned <= row.capacity, "{worker} has more than it may");
        by_load.extend(load::keys(&worker, &row));
        let named = rows::worker_of_lease(view, row.lease)?;
        if row.state == WorkerState::Offline {
            assert_eq!(row.assigned, 0, "{worker} is offline and has tasks");
            assert_ne!(named.as_ref(), Some(&worker));
        } else {
            assert_eq!(named.as_ref(), Some(&worker));
            let attachment = Attachment::Worker { worker: worker.clone() };
            assert!(
                leases::attached(view, row.lease)?.contains(&attachment),
                "{worker} outlives its lease"
            );
            leases_of_workers += 1;
        }
        assert!(assigned.insert(worker, (row.state, row.assigned)).is_none());
        Ok(ON)
    })
    .unwrap();
    check_tasks(store, &assigned);
    let mut found = BTreeSet::new();
    let mut workers_of_leases = 0;
    for (table, key, _) in store.dump() {
        if table == Table::Coordination && Parts::of(BY_LOAD, &key).is_some() {
            found.insert(key);
        } else if table == Table::Coordination && Parts::of(42, &key).is_some() {
            workers_of_leases += 1;
        }
    }
    assert_eq!(found, by_load, "places by load are those of workers that have room");
    assert_eq!(workers_of_leases, leases_of_workers);
    assert_eq!(rows::counts(view).unwrap().workers, assigned.len() as u64);
}

fn check_tasks(store: &Store, assigned: &BTreeMap<String, (WorkerState, u32)>) {
    let view = &store.engine;
    let (mut tasks, mut waiting, mut with_data) = (0, BTreeSet::new(), BTreeSet::new());
    let mut of_workers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    rows::scan_tasks(view, None, &mut |task| {
        let row = rows::find_task(view, &task)?.unwrap();
        assert_eq!(read_data(view, &task, &row)?.len(), row.data_bytes as usize);
        if row.data_bytes > 0 {
            with_data.insert(Key::of(47).text(&task).done());
        }
        tasks += 1;
        match row.worker {
            None => assert!(waiting.insert((row.generation, task))),
            Some(worker) => of_workers.entry(worker).or_default().push(task),
        }
        Ok(ON)
    })
    .unwrap();
    for (worker, (state, count)) in assigned {
        let own = of_workers.remove(worker).unwrap_or_default();
        assert_eq!(own.len(), *count as usize, "what is counted of {worker}");
        assert!(*state != WorkerState::Offline || own.is_empty());
        assert_eq!(rows::tasks_of(view, worker).unwrap(), own);
    }
    assert!(
        of_workers.is_empty(),
        "tasks of workers that are not registered: {of_workers:?}"
    );
    let mut found = BTreeSet::new();
    rows::scan_waiting(view, None, &mut |cursor| {
        assert!(found.insert((cursor.generation, cursor.task)));
        Ok(ON)
    })
    .unwrap();
    assert_eq!(found, waiting);
    assert_eq!(rows::counts(view).unwrap().tasks, tasks);
    let items = store.dump().into_iter().filter(|(table, _, _)| *table == Table::Items);
    assert_eq!(items.map(|(_, key, _)| key).collect::<BTreeSet<_>>(), with_data);
}
