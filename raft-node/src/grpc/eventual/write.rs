//! Writes.

use quorate_eventual::{Action, Address, Context, Moment, Place, ShardNumber, Space, Strategy, Token, Write};
use quorate_proto::v1::{
    Error, ErrorCode, EventualDelete, EventualPut, EventualWrite, EventualWriteRequest, EventualWriteResponse,
    EventualWriteResult, EventualWritten, Outcome, eventual_write, eventual_write_result,
};

use super::check;
use super::repeat::Done;
use crate::eventual::{Unmet, WaitFor};
use crate::grpc::api::Api;
use crate::grpc::error::{invalid, refused};
use crate::mvcc::EventualDomain;

/// A request whose writes are done, and that may have to wait for other members.
pub(super) struct Written {
    done: std::sync::Arc<Done>,
    token: Token,
    quiet: bool,
    acks: usize,
    timeout_ms: u64,
}

impl Written {
    /// Other members are to have it before the answer.
    pub(super) fn waits(&self) -> bool {
        self.acks > 1 && !self.done.written.is_empty()
    }
}

/// What one request's writes share.
struct Batch<'a> {
    api: &'a Api,
    domain: &'a EventualDomain,
    cluster: u64,
    now_ms: u64,
    predecessors: &'a [quorate_eventual::ActorIndex],
    with_contexts: bool,
    /// Where the request was tried first; 0: here.
    first_process: u64,
}

/// What became of the parts of a write: a set of three members is three operations.
struct Parts<'a> {
    changed: bool,
    siblings: usize,
    /// Operations of the whole request. A write that is refused half-way has done what is in it.
    written: &'a mut Vec<(ShardNumber, u64)>,
}

