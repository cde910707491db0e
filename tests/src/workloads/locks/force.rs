//! One who takes locks away from others, now and then.

use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;

use super::workload::{LOCKS, Locks, lock};
use crate::HarnessError;
use crate::workloads::holds::{Call, Done};
use crate::workloads::{Ground, Workload};

/// Between two tries, in milliseconds.
const REST_MS: std::ops::Range<u64> = 500..2500;

/// Ends holds by force until the run is over.
pub(super) async fn run(ground: Ground) -> Result<(), HarnessError> {
    let number = ground.client_number();
    let client = ground.connect(number).await?;
    let mut random: SmallRng = ground.random(number);
    let mut stop = ground.stop.clone();
    while ground.turn().await {
        let lock = lock(random.random_range(0..LOCKS));
        let found = client.find_lock(lock.clone()).await.ok().flatten();
        let holder = found.and_then(|found| found.holders.into_iter().next());
        if let Some(holder) = holder {
            let token = holder.token;
            let forcing = async {
                let forced = client.force_release(lock.clone(), token, Locks::NAME).await?;
                Ok(Done::Forced {
                    holds: forced.holds,
                    revision: forced.revision,
                })
            };
            let call = Call::Force {
                lock: lock.clone(),
                token,
            };
            ground.call::<Locks>(number, call, forcing).await;
        }
        let rest = Duration::from_millis(random.random_range(REST_MS));
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
    Ok(())
}
