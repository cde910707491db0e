//! Why an operation on queues was refused.

use bincode::{Decode, Encode};

use super::Revision;

/// Why an operation on queues changed nothing.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum QueueRefusal {
    /// No such queue.
    #[error("queue {queue:?} does not exist: create it first")]
    UnknownQueue {
        /// The name that was asked for.
        queue: String,
    },
    /// There are too many queues.
    #[error("there are {queues_max} queues, which is the limit: delete some, or use groups")]
    TooManyQueues {
        /// The limit.
        queues_max: u64,
    },
    /// The queue holds as much as it may.
    #[error(
        "queue {queue:?} holds {depth} items; its limit is {depth_max}: wait until some are done, or raise the limit"
    )]
    Full {
        /// Its name.
        queue: String,
        /// What it holds.
        depth: u64,
        /// What it may hold.
        depth_max: u64,
    },
    /// Only an empty queue can be deleted.
    #[error("queue {queue:?} holds {items} items: finish or purge them first")]
    NotEmpty {
        /// Its name.
        queue: String,
        /// What it holds.
        items: u64,
    },
    /// The queue holds no such item.
    #[error("queue {queue:?} holds no item {item}: it was acknowledged or purged, or never was")]
    UnknownItem {
        /// The queue.
        queue: String,
        /// The item.
        item: u64,
    },
    /// The claim was not prolonged in time.
    #[error(
        "the claim of item {item} of queue {queue:?} with token {token} timed out {late_ms} ms ago: somebody else may get it"
    )]
    ClaimTimedOut {
        /// The queue.
        queue: String,
        /// The item.
        item: u64,
        /// Of the receipt.
        token: Revision,
        /// How long ago, in milliseconds of log time.
        late_ms: u64,
    },
    /// The item was claimed again.
    #[error(
        "item {item} of queue {queue:?} is not claimed with token {token} but with {current}: it belongs to that claim"
    )]
    ClaimedByAnother {
        /// The queue.
        queue: String,
        /// The item.
        item: u64,
        /// Of the receipt.
        token: Revision,
        /// Of the claim there is.
        current: Revision,
    },
    /// The item is not claimed.
    #[error(
        "item {item} of queue {queue:?} is not claimed any more (token {token}): it was given back, timed out, or its \
         lease ended"
    )]
    ClaimOver {
        /// The queue.
        queue: String,
        /// The item.
        item: u64,
        /// Of the receipt.
        token: Revision,
    },
    /// The item is not a dead letter.
    #[error("item {item} of queue {queue:?} is no dead letter: it is waiting or claimed")]
    NotDead {
        /// The queue.
        queue: String,
        /// The item.
        item: u64,
    },
    /// The queue remembers as many dedupe keys as it may.
    #[error("queue {queue:?} remembers {keys_max} dedupe keys, which is the limit: use a shorter dedupe window")]
    TooManyDedupeKeys {
        /// The queue.
        queue: String,
        /// The limit.
        keys_max: u64,
    },
    /// It has changed since the request was made.
    #[error(
        "queue {queue:?} last changed at revision {found} (0: there is no such queue); the request was made from what it \
         was at {expected} (0: there was no such queue, or nothing in it): read it again"
    )]
    Changed {
        /// The queue.
        queue: String,
        /// When it was read; 0: it was not there, or held nothing.
        expected: Revision,
        /// When it last changed; 0: it is not there.
        found: Revision,
    },
    /// The item is claimed, delayed or dead; or it waits somewhere else.
    #[error("item {item} of queue {queue:?} does not wait for a claim at priority {priority} in group {group:?}")]
    NotReady {
        /// The queue.
        queue: String,
        /// The item.
        item: u64,
        /// Where it should wait.
        priority: u8,
        /// In which group.
        group: String,
    },
    /// The item is not claimed.
    #[error("item {item} of queue {queue:?} is not claimed: it cannot be given back")]
    NotClaimed {
        /// The queue.
        queue: String,
        /// The item.
        item: u64,
    },
    /// Nothing of the queue is claimed.
    #[error("queue {queue:?} is paused: nothing of it can be claimed until it is resumed")]
    Paused {
        /// The queue.
        queue: String,
    },
    /// More would be claimed than may be.
    #[error(
        "{claims} items of {}queue {queue:?} would be claimed; the limit is {claims_max}: wait until some are done, or \
         raise the limit",
        in_group(group.as_deref())
    )]
    TooManyClaims {
        /// The queue.
        queue: String,
        /// The group whose limit it is; none: that of the queue.
        group: Option<String>,
        /// Items that would be claimed.
        claims: u64,
        /// The limit.
        claims_max: u64,
    },
}

fn in_group(group: Option<&str>) -> String {
    group.map_or_else(String::new, |group| format!("group {group:?} of "))
}
