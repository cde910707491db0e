//! What a watch tells: a line for people, an object for programs. The names of its fields are stable.

use quorate::{
    ClaimEnd, KeyEvent, KeyEventKind, LeaseEvent, LeaseEventKind, LockEvent, LockEventKind, LockFreed, LockMode,
    QueueEvent, QueueEventKind, TaskEvent, TaskEventKind, TaskWait, WatchBatch, WatchEvent, WorkerEvent,
    WorkerEventKind,
};
use serde_json::{Map, Value, json};

use super::{bytes, output};

/// An event, for both.
struct Told {
    /// What the event is about.
    space: &'static str,
    /// What happened, in a word.
    kind: &'static str,
    name: String,
    /// What else a person wants to see.
    detail: String,
    /// Beside `revision`, `time`, `space` and `kind`.
    fields: Value,
}

/// One line an event.
pub fn lines<'a>(batch: &'a WatchBatch, hex: bool) -> impl Iterator<Item = String> + 'a {
    batch.events.iter().map(move |event| {
        let told = tell(event, hex);
        let line = format!(
            "{:<8}  {:<12}  {}  {}",
            batch.revision, told.kind, told.name, told.detail
        );
        line.trim_end().to_owned()
    })
}

/// One object an event.
pub fn objects<'a>(batch: &'a WatchBatch, hex: bool) -> impl Iterator<Item = Value> + 'a {
    batch.events.iter().map(move |event| {
        let told = tell(event, hex);
        let mut object = Map::new();
        object.insert("revision".to_owned(), batch.revision.into());
        object.insert("time".to_owned(), output::time(batch.wall_time).into());
        object.insert("space".to_owned(), told.space.into());
        object.insert("kind".to_owned(), told.kind.into());
        if let Value::Object(fields) = told.fields {
            // Absent is absent, not null.
            object.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
        }
        Value::Object(object)
    })
}

fn tell(event: &WatchEvent, hex: bool) -> Told {
    match event {
        WatchEvent::Key(event) => key(event, hex),
        WatchEvent::Lease(event) => lease(event),
        WatchEvent::Lock(event) => lock(event),
        WatchEvent::Queue(event) => queue(event),
        WatchEvent::Worker(event) => worker(event),
        WatchEvent::Task(event) => task(event),
        _ => Told {
            space: UNKNOWN,
            kind: UNKNOWN,
            name: String::new(),
            detail: "of a kind that this version does not know".to_owned(),
            fields: json!({}),
        },
    }
}

const UNKNOWN: &str = "unknown";

/// A name or a reason in a line: whatever is in it, an event is one line.
fn shown(text: &str) -> String {
    bytes::shown(text.as_bytes(), false)
}

fn key(event: &KeyEvent, hex: bool) -> Told {
    let mut fields = Map::new();
    fields.insert("domain".to_owned(), event.domain.clone().into());
    bytes::put_json(&mut fields, "key", event.key(), hex);
    if let Some(record) = event.current() {
        fields.insert("record".to_owned(), output::record_json(record, hex));
    }
    if let Some(previous) = &event.previous {
        fields.insert("previous".to_owned(), output::record_json(previous, hex));
    }
    let value = |record: &quorate::Record| bytes::shown(&record.value, hex);
    let detail = match (event.current(), &event.previous) {
        (Some(record), None) => value(record),
        (Some(record), Some(previous)) => format!("{}  (was {})", value(record), value(previous)),
        (None, Some(previous)) => format!("(was {})", value(previous)),
        (None, None) => String::new(),
    };
    Told {
        space: "keys",
        kind: match event.kind {
            KeyEventKind::Put => "put",
            KeyEventKind::Delete => "delete",
            KeyEventKind::Expire => "expire",
        },
        name: bytes::shown(event.key(), hex),
        detail,
        fields: Value::Object(fields),
    }
}

fn lease(event: &LeaseEvent) -> Told {
    let lease = event.lease;
    let (kind, detail, fields) = match &event.kind {
        LeaseEventKind::Granted { name, ttl } => {
            let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
            let fields = json!({ "lease": lease, "name": name, "ttl_ms": ttl_ms });
            (
                "granted",
                format!("{} {}", shown(name), humantime::format_duration(*ttl)),
                fields,
            )
        }
        LeaseEventKind::Revoked => ("revoked", String::new(), json!({ "lease": lease })),
        LeaseEventKind::Expired => ("expired", String::new(), json!({ "lease": lease })),
        _ => (UNKNOWN, String::new(), json!({ "lease": lease })),
    };
    Told {
        space: "leases",
        kind,
        name: lease.to_string(),
        detail: detail.trim_start().to_owned(),
        fields,
    }
}

