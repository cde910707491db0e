//! Writes: what a request did, once, and who has to have it before the answer.

use quorate_eventual::Token;
use quorate_proto::v1::{
    Error, ErrorCode, EventualWriteResponse, EventualWriteResult, EventualWritten, Outcome, eventual_write_result,
};

use super::asked::WriteAsked;
use super::change::Batch;
use super::check;
use super::repeat::{self, Done};
use crate::eventual::{Unmet, WaitFor};
use crate::grpc::api::Api;
use crate::grpc::error::{invalid, refused};

/// A request whose writes are done, and that may have to wait for other members.
pub(super) struct Written {
    done: std::sync::Arc<Done>,
    token: Token,
    acks: usize,
    timeout_ms: u64,
}

impl Written {
    /// Other members are to have it before the answer.
    pub(super) fn waits(&self) -> bool {
        self.acks > 1 && !self.done.written.is_empty()
    }
}

impl Api {
    /// Does the writes of a request. Those that are refused say so in their place. One with a stamp is done once, if it
    /// matters.
    pub(super) fn write(&self, request: &WriteAsked<'_>) -> Result<Written, Error> {
        if self.tier.is_closed() {
            return Err(refused(
                ErrorCode::Stopped,
                "this member is stopping: write at another one",
            ));
        }
        let table = self.domain_table();
        let domain = check::domain(&table, request.domain)?;
        check::count("writes", request.writes.len())?;
        self.check_acks(request.acks)?;
        let token = check::token(request.token, self.roster.cluster_id())?;
        let predecessors = self.tier.store.predecessors();
        let stamp = request.stamp;
        let batch = Batch {
            tier: &self.tier,
            limits: &self.limits,
            domain,
            cluster: self.roster.cluster_id(),
            now_ms: self.tier.wall_ms(),
            predecessors: &predecessors,
            with_contexts: !request.quiet,
            first_process: stamp.first_process,
        };
        let perform = || {
            let mut done = batch.perform(&request.writes);
            if request.quiet && !done.any_refused {
                done.results = Vec::new();
            }
            done
        };
        let writes = &request.writes;
        let once = stamp.sequence != 0 && writes.iter().any(|write| repeat::must_be_once(domain, write));
        let done = if once {
            let body = repeat::body(domain, request.quiet, writes);
            self.repeats.once((stamp.session, stamp.sequence), body, perform)?
        } else {
            std::sync::Arc::new(perform())
        };
        Ok(Written {
            done,
            token,
            acks: request.acks as usize,
            timeout_ms: request.timeout_ms,
        })
    }

    fn check_acks(&self, acks: u32) -> Result<(), Error> {
        let members = self.roster.members().len().max(1);
        if acks as usize > members {
            let (limit, value) = (members as u64, u64::from(acks));
            let message = format!("acks = {value}, but the cluster has {limit} members");
            return Err(Error {
                limit,
                value,
                ..invalid("acks", message)
            });
        }
        Ok(())
    }

    /// The answer, as soon as enough members have what was written.
    pub(super) async fn acknowledge(&self, written: Written) -> EventualWriteResponse {
        if !written.waits() {
            return self.answer_write(written, 1, None);
        }
        let wait = WaitFor::new(&self.tier, check::timeout(written.timeout_ms));
        match wait.acks(&written.done.written, written.acks).await {
            Ok(acked) => self.answer_write(written, acked, None),
            Err(unmet) => {
                let acked = match unmet {
                    Unmet::Acks(acked) => acked,
                    Unmet::Age(_) | Unmet::Token => 1,
                };
                let error = under_replicated(written.acks, acked);
                self.answer_write(written, acked, Some(error))
            }
        }
    }

    /// The answer as things are.
    pub(super) fn answer_write(&self, written: Written, acked: usize, error: Option<Error>) -> EventualWriteResponse {
        let Written { done, mut token, .. } = written;
        let actors = self.tier.store.actors();
        for (shard, actor, number) in &done.written {
            token.saw(*shard, [(actors.id(*actor), *number)]);
        }
        EventualWriteResponse {
            header: Some(self.eventual_header()),
            results: done.results.iter().map(wire_result).collect(),
            token: self.token_out(token),
            acked: acked as u32,
            error,
        }
    }
}

fn under_replicated(asked: usize, acked: usize) -> Error {
    Error {
        limit: asked as u64,
        value: acked as u64,
        outcome: Outcome::Unknown.into(),
        ..refused(
            ErrorCode::UnderReplicated,
            format!(
                "it is written here, but only {acked} of {asked} members have it so far: it goes to the others when they \
                 can be reached, unless this member fails before"
            ),
        )
    }
}

fn wire_result(result: &Result<EventualWritten, Box<Error>>) -> EventualWriteResult {
    let result = match result {
        Ok(written) => eventual_write_result::Result::Written(written.clone()),
        Err(error) => eventual_write_result::Result::Error(Error::clone(error)),
    };
    EventualWriteResult { result: Some(result) }
}
