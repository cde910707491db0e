//! What the writes of a request change.

use quorate_eventual::{Action, ActorIndex, Address, Context, Moment, Place, ShardNumber, Space, Strategy, Write};
use quorate_proto::v1::{Error, EventualDelete, EventualWritten, Outcome, eventual_write};

use super::asked::{Asked, AskedChange, AskedPut};
use super::check;
use super::repeat::Done;
use crate::config::Limits;
use crate::eventual::Tier;
use crate::grpc::error::invalid;
use crate::mvcc::EventualDomain;

/// What one request's writes share.
pub(super) struct Batch<'a> {
    pub(super) tier: &'a Tier,
    pub(super) limits: &'a Limits,
    pub(super) domain: &'a EventualDomain,
    pub(super) cluster: u64,
    pub(super) now_ms: u64,
    pub(super) predecessors: &'a [ActorIndex],
    pub(super) with_contexts: bool,
    /// Where the request was tried first; 0: here.
    pub(super) first_process: u64,
}

/// What the whole request met. A write that is refused half-way has done what is in it.
#[derive(Default)]
struct Met {
    /// Operations of this process.
    own: Vec<(ShardNumber, u64)>,
    /// Shards in which something was found that needed no change.
    found: Vec<ShardNumber>,
}

/// What became of the parts of a write: a set of three members is three operations.
struct Parts<'a> {
    changed: bool,
    siblings: usize,
    met: &'a mut Met,
}

/// What its author knows of a key after an operation: what he knew before, and the operation.
struct Left {
    shard: ShardNumber,
    context: Context,
}

/// A member of a set, or a flag that is on: that it is there says it all.
const PRESENT: Action<'static> = Action::Put {
    value: b"",
    strategy: Strategy::LastWrite,
    written: None,
};

