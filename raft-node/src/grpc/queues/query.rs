//! Queries.

use std::ops::ControlFlow;

use quorate_proto::v1::{self as proto, Error, queue_answer, queue_query};

use super::{name, state, text, wire_state};
use crate::coordination::queues::query::{self as queues, Peeked, PeekedState};
use crate::coordination::queues::{ItemState, NAME_BYTES_MAX, QueueConfig, QueueRow};
use crate::grpc::error::{invalid, too_large};
use crate::signals::Topic;
use crate::state_machine::Reader;
use crate::storage::{StorageError, View};
use crate::types::LogTimeMs;

/// Queues or items in one answer.
const LIST_MAX: u32 = 1000;
/// Bytes of a place where an answer ended: priority, an escaped group, an item.
const AFTER_BYTES_MAX: usize = 1024;

/// Checks what a query asks, before it waits for anything.
pub(in crate::grpc) fn check(query: &proto::QueueQuery) -> Result<(), Error> {
    use queue_query::Query;
    match &query.query {
        None => Err(invalid("query", "the query is empty")),
        Some(Query::Stats(stats)) => name(&stats.queue).map(|_| ()),
        Some(Query::List(list)) => text("query.queue.list.after", &list.after, NAME_BYTES_MAX).map(|_| ()),
        Some(Query::Ready(ready)) => name(&ready.queue).map(|_| ()),
        Some(Query::Peek(peek)) => {
            name(&peek.queue)?;
            state("query.queue.peek.state", peek.state)?;
            if peek.after.len() > AFTER_BYTES_MAX {
                let (limit, value) = (AFTER_BYTES_MAX as u64, peek.after.len() as u64);
                return Err(too_large("query.queue.peek.after", "fixed", limit, value, "bytes"));
            }
            Ok(())
        }
    }
}

/// What a query waits for.
pub(in crate::grpc) fn topic(query: &proto::QueueQuery) -> Option<Topic> {
    match &query.query {
        Some(queue_query::Query::Ready(ready)) => Some(Topic::Queue(ready.queue.clone())),
        _ => None,
    }
}

/// What a query waits for has come.
pub(in crate::grpc) fn settled(view: &dyn View, query: &proto::QueueQuery) -> Result<bool, StorageError> {
    match &query.query {
        Some(queue_query::Query::Ready(ready)) => queues::is_ready(view, &ready.queue),
        _ => Ok(true),
    }
}

/// Answers a query that was checked.
pub(in crate::grpc) fn query(view: &dyn View, query: &proto::QueueQuery) -> Result<proto::QueueAnswer, StorageError> {
    use queue_answer::Answer;
    use queue_query::Query;
    let answer = match &query.query {
        None => None,
        Some(Query::Stats(asked)) => Some(Answer::Queues(stats(view, &asked.queue)?)),
        Some(Query::List(asked)) => Some(Answer::Queues(list(view, asked)?)),
        Some(Query::Peek(asked)) => Some(Answer::Peek(peek(view, asked)?)),
        Some(Query::Ready(asked)) => {
            let row = queues::find(view, &asked.queue)?;
            Some(Answer::Ready(proto::QueueReadyAnswer {
                exists: row.is_some(),
                claimable: row.map_or(0, |row| row.claimable()),
            }))
        }
    };
    Ok(proto::QueueAnswer { answer })
}

fn stats(view: &dyn View, name: &str) -> Result<proto::QueueStatsAnswer, StorageError> {
    let Some(row) = queues::find(view, name)? else {
        return Ok(proto::QueueStatsAnswer::default());
    };
    let oldest = queues::oldest_ready(view, row.id)?;
    let oldest_ready_ms = match oldest {
        Some(oldest) => log_time(view)?.0.saturating_sub(oldest.0),
        None => 0,
    };
    Ok(proto::QueueStatsAnswer {
        queues: vec![proto::QueueStats {
            oldest_ready_ms,
            ..described(name.to_owned(), &row)
        }],
        more: false,
    })
}

