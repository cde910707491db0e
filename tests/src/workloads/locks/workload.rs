//! The workload, and its verdict.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;

use super::force;
use crate::HarnessError;
use crate::verdict::Verdict;
use crate::watch_check::Truth;
use crate::workloads::coordination::{fault_times, joined};
use crate::workloads::holds::{
    Call, DirectClient, Done, GuardClient, History, HoldOperation, Mode, Outside, Player, late_writes, violations,
};
use crate::workloads::{Facts, Ground, Workload};

/// So few that they are always wanted.
pub(super) const LOCKS: u32 = 3;

/// Clients of each way.
const CLIENTS: u64 = 5;

/// What is written with a fence.
const KEYS: &str = "locks/written/";

/// Locks under faults.
#[derive(Clone, Copy, Debug)]
pub struct Locks;

/// The name of a lock.
pub(super) fn lock(number: u32) -> String {
    format!("{}/{number}", Locks::NAME)
}

fn menu(random: &mut SmallRng) -> (String, Mode) {
    (lock(random.random_range(0..LOCKS)), Mode::Exclusive)
}

impl Workload for Locks {
    const NAME: &'static str = "locks";
    const KINDS: &'static [&'static str] = &["acquire", "ask", "put", "write", "renew", "release", "lease"];
    type Call = Call;
    type Answer = Done;

    async fn run(ground: Ground) -> Result<(), HarnessError> {
        let outside = Arc::new(Outside::default());
        let mut running = JoinSet::new();
        running.spawn(force::run(ground.clone()));
        for _ in 0..CLIENTS {
            let player: Player<Locks> = Player::new(&ground, menu, &outside, KEYS).await?;
            running.spawn(GuardClient::new(player).run());
            let player: Player<Locks> = Player::new(&ground, menu, &outside, KEYS).await?;
            running.spawn(DirectClient::new(player).run());
        }
        joined(running).await
    }

    fn kind(call: &Call) -> &'static str {
        call.kind()
    }

    fn needs_majority(call: &Call) -> bool {
        !matches!(call, Call::Write { .. })
    }

    fn check(operations: &[HoldOperation], truth: &Truth, facts: &Facts<'_>) -> Verdict {
        let faults = fault_times(facts);
        let history = History::new(operations, truth, &faults, KEYS);
        let answers = |wanted: fn(&Done) -> bool| {
            let done = operations.iter().filter_map(|operation| operation.answer.done());
            done.filter(|done| wanted(done)).count() as u64
        };
        let grants = history.holds.all.len() as u64;
        let waited = history.holds.all.iter().filter(|granted| granted.waited).count() as u64;
        let fenced = answers(|done| matches!(done, Done::Fenced));
        let refused = answers(|done| matches!(done, Done::Asked { accepted: false, .. }));
        let accepted = answers(|done| matches!(done, Done::Asked { accepted: true, .. }));
        let forced = answers(|done| matches!(done, Done::Forced { holds: 1.., .. }));
        let late = late_writes(&history);
        let needed = [
            ("grants", grants),
            ("grants after a wait", waited),
            ("calls refused because the hold was over", fenced),
            ("writes that what lies outside took", accepted),
        ];
        violations(&history).verdict(&needed, || {
            format!(
                "{grants} holds, {waited} after a wait, {forced} ended by force; {fenced} calls of holders that no longer were \
                 refused; what refuses small tokens took {accepted} writes and refused {refused}; without a fence, {late} \
                 writes came too late and were taken"
            )
        })
    }
}
