//! What a workload is.

use std::fmt::Debug;
use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Ground;
use crate::HarnessError;
use crate::journal::{End, Fault, Header, Operation};
use crate::verdict::Verdict;
use crate::watch_check::Truth;

/// What a check may want to know of a run besides operations and truth.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// How it was begun.
    pub header: &'a Header,
    /// What was done to members.
    pub faults: &'a [Fault],
    /// How it ended.
    pub end: &'a End,
}

/// A kind of work, and the check of it.
pub trait Workload: Send + Sync + 'static {
    /// Names it on the command line and in journals, and begins its keys.
    const NAME: &'static str;

    /// The kinds of operation of which one must succeed in every minute.
    const KINDS: &'static [&'static str];

    /// What is asked.
    type Call: Serialize + DeserializeOwned + Clone + Debug + PartialEq + Send + Sync;

    /// What is answered. A refusal that tells something is an answer too.
    type Answer: Serialize + DeserializeOwned + Clone + Debug + PartialEq + Send + Sync;

    /// Makes calls through [`Ground::call`] until [`Ground::turn`] is false. An error ends the run: it is for what must not
    /// happen, not for calls that fail.
    fn run(ground: Ground) -> impl Future<Output = Result<(), HarnessError>> + Send;

    /// The last calls, when everything is healed and nobody runs any more: they must succeed. Default: none.
    fn finish(ground: Ground) -> impl Future<Output = Result<(), HarnessError>> + Send {
        drop(ground);
        async { Ok(()) }
    }

    /// Which of its kinds a call is; one that is not among [`Workload::KINDS`] need not succeed.
    fn kind(call: &Self::Call) -> &'static str;

    /// Whether it is answered only while a majority of the members reach one another. Default: yes.
    fn needs_majority(call: &Self::Call) -> bool {
        let _ = call;
        true
    }

    /// Holds all operations, in the order in which they returned, against what really happened.
    fn check(operations: &[Operation<Self::Call, Self::Answer>], truth: &Truth, facts: &Facts<'_>) -> Verdict;
}