fn list(view: &dyn View, asked: &proto::QueueList) -> Result<proto::QueueStatsAnswer, StorageError> {
    let limit = limit(asked.limit);
    let mut answer = proto::QueueStatsAnswer::default();
    queues::scan(view, &asked.after, &mut |name, row| {
        if answer.queues.len() == limit {
            answer.more = true;
            return ControlFlow::Break(());
        }
        answer.queues.push(described(name, &row));
        ControlFlow::Continue(())
    })?;
    Ok(answer)
}

fn peek(view: &dyn View, asked: &proto::QueuePeek) -> Result<proto::QueuePeekAnswer, StorageError> {
    let (Some(row), Ok(state)) = (queues::find(view, &asked.queue)?, state("state", asked.state)) else {
        return Ok(proto::QueuePeekAnswer::default());
    };
    let (items, next) = queues::peek(view, &row, state, &asked.after, limit(asked.limit))?;
    let now = log_time(view)?;
    Ok(proto::QueuePeekAnswer {
        exists: true,
        items: items.into_iter().map(|one| item(one, now)).collect(),
        next: next.unwrap_or_default().into(),
        changed_revision: row.changed.0,
    })
}

fn limit(asked: u32) -> usize {
    let limit = if asked == 0 { LIST_MAX } else { asked.min(LIST_MAX) };
    limit as usize
}

fn log_time(view: &dyn View) -> Result<LogTimeMs, StorageError> {
    Ok(Reader::new(view).header()?.log_time)
}

fn described(queue: String, row: &QueueRow) -> proto::QueueStats {
    proto::QueueStats {
        queue,
        config: Some(config(&row.config)),
        paused: row.paused,
        ready: row.ready,
        delayed: row.delayed,
        claimed: row.claimed,
        dead: row.dead,
        held_back: row.held_back,
        groups_waiting: row.groups_waiting,
        claimable: row.claimable(),
        oldest_ready_ms: 0,
        enqueued: row.items,
        dedupe_keys: row.dedupe_keys,
        changed_revision: row.changed.0,
    }
}

fn config(config: &QueueConfig) -> proto::QueueConfig {
    proto::QueueConfig {
        visibility_ms: config.visibility_ms,
        attempts_max: config.attempts_max,
        depth_max: config.depth_max,
        claimed_max: config.claimed_max,
        group_claimed_max: config.group_claimed_max,
        dedupe_window_ms: config.dedupe_window_ms,
    }
}

fn item(one: Peeked, now: LogTimeMs) -> proto::QueueItem {
    let since = |since: LogTimeMs| now.0.saturating_sub(since.0);
    let until = |due: LogTimeMs| due.0.saturating_sub(now.0);
    let plain = proto::QueueItem {
        item: one.item,
        priority: one.standing.priority.into(),
        group: one.standing.group,
        dedupe_key: one.held.dedupe_key.unwrap_or_default(),
        attempts: one.standing.attempts,
        checkpoint: one.standing.checkpoint,
        enqueued_wall_ms: one.held.enqueued_wall_ms,
        payload: one.held.payload.into(),
        ..proto::QueueItem::default()
    };
    let state = |state| wire_state(state).into();
    match one.state {
        PeekedState::Ready { since: at } => proto::QueueItem {
            state: state(ItemState::Ready),
            since_ms: since(at),
            ..plain
        },
        PeekedState::Delayed { due } => proto::QueueItem {
            state: state(ItemState::Delayed),
            due_in_ms: until(due),
            ..plain
        },
        PeekedState::Claimed {
            token,
            deadline,
            worker,
            lease,
        } => proto::QueueItem {
            state: state(ItemState::Claimed),
            due_in_ms: until(deadline),
            token: token.0,
            lease,
            worker,
            ..plain
        },
        PeekedState::Dead { since: at, reason } => proto::QueueItem {
            state: state(ItemState::Dead),
            since_ms: since(at),
            reason,
            ..plain
        },
    }
}
