//! Writing: a put, and every other change of one key.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::eventual_reply::Response;
use quorate_proto::v1::eventual_write::Change;
use quorate_proto::v1::eventual_write_result::Result as WireResult;

use super::call::{Answered, call, unexpected};
use super::token::{Told, answers_with_a_token};
use super::value::{EventualContext, Strategy};
use crate::consistency::whole_ms;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::wire::{EventualRequest as Request, EventualWrites};

/// The answer of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventualWritten {
    /// Nothing changed: what is there is newer, greater, or the same.
    pub superseded: bool,
    /// Values of this key that stand beside each other now.
    pub siblings: u32,
    /// Of a register: what the write's context had seen, and the write itself. With [`Strategy::Siblings`], a write with it
    /// replaces that, and not what others wrote meanwhile.
    pub context: EventualContext,
    /// How many members are known to have it in memory, the one that answered included.
    pub acked: u32,
    /// Id of the member that answered.
    pub member: u64,
    pub(super) told: Told,
}

answers_with_a_token!(EventualWritten);

/// What a member made of the writes of one request.
pub(super) struct Written {
    /// One for each write; none if nothing was refused and the request was quiet.
    pub(super) results: Vec<Result<v1::EventualWritten>>,
    /// Fewer members have it than was asked for.
    pub(super) under_replicated: Option<Error>,
    acked: u32,
    member: u64,
    token: Bytes,
}

/// One write with its options.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) core: Arc<Core>,
    pub(super) domain: String,
    pub(super) write: v1::EventualWrite,
    pub(super) acks: u32,
    pub(super) timeout: Option<Duration>,
}

/// Sends the request of one or more writes.
pub(super) async fn send(core: &Core, writes: EventualWrites, timeout: Option<Duration>) -> Result<Written> {
    let answered = call(core, Request::Write(writes), timeout).await?;
    let Answered {
        response,
        in_doubt,
        attempts,
    } = answered;
    let Response::Write(response) = response else {
        return Err(unexpected("Write", &response));
    };
    let refused = |error: v1::Error| {
        let error = Error::of_reply(error).with_attempts(attempts);
        // A refusal says nothing about an earlier attempt, at this member or at another.
        let unknown = in_doubt || error.outcome() == Outcome::Unknown;
        if unknown {
            core.stats.unknown_outcomes.count();
        }
        error.with_outcome(if unknown { Outcome::Unknown } else { Outcome::NotApplied })
    };
    let results = response.results.into_iter().map(|result| match result.result {
        Some(WireResult::Written(written)) => Ok(written),
        Some(WireResult::Error(error)) => Err(refused(error)),
        None => Err(refused(v1::Error::default())),
    });
    Ok(Written {
        results: results.collect(),
        under_replicated: response.error.map(|error| {
            Error::of_reply(error)
                .with_attempts(attempts)
                .with_outcome(Outcome::Unknown)
        }),
        acked: response.acked,
        member: response.header.unwrap_or_default().member_id,
        token: response.token,
    })
}

impl Asked {
    pub(super) fn new(core: &Arc<Core>, domain: &str, key: Bytes, change: Change) -> Self {
        let write = v1::EventualWrite {
            key,
            change: Some(change),
            ..Default::default()
        };
        Self {
            core: Arc::clone(core),
            domain: domain.to_owned(),
            write,
            acks: 0,
            timeout: None,
        }
    }

    pub(super) async fn send(self) -> Result<EventualWritten> {
        let request = v1::EventualWriteRequest {
            domain: self.domain,
            writes: vec![self.write],
            acks: self.acks,
            ..Default::default()
        };
        let (writes, _) = EventualWrites::new(request);
        let mut written = send(&self.core, writes, self.timeout).await?;
        let result = written.results.pop().ok_or_else(|| {
            let message = "the member answered a write without a result";
            Error::new(ErrorKind::Protocol, Outcome::Unknown, message)
        })??;
        if let Some(error) = written.under_replicated {
            return Err(error);
        }
        Ok(EventualWritten {
            superseded: result.superseded,
            siblings: result.siblings,
            context: EventualContext(result.context),
            acked: written.acked,
            member: written.member,
            told: Told::Eventual(written.token),
        })
    }
}

macro_rules! options_of_a_write {
    ($builder:ident) => {
        impl $builder {
            /// How long the key lives, rounded up to milliseconds. Default, and for zero: as the domain says.
            ///
            /// Of a counter, the share of each member's process ends by itself, so long after the last addition there: the
            /// sum falls in steps.
            pub fn ttl(mut self, ttl: Duration) -> Self {
                self.0.write.ttl_ms = whole_ms(ttl);
                self
            }

            /// With [`Strategy::Siblings`]: replaces exactly what the read or the write that gave this context has seen;
            /// what was written since stays beside it. A deletion of such values takes exactly those. Default: nothing is
            /// replaced, and a deletion takes all that the member has.
            ///
            /// With other strategies it protects nothing: all that the member has is superseded, or taken up, whether it was
            /// seen or not. Counters, sets, maps and flags need none.
            pub fn context(mut self, context: &EventualContext) -> Self {
                self.0.write.context = context.0.clone();
                self
            }

            /// How many members must have it in memory before the answer, the one that answers included; of a write that
            /// changed nothing, what is there instead. If they do not in time, the call ends with [`ErrorKind::UnderReplicated`]. Default: 1.
            pub fn acks(mut self, members: u32) -> Self {
                self.0.acks = members;
                self
            }

            /// How long the call may take, from 1 ms to a day. Default: the client's.
            pub fn timeout(mut self, timeout: Duration) -> Self {
                self.0.timeout = Some(timeout);
                self
            }
        }

        impl IntoFuture for $builder {
            type Output = Result<EventualWritten>;
            type IntoFuture = BoxFuture<'static, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.0.send())
            }
        }
    };
}

/// A write of a register. Of two puts that were made concurrently the strategy makes one value.
#[derive(Clone)]
#[must_use = "a call is made when it is awaited"]
pub struct EventualPut(pub(super) Asked);

/// A deletion, or a change of a counter, a set, a map or a flag.
#[derive(Clone)]
#[must_use = "a call is made when it is awaited"]
pub struct EventualChange(pub(super) Asked);

options_of_a_write!(EventualPut);
options_of_a_write!(EventualChange);

impl EventualPut {
    fn set(mut self, change: impl FnOnce(&mut v1::EventualPut)) -> Self {
        if let Some(Change::Put(put)) = &mut self.0.write.change {
            change(put);
        }
        self
    }

    /// How this value and those written concurrently become one. Default: that of the domain.
    pub fn strategy(self, strategy: Strategy) -> Self {
        self.set(|put| put.set_strategy(strategy.to_wire()))
    }

    /// For [`Strategy::LastWrite`]: when the value was made, in milliseconds since 1970 by this program's clock. If it is
    /// older than what is there, nothing changes; more than 500 ms ahead of the member is refused. Default: when the member
    /// takes it.
    pub fn written_at(self, written_at_ms: u64) -> Self {
        self.set(|put| put.written_at_ms = written_at_ms)
    }
}
