//! The rules that tie the rows of locks together, checked row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::coordination::locks::rows::acquisition::AcquisitionRow;
use crate::coordination::locks::rows::lock::{self, LockRow};
use crate::coordination::locks::rows::{AcquisitionId, waiter};
use crate::coordination::locks::{Share, rows as own};
use crate::leases::{self, Attachment};
use crate::rows::{self, Key, Parts};
use crate::storage::{Table, View};
use crate::types::{LeaseId, Revision};

/// Every row of one kind.
fn of_kind(view: &dyn View, table: Table, kind: u8) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    rows::scan(view, table, &Key::of(kind).done(), &mut |key, row| {
        found.push((key.to_vec(), row.to_vec()));
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

/// Rows of locks, of all kinds.
pub fn rows_count(view: &dyn View) -> usize {
    (10..20)
        .map(|kind| of_kind(view, Table::Coordination, kind).len() + of_kind(view, Table::Items, kind).len())
        .sum()
}

/// Who waits for a lock, in the order in which they are served.
pub fn queue(view: &dyn View, name: &str) -> Vec<(u64, AcquisitionId)> {
    let mut found = Vec::new();
    rows::scan(
        view,
        Table::Coordination,
        &waiter::of_lock(name).done(),
        &mut |key, _| {
            found.push(waiter::decode(key).unwrap());
            ControlFlow::Continue(())
        },
    )
    .unwrap();
    found
}

/// Panics unless the invariants of the module hold.
pub fn check(view: &dyn View) {
    let mut holds: BTreeMap<String, Vec<(Revision, AcquisitionId)>> = BTreeMap::new();
    for (key, _) in of_kind(view, Table::Coordination, 11) {
        let mut parts = Parts::of(11, &key).unwrap();
        let (name, token) = (parts.text().unwrap(), Revision(parts.number().unwrap()));
        let lease = LeaseId(parts.number().unwrap());
        let request = parts.number().unwrap();
        holds
            .entry(name)
            .or_default()
            .push((token, AcquisitionId { lease, request }));
    }
    let mut acquisitions = BTreeMap::new();
    for (key, row) in of_kind(view, Table::Coordination, 12) {
        let mut parts = Parts::of(12, &key).unwrap();
        let lease = LeaseId(parts.number().unwrap());
        let request = parts.number().unwrap();
        let row: AcquisitionRow = rows::value(&row).unwrap();
        acquisitions.insert(AcquisitionId { lease, request }, row);
    }
    check_acquisitions(view, &acquisitions, &holds);
    let mut names = BTreeSet::new();
    for (key, row) in of_kind(view, Table::Coordination, 10) {
        let name = lock::decode(&key).unwrap();
        let row: LockRow = rows::value(&row).unwrap();
        check_lock(
            view,
            &name,
            &row,
            holds.get(&name).map_or(&[], Vec::as_slice),
            &acquisitions,
        );
        names.insert(name);
    }
    assert!(
        holds.keys().all(|name| names.contains(name)),
        "a hold of a lock without a row"
    );
}

fn check_acquisitions(
    view: &dyn View,
    acquisitions: &BTreeMap<AcquisitionId, AcquisitionRow>,
    holds: &BTreeMap<String, Vec<(Revision, AcquisitionId)>>,
) {
    let (mut held, mut waiting, mut values) = (0, 0, 0);
    let waiters: BTreeSet<Vec<u8>> = of_kind(view, Table::Coordination, 13)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let own_leases: BTreeSet<LeaseId> = acquisitions.keys().map(|id| id.lease).collect();
    let attached: BTreeMap<LeaseId, BTreeSet<Attachment>> = own_leases
        .into_iter()
        .map(|lease| (lease, leases::attached(view, lease).unwrap().into_iter().collect()))
        .collect();
    for (id, row) in acquisitions {
        assert!(
            leases::find(view, id.lease).unwrap().is_some(),
            "{id:?} outlived its lease"
        );
        let attachment = Attachment::Acquisition { request: id.request };
        assert!(attached[&id.lease].contains(&attachment), "{id:?}");
        for (name, token) in row.holds() {
            assert!(holds[name].contains(&(token, *id)), "{id:?} {name}");
            held += 1;
        }
        match row.next_name() {
            Some(name) => {
                let key = waiter::of_lock(name)
                    .number(row.ticket)
                    .number(id.lease.0)
                    .number(id.request);
                assert!(waiters.contains(&key.done()), "{id:?} waits in no queue");
                assert!(!row.grants.contains(&Revision(0)), "{id:?} lost a hold while it waits");
                waiting += 1;
            }
            None => assert!(row.ticket == 0 && row.holds().next().is_some(), "{id:?} has nothing"),
        }
        assert_eq!(own::value::get(view, *id).unwrap().is_empty(), !row.has_value, "{id:?}");
        values += usize::from(row.has_value);
    }
    assert_eq!(holds.values().map(Vec::len).sum::<usize>(), held, "holds of nobody");
    assert_eq!(waiters.len(), waiting, "waiters that are nobody");
    assert_eq!(of_kind(view, Table::Items, 14).len(), values, "values of nobody");
}

fn check_lock(
    view: &dyn View,
    name: &str,
    row: &LockRow,
    holds: &[(Revision, AcquisitionId)],
    acquisitions: &BTreeMap<AcquisitionId, AcquisitionRow>,
) {
    let shares: Vec<Share> = holds.iter().map(|(_, id)| acquisitions[id].share).collect();
    let exclusive = shares.contains(&Share::Exclusive);
    assert!(
        !exclusive || shares.len() == 1,
        "{name} is held exclusively, and by others"
    );
    assert!(shares.iter().all(|share| share.kind() == row.kind), "{name} {shares:?}");
    let taken: u64 = shares.iter().map(|share| share.count()).sum();
    if let Some(Share::Permits { permits, .. }) = shares.first() {
        assert!(taken <= u64::from(*permits), "{name} gave {taken} of {permits} permits");
    }
    assert_eq!(
        (row.holds, row.taken, row.exclusive),
        (holds.len() as u64, taken, exclusive),
        "{name}"
    );
    let queue = queue(view, name);
    assert_eq!(row.waiting, queue.len() as u64, "{name}");
    assert!(row.holds + row.waiting > 0, "{name} is unused");
    assert!(holds.iter().all(|(token, _)| *token <= row.changed), "{name}");
    if let (Some((first, head)), Some((last, _))) = (queue.first(), queue.last()) {
        assert!(!row.fits(acquisitions[head].share), "{name} fits the head of its queue");
        assert!(row.first_ticket <= *first && *last < row.next_ticket, "{name}");
    }
}
