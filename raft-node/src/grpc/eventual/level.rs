//! What a read waits for: what a token names, or an age.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_eventual::{ShardNumber, Token};
use quorate_proto::v1::{Error, ErrorCode, EventualReadOptions};

use super::check;
use crate::eventual::{Unmet, WaitFor};
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
                .map_err(|unmet| self.stale(unmet, Some(age_max), &promise.token))?;
        }
        Ok(())
    }

    async fn keep_token(&self, wait: &WaitFor<'_>, token: &Token, shards: &BTreeSet<ShardNumber>) -> Result<(), Error> {
        let stale = |unmet| self.stale(unmet, None, token);
        // A process that has just started lacks even what every member had.
        if !self.tier.is_caught_up() {
            wait.caught_up().await.map_err(stale)?;
        }
        if token.coarse {
            wait.everything().await.map_err(stale)?;
        }
        for shard in shards {
            let seen = token.of(*shard);
            if seen.is_empty() || wait.has(*shard, seen) {
                continue;
            }
            tokio::select! {
                waited = wait.clock(*shard, seen) => waited.map_err(stale)?,
                () = self.lost(wait, *shard, seen) => return Err(stale(Unmet::Lost)),
            }
        }
        Ok(())
    }

    /// Resolves when it is certain that nobody has what the token names: its process is gone, every member was heard of since,
    /// and it is not here.
    async fn lost(&self, wait: &WaitFor<'_>, shard: ShardNumber, seen: &[(quorate_eventual::ActorId, u64)]) {
        let gone = |(actor, _): &&(quorate_eventual::ActorId, u64)| !self.is_live(*actor);
        let of_gone: Vec<_> = seen.iter().filter(gone).copied().collect();
        let certain = !of_gone.is_empty() && wait.everything().await.is_ok() && !wait.has(shard, &of_gone);
        if !certain {
            std::future::pending::<()>().await;
        }
    }

    /// Its process runs, as far as this member knows.
    pub(super) fn is_live(&self, actor: quorate_eventual::ActorId) -> bool {
        actor == self.tier.store.id() || self.tier.peers.all().iter().any(|peer| peer.process() == Some(actor))
    }

    fn stale(&self, unmet: Unmet, age_max: Option<Duration>, token: &Token) -> Error {
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
            Unmet::Lost => Error {
                token: self.left_of(token).encode(self.roster.cluster_id()).into(),
                field: "token".into(),
                ..refused(
                    ErrorCode::ContextLost,
                    "the token names writes that were acknowledged by a process which died before any other member had \
                     them: they are lost; go on with the token of this error",
                )
            },
            Unmet::Token | Unmet::Acks(_) => Error {
                field: "token".into(),
                ..refused(
                    ErrorCode::Stale,
                    "this member does not have what the token names yet: try again, or ask another member",
                )
            },
        }
    }

    /// A token without what only a dead process had.
    fn left_of(&self, token: &Token) -> Token {
        let mut left = token.clone();
        let wait = WaitFor::new(&self.tier, Duration::ZERO);
        left.forget(|shard, actor, number| !self.is_live(actor) && !wait.has(shard, &[(actor, number)]));
        for (shard, _) in token.shards() {
            left.saw(shard, self.clock_of(shard));
        }
        left
    }

    /// What this member has of a shard.
    pub(super) fn clock_of(&self, shard: ShardNumber) -> Vec<(quorate_eventual::ActorId, u64)> {
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