impl Batch<'_> {
    /// Does the writes, one by one.
    pub(super) fn perform(&self, writes: &[Asked<'_>]) -> Done {
        let mut met = Met::default();
        let mut done = Done {
            results: Vec::with_capacity(writes.len()),
            ..Done::default()
        };
        for write in writes {
            let result = self.write(write, &mut met).map_err(Box::new);
            done.any_refused |= result.is_err();
            done.results.push(result);
        }
        self.tier.wrote(met.own.iter().map(|(shard, _)| *shard));
        done.written = self.written(met);
        done
    }

    /// What a member has to have to have what the request left. Whoever changed nothing relies on what was there, and that
    /// may be anybody's.
    fn written(&self, met: Met) -> Vec<(ShardNumber, ActorIndex, u64)> {
        let store = &self.tier.store;
        let Met { own, mut found } = met;
        let mut written: Vec<_> = own
            .into_iter()
            .map(|(shard, number)| (shard, store.me(), number))
            .collect();
        found.sort_unstable();
        found.dedup();
        for shard in found {
            let locked = store.lock(shard);
            written.extend(locked.clock().iter().map(|(actor, number)| (shard, actor, number)));
        }
        keep_newest(&mut written);
        written
    }

    fn write(&self, write: &Asked<'_>, met: &mut Met) -> Result<EventualWritten, Error> {
        check::key(self.limits, write.key)?;
        let mut parts = Parts {
            changed: false,
            siblings: 0,
            met,
        };
        let left = match write.change {
            AskedChange::Nothing => Err(invalid("change", "a write says nothing, or is of a later version")),
            AskedChange::Put(put) => self.put(write, put, &mut parts).map(Some),
            AskedChange::Other(change) => self.change(write, change, &mut parts),
        };
        match left {
            Ok(left) => Ok(EventualWritten {
                superseded: !parts.changed,
                // The shares of a counter stand beside each other, too, but that is nobody's business.
                siblings: left.as_ref().map_or(0, |_| parts.siblings as u32),
                context: left
                    .filter(|_| self.with_contexts)
                    .map(|left| left.context.encode(self.cluster, left.shard).into())
                    .unwrap_or_default(),
            }),
            Err(error) if parts.changed => Err(half_done(error)),
            Err(error) => Err(error),
        }
    }

    /// Does a change. Of a register, returns what its author knows then.
    fn change(
        &self,
        write: &Asked<'_>,
        change: &eventual_write::Change,
        parts: &mut Parts<'_>,
    ) -> Result<Option<Left>, Error> {
        use eventual_write::Change;
        let limits = self.limits;
        let place = |space, element| self.place(write, space, element);
        match change {
            Change::Put(put) => {
                let put = AskedPut {
                    value: &put.value,
                    strategy: put.strategy,
                    written_at_ms: put.written_at_ms,
                };
                return self.put(write, put, parts).map(Some);
            }
            Change::Delete(delete) => return self.delete(write, *delete, parts),
            Change::Add(_) if ![0, self.tier.store.id().0].contains(&self.first_process) => {
                return Err(check::tried_elsewhere(self.first_process, self.tier.store.id().0));
            }
            Change::Add(delta) => {
                self.do_one(&place(Space::Counter, None), write, Action::Add(*delta), parts)?;
            }
            Change::Flag(on) => {
                let action = if *on { PRESENT } else { Action::Delete };
                self.do_one(&place(Space::Flag, None), write, action, parts)?;
            }
            Change::Set(change) => {
                // All of it before any of it, so that what cannot be done changes nothing.
                for (field, members) in [("add", &change.add), ("remove", &change.remove)] {
                    for member in members {
                        check::element(limits, field, member)?;
                    }
                }
                for member in &change.add {
                    self.do_one(&place(Space::Set, Some(member)), write, PRESENT, parts)?;
                }
                for member in &change.remove {
                    self.do_one(&place(Space::Set, Some(member)), write, Action::Delete, parts)?;
                }
            }
            Change::Map(change) => {
                for field in &change.put {
                    check::element(limits, "put", &field.name)?;
                    check::value(limits, &field.value)?;
                }
                for name in &change.remove {
                    check::element(limits, "remove", name)?;
                }
                for field in &change.put {
                    let action = Action::Put {
                        value: &field.value,
                        strategy: Strategy::LastWrite,
                        written: None,
                    };
                    self.do_one(&place(Space::Map, Some(&field.name)), write, action, parts)?;
                }
                for name in &change.remove {
                    self.do_one(&place(Space::Map, Some(name)), write, Action::Delete, parts)?;
                }
            }
        }
        Ok(None)
    }

    fn place(&self, write: &Asked<'_>, space: Space, element: Option<&[u8]>) -> Place {
        Place::of(Address {
            domain: self.domain.id.0,
            space,
            name: write.key,
            element,
        })
    }

    fn put(&self, write: &Asked<'_>, put: AskedPut<'_>, parts: &mut Parts<'_>) -> Result<Left, Error> {
        check::value(self.limits, put.value)?;
        let strategy = check::strategy(put.strategy, self.domain)?;
        let written = check::written_at(put.written_at_ms, self.now_ms)?;
        if written.is_some() && strategy != Strategy::LastWrite {
            return Err(invalid("written_at_ms", "it is for strategy LAST_WRITE only"));
        }
        let action = Action::Put {
            value: put.value,
            strategy,
            written,
        };
        self.do_one(&self.place(write, Space::Register, None), write, action, parts)
    }

    fn delete(&self, write: &Asked<'_>, delete: EventualDelete, parts: &mut Parts<'_>) -> Result<Option<Left>, Error> {
        let space = check::space(delete.r#type)?;
        let whole = self.place(write, space, None);
        if !space.has_elements() {
            let left = self.do_one(&whole, write, Action::Delete, parts)?;
            return Ok((space == Space::Register).then_some(left));
        }
        let shard = whole.shard(self.domain.volatile);
        let elements = self.tier.store.lock(shard).read_elements(&whole, self.now_ms);
        if elements.is_empty() {
            parts.met.found.push(shard);
        }
        for (element, _) in &elements {
            self.do_one(&self.place(write, space, Some(element)), write, Action::Delete, parts)?;
        }
        Ok(None)
    }

    fn do_one(
        &self,
        place: &Place,
        write: &Asked<'_>,
        action: Action<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Left, Error> {
        let shard = place.shard(self.domain.volatile);
        let context = if write.context.is_empty() {
            None
        } else {
            Some(Context::decode(write.context, self.cluster, shard).map_err(check::context)?)
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
        let written = self.tier.write(self.domain, &write, moment);
        let (shard, written) = written.map_err(|refusal| check::not_written(&refusal))?;
        parts.siblings = parts.siblings.max(written.siblings);
        let mut left = Left {
            shard,
            context: context.unwrap_or_default(),
        };
        match written.dot {
            Some(dot) => {
                parts.changed = true;
                parts.met.own.push((shard, dot.number()));
                if self.with_contexts {
                    left.context = left.context.with(self.tier.store.id(), dot.number());
                }
            }
            None => parts.met.found.push(shard),
        }
        Ok(left)
    }
}

/// Some of a set, a map or a whole collection was changed before a refusal came.
fn half_done(error: Error) -> Error {
    Error {
        outcome: Outcome::Unknown.into(),
        message: format!("part of the write is done, and stays: {}", error.message),
        ..error
    }
}

/// Keeps the last operation of each actor in each shard.
fn keep_newest(written: &mut Vec<(ShardNumber, ActorIndex, u64)>) {
    written.sort_unstable();
    // Of two neighbours the later one is the greater; what is kept is the earlier one's place.
    written.dedup_by(|later, kept| {
        let same = (later.0, later.1) == (kept.0, kept.1);
        if same {
            kept.2 = later.2;
        }
        same
    });
}

#[cfg(test)]
mod tests;
