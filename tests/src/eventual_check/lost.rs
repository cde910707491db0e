//! What one member had acknowledged and lost with its process: allowed, and worth to be shown.

use std::collections::BTreeSet;

use super::record::{Change, History, Key, Kind};

/// Values of registers with siblings, and members of sets, that are gone though nobody replaced them.
pub(super) fn lost_with_a_process(history: &History) -> usize {
    let siblings = history.by_key(Kind::Siblings);
    let sets = history.by_key(Kind::Set);
    let mut lost = 0;
    for (key, writes) in siblings.iter().chain(&sets) {
        let touched = taken_away(history, key);
        let held = history.held(key);
        for write in writes.iter().filter(|write| write.acked() == 1) {
            if let Change::Put { value, .. } | Change::Insert(value) = &write.change {
                let there = held.values.contains(value) || held.members.contains(value);
                lost += usize::from(!there && !touched.contains(value));
            }
        }
    }
    lost
}

/// What somebody may have replaced, deleted or removed.
pub(super) fn taken_away(history: &History, key: &Key) -> BTreeSet<String> {
    let mut away = BTreeSet::new();
    let writes = history
        .writes
        .iter()
        .filter(|write| write.key == *key && write.is_possible());
    for write in writes {
        match &write.change {
            Change::Put { over: Some(over), .. } | Change::Delete { over } => away.extend(over.iter().cloned()),
            Change::Remove(member) => {
                away.insert(member.clone());
            }
            Change::Put { over: None, .. } | Change::Add(_) | Change::Insert(_) => {}
        }
    }
    away
}
