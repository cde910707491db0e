//! Reading one key, or many.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::eventual_reply::Response;

use super::call::{call, unexpected};
use super::token::{Told, answers_with_a_token};
use super::value::{EventualContext, EventualEntry, EventualType, age_of};
use crate::builder::within;
use crate::consistency::whole_ms;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::wire::EventualRequest as Request;

/// Keys of one read.
pub(super) const KEYS_MAX: usize = 4_096;

/// A read of one key.
#[derive(Clone)]
#[must_use = "a call is made when it is awaited"]
pub struct EventualGet(Asked);

/// A read of many keys of one type, at one member.
#[derive(Clone)]
#[must_use = "a call is made when it is awaited"]
pub struct EventualGetMany(Asked);

/// The answer of an [`EventualGet`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventualGetReply {
    /// What is kept under the key; absent when the key does not exist.
    pub entry: Option<EventualEntry>,
    /// To replace exactly what was read, even if that is nothing.
    pub context: EventualContext,
    /// Every write that any member acknowledged longer ago than this is in the answer, unless that member lost it. Absent if
    /// it cannot be told, because a member has not been heard of.
    pub age: Option<Duration>,
    /// Id of the member that answered.
    pub member: u64,
    pub(super) told: Told,
}

answers_with_a_token!(EventualGetReply);

/// The answer of an [`EventualGetMany`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventualGetManyReply {
    /// One for each key, in order; absent when the key does not exist.
    pub entries: Vec<Option<EventualEntry>>,
    /// As [`EventualGetReply::age`].
    pub age: Option<Duration>,
    /// Id of the member that answered.
    pub member: u64,
}

#[derive(Clone)]
struct Asked {
    core: Arc<Core>,
    request: v1::EventualReadRequest,
    timeout: Option<Duration>,
}

impl EventualGet {
    pub(super) fn new(core: &Arc<Core>, domain: &str, entry_type: EventualType, key: Bytes) -> Self {
        Self(Asked::new(core, domain, entry_type, vec![key]))
    }

    async fn send(self) -> Result<EventualGetReply> {
        let mut response = self.0.send().await?;
        // As many entries as keys, which `send` has made sure of.
        let entry = response.entries.pop().unwrap_or_default();
        Ok(EventualGetReply {
            context: EventualContext(entry.context.clone()),
            entry: entry.exists.then(|| EventualEntry::from(entry)),
            age: age_of(response.age_ms),
            member: response.header.unwrap_or_default().member_id,
            told: Told::Eventual(response.token),
        })
    }
}

impl EventualGetMany {
    pub(super) fn new(core: &Arc<Core>, domain: &str, keys: Vec<Bytes>) -> Self {
        Self(Asked::new(core, domain, EventualType::Register, keys))
    }

    async fn send(self) -> Result<EventualGetManyReply> {
        let response = self.0.send().await?;
        let entries = response.entries.into_iter();
        Ok(EventualGetManyReply {
            entries: entries
                .map(|entry| entry.exists.then(|| EventualEntry::from(entry)))
                .collect(),
            age: age_of(response.age_ms),
            member: response.header.unwrap_or_default().member_id,
        })
    }
}

impl Asked {
    fn new(core: &Arc<Core>, domain: &str, entry_type: EventualType, keys: Vec<Bytes>) -> Self {
        let mut request = v1::EventualReadRequest {
            domain: domain.to_owned(),
            keys,
            ..Default::default()
        };
        request.set_type(entry_type.to_wire());
        Self {
            core: Arc::clone(core),
            request,
            timeout: None,
        }
    }

    async fn send(self) -> Result<v1::EventualReadResponse> {
        let count = self.request.keys.len();
        within("keys", count as u64, 1, KEYS_MAX as u64).map_err(|error| error.with_outcome(Outcome::NotAMutation))?;
        let answered = call(&self.core, Request::Read(self.request), self.timeout).await?;
        match answered.response {
            Response::Read(response) if response.entries.len() == count => Ok(response),
            Response::Read(response) => {
                let message = format!("{count} keys were asked for, {} answered", response.entries.len());
                Err(Error::new(ErrorKind::Protocol, Outcome::NotAMutation, message))
            }
            other => Err(unexpected("Read", &other).with_outcome(Outcome::NotAMutation)),
        }
    }
}

macro_rules! options_of_a_read {
    ($builder:ident, $reply:ident) => {
        impl $builder {
            /// What the keys stand for. Default: [`EventualType::Register`].
            pub fn of(mut self, entry_type: EventualType) -> Self {
                self.0.request.set_type(entry_type.to_wire());
                self
            }

            /// Answers only if nothing is missing that other members acknowledged longer ago than this, rounded up to
            /// milliseconds; otherwise the member waits, and the call ends with [`ErrorKind::Stale`] if it waited in vain.
            /// Default, and for zero: no matter.
            pub fn max_age(mut self, age: Duration) -> Self {
                self.0.request.options.get_or_insert_default().max_age_ms = whole_ms(age);
                self
            }

            /// How long the call may take, from 1 ms to a day. Default: the client's.
            pub fn timeout(mut self, timeout: Duration) -> Self {
                self.0.timeout = Some(timeout);
                self
            }
        }

        impl IntoFuture for $builder {
            type Output = Result<$reply>;
            type IntoFuture = BoxFuture<'static, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.send())
            }
        }
    };
}

options_of_a_read!(EventualGet, EventualGetReply);
options_of_a_read!(EventualGetMany, EventualGetManyReply);
