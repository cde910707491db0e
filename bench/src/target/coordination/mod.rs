//! Locks, leases and a queue, as each system offers them.
//!
//! A lock is held with a lease that lives as long as the client does and is granted before the run. The queue is one
//! for all clients: what a client claims need not be what it pushed.

mod etcd;
mod redis;
mod renewals;
mod stream;
mod unary;

use std::time::Duration;

use bytes::Bytes;

use self::etcd::EtcdVerbs;
pub use self::redis::RedisVerbs;
use self::stream::StreamVerbs;
use self::unary::UnaryVerbs;
use super::{CALL_TIMEOUT, System};

/// Of the leases that locks are held with: longer than a run, so that nobody renews them.
const HOLDER_TTL: Duration = Duration::from_secs(3600);
/// Of the leases that are granted and revoked.
const LEASE_TTL: Duration = Duration::from_secs(60);
/// The queue of all clients.
const QUEUE: &str = "bench";

/// What the clients of a run do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// They take locks and give them back.
    Lock,
    /// They grant leases, renew them once and revoke them.
    Lease,
    /// They push items, claim them and acknowledge them.
    Queue,
}

/// One client's way into a system.
#[derive(Debug)]
pub enum Verbs {
    /// Through the SDK.
    Stream(Box<StreamVerbs>),
    /// One gRPC call per operation.
    Unary(Box<UnaryVerbs>),
    /// etcd.
    Etcd(Box<EtcdVerbs>),
    /// Redis Streams.
    Redis(Box<RedisVerbs>),
}

impl Verbs {
    /// One for each client. They share the connections evenly; with Redis each has one of its own.
    pub async fn connect(
        system: System,
        endpoints: &[String],
        connections: usize,
        clients: usize,
        verb: Verb,
    ) -> Result<Vec<Verbs>, String> {
        let mut all = Vec::with_capacity(clients);
        match system {
            System::Quorate => {
                let client = super::stream::client(endpoints, connections, CALL_TIMEOUT).await?;
                for number in 0..clients {
                    let verbs = StreamVerbs::open(client.clone(), number, verb).await?;
                    all.push(Verbs::Stream(Box::new(verbs)));
                }
            }
            System::QuorateUnary | System::Etcd => {
                let leader = system.leader(endpoints).await?;
                let mut channels = Vec::with_capacity(connections);
                for _ in 0..connections.max(1) {
                    channels.push(super::channel(&leader).await?);
                }
                for number in 0..clients {
                    let channel = channels[number % channels.len()].clone();
                    all.push(match system {
                        System::Etcd => Verbs::Etcd(Box::new(EtcdVerbs::open(channel, verb).await?)),
                        _ => Verbs::Unary(Box::new(UnaryVerbs::open(channel, number, verb).await?)),
                    });
                }
            }
            System::EtcdBalanced => return Err(format!("{} does keys only", system.name())),
            System::Redis => {
                let server = system.leader(endpoints).await?;
                for number in 0..clients {
                    let verbs = RedisVerbs::open(&server, number, verb).await?;
                    all.push(Verbs::Redis(Box::new(verbs)));
                }
            }
        }
        Ok(all)
    }

    /// Takes a lock, waiting if it must, and gives it back.
    pub async fn lock_and_unlock(&mut self, name: &str) -> Result<(), String> {
        match self {
            Verbs::Stream(verbs) => verbs.lock_and_unlock(name).await,
            Verbs::Unary(verbs) => verbs.lock_and_unlock(name).await,
            Verbs::Etcd(verbs) => verbs.lock_and_unlock(name).await,
            Verbs::Redis(_) => Err("redis has no locks here".to_owned()),
        }
    }

    /// Grants a lease, renews it once and revokes it.
    pub async fn grant_renew_revoke(&mut self) -> Result<(), String> {
        match self {
            Verbs::Stream(verbs) => verbs.grant_renew_revoke().await,
            Verbs::Unary(verbs) => verbs.grant_renew_revoke().await,
            Verbs::Etcd(verbs) => verbs.grant_renew_revoke().await,
            Verbs::Redis(_) => Err("redis has no leases here".to_owned()),
        }
    }

    /// Pushes an item, claims one and acknowledges it.
    pub async fn push_claim_ack(&mut self, payload: Bytes) -> Result<(), String> {
        match self {
            Verbs::Stream(verbs) => verbs.push_claim_ack(payload).await,
            Verbs::Unary(verbs) => verbs.push_claim_ack(payload).await,
            Verbs::Etcd(_) => Err("etcd has no queues".to_owned()),
            Verbs::Redis(verbs) => verbs.push_claim_ack(payload).await,
        }
    }
}

/// Every client pushes before it claims, so there is always an item.
const NOTHING_TO_CLAIM: &str = "there was nothing to claim after a push";
/// A lease that was granted a moment ago.
const LEASE_IS_GONE: &str = "a lease was gone when it was renewed";
/// A lock for somebody without a lease.
const NO_LEASE: &str = "the client was not opened for locks";
