//! A claim ends because whoever has it says so, because its time is over, or at the revision at which its lease ends; and
//! an item that has come back as often as it may is a dead letter.

use std::collections::BTreeSet;

use super::super::history::History;
use super::super::record::{Call, Receipt};
use super::super::truth::Ended;
use crate::workloads::leases::Lives;

pub(super) fn check(history: &History<'_>, lives: &Lives) -> Vec<String> {
    let mut found = Vec::new();
    let said = said(history);
    for (item, claim) in history.items.claims() {
        let receipt = Receipt {
            item,
            token: claim.token,
        };
        let lease = (claim.lease != 0).then(|| lives.get(claim.lease));
        let lease_ended = lease.flatten().and_then(|life| life.ended).map(|end| end.revision);
        if lease.is_some_and(|life| life.is_none_or(|life| !life.lives_at(claim.revision))) {
            found.push(format!(
                "item {item} is claimed under a lease that does not live: {claim:?}"
            ));
        }
        let wrong = match claim.ended {
            Some((_, Ended::Acked)) => !said.contains(&(receipt, Ended::Acked)),
            Some((_, Ended::Nacked)) => !said.contains(&(receipt, Ended::Nacked)),
            Some((ended, Ended::LeaseEnded)) => lease_ended != Some(ended),
            Some((_, Ended::TimedOut)) | None => false,
        };
        let outlives = lease_ended.is_some_and(|over| claim.ended.is_none_or(|(ended, _)| ended > over));
        if wrong || outlives {
            found.push(format!(
                "item {item}: {claim:?}, and its lease ended at {lease_ended:?}"
            ));
        }
    }
    for (item, life) in &history.items.all {
        let claims = u32::try_from(life.claims.len()).unwrap_or(u32::MAX);
        if claims > history.attempts_max && history.attempts_max > 0 && !life.redriven {
            found.push(format!("item {item} was claimed {claims} times: {life:?}"));
        }
    }
    found
}

/// What anybody said of a claim, whatever was answered.
fn said(history: &History<'_>) -> BTreeSet<(Receipt, Ended)> {
    let said = history.operations.iter().filter_map(|operation| match &operation.call {
        Call::Ack { receipt } => Some((*receipt, Ended::Acked)),
        Call::Nack { receipt, .. } => Some((*receipt, Ended::Nacked)),
        _ => None,
    });
    said.collect()
}
