//! A cache is written to until it is full, and entries go.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate::{Evict, EvictPolicy, Keys, Tier};

use super::{Kept, PATIENCE};
use crate::cluster::Cluster;
use crate::{HarnessError, wait};

const DOMAIN: &str = "small";
const ENTRIES_MAX: u64 = 1_000;
const WRITTEN: u64 = 3_000;
/// A cache that evicts has room again after a few looks at what it holds.
const ROOM_WITHIN: Duration = Duration::from_secs(10);
/// A member that goes on alone must not be waited for.
const EVEN_WITHIN: Duration = Duration::from_secs(20);

pub(super) async fn is_everybodys() -> Result<Kept, HarnessError> {
    let cluster = Cluster::start(3).await?;
    let client = cluster.client_of(1).await?;
    let domain = client.domains().create(DOMAIN, Tier::Eventual).volatile();
    let domain = domain.entries_max(ENTRIES_MAX).evict(Evict::Drop, EvictPolicy::Lru);
    domain.await.map_err(HarnessError::call("create a small domain"))?;
    let mut members = Vec::new();
    for id in cluster.ids() {
        let member = cluster.client_of(id).await?;
        wait::until("the member to know the domain", PATIENCE, async || {
            let scan = member.eventual_in(DOMAIN).scan(Keys::prefix("")).keys_only();
            scan.all(1).await.map(drop).map_err(|error| error.to_string())
        })
        .await?;
        members.push((id, member));
    }
    let mut refusal = None;
    for number in 0..WRITTEN {
        let key = format!("{number:06}");
        // A cache that is full for a moment says so; then it makes room.
        let written = wait::until("the write to be taken", ROOM_WITHIN, async || {
            let put = client.eventual_in(DOMAIN).put(key.clone(), "value").await;
            put.map(drop).map_err(|error| error.to_string())
        });
        // What is there by then is to be the same everywhere nevertheless.
        if let Err(refused) = written.await {
            refusal = Some(refused);
            break;
        }
    }
    let mut held = Vec::new();
    let even = wait::until("members to hold the same", EVEN_WITHIN, async || {
        held.clear();
        for (id, member) in &members {
            let scan = member.eventual_in(DOMAIN).scan(Keys::prefix("")).keys_only();
            let entries = scan
                .all(2 * WRITTEN as usize)
                .await
                .map_err(|error| error.to_string())?;
            let keys: BTreeSet<_> = entries.into_iter().map(|entry| entry.key).collect();
            held.push((*id, keys));
        }
        let (_, first) = &held[0];
        let counts: Vec<(u64, usize)> = held.iter().map(|(id, keys)| (*id, keys.len())).collect();
        match held.iter().all(|(_, keys)| keys == first) && first.len() < WRITTEN as usize {
            true => Ok(first.len()),
            false => Err(format!("(member, entries): {counts:?}")),
        }
    })
    .await;
    match even {
        Ok(_) if let Some(refused) = refusal => Err(refused),
        Ok(left) => Ok(Kept::Kept(format!(
            "of {WRITTEN} entries {left} are left, the same at every member"
        ))),
        Err(HarnessError::TimedOut { last_seen, after, .. }) => Err(HarnessError::Broken(format!(
            "members hold different entries {after:?} after the last write: {last_seen}"
        ))),
        Err(error) => Err(error),
    }
}
