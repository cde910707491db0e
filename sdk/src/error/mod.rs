//! The one error of the SDK: what was wrong, by how much, and whether a mutation may have been applied.
//!
//! Invariants: an error of a read never says [`Outcome::Unknown`]; an error of a mutation never says
//! [`Outcome::NotApplied`] unless every attempt of it is known not to have changed anything.

use std::fmt;

use quorate_proto::RequestId;

mod kind;
mod of_reply;

pub use kind::ErrorKind;

/// Result of every call of the SDK.
pub type Result<T> = std::result::Result<T, Error>;

/// Whether a mutation that failed may have changed the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The mutation was not applied and will not be.
    NotApplied,
    /// It may have been applied, or may yet be: read before repeating it as a new call.
    Unknown,
    /// The call changes nothing.
    NotAMutation,
}

/// Why a call failed.
#[derive(Clone)]
pub struct Error(Box<Body>);

/// Kept behind a pointer: a `Result` that is nearly always `Ok` stays small.
#[derive(Clone)]
struct Body {
    kind: ErrorKind,
    outcome: Outcome,
    message: String,
    attempts: u32,
    request: Option<RequestId>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, outcome: Outcome, message: impl Into<String>) -> Self {
        Self(Box::new(Body {
            kind,
            outcome,
            message: message.into(),
            attempts: 0,
            request: None,
        }))
    }

    /// An argument that was refused before anything was sent.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        let kind = ErrorKind::InvalidArgument {
            field: field.to_owned(),
            limit: 0,
            value: 0,
        };
        Self::new(kind, Outcome::NotApplied, message)
    }

    pub(crate) fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn with_request(mut self, request: Option<RequestId>) -> Self {
        self.0.request = request;
        self
    }

    pub(crate) fn with_context(mut self, context: &str) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// What went wrong, with the limit, the value, the boundary or the field where there is one.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Whether a mutation may have been applied nevertheless. Never [`Outcome::Unknown`] for a read.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Whether issuing the call again, as a new call, is harmless and may succeed: what went wrong passes by itself, and
    /// the call is a read or was certainly not applied.
    pub fn is_retryable(&self) -> bool {
        self.0.outcome != Outcome::Unknown && self.0.kind.is_transient()
    }

    /// The sentence for a person.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// How often the call was tried; 0 when it was refused before anything was sent.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// What the call is called by in the logs and the traces of every member that it came to; of a read, its last attempt.
    /// None for a call that was refused before it was sent, and in the eventual tier.
    pub fn request(&self) -> Option<RequestId> {
        self.0.request
    }

    /// Whether a person who reads the error will want to look for the call at the members.
    fn is_to_be_looked_for(&self) -> bool {
        self.0.outcome == Outcome::Unknown || self.0.kind.is_transient()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match self.0.outcome {
            // It was applied, where it was sent; that is what the message says.
            Outcome::Unknown if matches!(self.0.kind, ErrorKind::UnderReplicated { .. }) => {}
            Outcome::Unknown => f.write_str(" (whether it was applied is unknown)")?,
            Outcome::NotApplied | Outcome::NotAMutation => {}
        }
        match self.0.request {
            Some(request) if self.is_to_be_looked_for() => write!(f, " (request {request})"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("outcome", &self.0.outcome)
            .field("message", &self.0.message)
            .field("attempts", &self.0.attempts)
            .field("request", &self.0.request)
            .finish()
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubtful_mutation_is_not_offered_for_a_harmless_retry() {
        let error = |outcome| Error::new(ErrorKind::ConnectionLost, outcome, "broken");
        assert!(error(Outcome::NotApplied).is_retryable());
        assert!(error(Outcome::NotAMutation).is_retryable());
        assert!(!error(Outcome::Unknown).is_retryable());
    }

    #[test]
    fn an_error_names_its_request_where_somebody_will_look_for_it() {
        let request = RequestId::of_mutation(1, 4096, 7);
        let said = |kind, outcome| {
            Error::new(kind, outcome, "wrong")
                .with_request(Some(request))
                .to_string()
        };
        let named = format!("wrong (request {request})");
        assert_eq!(said(ErrorKind::ConnectionLost, Outcome::NotApplied), named);
        let in_doubt = format!("wrong (whether it was applied is unknown) (request {request})");
        assert_eq!(said(ErrorKind::DeadlineExceeded, Outcome::Unknown), in_doubt);
        let full = ErrorKind::DomainFull { limit: 1, value: 2 };
        assert_eq!(said(full, Outcome::NotApplied), "wrong");
    }
}
