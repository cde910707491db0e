//! The workload, and its verdict.

use std::time::Duration;

use tokio::task::JoinSet;

use super::client::LeaseClient;
use super::history::History;
use super::record::{Call, Done, LeaseOperation};
use super::{violations, worst_overtime};
use crate::HarnessError;
use crate::verdict::Verdict;
use crate::watch_check::Truth;
use crate::workloads::coordination::{fault_times, joined};
use crate::workloads::{Facts, Ground, Workload};

/// Clients, each with a few leases at a time.
const CLIENTS: u64 = 6;

/// Leases under faults.
#[derive(Clone, Copy, Debug)]
pub struct Leases;

impl Workload for Leases {
    const NAME: &'static str = "leases";
    const KINDS: &'static [&'static str] = &["grant", "keep alive", "revoke", "attach", "look"];
    type Call = Call;
    type Answer = Done;

    async fn run(ground: Ground) -> Result<(), HarnessError> {
        let mut running = JoinSet::new();
        for _ in 0..CLIENTS {
            let client = LeaseClient::new(&ground).await?;
            running.spawn(client.run());
        }
        joined(running).await
    }

    fn kind(call: &Call) -> &'static str {
        call.kind()
    }

    fn check(operations: &[LeaseOperation], truth: &Truth, facts: &Facts<'_>) -> Verdict {
        let faults = fault_times(facts);
        let history = History::new(operations, truth, &faults);
        let count = |ends: fn(bool) -> bool| {
            let ended = history.lives.iter().filter_map(|(_, life)| life.ended);
            ended.filter(|end| ends(end.expired)).count() as u64
        };
        let expired = count(|expired| expired);
        let revoked = count(|expired| !expired);
        let renewed = operations.iter().filter(|operation| is_renewed(operation)).count() as u64;
        let needed = [
            ("leases that expired", expired),
            ("leases that were revoked", revoked),
            ("renewals", renewed),
        ];
        let late: Duration = worst_overtime(&history);
        violations(&history).verdict(&needed, || {
            format!(
                "{expired} leases expired, {revoked} were revoked, {renewed} renewals; the last to go was there for {late:?} \
                 after its time"
            )
        })
    }
}

fn is_renewed(operation: &LeaseOperation) -> bool {
    matches!(operation.answer.done(), Some(Done::Renewed { .. }))
}
