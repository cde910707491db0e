//! What is to be done for a call, whichever way it came in.

use std::time::Duration;

use quorate_proto::v1::{Error, ErrorCode, reply};

use super::api::Api;
use super::validate::ReadLevel;
use super::{error, reply as answer};
use crate::consensus::{ProposeError, ReadError};
use crate::mvcc::Range;
use crate::state_machine::{Command, Operation, Reader, Reply};
use crate::storage::View;
use crate::types::Revision;

/// Reads wait this long where the call names no time-out.
pub(super) const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// A call, checked.
pub(super) enum Work {
    /// Goes through the log.
    Mutate { command: Command, expected: Expected },
    /// Is answered from this member's store.
    Read(Read),
}

/// Which reply a mutation's call expects.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    Put,
    Delete,
    Txn,
    Compact,
    RegisterClient,
}

/// A read, checked.
pub(super) struct Read {
    pub(super) level: ReadLevel,
    /// The answer reflects this revision or a later one.
    pub(super) min_revision: Revision,
    pub(super) query: Query,
}

/// What a read asks.
pub(super) enum Query {
    Get {
        domain: String,
        key: Vec<u8>,
        revision: Option<Revision>,
    },
    Range(Box<Range>),
}

impl Api {
    /// Refuses what would grow a store whose disks are nearly full. Deleting is always allowed.
    pub(super) fn check_space(&self, command: &Command) -> Result<(), Error> {
        let grows = match command {
            Command::Transaction(transaction) => transaction
                .then
                .iter()
                .chain(&transaction.otherwise)
                .any(|one| matches!(one, Operation::Put(_))),
            Command::RegisterClient(_) | Command::ExpireClients(_) | Command::ExpireKeys(_) | Command::Compact(_) => {
                false
            }
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

    /// Waits until this member may answer a read of this level; says how stale the answer may be.
    pub(super) async fn ready(&self, level: ReadLevel, min_revision: Revision) -> Result<Duration, ReadError> {
        let staleness = match level {
            ReadLevel::Strong => {
                self.reads.strong().await?;
                Duration::ZERO
            }
            ReadLevel::BoundedStale { max_staleness_ms } => {
                self.reads.bounded(Duration::from_millis(max_staleness_ms)).await?
            }
            ReadLevel::Local => Duration::ZERO,
        };
        if self.store.applied().revision < min_revision {
            self.reads.at_least(min_revision).await?;
        }
        Ok(staleness)
    }

    /// A local read that has nothing to wait for.
    pub(super) fn ready_now(&self, read: &Read) -> bool {
        read.level == ReadLevel::Local && self.store.applied().revision >= read.min_revision
    }

    /// Answers a read from a view taken after it was ready.
    pub(super) fn answer(&self, view: &dyn View, query: &Query, staleness: Duration) -> reply::Response {
        let reader = Reader::new(view);
        match query {
            Query::Get { domain, key, revision } => answer::get(self, &reader, domain, key, *revision, staleness),
            Query::Range(range) => answer::range(self, &reader, range, staleness),
        }
    }

    /// One call from its request to its reply.
    pub(super) async fn perform(&self, work: Work, timeout: Duration) -> reply::Response {
        match work {
            Work::Mutate { command, expected } => {
                if let Err(refused) = self.check_space(&command) {
                    return reply::Response::Error(refused);
                }
                let result = self.proposer.propose(command).await;
                self.mutated(expected, result)
            }
            Work::Read(read) => match tokio::time::timeout(timeout, self.ready(read.level, read.min_revision)).await {
                Ok(Ok(staleness)) => {
                    let engine = self.store.engine();
                    let view = engine.view();
                    self.answer(view.as_ref(), &read.query, staleness)
                }
                Ok(Err(failed)) => reply::Response::Error(error::read(&failed)),
                Err(_) => reply::Response::Error(timed_out(timeout)),
            },
        }
    }
}

/// A read whose time ran out.
pub(super) fn timed_out(timeout: Duration) -> Error {
    error::refused(
        ErrorCode::DeadlineExceeded,
        format!("the read was not ready within {} ms", timeout.as_millis()),
    )
}
