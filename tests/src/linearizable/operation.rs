//! One call of one key, without any revision.

use std::time::Duration;

use bytes::Bytes;

/// What a compare-and-swap expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The key does not exist.
    Absent,
    /// The key has this value, which nobody else writes.
    Value(Bytes),
    /// The key exists; with which value is not known.
    Present,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Writes it.
    Put(Bytes),
    /// Writes it if it is as expected.
    CompareAndSwap(Expected, Bytes),
    /// Deletes it.
    Delete,
    /// Reads it.
    Get,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Written, or deleted.
    Done,
    /// A compare did not hold, or there was nothing to delete: the value as the answer shows it.
    Unchanged(Option<Bytes>),
    /// The value that was read.
    Read(Option<Bytes>),
    /// It may have taken effect, or may yet.
    Unknown,
}

/// One call. Calls that certainly had no effect are no part of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOperation {
    /// Which client; for people who look into a failure.
    pub client: u64,
    /// Just before the call.
    pub invoked: Duration,
    /// Just after the answer; without meaning when the answer is [`Answer::Unknown`].
    pub returned: Duration,
    /// What was asked for.
    pub call: Call,
    /// What came back.
    pub answer: Answer,
}

impl KeyOperation {
    /// The value that it may have written; values are unique.
    pub fn writes(&self) -> Option<&Bytes> {
        match (&self.call, &self.answer) {
            (_, Answer::Unchanged(_)) => None,
            (Call::Put(value) | Call::CompareAndSwap(_, value), _) => Some(value),
            (Call::Delete | Call::Get, _) => None,
        }
    }

    /// A value that was there at some moment of the call, as its answer proves.
    pub fn shows(&self) -> Option<&Bytes> {
        match (&self.call, &self.answer) {
            (_, Answer::Unchanged(value) | Answer::Read(value)) => value.as_ref(),
            (Call::CompareAndSwap(Expected::Value(value), _), Answer::Done) => Some(value),
            _ => None,
        }
    }

    /// Whether it may have changed the key.
    pub fn may_change(&self) -> bool {
        self.call != Call::Get && !matches!(self.answer, Answer::Unchanged(_))
    }

    /// Whether its client learned what became of it.
    pub fn is_known(&self) -> bool {
        self.answer != Answer::Unknown
    }
}
