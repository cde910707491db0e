//! Which key is in which tier. The one place that says so.
//!
//! | key, behind the prefix | tier | kept as |
//! |---|---|---|
//! | `tasks/{task}/progress` | eventual | a register, the last write |
//! | `tasks/{task}/agents/{agent}` | eventual | a register with siblings |
//! | `workers/{worker}/heartbeat` | eventual | a register, the last write |
//! | `coordination/metrics` | eventual | a map, each field the last write |
//! | `coordination/metrics/{name}` | eventual | a counter |
//! | everything else, and every key without the prefix | strong | a record |

use crate::domain::Tier;
use crate::error::{Error, ErrorKind, Outcome, Result};

/// Bytes of the name of a task, a worker or an agent.
const NAME_BYTES_MAX: usize = 256;
/// Bytes of the prefix.
const PREFIX_BYTES_MAX: usize = 512;

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A record of the strong tier.
    Record,
    /// Progress of a task, or a heartbeat.
    LastWrite,
    /// What an agent tells.
    Agent,
    /// The metrics that all share.
    Metrics,
    /// One that is counted.
    Counter,
}

impl Place {
    pub(super) fn tier(self) -> Tier {
        match self {
            Self::Record => Tier::Strong,
            Self::LastWrite | Self::Agent | Self::Metrics | Self::Counter => Tier::Eventual,
        }
    }
}

/// The keys of one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    prefix: String,
}

impl Table {
    /// An empty prefix, or one that ends with a slash.
    pub(super) fn new(prefix: String) -> Result<Self> {
        if prefix.len() > PREFIX_BYTES_MAX {
            return Err(too_long("prefix", prefix.len(), PREFIX_BYTES_MAX));
        }
        if prefix.contains('*') || !(prefix.is_empty() || prefix.ends_with('/')) {
            let message = format!("the prefix {prefix:?} must be empty or end with a slash, and have no asterisk");
            return Err(Error::invalid("prefix", message));
        }
        Ok(Self { prefix })
    }

    pub(super) fn place(&self, key: &str) -> Place {
        let Some(rest) = key.strip_prefix(&self.prefix) else {
            return Place::Record;
        };
        let segments: Vec<&str> = rest.splitn(4, '/').collect();
        match segments.as_slice() {
            ["tasks", _, "progress"] | ["workers", _, "heartbeat"] => Place::LastWrite,
            ["tasks", _, "agents", _] => Place::Agent,
            ["coordination", "metrics"] => Place::Metrics,
            ["coordination", "metrics", _] => Place::Counter,
            _ => Place::Record,
        }
    }

    /// A key behind the prefix.
    pub(super) fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    pub(super) fn task_state(&self, task: &str) -> Result<String> {
        self.of("tasks", "task", task, "state")
    }

    pub(super) fn task_progress(&self, task: &str) -> Result<String> {
        self.of("tasks", "task", task, "progress")
    }

    /// The name of a lock, which is no key.
    pub(super) fn task_lock(&self, task: &str) -> Result<String> {
        self.of("tasks", "task", task, "lock")
    }

    pub(super) fn agent(&self, task: &str, agent: &str) -> Result<String> {
        check_name("agent", agent)?;
        Ok(self.agents(task)? + agent)
    }

    /// What the keys of all agents of a task start with.
    pub(super) fn agents(&self, task: &str) -> Result<String> {
        self.of("tasks", "task", task, "agents/")
    }

    pub(super) fn worker_status(&self, worker: &str) -> Result<String> {
        self.of("workers", "worker", worker, "status")
    }

    pub(super) fn worker_capacity(&self, worker: &str) -> Result<String> {
        self.of("workers", "worker", worker, "capacity")
    }

    pub(super) fn worker_heartbeat(&self, worker: &str) -> Result<String> {
        self.of("workers", "worker", worker, "heartbeat")
    }

    pub(super) fn metrics(&self) -> String {
        self.key("coordination/metrics")
    }

    pub(super) fn metric(&self, name: &str) -> Result<String> {
        check_name("metric", name)?;
        Ok(self.key("coordination/metrics/") + name)
    }

    /// The name of the queue, which is no key.
    pub(super) fn queue(&self) -> String {
        self.key("coordination/queue")
    }

    pub(super) fn assignments(&self) -> String {
        self.key("coordination/assignments")
    }

    fn of(&self, kind: &str, field: &str, name: &str, what: &str) -> Result<String> {
        check_name(field, name)?;
        Ok(format!("{}{kind}/{name}/{what}", self.prefix))
    }
}

