//! What a client does over and over, and what must be there before it begins.

use bytes::Bytes;
use clap::ValueEnum;

use crate::growth::fill::fill;
use crate::load::Load;
use crate::target::{Session, Swap, Target, Verb, Verbs};

/// Clients that write the keys before a run of reads.
const PRELOADERS: usize = 64;

/// What every client does over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Op {
    /// Writes a random key.
    Put,
    /// Reads a random key, linearizably; all keys exist.
    Get,
    /// Compares the modification revision of the client's own key and writes it, in one transaction.
    Cas,
    /// Takes a lock of the client's own name and gives it back.
    Lock,
    /// Takes a lock that all clients want, and gives it back.
    Contended,
    /// Grants a lease, renews it once and revokes it.
    Lease,
    /// Pushes an item to a queue that all clients share, claims one and acknowledges it.
    Queue,
    /// Writes a random key of the eventual tier, at any member; Quorate only.
    EventualPut,
}

impl Op {
    /// As on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Op::Put => "put",
            Op::Get => "get",
            Op::Cas => "cas",
            Op::Lock => "lock",
            Op::Contended => "contended",
            Op::Lease => "lease",
            Op::Queue => "queue",
            Op::EventualPut => "eventual-put",
        }
    }

    fn verb(self) -> Option<Verb> {
        match self {
            Op::Put | Op::Get | Op::Cas | Op::EventualPut => None,
            Op::Lock | Op::Contended => Some(Verb::Lock),
            Op::Lease => Some(Verb::Lease),
            Op::Queue => Some(Verb::Queue),
        }
    }
}

/// The work of one client.
pub(crate) enum Work {
    /// Puts, gets or compare-and-swaps.
    Keys(Box<KeyWork>),
    /// Locks and gives back.
    Lock(Verbs, String),
    /// Grants, renews and revokes.
    Lease(Verbs),
    /// Pushes, claims and acknowledges.
    Queue(Verbs, Bytes),
}

/// Work on keys.
#[derive(Clone)]
pub(crate) struct KeyWork {
    session: Session,
    own_key: Bytes,
    own_revision: u64,
    keys: u64,
    value: Bytes,
    op: Op,
}

impl Work {
    /// That of every client.
    pub(crate) async fn of_all(load: &Load) -> Result<Vec<Work>, String> {
        let Some(verb) = load.op.verb() else {
            let keys = KeyWork::of_all(load).await?;
            return Ok(keys.into_iter().map(Box::new).map(Work::Keys).collect());
        };
        let value = Bytes::from(value(load.value_bytes));
        let verbs = Verbs::connect(load.system, &load.endpoints, load.connections, load.clients, verb).await?;
        let work = verbs.into_iter().enumerate().map(|(number, verbs)| match load.op {
            Op::Contended => Work::Lock(verbs, "bench/everybody".to_owned()),
            Op::Lease => Work::Lease(verbs),
            Op::Queue => Work::Queue(verbs, value.clone()),
            Op::Put | Op::Get | Op::Cas | Op::EventualPut | Op::Lock => Work::Lock(verbs, format!("bench/{number}")),
        });
        Ok(work.collect())
    }

    /// Does it once; true when it was a compare-and-swap that lost.
    pub(crate) async fn once(&mut self) -> Result<bool, String> {
        match self {
            Work::Keys(keys) => return keys.once().await,
            Work::Lock(verbs, name) => verbs.lock_and_unlock(name).await?,
            Work::Lease(verbs) => verbs.grant_renew_revoke().await?,
            Work::Queue(verbs, payload) => verbs.push_claim_ack(payload.clone()).await?,
        }
        Ok(false)
    }
}

impl KeyWork {
    /// That of every client.
    pub(crate) async fn of_all(load: &Load) -> Result<Vec<KeyWork>, String> {
        let value = Bytes::from(value(load.value_bytes));
        let target = Target::connect(load.system, &load.endpoints, load.connections).await?;
        if load.op == Op::Get && !load.filled {
            fill(&target, load.keys, &value, PRELOADERS).await?;
        }
        let work = (0..load.clients).map(|number| KeyWork {
            session: target.session(number),
            own_key: key(number as u64),
            own_revision: 0,
            keys: load.keys,
            value: value.clone(),
            op: load.op,
        });
        Ok(work.collect())
    }

    /// Does it once; true when it was a compare-and-swap that lost.
    pub(crate) async fn once(&mut self) -> Result<bool, String> {
        let random_key = || key(rand::random_range(0..self.keys));
        match self.op {
            Op::Get => match self.session.get(random_key()).await? {
                0 => Err("a preloaded key does not exist".to_owned()),
                _ => Ok(false),
            },
            Op::Cas => {
                let swap = self
                    .session
                    .compare_and_swap(self.own_key.clone(), self.own_revision, self.value.clone());
                let (revision, conflict) = match swap.await? {
                    Swap::Done(revision) => (revision, false),
                    Swap::Lost(revision) => (revision, true),
                };
                self.own_revision = revision;
                Ok(conflict)
            }
            Op::EventualPut => {
                let put = self.session.eventual_put(random_key(), self.value.clone());
                put.await.map(|()| false)
            }
            _ => self.session.put(random_key(), self.value.clone()).await.map(|()| false),
        }
    }
}

/// Key number `number`.
pub fn key(number: u64) -> Bytes {
    Bytes::from(format!("bench/{number:012}"))
}

/// A value that does not compress to nothing.
pub fn value(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| rand::random()).collect()
}
