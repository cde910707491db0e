//! Keys that are attached to a lease go at the revision at which it ends, all of them, and none comes after that.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::history::History;
use crate::watch_check::{Event, KeyKind};

type Place = (String, Bytes);

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let mut attached: BTreeMap<u64, BTreeSet<Place>> = BTreeMap::new();
    let mut ends: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (lease, life) in history.lives.iter() {
        if let Some(end) = life.ended {
            ends.entry(end.revision).or_default().push(lease);
        }
    }
    for (revision, events) in history.truth.between(0, history.truth.last()) {
        for event in events {
            let Event::Key(event) = event else { continue };
            let place = (event.domain.clone(), event.record.key.clone());
            if let Some(before) = event
                .previous
                .as_ref()
                .and_then(|before| attached.get_mut(&before.lease))
            {
                before.remove(&place);
            }
            if event.kind == KeyKind::Put && event.record.lease != 0 {
                let lease = event.record.lease;
                if !history.lives.lives_at(lease, revision) {
                    found.push(format!(
                        "revision {revision} writes {:?} under lease {lease}, which is {:?}",
                        place.1,
                        history.lives.get(lease)
                    ));
                }
                attached.entry(lease).or_default().insert(place);
            }
        }
        for lease in ends.get(&revision).into_iter().flatten() {
            let left = attached.remove(lease).unwrap_or_default();
            if !left.is_empty() {
                found.push(format!(
                    "lease {lease} ended at revision {revision}, and these stayed: {left:?}"
                ));
            }
        }
    }
    found
}
