//! What the workloads of coordination share: when revisions were made, what a property says that does not hold, and
//! calls that the SDK does not make.

mod direct;
mod findings;
mod moments;

use std::time::Duration;

use tokio::task::JoinSet;

use super::Facts;
use crate::HarnessError;

pub use direct::{Direct, NoAnswer};
pub use findings::Findings;
pub use moments::Moments;

/// From when to when something was done to a member.
pub fn fault_times(facts: &Facts<'_>) -> Vec<(Duration, Duration)> {
    let faults = facts.faults.iter();
    let times = faults.map(|fault| {
        (
            Duration::from_micros(fault.began_us),
            Duration::from_micros(fault.ended_us),
        )
    });
    times.collect()
}

/// Waits for all clients; the first error is the error of all.
pub async fn joined(mut running: JoinSet<Result<(), HarnessError>>) -> Result<(), HarnessError> {
    while let Some(ended) = running.join_next().await {
        ended.map_err(|error| HarnessError::Broken(format!("a client stopped: {error}")))??;
    }
    Ok(())
}