/// A trailing `/*` stands for everything below, as in `task-sentinel/*`; elsewhere `*` stays within its segment.
pub(super) fn pattern_of(asked: &str) -> String {
    match asked.ends_with("/*") {
        true => format!("{asked}*"),
        false => asked.to_owned(),
    }
}

/// A name is one segment of a key, or its key would stand for something else.
pub(super) fn check_name(field: &str, name: &str) -> Result<()> {
    if name.len() > NAME_BYTES_MAX {
        return Err(too_long(field, name.len(), NAME_BYTES_MAX));
    }
    if name.is_empty() || name.contains(['/', '*']) {
        let message = format!("{field} is {name:?}; a name has 1 to {NAME_BYTES_MAX} bytes, no slash and no asterisk");
        return Err(Error::invalid(field, message));
    }
    Ok(())
}

fn too_long(field: &str, value: usize, limit: usize) -> Error {
    let kind = ErrorKind::TooLarge {
        field: field.to_owned(),
        limit: limit as u64,
        value: value as u64,
    };
    let message = format!("{field} is {value} bytes; the limit is {limit}");
    Error::new(kind, Outcome::NotApplied, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::new("task-sentinel/".to_owned()).unwrap()
    }

    #[test]
    fn progress_agents_heartbeats_and_metrics_are_eventual_and_everything_else_is_strong() {
        for (key, place) in [
            ("task-sentinel/tasks/t/progress", Place::LastWrite),
            ("task-sentinel/tasks/t/agents/a", Place::Agent),
            ("task-sentinel/tasks/t/agents/a/b", Place::Agent),
            ("task-sentinel/workers/w/heartbeat", Place::LastWrite),
            ("task-sentinel/coordination/metrics", Place::Metrics),
            ("task-sentinel/coordination/metrics/done", Place::Counter),
            ("task-sentinel/tasks/t/state", Place::Record),
            ("task-sentinel/tasks/t/agents", Place::Record),
            ("task-sentinel/tasks/t/progress/x", Place::Record),
            ("task-sentinel/tasks/progress", Place::Record),
            ("task-sentinel/workers/w/status", Place::Record),
            ("task-sentinel/workers/w/capacity", Place::Record),
            ("task-sentinel/coordination/assignments", Place::Record),
            ("tasks/t/progress", Place::Record),
            ("plan", Place::Record),
        ] {
            assert_eq!(table().place(key), place, "{key}");
        }
    }

    #[test]
    fn the_keys_that_are_made_are_where_the_table_says() {
        let table = table();
        let made = [
            (table.task_state("t"), "tasks/t/state", Place::Record),
            (table.task_progress("t"), "tasks/t/progress", Place::LastWrite),
            (table.agent("t", "a"), "tasks/t/agents/a", Place::Agent),
            (table.worker_status("w"), "workers/w/status", Place::Record),
            (table.worker_capacity("w"), "workers/w/capacity", Place::Record),
            (table.worker_heartbeat("w"), "workers/w/heartbeat", Place::LastWrite),
            (Ok(table.metrics()), "coordination/metrics", Place::Metrics),
            (table.metric("m"), "coordination/metrics/m", Place::Counter),
        ];
        for (key, rest, place) in made {
            let key = key.unwrap();
            assert_eq!(key, table.key(rest));
            assert_eq!(table.place(&key), place, "{key}");
        }
    }

    #[test]
    fn a_name_that_is_not_one_segment_is_refused() {
        for name in ["", "a/b", "a*"] {
            let error = table().task_state(name).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::InvalidArgument { field, .. } if field == "task"));
        }
        let error = table().worker_status(&"w".repeat(257)).unwrap_err();
        assert_eq!(error.message(), "worker is 257 bytes; the limit is 256");
    }

    #[test]
    fn only_a_trailing_slash_and_asterisk_match_everything_below() {
        assert_eq!(pattern_of("task-sentinel/*"), "task-sentinel/**");
        assert_eq!(pattern_of("task-sentinel/**"), "task-sentinel/**");
        assert_eq!(pattern_of("tasks/*/state"), "tasks/*/state");
        assert_eq!(pattern_of("tasks/high-*"), "tasks/high-*");
    }

    #[test]
    fn a_prefix_ends_with_a_slash() {
        assert!(Table::new(String::new()).is_ok());
        for prefix in ["a", "a*/"] {
            let error = Table::new(prefix.to_owned()).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::InvalidArgument { field, .. } if field == "prefix"));
        }
    }
}
