//! A worker goes offline at the revision at which its lease ends, and not before.

use super::super::history::History;
use crate::workloads::leases::Lives;

pub(super) fn check(history: &History<'_>, lives: &Lives) -> Vec<String> {
    let mut found = Vec::new();
    for (worker, lease, from, until) in &history.fleet.registrations {
        let life = lives.get(*lease);
        let ended = life.and_then(|life| life.ended).map(|end| end.revision);
        let registered_late = life.is_none_or(|life| !life.lives_at(*from));
        if registered_late || *until != ended {
            found.push(format!(
                "{worker} was registered from revision {from} to {until:?}, and its lease {lease} was {life:?}"
            ));
        }
    }
    found
}
