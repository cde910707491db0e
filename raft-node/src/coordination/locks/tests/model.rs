//! Locks as lists, searched from the front each time: what the rows are compared with.

use std::collections::{BTreeMap, BTreeSet};

use crate::coordination::locks::{Acquire, Grant, Hold, LockOperation, LockReply, Share};
use crate::types::{LeaseId, LeaseRefusal, LockKind, LockRefusal, Refusal, Rejection, Revision};

/// (lease, request).
pub type Id = (u64, u64);

/// Who asked for what, and got what.
#[derive(Clone, Debug)]
pub struct Asked {
    names: Vec<String>,
    pub share: Share,
    /// Names that were granted, whether they are still held or not.
    granted: usize,
    pub held: BTreeMap<String, u64>,
    pub value: Vec<u8>,
}

/// A lock while somebody holds it or waits for it.
#[derive(Clone, Debug)]
pub struct ModelLock {
    kind: LockKind,
    pub queue: Vec<Id>,
    pub changed: u64,
    pub counters: [u64; 3],
    pub forced: Option<(String, u64)>,
}

/// The whole state.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub leases: BTreeSet<u64>,
    pub asked: BTreeMap<Id, Asked>,
    pub locks: BTreeMap<String, ModelLock>,
    /// Of the running transaction.
    pub revision: u64,
    pub changed: bool,
}

impl Model {
    /// Does one operation; `number` is its place in the transaction.
    pub fn operate(&mut self, number: u32, operation: &LockOperation) -> Result<LockReply, Rejection> {
        let refused = |refusal: LockRefusal| refusal.of_operation(number);
        match operation {
            LockOperation::Acquire(asked) => self.acquire(number, asked),
            LockOperation::Release(hold) => {
                let id = self.holder(hold).map_err(refused)?;
                self.take_away(id, &hold.lock);
                self.serve();
                Ok(LockReply::Released)
            }
            LockOperation::Abandon { lease, request } => {
                let id = (lease.0, *request);
                let waited = self
                    .asked
                    .get(&id)
                    .is_some_and(|asked| asked.granted < asked.names.len());
                let holds = self.asked.get(&id).map_or(0, |asked| asked.held.len());
                self.end(id, false);
                self.serve();
                Ok(LockReply::Abandoned {
                    holds: u32::try_from(holds).unwrap(),
                    waited,
                })
            }
            LockOperation::ForceRelease { lock, token, reason } => Ok(self.force(lock, *token, reason)),
            LockOperation::Fence(hold) => {
                self.holder(hold).map_err(refused)?;
                Ok(LockReply::Held)
            }
            LockOperation::SetValue { hold, value } => {
                let id = self.holder(hold).map_err(refused)?;
                let asked = self.asked.get_mut(&id).unwrap();
                if asked.value != *value {
                    asked.value.clone_from(value);
                    for name in asked.held.keys() {
                        self.locks.get_mut(name).unwrap().changed = self.revision;
                    }
                    self.changed = true;
                }
                Ok(LockReply::ValueSet)
            }
        }
    }

    pub fn grant_lease(&mut self, number: u32, lease: u64) -> Result<(), Rejection> {
        if !self.leases.insert(lease) {
            return Err(LeaseRefusal::Exists { lease: LeaseId(lease) }.of_operation(number));
        }
        self.changed = true;
        Ok(())
    }

    /// The requests of the lease end one after the other, in order.
    pub fn end_lease(&mut self, number: u32, lease: u64) -> Result<u64, Rejection> {
        if !self.leases.remove(&lease) {
            return Err(unknown(number, lease));
        }
        self.changed = true;
        let requests: Vec<Id> = self.asked.keys().copied().filter(|id| id.0 == lease).collect();
        for id in &requests {
            self.end(*id, true);
            self.serve();
        }
        Ok(requests.len() as u64)
    }

    fn acquire(&mut self, number: u32, asked: &Acquire) -> Result<LockReply, Rejection> {
        let id = (asked.lease.0, asked.request);
        if let Some(before) = self.asked.get(&id) {
            if before.names == asked.names && before.share == asked.share {
                return Ok(self.state(id));
            }
            let (lease, request) = (asked.lease, asked.request);
            return Err(LockRefusal::RequestInUse { lease, request }.of_operation(number));
        }
        let kind = asked.share.kind();
        for name in &asked.names {
            if let Some(lock) = self.locks.get(name).filter(|lock| lock.kind != kind) {
                let refusal = LockRefusal::Conflict {
                    lock: name.clone(),
                    kind: lock.kind,
                    asked: kind,
                };
                return Err(refusal.of_operation(number));
            }
        }
        if !self.leases.contains(&id.0) {
            return Err(unknown(number, id.0));
        }
        if !asked.wait
            && let Some(busy) = asked.names.iter().find(|name| !self.free(name, asked.share))
        {
            let ((holder, _), token) = self.holders(busy)[0];
            return Ok(LockReply::Busy {
                lock: busy.clone(),
                holder: LeaseId(holder),
                token: Revision(token),
            });
        }
        self.changed = true;
        self.asked.insert(
            id,
            Asked {
                names: asked.names.clone(),
                share: asked.share,
                granted: 0,
                held: BTreeMap::new(),
                value: asked.value.clone(),
            },
        );
        assert!(self.advance(id), "every name was checked");
        Ok(self.state(id))
    }

