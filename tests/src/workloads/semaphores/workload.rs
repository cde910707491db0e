//! The workload, and its verdict.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;

use crate::HarnessError;
use crate::verdict::Verdict;
use crate::watch_check::Truth;
use crate::workloads::coordination::{fault_times, joined};
use crate::workloads::holds::{
    Call, DirectClient, Done, GuardClient, History, HoldOperation, Mode, Outside, Player, violations,
};
use crate::workloads::{Facts, Ground, Workload};

/// Of each semaphore.
const PERMITS: u32 = 4;

/// So few that their permits are always wanted.
const SEMAPHORES: u32 = 2;

/// Clients of each way.
const CLIENTS: u64 = 6;

/// What is written with a fence.
const KEYS: &str = "semaphores/written/";

/// Semaphores and shared locks under faults.
#[derive(Clone, Copy, Debug)]
pub struct Semaphores;

fn menu(random: &mut SmallRng) -> (String, Mode) {
    match random.random_range(0..3) {
        0 => {
            let mode = match random.random_bool(0.7) {
                true => Mode::Shared,
                false => Mode::Exclusive,
            };
            (format!("{}/shared", Semaphores::NAME), mode)
        }
        _ => {
            let mode = Mode::Permits {
                of: PERMITS,
                count: random.random_range(1..=PERMITS / 2 + 1),
            };
            let number = random.random_range(0..SEMAPHORES);
            (format!("{}/{number}", Semaphores::NAME), mode)
        }
    }
}

impl Workload for Semaphores {
    const NAME: &'static str = "semaphores";
    const KINDS: &'static [&'static str] = &["acquire", "ask", "put", "renew", "release", "lease"];
    type Call = Call;
    type Answer = Done;

    async fn run(ground: Ground) -> Result<(), HarnessError> {
        let outside = Arc::new(Outside::default());
        let mut running = JoinSet::new();
        for _ in 0..CLIENTS {
            let player: Player<Semaphores> = Player::new(&ground, menu, &outside, KEYS).await?;
            running.spawn(GuardClient::new(player).run());
            let player: Player<Semaphores> = Player::new(&ground, menu, &outside, KEYS).await?;
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
        let holds = &history.holds.all;
        let together = holds.iter().zip(holds.iter().skip(1));
        let together = together.filter(|(one, next)| one.hold.lock == next.hold.lock && one.lives_at(next.revision));
        let together = together.count() as u64;
        let exclusive = holds.iter().filter(|granted| granted.exclusive).count() as u64;
        let waited = holds.iter().filter(|granted| granted.waited).count() as u64;
        let needed = [
            ("holds at the same time", together),
            ("holds alone", exclusive),
            ("grants after a wait", waited),
        ];
        violations(&history).verdict(&needed, || {
            format!(
                "{} holds, {together} of them beside the one before, {exclusive} alone, {waited} after a wait",
                holds.len()
            )
        })
    }
}
