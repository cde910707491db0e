//! Leases, locks, queues, workers.

use std::ops::ControlFlow;

use super::super::site::Observed;
use crate::coordination::queues::{QueueRow, query};
use crate::metrics::{self as table, Names, Page};
use crate::state_machine::StateCounts;
use crate::storage::{StorageError, View};
use crate::types::LogTimeMs;

/// The states of an item, in the order of [`StateCounts::items`].
const STATES: [&str; 4] = ["ready", "claimed", "delayed", "dead"];
/// What queues that are not told apart go by.
const OTHER: &str = "other";

pub(super) fn put(page: &mut Page, observed: &Observed, names_max: usize) -> Result<(), StorageError> {
    let counts = observed.store.counts();
    page.number(table::LEASES, &[], counts.leases());
    page.number(table::LEASES_EXPIRED, &[], counts.leases_expired.get());
    page.number(table::LOCKS_HELD, &[], counts.holds());
    page.number(table::LOCK_WAITERS, &[], counts.waiters());
    page.timed(table::LOCK_WAIT_SECONDS, &[], observed.api.lock_waits().read());
    page.number(table::QUEUES, &[], counts.queues());
    page.number(table::WORKERS, &[], counts.workers());
    page.number(table::ASSIGNMENTS, &[], counts.tasks());
    for (metric, by_queue) in [
        (table::QUEUE_REDELIVERED, &counts.redelivered),
        (table::QUEUE_DEAD, &counts.dead),
    ] {
        let mut names = Names::new(names_max);
        by_queue.each(|queue, count| page.number(metric, &[names.label(queue)], count));
    }
    let engine = observed.store.engine();
    let log_time = observed.store.applied().log_time;
    queues(page, engine.view().as_ref(), counts, log_time, names_max)
}

/// The first queues by name are read, at most `names_max`; the others are what is left of the counts of all.
fn queues(
    page: &mut Page,
    view: &dyn View,
    counts: &StateCounts,
    log_time: LogTimeMs,
    names_max: usize,
) -> Result<(), StorageError> {
    let mut rest = counts.items();
    let mut shown: Vec<(String, QueueRow)> = Vec::new();
    if names_max > 0 {
        query::scan(view, "", &mut |name, row| {
            shown.push((name, row));
            if shown.len() < names_max {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
    }
    for (name, row) in &shown {
        let items = [row.ready, row.claimed, row.delayed, row.dead];
        for ((state, items), rest) in STATES.into_iter().zip(items).zip(&mut rest) {
            page.number(table::QUEUE_ITEMS, &[name, state], items);
            *rest = rest.saturating_sub(items);
        }
        let oldest = match row.ready {
            0 => None,
            _ => query::oldest_ready(view, row.id)?,
        };
        let age_ms = oldest.map_or(0, |since| log_time.0.saturating_sub(since.0));
        page.add(table::QUEUE_OLDEST_AGE_SECONDS, &[name], age_ms as f64 / 1000.0);
    }
    if counts.queues() > shown.len() as u64 {
        for (state, items) in STATES.into_iter().zip(rest) {
            page.number(table::QUEUE_ITEMS, &[OTHER, state], items);
        }
    }
    Ok(())
}