    fn state(&self, id: Id) -> LockReply {
        let asked = &self.asked[&id];
        match asked.names.get(asked.granted) {
            Some(name) => LockReply::Queued {
                lock: name.clone(),
                ahead_max: self.locks[name].queue.iter().position(|other| *other == id).unwrap() as u64,
            },
            None => LockReply::Granted {
                holds: asked
                    .held
                    .iter()
                    .map(|(lock, token)| Grant {
                        lock: lock.clone(),
                        token: Revision(*token),
                    })
                    .collect(),
            },
        }
    }

    /// Holds of a lock, the oldest first.
    pub fn holders(&self, name: &str) -> Vec<(Id, u64)> {
        let held = self
            .asked
            .iter()
            .filter_map(|(id, asked)| Some((*id, *asked.held.get(name)?)));
        let mut holders: Vec<_> = held.collect();
        holders.sort_by_key(|(id, token)| (*token, *id));
        holders
    }

    fn fits(&self, name: &str, share: Share) -> bool {
        let shares: Vec<Share> = self.holders(name).iter().map(|(id, _)| self.asked[id].share).collect();
        match share {
            Share::Exclusive => shares.is_empty(),
            Share::Shared => !shares.contains(&Share::Exclusive),
            Share::Permits { count, permits } => {
                let taken: u64 = shares.iter().map(|share| share.count()).sum();
                taken + u64::from(count) <= u64::from(permits)
            }
        }
    }

    fn free(&self, name: &str, share: Share) -> bool {
        self.fits(name, share) && self.locks.get(name).is_none_or(|lock| lock.queue.is_empty())
    }

    /// False if it met a lock of another kind.
    fn advance(&mut self, id: Id) -> bool {
        loop {
            let asked = &self.asked[&id];
            let (share, revision) = (asked.share, self.revision);
            let Some(name) = asked.names.get(asked.granted).cloned() else {
                return true;
            };
            let free = self.free(&name, share);
            let lock = self.locks.entry(name.clone()).or_insert(ModelLock {
                kind: share.kind(),
                queue: Vec::new(),
                changed: 0,
                counters: [0; 3],
                forced: None,
            });
            if lock.kind != share.kind() {
                return false;
            }
            if !free {
                lock.queue.push(id);
                lock.counters[1] += 1;
                return true;
            }
            lock.counters[0] += 1;
            lock.changed = revision;
            let asked = self.asked.get_mut(&id).unwrap();
            asked.held.insert(name, revision);
            asked.granted += 1;
        }
    }

    /// As long as there is a lock whose head fits, the one with the least name is served; a head without a lease ends.
    fn serve(&mut self) {
        loop {
            let ready = self.locks.iter().find_map(|(name, lock)| {
                let head = *lock.queue.first()?;
                self.fits(name, self.asked[&head].share).then(|| (name.clone(), head))
            });
            let Some((name, head)) = ready else { return };
            if !self.leases.contains(&head.0) {
                self.end(head, true);
                continue;
            }
            // It may pass through the name now, as it has left the queue and nobody else has come.
            let lock = self.locks.get_mut(&name).unwrap();
            lock.queue.remove(0);
            lock.counters[0] += 1;
            lock.changed = self.revision;
            let asked = self.asked.get_mut(&head).unwrap();
            asked.held.insert(name, self.revision);
            asked.granted += 1;
            if !self.advance(head) {
                self.end(head, false);
            }
        }
    }

    fn end(&mut self, id: Id, expired: bool) {
        let Some(asked) = self.asked.remove(&id) else { return };
        self.changed = true;
        for lock in self.locks.values_mut() {
            lock.queue.retain(|other| *other != id);
        }
        for name in asked.held.keys() {
            let lock = self.locks.get_mut(name).unwrap();
            lock.changed = self.revision;
            lock.counters[2] += u64::from(expired);
        }
        self.forget_unused();
    }

    fn take_away(&mut self, id: Id, name: &str) {
        let asked = self.asked.get_mut(&id).unwrap();
        if asked.granted < asked.names.len() || asked.held.len() == 1 {
            return self.end(id, false);
        }
        self.changed = true;
        asked.held.remove(name);
        self.locks.get_mut(name).unwrap().changed = self.revision;
        self.forget_unused();
    }

    fn forget_unused(&mut self) {
        let held: BTreeSet<String> = self
            .asked
            .values()
            .flat_map(|asked| asked.held.keys().cloned())
            .collect();
        self.locks
            .retain(|name, lock| !lock.queue.is_empty() || held.contains(name));
    }

    fn force(&mut self, name: &str, token: Option<Revision>, reason: &str) -> LockReply {
        let mut holders = self.holders(name);
        holders.retain(|(_, own)| token.is_none_or(|token| token.0 == *own));
        for (id, _) in &holders {
            self.take_away(*id, name);
        }
        if let (Some((_, newest)), Some(lock)) = (holders.last(), self.locks.get_mut(name)) {
            lock.forced = Some((reason.to_owned(), *newest));
        }
        self.serve();
        LockReply::ForceReleased {
            holds: u32::try_from(holders.len()).unwrap(),
            more: false,
        }
    }

    fn holder(&self, hold: &Hold) -> Result<Id, LockRefusal> {
        let found = self.holders(&hold.lock).into_iter().find(|((lease, request), token)| {
            *lease == hold.lease.0 && *token == hold.token.0 && hold.request.is_none_or(|own| own == *request)
        });
        found.map(|(id, _)| id).ok_or_else(|| LockRefusal::NotHeld {
            lock: hold.lock.clone(),
            lease: hold.lease,
            token: hold.token,
        })
    }
}

fn unknown(number: u32, lease: u64) -> Rejection {
    LeaseRefusal::Unknown { lease: LeaseId(lease) }.of_operation(number)
}
