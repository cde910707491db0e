//! Packs the commands of concurrent clients into one log entry.
//!
//! While one group is on its way through the log, the next one collects; there is no timer. Under load a group holds
//! what every client sent in one round, so the entry, the sync, the messages to followers and the batch of the state
//! machine are paid once for all of them; alone, a command is a group of one and waits for nothing.

use std::sync::Arc;
use std::time::Duration;

use openraft::errors::{ClientWriteError, ForwardReason, ForwardToLeader, RaftError};
use tokio::sync::{mpsc, oneshot};

use super::{Backlog, LogClock, LogId, Raft, TypeConfig};
use crate::environment::{Clock, SystemClock};
use crate::failpoints;
use crate::metrics::Count;
use crate::request::{EntryTimes, Logged, Passage};
use crate::state_machine::{Command, Group, Reply};
use crate::types::MemberId;

/// Commands in one group. Client ids are made of a group's index and a command's place in it, so this is a bound of
/// the format as well.
const GROUP_COMMANDS_MAX: usize = 4096;
/// A group is closed when it passes this; a single command may be larger.
const GROUP_BYTES: usize = 1 << 20;
/// A group whose fate is not known by then is answered "unknown"; the log may still commit it.
const GROUP_TIMEOUT: Duration = Duration::from_secs(5);
/// A fresh leader refuses writes for a moment, until a quorum has answered it.
const LEASE_RETRY: Duration = Duration::from_millis(5);
const LEASE_RETRIES_MAX: u32 = 60;

/// Why a proposal has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// This member does not lead. Not applied.
    #[error("this member is not the leader")]
    NotLeader {
        /// Who leads, if known.
        leader: Option<MemberId>,
    },
    /// The queue is full. Not applied.
    #[error("{waiting} commands wait at this member, which is the limit: try again later")]
    Overloaded {
        /// The limit.
        waiting: usize,
    },
    /// The command cannot be encoded. Not applied.
    #[error("the command cannot be logged: {0}")]
    Encode(String),
    /// The log changed hands or fell silent while the command was in it: it may have been applied, or may yet be.
    #[error("the outcome is unknown: {0}")]
    Unknown(&'static str),
    /// The member stops or has failed; whether the command was applied is unknown.
    #[error("the member is stopping: {0}")]
    Stopped(String),
}

impl ProposeError {
    /// Every word that [`ProposeError::reason`] says, in the order of the counts.
    pub const REASONS: [&str; 5] = ["not_leader", "overloaded", "encode", "unknown", "stopped"];

    fn place(&self) -> usize {
        match self {
            Self::NotLeader { .. } => 0,
            Self::Overloaded { .. } => 1,
            Self::Encode(_) => 2,
            Self::Unknown(_) => 3,
            Self::Stopped(_) => 4,
        }
    }

    /// One word for it.
    pub fn reason(&self) -> &'static str {
        Self::REASONS[self.place()]
    }
}

/// What became of the proposals of a member.
#[derive(Debug, Default)]
pub struct ProposeCounts {
    /// Commands that were given to it.
    pub submitted: Count,
    /// Commands that have their answer.
    pub answered: Count,
    /// Groups that were written.
    pub groups: Count,
    failed: [Count; ProposeError::REASONS.len()],
}

impl ProposeCounts {
    /// How many failed, by reason.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ProposeError::REASONS
            .into_iter()
            .zip(self.failed.iter().map(Count::get))
    }

    /// Hands on the answer of one command.
    fn answer(&self, done: Completion, result: Result<Reply, ProposeError>, passage: Passage) {
        self.answered.increment();
        if let Err(error) = &result {
            self.failed[error.place()].increment();
        }
        done(result, passage);
    }
}

/// Receives the answer of one command, and how it came about.
pub type Completion = Box<dyn FnOnce(Result<Reply, ProposeError>, Passage) + Send>;

struct Proposal {
    command: Command,
    done: Completion,
}

/// Takes commands from every client of this member.
#[derive(Clone)]
pub struct Proposer {
    queue: mpsc::Sender<Proposal>,
    backlog: Backlog,
    counts: Arc<ProposeCounts>,
}

impl Proposer {
    /// Starts the packing task. At most `waiting_max` commands wait; `backlog` says how many do. `times` are those of the
    /// member's log.
    pub fn start(
        raft: Raft,
        clock: Arc<LogClock>,
        times: Arc<EntryTimes>,
        backlog: Backlog,
        waiting_max: usize,
    ) -> Self {
        let (queue, proposals) = mpsc::channel(waiting_max);
        let counts = Arc::<ProposeCounts>::default();
        let packer = Packer {
            raft,
            clock,
            times,
            backlog: backlog.clone(),
            counts: Arc::clone(&counts),
        };
        tokio::spawn(packer.run(proposals));
        Self { queue, backlog, counts }
    }

    /// What became of the proposals so far.
    pub fn counts(&self) -> &ProposeCounts {
        &self.counts
    }

    /// Proposes `command`; `done` gets the answer, at once if the queue is full.
    pub fn submit(&self, command: Command, done: Completion) {
        self.counts.submitted.increment();
        // Before it can be taken out again.
        self.backlog.add();
        match self.queue.try_send(Proposal { command, done }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(refused)) => {
                self.backlog.remove(1);
                let waiting = self.queue.max_capacity();
                let refusal = Err(ProposeError::Overloaded { waiting });
                self.counts.answer(refused.done, refusal, Passage::AtOnce);
            }
            Err(mpsc::error::TrySendError::Closed(refused)) => {
                self.backlog.remove(1);
                let refusal = Err(ProposeError::NotLeader { leader: None });
                self.counts.answer(refused.done, refusal, Passage::AtOnce);
            }
        }
    }

    /// Proposes `command` and waits for its answer.
    pub async fn propose(&self, command: Command) -> Result<Reply, ProposeError> {
        self.propose_followed(command).await.0
    }

    /// Proposes `command` and waits for its answer, and for how it came about.
    pub async fn propose_followed(&self, command: Command) -> (Result<Reply, ProposeError>, Passage) {
        let (done, answer) = oneshot::channel();
        self.submit(
            command,
            Box::new(move |result, passage| {
                // The caller may have given up.
                let _ = done.send((result, passage));
            }),
        );
        answer.await.unwrap_or_else(|_| {
            let dropped = ProposeError::Stopped("the proposal was dropped".into());
            (Err(dropped), Passage::AtOnce)
        })
    }
}