impl Api {
    /// Does the writes of a request. Those that are refused say so in their place.
    pub(super) fn write(&self, request: &EventualWriteRequest) -> Result<Written, Error> {
        if self.tier.is_closed() {
            return Err(refused(
                ErrorCode::Stopped,
                "this member is stopping: write at another one",
            ));
        }
        let table = self.domain_table();
        let domain = check::domain(&table, &request.domain)?;
        check::count("writes", request.writes.len())?;
        self.check_acks(request.acks)?;
        let token = check::token(&request.token, self.roster.cluster_id())?;
        let predecessors = self.tier.store.predecessors();
        let stamp = request.stamp.unwrap_or_default();
        let batch = Batch {
            api: self,
            domain,
            cluster: self.roster.cluster_id(),
            now_ms: self.tier.wall_ms(),
            predecessors: &predecessors,
            with_contexts: !request.quiet,
            first_process: stamp.first_process,
        };
        let adds = request
            .writes
            .iter()
            .any(|write| matches!(write.change, Some(eventual_write::Change::Add(_))));
        let done = if adds && stamp.sequence != 0 {
            self.repeats
                .once(stamp.session, stamp.sequence, || batch.perform(&request.writes))
        } else {
            std::sync::Arc::new(batch.perform(&request.writes))
        };
        Ok(Written {
            done,
            token,
            quiet: request.quiet,
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
        let me = self.tier.store.me();
        let done = written.done.written.iter();
        let all: Vec<_> = done.map(|(shard, number)| (*shard, me, *number)).collect();
        match wait.acks(&all, written.acks).await {
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
        let Written {
            done, mut token, quiet, ..
        } = written;
        for (shard, number) in &done.written {
            token.saw(*shard, [(self.tier.store.id(), *number)]);
        }
        let results = if quiet && !done.any_refused {
            Vec::new()
        } else {
            done.results.iter().map(wire_result).collect()
        };
        EventualWriteResponse {
            header: Some(self.eventual_header()),
            results,
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

/// Keeps the last operation of each shard.
fn keep_newest(written: &mut Vec<(ShardNumber, u64)>) {
    written.sort_unstable();
    // Of two neighbours the later one is the greater; what is kept is the earlier one's place.
    written.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = later.1;
        }
        same
    });
}

impl Batch<'_> {
    fn perform(&self, writes: &[EventualWrite]) -> Done {
        let mut done = Done {
            results: Vec::with_capacity(writes.len()),
            written: Vec::with_capacity(writes.len()),
            any_refused: false,
        };
        for write in writes {
            let result = self.write(write, &mut done.written).map_err(Box::new);
            done.any_refused |= result.is_err();
            done.results.push(result);
        }
        keep_newest(&mut done.written);
        self.api.tier.wrote(done.written.iter().map(|(shard, _)| *shard));
        done
    }

    fn write(&self, write: &EventualWrite, all: &mut Vec<(ShardNumber, u64)>) -> Result<EventualWritten, Error> {
        use eventual_write::Change;
        let limits = &self.api.limits;
        check::key(limits, &write.key)?;
        let change = write.change.as_ref();
        let change = change.ok_or_else(|| invalid("change", "a write says nothing, or is of a later version"))?;
        let place = |space, element| {
            Place::of(Address {
                domain: self.domain.id.0,
                space,
                name: &write.key,
                element,
            })
        };
        let mut parts = Parts {
            changed: false,
            siblings: 0,
            written: all,
        };
        let space = match change {
            Change::Put(put) => {
                self.put(&place(Space::Register, None), write, put, &mut parts)?;
                Space::Register
            }
            Change::Delete(delete) => self.delete(write, *delete, &mut parts)?,
            Change::Add(_) if ![0, self.api.tier.store.id().0].contains(&self.first_process) => {
                return Err(check::tried_elsewhere(self.first_process, self.api.tier.store.id().0));
            }
            Change::Add(delta) => {
                self.do_one(&place(Space::Counter, None), write, Action::Add(*delta), &mut parts)?;
                Space::Counter
            }
            Change::Flag(on) => {
                let action = if *on { PRESENT } else { Action::Delete };
                self.do_one(&place(Space::Flag, None), write, action, &mut parts)?;
                Space::Flag
            }
            Change::Set(change) => {
                for member in &change.add {
                    check::element(limits, "add", member)?;
                    self.do_one(&place(Space::Set, Some(member)), write, PRESENT, &mut parts)?;
                }
                for member in &change.remove {
                    check::element(limits, "remove", member)?;
                    self.do_one(&place(Space::Set, Some(member)), write, Action::Delete, &mut parts)?;
                }
                Space::Set
            }
            Change::Map(change) => {
                for field in &change.put {
                    check::element(limits, "put", &field.name)?;
                    check::value(limits, &field.value)?;
                    let action = Action::Put {
                        value: &field.value,
                        strategy: Strategy::LastWrite,
                        written: None,
                    };
                    self.do_one(&place(Space::Map, Some(&field.name)), write, action, &mut parts)?;
                }
                for name in &change.remove {
                    check::element(limits, "remove", name)?;
                    self.do_one(&place(Space::Map, Some(name)), write, Action::Delete, &mut parts)?;
                }
                Space::Map
            }
        };
        Ok(EventualWritten {
            superseded: !parts.changed,
            // The shares of a counter stand beside each other, too, but that is nobody's business.
            siblings: if space == Space::Register {
                parts.siblings as u32
            } else {
                0
            },
            context: if self.with_contexts && space == Space::Register {
                self.context_of(&place(space, None))
            } else {
                bytes::Bytes::new()
            },
        })
    }

    fn put(&self, place: &Place, write: &EventualWrite, put: &EventualPut, parts: &mut Parts<'_>) -> Result<(), Error> {
        check::value(&self.api.limits, &put.value)?;
        let strategy = check::strategy(put.strategy, self.domain)?;
        let written = check::written_at(put.written_at_ms, self.now_ms)?;
        if written.is_some() && strategy != Strategy::LastWrite {
            return Err(invalid("written_at_ms", "it is for strategy LAST_WRITE only"));
        }
        let action = Action::Put {
            value: &put.value,
            strategy,
            written,
        };
        self.do_one(place, write, action, parts)
    }

    fn delete(&self, write: &EventualWrite, delete: EventualDelete, parts: &mut Parts<'_>) -> Result<Space, Error> {
        let space = check::space(delete.r#type)?;
        let place = |element| {
            Place::of(Address {
                domain: self.domain.id.0,
                space,
                name: &write.key,
                element,
            })
        };
        if !space.has_elements() {
            self.do_one(&place(None), write, Action::Delete, parts)?;
            return Ok(space);
        }
        let collection = place(None);
        let shard = collection.shard(self.domain.volatile);
        let elements = self.api.tier.store.lock(shard).read_elements(&collection, self.now_ms);
        for (element, _) in &elements {
            self.do_one(&place(Some(element)), write, Action::Delete, parts)?;
        }
        Ok(space)
    }

    fn do_one(
        &self,
        place: &Place,
        write: &EventualWrite,
        action: Action<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<(), Error> {
        let shard = place.shard(self.domain.volatile);
        let context = if write.context.is_empty() {
            None
        } else {
            Some(Context::decode(&write.context, self.cluster, shard).map_err(check::context)?)
        };
        let deletes = matches!(action, Action::Delete);
        let expires_at_ms = if deletes {
            0
        } else {
            check::expires_at_ms(write.ttl_ms, self.domain, self.now_ms)?
        };
        let moment = Moment {
            now_ms: self.now_ms,
            predecessors: self.predecessors,
        };
        let write = Write {
            place,
            action,
            context: context.as_ref(),
            expires_at_ms,
        };
        let written = self.api.tier.write(self.domain, &write, moment);
        let (shard, written) = written.map_err(|refusal| check::not_written(&refusal))?;
        parts.siblings = parts.siblings.max(written.siblings);
        if let Some(dot) = written.dot {
            parts.changed = true;
            parts.written.push((shard, dot.number()));
        }
        Ok(())
    }

    fn context_of(&self, place: &Place) -> bytes::Bytes {
        let shard = place.shard(self.domain.volatile);
        let held = self.api.tier.store.lock(shard).read(place, self.now_ms);
        held.context.encode(self.cluster, shard).into()
    }
}

/// A member of a set, or a flag that is on: that it is there says it all.
const PRESENT: Action<'static> = Action::Put {
    value: b"",
    strategy: Strategy::LastWrite,
    written: None,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_shard_the_last_operation_is_kept() {
        let shard = |number| ShardNumber::new(number).unwrap();
        let mut written = vec![
            (shard(9), 4),
            (shard(2), 1),
            (shard(9), 6),
            (shard(2), 2),
            (shard(9), 5),
        ];
        keep_newest(&mut written);
        assert_eq!(written, [(shard(2), 2), (shard(9), 6)]);
    }
}
