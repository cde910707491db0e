//! Queues.

use quorate_proto::v1;

use crate::error::{Error, ErrorKind, Outcome, Result};

/// The answer of an operation on queues.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueOpReply {}

impl QueueOpReply {
    pub(crate) fn from_wire(_result: v1::QueueResult) -> Result<Self> {
        let message = "an operation of the transaction came back without a result";
        Err(Error::new(ErrorKind::Protocol, Outcome::Unknown, message))
    }
}
