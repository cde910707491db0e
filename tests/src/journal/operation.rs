//! One call of a workload, and what came of it.

use std::time::Duration;

use quorate::{Error, Outcome};
use serde::{Deserialize, Serialize};

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// It was answered.
    Done(T),
    /// It failed, or was refused, and certainly changed nothing.
    NotDone,
    /// It may have been applied, or may yet be.
    Unknown,
}

impl<T> Answer<T> {
    /// As the SDK says it; a read that failed is not done.
    pub fn of(result: Result<T, Error>) -> Answer<T> {
        match result {
            Ok(answer) => Answer::Done(answer),
            Err(error) => match error.outcome() {
                Outcome::NotApplied | Outcome::NotAMutation => Answer::NotDone,
                Outcome::Unknown => Answer::Unknown,
            },
        }
    }

    /// The answer, if there is one.
    pub fn done(&self) -> Option<&T> {
        match self {
            Answer::Done(answer) => Some(answer),
            Answer::NotDone | Answer::Unknown => None,
        }
    }
}

/// One call; `C` and `A` are those of its workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<C, A> {
    /// Whose; its calls do not overlap.
    pub client: u64,
    /// Just before the call.
    pub invoked: Duration,
    /// Just after the answer.
    pub returned: Duration,
    /// What was asked.
    pub call: C,
    /// What came of it.
    pub answer: Answer<A>,
}

/// An operation as a journal has it. The order of its fields is that of the file.
#[derive(Debug, Serialize)]
pub(super) struct WrittenOperation<'a, C, A> {
    pub workload: &'a str,
    pub client: u64,
    pub invoked_us: u64,
    pub returned_us: u64,
    pub call: &'a C,
    pub answer: &'a Answer<A>,
}

/// An operation as it is read back.
#[derive(Debug, Deserialize)]
pub(super) struct ReadOperation<C, A> {
    client: u64,
    invoked_us: u64,
    returned_us: u64,
    call: C,
    answer: Answer<A>,
}

impl<C, A> From<ReadOperation<C, A>> for Operation<C, A> {
    fn from(read: ReadOperation<C, A>) -> Operation<C, A> {
        Operation {
            client: read.client,
            invoked: Duration::from_micros(read.invoked_us),
            returned: Duration::from_micros(read.returned_us),
            call: read.call,
            answer: read.answer,
        }
    }
}

/// Whole microseconds, as files have them.
pub(super) fn whole_us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