/// Makes groups of what was proposed, one at a time.
struct Packer {
    raft: Raft,
    clock: Arc<LogClock>,
    times: Arc<EntryTimes>,
    backlog: Backlog,
    counts: Arc<ProposeCounts>,
}

impl Packer {
    async fn run(self, mut proposals: mpsc::Receiver<Proposal>) {
        let mut waiting = Vec::with_capacity(GROUP_COMMANDS_MAX);
        loop {
            if waiting.is_empty() && proposals.recv_many(&mut waiting, GROUP_COMMANDS_MAX).await == 0 {
                return;
            }
            let (group, completions) = self.build_group(&mut waiting);
            if !completions.is_empty() {
                self.counts.groups.increment();
                let proposed = SystemClock.monotonic();
                let written = write(&self.raft, group).await;
                let logged = written.as_ref().ok().map(|(log_id, _)| Logged {
                    index: log_id.index,
                    term: **log_id.committed_leader_id(),
                    moments: self.times.of(log_id.index),
                });
                let passage = Passage::Mutation { proposed, logged };
                self.complete(written.map(|(_, replies)| replies), completions, passage);
            }
        }
    }

    /// Moves proposals from `waiting` into a group until it is full.
    fn build_group(&self, waiting: &mut Vec<Proposal>) -> (Group, Vec<Completion>) {
        let log_time = self.clock.log_time(super::term(&self.raft));
        let mut group = Group::builder(log_time, self.clock.wall_ms());
        let mut completions = Vec::with_capacity(waiting.len());
        let waited = waiting.len();
        let mut taken = 0;
        while taken < waiting.len() && group.len_bytes() < GROUP_BYTES {
            match group.push(&waiting[taken].command) {
                Ok(()) => taken += 1,
                Err(error) => {
                    let refused = waiting.remove(taken);
                    let refusal = Err(ProposeError::Encode(error.to_string()));
                    self.counts.answer(refused.done, refusal, Passage::AtOnce);
                }
            }
        }
        completions.extend(waiting.drain(..taken).map(|proposal| proposal.done));
        self.backlog.remove(waited - waiting.len());
        (group.finish(), completions)
    }

    fn complete(&self, result: Result<Vec<Reply>, ProposeError>, completions: Vec<Completion>, passage: Passage) {
        match result {
            Ok(replies) if replies.len() == completions.len() => {
                for (done, reply) in completions.into_iter().zip(replies) {
                    self.counts.answer(done, Ok(reply), passage);
                }
            }
            Ok(replies) => {
                tracing::error!(
                    replies = replies.len(),
                    commands = completions.len(),
                    "a group lacks replies"
                );
                for done in completions {
                    self.counts
                        .answer(done, Err(ProposeError::Unknown("the reply was lost")), passage);
                }
            }
            Err(error) => {
                for done in completions {
                    self.counts.answer(done, Err(error.clone()), passage);
                }
            }
        }
    }
}

/// The group's place in the log, and its replies.
async fn write(raft: &Raft, group: Group) -> Result<(LogId, Vec<Reply>), ProposeError> {
    if failpoints::pass("propose").await {
        return Err(ProposeError::NotLeader { leader: None });
    }
    for _ in 0..LEASE_RETRIES_MAX {
        let written = tokio::time::timeout(GROUP_TIMEOUT, raft.client_write(group.clone())).await;
        let error = match written {
            Err(_) => return Err(ProposeError::Unknown("no quorum confirmed it in time")),
            Ok(Ok(_)) if failpoints::pass("proposed").await => return Err(ProposeError::Unknown("failpoint proposed")),
            Ok(Ok(response)) => return Ok((response.log_id, response.data.0)),
            Ok(Err(error)) => error,
        };
        match refusal(error, *raft.node_id()) {
            Refusal::Retry => tokio::time::sleep(LEASE_RETRY).await,
            Refusal::Final(error) => return Err(error),
        }
    }
    Err(ProposeError::NotLeader { leader: None })
}

enum Refusal {
    /// Nothing was logged, and soon something can be.
    Retry,
    Final(ProposeError),
}

fn refusal(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>, me: MemberId) -> Refusal {
    match error {
        RaftError::Fatal(fatal) => Refusal::Final(ProposeError::Stopped(fatal.to_string())),
        RaftError::APIError(ClientWriteError::ForwardToLeader(ForwardToLeader { leader_id, reason, .. })) => {
            let elsewhere = leader_id.filter(|leader| *leader != me);
            match reason {
                ForwardReason::LeaseExpired | ForwardReason::LeadershipTransfer if elsewhere.is_none() => {
                    Refusal::Retry
                }
                _ => Refusal::Final(ProposeError::NotLeader { leader: elsewhere }),
            }
        }
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => Refusal::Final(ProposeError::Unknown(
            "the leader changed while it was being replicated",
        )),
        // Neither can come from a group of commands.
        RaftError::APIError(
            error @ (ClientWriteError::ChangeMembershipError(_) | ClientWriteError::PreconditionFailed(_)),
        ) => Refusal::Final(ProposeError::Stopped(error.to_string())),
    }
}
