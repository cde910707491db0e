//! At no moment are two certain, each by its own clock, that an item is theirs. A claim is certain from when it was answered
//! until its deadline or that of its lease, or until whoever has it says what becomes of the item.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::history::History;
use super::super::record::{Call, Receipt};
use crate::workloads::leases;

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let mut items: BTreeMap<u64, Vec<(Duration, Duration, u64)>> = BTreeMap::new();
    for (receipt, (from, until)) in spans(history) {
        if from < until {
            items
                .entry(receipt.item)
                .or_default()
                .push((from, until, receipt.token));
        }
    }
    let mut found = Vec::new();
    for (item, mut spans) in items {
        spans.sort();
        for pair in spans.windows(2) {
            if let [(_, until, _), (from, _, _)] = pair
                && from < until
            {
                found.push(format!(
                    "item {item} was two's at the same moment, from, until and token: {pair:?}"
                ));
            }
        }
    }
    found
}

fn spans(history: &History<'_>) -> BTreeMap<Receipt, (Duration, Duration)> {
    let promises = history.promises();
    let mut leases = history.leases();
    for operation in history.operations {
        // From then on it is not certain any more.
        if let Call::Lease(leases::Call::Revoke { lease }) = &operation.call
            && let Some(until) = leases.get_mut(lease)
        {
            *until = (*until).min(operation.invoked);
        }
    }
    let mut spans: BTreeMap<Receipt, (Duration, Duration)> = BTreeMap::new();
    for (operation, claimed) in history.claimed() {
        let until = promises.get(&claimed.receipt).copied().unwrap_or_default();
        let lease = match &operation.call {
            Call::Claim { lease, .. } if *lease != 0 => leases.get(lease).copied().unwrap_or_default(),
            _ => Duration::MAX,
        };
        spans.insert(claimed.receipt, (operation.returned, until.min(lease)));
    }
    for operation in history.operations {
        if let Call::Ack { receipt } | Call::Nack { receipt, .. } = &operation.call
            && let Some(span) = spans.get_mut(receipt)
        {
            span.1 = span.1.min(operation.invoked);
        }
    }
    spans
}
