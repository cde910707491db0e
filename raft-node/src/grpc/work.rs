//! What is to be done for a call, whichever way it came in.

use std::time::Duration;

use quorate_proto::v1::{self as proto, Error, ErrorCode, reply};

use super::api::Api;
use super::validate::ReadLevel;
use super::{domains, error, leases, reply as answer};
use crate::consensus::{ProposeError, ReadError};
use crate::environment::{Clock, SystemClock};
use crate::failpoints;
use crate::mvcc::Range;
use crate::request::Passage;
use crate::signals::Topic;
use crate::state_machine::{Command, Operation, Reader, Reply};
use crate::storage::{StorageError, View};
use crate::types::Revision;

/// Reads wait this long where the call names no time-out.
pub(super) const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// No read waits longer, whatever time-out its call names: it fails with `ERROR_CODE_DEADLINE_EXCEEDED`, and may be
/// repeated.
pub(super) const TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// A call, checked.
pub(super) enum Work {
    /// Goes through the log.
    Mutate { command: Command, expected: Expected },
    /// Is answered from this member's store.
    Read(Read),
    /// Is answered from this member's store, once what it waits for has come or the time is over.
    Await { read: Read, wait: Duration },
    /// Renews leases.
    KeepAlive(proto::KeepAliveRequest),
}

/// Which reply a mutation's call expects.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    Put,
    Delete,
    Txn,
    Compact,
    RegisterClient,
    DomainCreate,
    DomainChange,
    DomainDrop,
}

/// A read, checked.
pub(super) struct Read {
    pub(super) level: ReadLevel,
    /// The answer reflects this revision or a later one.
    pub(super) min_revision: Revision,
    pub(super) query: Query,
}

/// What the answer of a read promises.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    pub(super) level: ReadLevel,
    /// How old the answer may be; [`Duration::MAX`] if that cannot be told.
    pub(super) staleness: Duration,
}

/// What a read asks.
pub(super) enum Query {
    Get {
        domain: String,
        key: Vec<u8>,
        revision: Option<Revision>,
    },
    Range(Box<Range>),
    /// Leases, locks, queues, workers, assignments.
    Coordination(Box<proto::QueryRequest>),
    Domains(DomainQuery),
}

/// What is asked of domains.
pub(super) enum DomainQuery {
    List,
    Get(String),
}

impl Api {
    /// Refuses, before it is proposed, what there is no room for.
    pub(super) fn check_room(&self, command: &Command) -> Result<(), Error> {
        if matches!(command, Command::RegisterClient(_)) {
            return check_clients(self.store.applied().clients as u64, self.limits.clients_max);
        }
        self.check_space(command)
    }

    /// Refuses what would grow a store whose disks are nearly full. Deleting is always allowed.
    fn check_space(&self, command: &Command) -> Result<(), Error> {
        let grows = match command {
            Command::Transaction(transaction) => transaction
                .then
                .iter()
                .chain(&transaction.otherwise)
                .any(Operation::grows),
            Command::CreateDomain(_) => true,
            Command::RegisterClient(_)
            | Command::ExpireClients(_)
            | Command::ExpireKeys(_)
            | Command::Compact(_)
            | Command::ExpireLeases(_)
            | Command::RunTimers(_)
            | Command::ChangeDomain(_)
            | Command::DropDomain(_)
            | Command::RegisterActor(_)
            | Command::RetireActor(_) => false,
        };
        if grows && self.no_space() {
            return Err(error::refused(
                ErrorCode::NoSpace,
                "the disks of a quorum are nearly full (storage.space_reserve_bytes): delete keys or add space; it \
                 clears by itself",
            ));
        }
        Ok(())
    }

    /// The answer of a mutation.
    pub(super) fn mutated(&self, expected: Expected, result: Result<Reply, ProposeError>) -> reply::Response {
        match result {
            Ok(reply) => answer::mutation(self, expected, reply),
            Err(propose) => reply::Response::Error(error::propose(&propose, &self.roster)),
        }
    }

    /// Waits until this member may answer a read of this level; says what the answer promises.
    pub(super) async fn ready(&self, level: ReadLevel, min_revision: Revision) -> Result<Promise, ReadError> {
        match level {
            ReadLevel::Strong => {
                self.reads.strong().await?;
            }
            ReadLevel::BoundedStale { max_staleness_ms } => {
                self.reads.bounded(Duration::from_millis(max_staleness_ms)).await?;
            }
            ReadLevel::Local => {}
        }
        if self.store.applied().revision < min_revision {
            self.reads.at_least(min_revision).await?;
        }
        // As old as it is by now, whatever was waited for.
        let staleness = match level {
            ReadLevel::Strong => Duration::ZERO,
            ReadLevel::BoundedStale { .. } | ReadLevel::Local => self.reads.age(),
        };
        Ok(Promise { level, staleness })
    }

    /// What a local read promises that had nothing to wait for.
    pub(super) fn local(&self) -> Promise {
        Promise {
            level: ReadLevel::Local,
            staleness: self.reads.age(),
        }
    }

    /// A local read that has nothing to wait for.
    pub(super) fn ready_now(&self, read: &Read) -> bool {
        read.level == ReadLevel::Local && self.has_applied(read.min_revision)
    }

    /// Views that are taken from now on reflect this revision.
    pub(super) fn has_applied(&self, revision: Revision) -> bool {
        revision.0 == 0 || self.store.applied().revision >= revision
    }

