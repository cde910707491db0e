//! Which system, its connections, and what a client does with one of them.

use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;

use super::coordination::RedisVerbs;
use super::etcd::EtcdSession;
use super::stream::StreamSession;
use super::unary::UnarySession;

/// A system under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum System {
    /// Quorate through its SDK: concurrent calls share the messages of a stream.
    Quorate,
    /// Quorate with one gRPC call per operation, as a client in any language would make it.
    QuorateUnary,
    /// etcd, with one gRPC call per operation.
    Etcd,
    /// etcd as the client libraries of Rust call it: one channel, shared by all, that spreads calls over the members.
    EtcdBalanced,
    /// One Redis server, whose streams are measured as a queue.
    Redis,
}

/// Why a run that makes no sense is refused.
const NO_KEYS: &str = "of redis, only the queue is measured";

impl System {
    /// As on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            System::Quorate => "quorate",
            System::QuorateUnary => "quorate-unary",
            System::Etcd => "etcd",
            System::EtcdBalanced => "etcd-balanced",
            System::Redis => "redis",
        }
    }

    /// Of these endpoints, the one that leads now; an error says why none can be named.
    pub async fn leader(self, endpoints: &[String]) -> Result<String, String> {
        let mut reasons = Vec::new();
        for endpoint in endpoints {
            let answer = match self {
                System::Quorate | System::QuorateUnary => UnarySession::leads(endpoint).await,
                System::Etcd | System::EtcdBalanced => EtcdSession::leads(endpoint).await,
                System::Redis => RedisVerbs::ready(endpoint).await,
            };
            match answer {
                Ok(true) => return Ok(endpoint.clone()),
                Ok(false) => reasons.push(format!("{endpoint} follows")),
                Err(error) => reasons.push(error),
            }
        }
        Err(format!("no leader: {}", reasons.join("; ")))
    }
}

/// Open connections to one system.
#[derive(Clone, Debug)]
pub struct Target {
    sessions: Vec<Session>,
}

impl Target {
    /// Opens `connections` connections.
    pub async fn connect(system: System, endpoints: &[String], connections: usize) -> Result<Target, String> {
        if system == System::Quorate {
            let session = StreamSession::connect(endpoints, connections, super::CALL_TIMEOUT).await?;
            return Ok(Target {
                sessions: vec![Session::Stream(session)],
            });
        }
        if system == System::EtcdBalanced {
            // Without a leader the first calls would fail.
            system.leader(endpoints).await?;
            return Ok(Target {
                sessions: vec![Session::Etcd(EtcdSession::balanced(endpoints).await?)],
            });
        }
        let leader = system.leader(endpoints).await?;
        let mut sessions = Vec::with_capacity(connections);
        for _ in 0..connections.max(1) {
            sessions.push(Session::open(system, &leader, super::CALL_TIMEOUT).await?);
        }
        Ok(Target { sessions })
    }

    /// The session of client number `client`; clients share the connections evenly.
    pub fn session(&self, client: usize) -> Session {
        self.sessions[client % self.sessions.len()].clone()
    }
}

/// How a compare-and-swap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The value was written; its modification revision is this.
    Done(u64),
    /// Somebody else had written; the modification revision is this.
    Lost(u64),
}

/// One client's way into a system.
#[derive(Clone, Debug)]
pub enum Session {
    /// Through the SDK.
    Stream(StreamSession),
    /// One gRPC call per operation.
    Unary(UnarySession),
    /// etcd.
    Etcd(EtcdSession),
}

impl Session {
    /// A session of its own with one endpoint, whose calls give up after `call_timeout`.
    pub async fn open(system: System, endpoint: &str, call_timeout: Duration) -> Result<Session, String> {
        Ok(match system {
            System::Quorate => Session::Stream(StreamSession::connect(&[endpoint.to_owned()], 1, call_timeout).await?),
            System::QuorateUnary => Session::Unary(UnarySession::connect(endpoint).await?),
            System::Etcd => Session::Etcd(EtcdSession::connect(endpoint).await?),
            System::EtcdBalanced => Session::Etcd(EtcdSession::balanced(&[endpoint.to_owned()]).await?),
            System::Redis => return Err(NO_KEYS.to_owned()),
        })
    }

    /// Writes a key.
    pub async fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), String> {
        match self {
            Session::Stream(session) => session.put(key, value).await,
            Session::Unary(session) => session.put(key, value).await,
            Session::Etcd(session) => session.put(key, value).await,
        }
    }

    /// Writes a key of the eventual tier, with Quorate's SDK alone.
    pub async fn eventual_put(&mut self, key: Bytes, value: Bytes) -> Result<(), String> {
        match self {
            Session::Stream(session) => session.eventual_put(key, value).await,
            Session::Unary(_) | Session::Etcd(_) => Err("the eventual tier is measured through the SDK".to_owned()),
        }
    }

    /// Reads a key, linearizably, and returns its modification revision; 0 when it does not exist.
    pub async fn get(&mut self, key: Bytes) -> Result<u64, String> {
        match self {
            Session::Stream(session) => session.get(key).await,
            Session::Unary(session) => session.get(key).await,
            Session::Etcd(session) => session.get(key).await,
        }
    }

    /// Writes a key if it still has modification revision `expected`; 0: if it does not exist.
    pub async fn compare_and_swap(&mut self, key: Bytes, expected: u64, value: Bytes) -> Result<Swap, String> {
        match self {
            Session::Stream(session) => session.compare_and_swap(key, expected, value).await,
            Session::Unary(session) => session.compare_and_swap(key, expected, value).await,
            Session::Etcd(session) => session.compare_and_swap(key, expected, value).await,
        }
    }
}