fn lock(event: &LockEvent) -> Told {
    let mut fields = json!({
        "lock": event.lock,
        "lease": event.lease,
        "request": event.request,
        "token": event.token,
    });
    let (kind, more) = match &event.kind {
        LockEventKind::Acquired {
            mode, count, waited, ..
        } => {
            fields["mode"] = match mode {
                Some(LockMode::Exclusive) => "exclusive".into(),
                Some(LockMode::Shared) => "shared".into(),
                None => Value::Null,
            };
            fields["count"] = (*count).into();
            fields["waited"] = (*waited).into();
            ("acquired", String::new())
        }
        LockEventKind::Freed { why, .. } => {
            let (word, reason) = match why {
                LockFreed::Released => ("released", None),
                LockFreed::LeaseEnded => ("lease_ended", None),
                LockFreed::Forced { reason, .. } => ("forced", Some(reason)),
                LockFreed::Refused => ("refused", None),
                _ => (UNKNOWN, None),
            };
            fields["why"] = word.into();
            fields["reason"] = reason.map_or(Value::Null, |reason| reason.clone().into());
            (
                "freed",
                reason.map_or_else(|| word.to_owned(), |reason| format!("{word}: {}", shown(reason))),
            )
        }
        LockEventKind::ValueSet => ("value_set", String::new()),
        _ => (UNKNOWN, String::new()),
    };
    let detail = format!("lease {} token {} {more}", event.lease, event.token);
    Told {
        space: "locks",
        kind,
        name: shown(&event.lock),
        detail,
        fields,
    }
}

fn queue(event: &QueueEvent) -> Told {
    let mut fields = json!({ "queue": event.queue });
    let mut set = |name: &str, value: Value| fields[name] = value;
    let mut more = String::new();
    let kind = match &event.kind {
        QueueEventKind::Created => "created",
        QueueEventKind::Configured => "configured",
        QueueEventKind::Deleted => "deleted",
        QueueEventKind::Paused => "paused",
        QueueEventKind::Resumed => "resumed",
        QueueEventKind::Enqueued { delayed, .. } => {
            set("delayed", (*delayed).into());
            "enqueued"
        }
        QueueEventKind::Ready => "ready",
        QueueEventKind::Claimed {
            token, lease, worker, ..
        } => {
            set("token", (*token).into());
            set("lease", (*lease).into());
            set("worker", worker.clone().into());
            more = shown(worker);
            "claimed"
        }
        QueueEventKind::Acked => "acked",
        QueueEventKind::Returned { why, delayed, .. } => {
            set("why", claim_end(*why).into());
            set("delayed", (*delayed).into());
            claim_end(*why).clone_into(&mut more);
            "returned"
        }
        QueueEventKind::Dead { why, reason, .. } => {
            set("why", claim_end(*why).into());
            set("reason", reason.clone().into());
            more = shown(reason);
            "dead"
        }
        QueueEventKind::Redriven => "redriven",
        QueueEventKind::Purged => "purged",
        _ => UNKNOWN,
    };
    if !event.items.is_empty() {
        set("items", event.items.clone().into());
    }
    let items: Vec<String> = event.items.iter().map(u64::to_string).collect();
    let items = bytes::shown(items.join(",").as_bytes(), false);
    Told {
        space: "queues",
        kind,
        name: shown(&event.queue),
        detail: format!("{items} {more}").trim().to_owned(),
        fields,
    }
}

fn claim_end(why: ClaimEnd) -> &'static str {
    match why {
        ClaimEnd::Nacked => "nacked",
        ClaimEnd::TimedOut => "timed_out",
        ClaimEnd::LeaseEnded => "lease_ended",
        _ => UNKNOWN,
    }
}

fn worker(event: &WorkerEvent) -> Told {
    let mut fields = json!({ "worker": event.worker });
    let (kind, detail) = match &event.kind {
        WorkerEventKind::Registered { lease, capacity, .. } => {
            fields["lease"] = (*lease).into();
            fields["capacity"] = (*capacity).into();
            ("registered", format!("capacity {capacity}"))
        }
        WorkerEventKind::Updated { capacity, .. } => {
            fields["capacity"] = (*capacity).into();
            ("updated", format!("capacity {capacity}"))
        }
        WorkerEventKind::Draining => ("draining", String::new()),
        WorkerEventKind::Resumed => ("resumed", String::new()),
        WorkerEventKind::Offline { lease, .. } => {
            fields["lease"] = (*lease).into();
            ("offline", String::new())
        }
        WorkerEventKind::Deregistered => ("deregistered", String::new()),
        _ => (UNKNOWN, String::new()),
    };
    Told {
        space: "workers",
        kind,
        name: shown(&event.worker),
        detail,
        fields,
    }
}

fn task(event: &TaskEvent) -> Told {
    let mut fields = json!({ "task": event.task, "generation": event.generation, "from": event.from });
    let (kind, detail) = match &event.kind {
        TaskEventKind::Assigned { worker, .. } => {
            fields["worker"] = worker.clone().into();
            ("assigned", shown(worker))
        }
        TaskEventKind::Waiting { why, .. } => {
            let why = match why {
                TaskWait::NoWorker => "no_worker",
                TaskWait::Unassigned => "unassigned",
                TaskWait::WorkerGone => "worker_gone",
                _ => UNKNOWN,
            };
            fields["why"] = why.into();
            ("waiting", why.to_owned())
        }
        TaskEventKind::Completed => ("completed", String::new()),
        TaskEventKind::Cancelled => ("cancelled", String::new()),
        _ => (UNKNOWN, String::new()),
    };
    let from = event
        .from
        .as_ref()
        .map_or_else(String::new, |from| format!("(was {})", shown(from)));
    Told {
        space: "tasks",
        kind,
        name: shown(&event.task),
        detail: format!("{detail} {from}").trim().to_owned(),
        fields,
    }
}
