//! Shows queues and their items.

use std::time::Duration;

use quorate::{ItemState, QueueItem, QueueStats};
use serde_json::{Map, Value, json};

use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Queues in one page of a list.
const PAGE: u32 = 1000;

pub(super) async fn stats(queue: &str, global: &Global) -> Result<Exit, Failure> {
    let Some(stats) = global.connect().await?.queue(queue).stats().await? else {
        let message = format!("queue {queue:?} does not exist");
        return Err(Failure::new(Exit::Refused, "unknown_queue", message));
    };
    global.output.show(&shown(&stats), || description(&stats))?;
    Ok(Exit::Success)
}

pub(super) async fn list(global: &Global) -> Result<Exit, Failure> {
    let client = global.connect().await?;
    let mut queues: Vec<QueueStats> = Vec::new();
    loop {
        let after = queues.last().map_or("", |last| last.queue.as_str());
        let (page, more) = client.queues(after, PAGE).await?;
        let goes_on = more && !page.is_empty();
        queues.extend(page);
        if !goes_on {
            break;
        }
    }
    let json = json!({ "queues": queues.iter().map(shown).collect::<Vec<_>>() });
    global.output.show(&json, || {
        let rows = queues.iter().map(|stats| {
            vec![
                stats.queue.clone(),
                stats.ready.to_string(),
                stats.delayed.to_string(),
                stats.claimed.to_string(),
                stats.dead.to_string(),
                if stats.paused { "paused" } else { "" }.to_owned(),
            ]
        });
        output::table(&["queue", "ready", "delayed", "claimed", "dead", ""], rows)
    })?;
    Ok(Exit::Success)
}

fn shown(stats: &QueueStats) -> Value {
    json!({
        "queue": stats.queue,
        "paused": stats.paused,
        "ready": stats.ready,
        "delayed": stats.delayed,
        "claimed": stats.claimed,
        "dead": stats.dead,
        "claimable": stats.claimable,
        "held_back": stats.held_back,
        "groups_waiting": stats.groups_waiting,
        "oldest_ready_ms": milliseconds(stats.oldest_ready),
        "enqueued": stats.enqueued,
        "dedupe_keys": stats.dedupe_keys,
        "config": {
            "visibility_ms": milliseconds(stats.config.visibility),
            "attempts_max": stats.config.attempts_max,
            "depth_max": stats.config.depth_max,
            "claimed_max": stats.config.claimed_max,
            "group_claimed_max": stats.config.group_claimed_max,
            "dedupe_window_ms": milliseconds(stats.config.dedupe_window),
        },
    })
}

fn description(stats: &QueueStats) -> String {
    let limit = |limit: u64| match limit {
        0 => "no limit".to_owned(),
        limit => limit.to_string(),
    };
    let config = &stats.config;
    let rows = [
        ("paused", if stats.paused { "yes" } else { "no" }.to_owned()),
        ("ready", stats.ready.to_string()),
        ("delayed", stats.delayed.to_string()),
        ("claimed", stats.claimed.to_string()),
        ("dead letters", stats.dead.to_string()),
        ("can be claimed now", stats.claimable.to_string()),
        (
            "held back by the limit of their group",
            format!("{} of {} groups", stats.held_back, stats.groups_waiting),
        ),
        ("oldest ready item", format!("{:?}", stats.oldest_ready)),
        ("pushed so far", stats.enqueued.to_string()),
        ("dedupe keys", stats.dedupe_keys.to_string()),
        ("a claim lasts", format!("{:?}", config.visibility)),
        ("claims before it is a dead letter", config.attempts_max.to_string()),
        ("items at most", config.depth_max.to_string()),
        ("claimed at most", limit(config.claimed_max)),
        ("claimed of a group at most", limit(config.group_claimed_max)),
        ("a dedupe key is remembered for", format!("{:?}", config.dedupe_window)),
    ];
    output::table(
        &["queue", &stats.queue],
        rows.map(|(name, value)| vec![name.to_owned(), value]),
    )
}

pub(super) async fn peek(queue: &str, state: ItemState, limit: u32, global: &Global) -> Result<Exit, Failure> {
    let page = global.connect().await?.queue(queue).peek(state, limit).await?;
    let json = json!({
        "items": page.items.iter().map(shown_item).collect::<Vec<_>>(),
        "more": page.next.is_some(),
    });
    global.output.show(&json, || {
        let mut text = item_table(state, &page.items);
        if page.next.is_some() {
            text.push_str("\nthere are more");
        }
        text
    })?;
    Ok(Exit::Success)
}

fn shown_item(item: &QueueItem) -> Value {
    let mut object = Map::new();
    object.insert("item".to_owned(), item.item.into());
    object.insert("state".to_owned(), item.state.to_string().into());
    object.insert("priority".to_owned(), item.priority.into());
    object.insert("group".to_owned(), item.group.clone().into());
    object.insert("attempts".to_owned(), item.attempts.into());
    object.insert("enqueued_at_ms".to_owned(), item.enqueued_at_ms.into());
    object.insert("checkpoint".to_owned(), item.checkpoint.into());
    if !item.dedupe_key.is_empty() {
        object.insert("dedupe_key".to_owned(), item.dedupe_key.clone().into());
    }
    match item.state {
        ItemState::Ready | ItemState::Dead => object.insert("since_ms".to_owned(), milliseconds(item.since).into()),
        _ => object.insert("due_in_ms".to_owned(), milliseconds(item.due_in).into()),
    };
    if let Some(token) = item.token {
        object.insert("token".to_owned(), token.into());
        object.insert("worker".to_owned(), item.worker.clone().into());
    }
    if let Some(lease) = item.lease {
        object.insert("lease".to_owned(), lease.into());
    }
    if item.state == ItemState::Dead {
        object.insert("reason".to_owned(), item.reason.clone().into());
    }
    bytes::put_json(&mut object, "payload", &item.payload, false);
    Value::Object(object)
}

fn item_table(state: ItemState, items: &[QueueItem]) -> String {
    let (time, more) = match state {
        ItemState::Ready => ("ready for", "priority"),
        ItemState::Delayed => ("ready in", "priority"),
        ItemState::Claimed => ("claim ends in", "worker"),
        _ => ("dead for", "reason"),
    };
    let rows = items.iter().map(|item| {
        let (time, more) = match state {
            ItemState::Ready => (item.since, item.priority.to_string()),
            ItemState::Delayed => (item.due_in, item.priority.to_string()),
            ItemState::Claimed => (item.due_in, item.worker.clone()),
            _ => (item.since, item.reason.clone()),
        };
        vec![
            item.item.to_string(),
            item.group.clone(),
            item.attempts.to_string(),
            format!("{time:?}"),
            more,
            bytes::shown(&item.payload, false),
        ]
    });
    output::table(&["item", "group", "claims", time, more, "payload"], rows)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
