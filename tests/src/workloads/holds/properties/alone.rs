//! Whoever holds a lock alone is alone, and permits that are held are never more than there are.

use super::super::history::History;
use super::super::truth::Granted;

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let permits = history.permits();
    let mut found = Vec::new();
    for (lock, holds) in history.holds.by_lock() {
        let mut living: Vec<&Granted> = Vec::new();
        for granted in holds {
            living.retain(|held| held.lives_at(granted.revision));
            living.push(granted);
            let taken: u64 = living.iter().map(|held| u64::from(held.count)).sum();
            let too_many = permits.get(lock).is_some_and(|permits| taken > u64::from(*permits));
            let not_alone = living.len() > 1 && living.iter().any(|held| held.exclusive);
            if too_many || not_alone {
                let revision = granted.revision;
                found.push(format!("at revision {revision}, {lock:?} is held by {living:?}"));
            }
        }
    }
    found
}