    /// Answers a read from a view taken after it was ready.
    pub(super) fn answer(&self, view: &dyn View, query: &Query, promise: Promise) -> reply::Response {
        let domains = self.store.domains().load();
        let reader = Reader::with_domains(view, &domains);
        match query {
            Query::Get { domain, key, revision } => answer::get(self, &reader, domain, key, *revision, promise),
            Query::Range(range) => answer::range(self, &reader, range, promise),
            Query::Coordination(request) => answer::query(self, view, request, promise.staleness),
            Query::Domains(query) => domains::query(self, view, query, promise.staleness),
        }
    }

    /// One read.
    async fn read(&self, read: &Read, timeout: Duration) -> (reply::Response, Passage) {
        let answer = match tokio::time::timeout(timeout, self.ready(read.level, read.min_revision)).await {
            Ok(Ok(promise)) => {
                let ready = SystemClock.monotonic();
                let live = self.store.live();
                let answer = self.answer(&live.moment(), &read.query, promise);
                return (answer, Passage::Read { ready });
            }
            Ok(Err(failed)) => error::read(&failed),
            Err(_) => timed_out(timeout),
        };
        (reply::Response::Error(answer), Passage::AtOnce)
    }

    /// One read that is answered when what it waits for has come, or the time is over. It listens before it looks, so
    /// nothing is missed in between; what it then sees was committed after the call began.
    pub(super) async fn wait(&self, read: &Read, wait: Duration, timeout: Duration) -> reply::Response {
        if failpoints::pass("client-wait").await {
            return reply::Response::Error(timed_out(timeout));
        }
        let Query::Coordination(request) = &read.query else {
            return self.read(read, timeout).await.0;
        };
        let Some(topic) = answer::topic(request) else {
            return self.read(read, timeout).await.0;
        };
        let of_lock = matches!(topic, Topic::Acquisition(..)).then(|| SystemClock.monotonic());
        let listener = self.store.signals().listen(topic);
        let mut signalled = std::pin::pin!(listener.signalled());
        signalled.as_mut().enable();
        let first = tokio::time::timeout(timeout, self.ready(read.level, read.min_revision)).await;
        let promise = match first {
            Ok(Ok(promise)) => promise,
            Ok(Err(failed)) => return reply::Response::Error(error::read(&failed)),
            Err(_) => return reply::Response::Error(timed_out(timeout)),
        };
        let settled = async {
            loop {
                if answer::settled(self.store.engine().view().as_ref(), request)? {
                    return Ok::<_, StorageError>(());
                }
                signalled.as_mut().await;
                signalled.set(listener.signalled());
                signalled.as_mut().enable();
            }
        };
        match tokio::time::timeout(wait, settled).await {
            Ok(Ok(())) => {
                if let Some(began) = of_lock {
                    self.lock_waits.record(SystemClock.monotonic().saturating_sub(began));
                }
            }
            Ok(Err(failed)) => return reply::Response::Error(error::storage(&failed)),
            Err(_) => {}
        }
        // What it sees is as new as when it was ready, or newer.
        let live = self.store.live();
        self.answer(&live.moment(), &read.query, promise)
    }

    /// One call from its request to its reply.
    pub(super) async fn perform(&self, work: Work, timeout: Duration) -> (reply::Response, Passage) {
        if failpoints::pass("client-call").await {
            return (reply::Response::Error(timed_out(timeout)), Passage::AtOnce);
        }
        let answer = match work {
            Work::Mutate { command, expected } => {
                if let Err(refused) = self.check_room(&command) {
                    return (reply::Response::Error(refused), Passage::AtOnce);
                }
                let (result, passage) = self.proposer.propose_followed(command).await;
                if let Some(hold) = result.as_ref().ok().and_then(|reply| self.hold(reply)) {
                    hold.over().await;
                }
                return (self.mutated(expected, result), passage);
            }
            Work::KeepAlive(request) => leases::keep_alive(self, request).await,
            Work::Await { read, wait } => self.wait(&read, wait, timeout).await,
            Work::Read(read) => return self.read(&read, timeout).await,
        };
        (answer, Passage::AtOnce)
    }
}

/// Refuses a registration beyond the limit. Registrations in flight are not counted: what bounds them exactly is the
/// state machine.
fn check_clients(registered: u64, clients_max: u64) -> Result<(), Error> {
    if registered < clients_max {
        return Ok(());
    }
    Err(Error {
        limit: clients_max,
        value: registered,
        ..error::refused(
            ErrorCode::LimitReached,
            format!("{registered} clients are registered; the limit is {clients_max} (limits.clients_max)"),
        )
    })
}

/// A read whose time ran out.
pub(super) fn timed_out(timeout: Duration) -> Error {
    error::refused(
        ErrorCode::DeadlineExceeded,
        format!("the read was not ready within {} ms", timeout.as_millis()),
    )
}

#[cfg(test)]
mod tests {
    use quorate_proto::v1::Outcome;

    use super::*;
    use crate::config::Limits;
    use crate::state_machine::CLIENTS_MAX;

    #[test]
    fn a_client_beyond_the_limit_is_refused_with_the_limit_and_the_value() {
        assert!(check_clients(1, 2).is_ok());
        let refused = check_clients(2, 2).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::LimitReached);
        assert_eq!(refused.outcome(), Outcome::NotApplied);
        assert_eq!((refused.limit, refused.value), (2, 2));
    }

    #[test]
    fn the_default_limit_of_clients_is_the_state_machines_bound() {
        assert_eq!(Limits::default().clients_max, CLIENTS_MAX);
        let setting = crate::config::Setting::named("limits.clients_max").unwrap();
        let kind = crate::config::Kind::Integer {
            min: 1,
            max: CLIENTS_MAX,
        };
        assert_eq!(setting.kind, kind);
    }
}
