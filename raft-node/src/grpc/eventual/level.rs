//! What a read waits for: what a token names, or an age.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_eventual::{ActorId, Clock, ShardNumber, Token};
use quorate_proto::v1::{Error, ErrorCode, EventualReadOptions};

use super::check;
use crate::eventual::{Clocks, Unmet, WaitFor};
use crate::grpc::api::Api;
use crate::grpc::error::refused;

/// What a read was asked to promise, checked.
#[derive(Debug, Default)]
pub(super) struct Promise {
    /// A token was given, if only to say that everybody has all of it.
    has_token: bool,
    token: Token,
    age_max: Option<Duration>,
    timeout: Duration,
}

impl Promise {
    pub(super) fn of(options: Option<&EventualReadOptions>, cluster: u64) -> Result<Self, Error> {
        let Some(options) = options else {
            return Ok(Self::default());
        };
        Ok(Promise {
            has_token: !options.token.is_empty(),
            token: check::token(&options.token, cluster)?,
            age_max: (options.max_age_ms != 0).then(|| Duration::from_millis(options.max_age_ms)),
            timeout: check::timeout(options.timeout_ms),
        })
    }

    /// Nothing has to be waited for.
    pub(super) fn is_plain(&self) -> bool {
        !self.has_token && self.age_max.is_none()
    }

    /// What the client had seen before.
    pub(super) fn token(&self) -> &Token {
        &self.token
    }
}

impl Api {
    /// Waits until a read of these shards keeps the promise.
    pub(super) async fn keep(&self, promise: &Promise, shards: &BTreeSet<ShardNumber>) -> Result<(), Error> {
        if promise.is_plain() {
            return Ok(());
        }
        let wait = WaitFor::new(&self.tier, promise.timeout);
        if promise.has_token {
            self.keep_token(&wait, &promise.token, shards).await?;
        }
        if let Some(age_max) = promise.age_max {
            wait.age(age_max)
                .await
                .map_err(|unmet| Self::stale(unmet, Some(age_max)))?;
        }
        Ok(())
    }

    async fn keep_token(&self, wait: &WaitFor<'_>, token: &Token, shards: &BTreeSet<ShardNumber>) -> Result<(), Error> {
        let stale = |unmet| Self::stale(unmet, None);
        // A process that has just started lacks even what every member had.
        if !self.tier.is_caught_up() {
            wait.caught_up().await.map_err(stale)?;
        }
        if token.coarse {
            self.everything(wait).await.map_err(stale)?;
        }
        for shard in shards {
            let seen = token.of(*shard);
            if seen.is_empty() || wait.has(*shard, seen) {
                continue;
            }
            tokio::select! {
                waited = wait.clock(*shard, seen) => waited.map_err(stale)?,
                () = self.lost(*shard, seen) => return Err(self.context_lost(token, *shard)),
            }
        }
        Ok(())
    }

    /// Until this member has what every other has at this moment. One that does not answer is asked again.
    pub(super) async fn everything(&self, wait: &WaitFor<'_>) -> Result<(), Unmet> {
        const ASK_AGAIN: Duration = Duration::from_millis(50);
        loop {
            let asked = tokio::time::timeout(wait.left(), self.tier_network.all_clocks(&self.tier)).await;
            let clocks: Option<Vec<Clocks>> = asked
                .map_err(|_| Unmet::Token)?
                .into_iter()
                .map(|(_, said)| said)
                .collect();
            if let Some(clocks) = clocks {
                for clocks in clocks {
                    wait.clocks(&clocks).await?;
                }
                return Ok(());
            }
            if wait.left() <= ASK_AGAIN {
                return Err(Unmet::Token);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Resolves when it is certain that nobody has what the token names: its process is gone, and every member says that it
    /// does not have it.
    async fn lost(&self, shard: ShardNumber, seen: &[(ActorId, u64)]) {
        let of_gone: Vec<_> = seen
            .iter()
            .filter(|(actor, _)| !self.is_live(*actor))
            .copied()
            .collect();
        if of_gone.is_empty() || !self.nobody_has(shard, &of_gone).await {
            std::future::pending::<()>().await;
        }
    }

    /// Every member says that it lacks something of this.
    async fn nobody_has(&self, shard: ShardNumber, seen: &[(ActorId, u64)]) -> bool {
        let asked = self.tier_network.all_clocks(&self.tier).await;
        let actors = self.tier.store.actors();
        let has = |clock: &Clock| {
            let of = |actor: ActorId| actors.find(actor).map_or(0, |actor| clock.get(actor));
            seen.iter().all(|(actor, number)| of(*actor) >= *number)
        };
        let lacks = |clocks: &Option<Clocks>| {
            let clocks = clocks.as_ref()?;
            let of_shard = clocks.iter().find(|(number, _)| *number == shard);
            Some(!of_shard.is_some_and(|(_, clock)| has(clock)))
        };
        let all_lack = asked.iter().all(|(_, clocks)| lacks(clocks).unwrap_or(false));
        // It may have come while they were asked.
        all_lack && !has(self.tier.store.lock(shard).clock())
    }

    /// Its process runs, as far as this member knows.
    pub(super) fn is_live(&self, actor: ActorId) -> bool {
        actor == self.tier.store.id() || self.tier.peers.all().iter().any(|peer| peer.process() == Some(actor))
    }

    fn stale(unmet: Unmet, age_max: Option<Duration>) -> Error {
        let limit = age_max.map_or(0, ms);
        match unmet {
            Unmet::Age(age) => {
                let is = age.map_or_else(
                    || "unknown: a member was not heard of".to_owned(),
                    |age| format!("{} ms", ms(age)),
                );
                Error {
                    field: "max_age_ms".into(),
                    limit,
                    value: age.map_or(u64::MAX, ms),
                    ..refused(
                        ErrorCode::Stale,
                        format!("what this member has may be too old: the limit is {limit} ms, its age is {is}"),
                    )
                }
            }
            Unmet::Token | Unmet::Acks(_) => Error {
                field: "token".into(),
                ..refused(
                    ErrorCode::Stale,
                    "this member does not have what the token names yet: try again, or ask another member",
                )
            },
        }
    }

    /// What the token names of the shard is lost. What it names of others may be found.
    fn context_lost(&self, token: &Token, lost: ShardNumber) -> Error {
        let mut left = token.clone();
        let wait = WaitFor::new(&self.tier, Duration::ZERO);
        left.forget(|shard, actor, number| {
            shard == lost && !self.is_live(actor) && !wait.has(shard, &[(actor, number)])
        });
        left.saw(lost, self.clock_of(lost));
        Error {
            token: left.encode(self.roster.cluster_id()).into(),
            field: "token".into(),
            ..refused(
                ErrorCode::ContextLost,
                "the token names writes that were acknowledged by a process which died before any other member had them: \
                 they are lost; go on with the token of this error",
            )
        }
    }

    /// What this member has of a shard.
    pub(super) fn clock_of(&self, shard: ShardNumber) -> Vec<(ActorId, u64)> {
        let store = &self.tier.store;
        let locked = store.lock(shard);
        locked
            .clock()
            .iter()
            .map(|(actor, number)| (store.actors().id(actor), number))
            .collect()
    }
}

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
