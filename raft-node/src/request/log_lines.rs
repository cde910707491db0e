//! The lines that are written of requests.

use std::time::Duration;

use quorate_proto::RequestId;

use super::passage::{StageMs, ms};
use super::requests::Ended;
use super::{Moments, RequestName};

/// The module by which filters name these lines.
macro_rules! target {
    () => {
        "quorate_node::request"
    };
}

/// Every call is written of.
pub(super) fn all_calls() -> bool {
    tracing::enabled!(target: target!(), tracing::Level::DEBUG)
}

/// Every entry that is applied is written of, once for each request in it.
pub(super) fn all_entries() -> bool {
    tracing::enabled!(target: target!(), tracing::Level::TRACE)
}

macro_rules! call_line {
    ($level:ident, $ended:ident, $id:ident, $message:literal $(, $name:ident = $value:expr)*) => {{
        let (client, sequence) = match $ended.name {
            RequestName::Mutation { client, sequence } => (Some(client.0), Some(sequence)),
            RequestName::Call { .. } => (None, None),
        };
        let stages = StageMs::of(&$ended.passage, $ended.began, $ended.at);
        tracing::$level!(
            target: target!(),
            request = %$id,
            method = $ended.method,
            code = $ended.code,
            took_ms = ms($ended.took()),
            queued_ms = stages.queued,
            appended_ms = stages.appended,
            synced_ms = stages.synced,
            replicated_ms = stages.replicated,
            applied_ms = stages.applied,
            ready_ms = stages.ready,
            replied_ms = stages.replied,
            index = stages.index,
            client,
            sequence,
            $($name = $value,)*
            $message
        );
    }};
}

pub(super) fn slow(ended: &Ended, id: RequestId, unwritten: u64) {
    let unwritten = (unwritten > 0).then_some(unwritten);
    call_line!(warn, ended, id, "a call was slow", more_not_written = unwritten);
}

pub(super) fn call(ended: &Ended, id: RequestId) {
    call_line!(debug, ended, id, "a call ended");
}

pub(super) fn applied(id: RequestId, term: u64, index: u64, moments: &Moments) {
    let between = |from: Option<Duration>, to: Option<Duration>| Some(ms(to?.saturating_sub(from?)));
    tracing::trace!(
        target: target!(),
        request = %id,
        index,
        term,
        synced_ms = between(moments.appended, moments.synced),
        replicated_ms = between(moments.appended, moments.committed),
        applied_ms = between(moments.committed, moments.applied),
        "a request was applied"
    );
}
