//! The other members, as this one sees them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use quorate_eventual::{ActorId, ActorIndex, Clock, SHARDS, ShardNumber};

use super::freshness::Freshness;
use super::heal::HealTracker;
use crate::types::MemberId;

/// One other member.
#[derive(Debug)]
pub struct Peer {
    /// Its id.
    pub member: MemberId,
    /// Its process; 0 until it has told.
    process: AtomicU64,
    /// How far it has this process's operations, by shard.
    acked: Box<[AtomicU64]>,
    /// What it is known to have, whoever wrote it, by shard. It may have more.
    known: Box<[Mutex<Clock>]>,
    /// How old what either has of the other may be.
    pub freshness: Freshness,
    /// This member's stream to it is open.
    sends: AtomicBool,
    /// Its stream to this member is open; counts them, so that the end of an old one is told from that of the newest.
    receives: AtomicU64,
    receiving: AtomicBool,
    /// What it got and what came from it.
    pub traffic: Traffic,
    /// What becomes of it after it could not be reached.
    pub heal: Mutex<HealTracker>,
}

/// What went to a peer, and what came from it.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Bytes of frames.
    pub sent_bytes: AtomicU64,
    /// Bytes of frames.
    pub received_bytes: AtomicU64,
    /// Shards of which it got what it lacked, outside of the order in which it was written.
    pub repaired_shards: AtomicU64,
    /// Of those, shards that went whole.
    pub whole_shards: AtomicU64,
    /// Frames whose checksum was wrong, or that made no sense.
    pub damaged_frames: AtomicU64,
}

impl Peer {
    fn new(member: MemberId) -> Self {
        Peer {
            member,
            process: AtomicU64::new(0),
            acked: (0..SHARDS).map(|_| AtomicU64::new(0)).collect(),
            known: (0..SHARDS).map(|_| Mutex::default()).collect(),
            freshness: Freshness::default(),
            sends: AtomicBool::new(false),
            receives: AtomicU64::new(0),
            receiving: AtomicBool::new(false),
            traffic: Traffic::default(),
            heal: Mutex::default(),
        }
    }

    /// Its process, if it has told.
    pub fn process(&self) -> Option<ActorId> {
        match self.process.load(Ordering::Acquire) {
            0 => None,
            process => Some(ActorId(process)),
        }
    }

    /// It says which process it is. What was known of another is forgotten: a new process has nothing of what the one before
    /// it had acknowledged, unless it says so.
    /// Returns whether another was known.
    pub fn is_process(&self, process: ActorId) -> bool {
        let before = self.process.swap(process.0, Ordering::AcqRel);
        if before == process.0 {
            return false;
        }
        for (acked, known) in self.acked.iter().zip(&self.known) {
            // What comes late of the process before looks at the process under the same lock.
            let mut known = known.lock();
            acked.store(0, Ordering::Release);
            *known = Clock::default();
        }
        self.freshness.reset();
        before != 0
    }

    /// How far it has this process's operations of the shard.
    pub fn acked(&self, shard: ShardNumber) -> u64 {
        self.acked[shard.index()].load(Ordering::Acquire)
    }

    /// The process `process` of it has the operations of this process, which is `me`, up to `number` of the shard.
    pub fn has(&self, process: ActorId, me: ActorIndex, shard: ShardNumber, number: u64) {
        let mut known = self.known[shard.index()].lock();
        if self.process() == Some(process) {
            self.acked[shard.index()].fetch_max(number, Ordering::AcqRel);
            known.advance(me, number);
        }
    }

    /// The process `process` of it has so much of the shard.
    pub fn has_clock(&self, process: ActorId, shard: ShardNumber, clock: &Clock) {
        let mut known = self.known[shard.index()].lock();
        if self.process() == Some(process) {
            known.merge(clock);
        }
    }

    /// The process `process` of it, which is `actor`, has its own operations of the shard at least up to `number`.
    pub fn has_own(&self, process: ActorId, actor: ActorIndex, shard: ShardNumber, number: u64) {
        let mut known = self.known[shard.index()].lock();
        if self.process() == Some(process) {
            known.advance(actor, number);
        }
    }

    /// What it is known to have of the shard. It may have more.
    pub fn known(&self, shard: ShardNumber) -> Clock {
        self.known[shard.index()].lock().clone()
    }

    /// It is known to have the actor's operations of the shard up to `number`.
    pub fn knows(&self, shard: ShardNumber, actor: ActorIndex, number: u64) -> bool {
        self.known[shard.index()].lock().get(actor) >= number
    }

    /// Both streams are open.
    pub fn is_connected(&self) -> bool {
        self.sends.load(Ordering::Acquire) && self.receiving.load(Ordering::Acquire)
    }

    /// This member's stream to it was opened or has ended.
    pub fn set_sends(&self, open: bool) {
        self.sends.store(open, Ordering::Release);
    }

    /// Its stream to this member was opened. Returns its number.
    pub fn begins_to_receive(&self) -> u64 {
        let number = self.receives.fetch_add(1, Ordering::AcqRel) + 1;
        self.receiving.store(true, Ordering::Release);
        number
    }

    /// Its stream of this number is the newest.
    pub fn is_newest(&self, number: u64) -> bool {
        self.receives.load(Ordering::Acquire) == number
    }

    /// Its stream of this number has ended.
    pub fn ends_receiving(&self, number: u64) {
        if self.is_newest(number) {
            self.receiving.store(false, Ordering::Release);
        }
    }
}

/// Every other member. One that was removed is forgotten.
///
/// A process that has just started knows nobody, or only those who have called already. Until it has read who the members
/// are, nothing can be said of all of them.
#[derive(Debug, Default)]
pub struct Peers {
    peers: RwLock<BTreeMap<MemberId, Arc<Peer>>>,
    complete: AtomicBool,
}

impl Peers {
    /// The peer of this id.
    pub fn get(&self, member: MemberId) -> Option<Arc<Peer>> {
        self.peers.read().get(&member).cloned()
    }

    /// The peer of this id, which is made if it was not known.
    pub fn get_or_add(&self, member: MemberId) -> Arc<Peer> {
        if let Some(peer) = self.get(member) {
            return peer;
        }
        let mut peers = self.peers.write();
        Arc::clone(peers.entry(member).or_insert_with(|| Arc::new(Peer::new(member))))
    }

    /// Every peer, by id.
    pub fn all(&self) -> Vec<Arc<Peer>> {
        self.peers.read().values().cloned().collect()
    }

    /// Every member is among them, or is this one.
    pub fn are_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// See [`Peers::are_complete`].
    pub fn set_complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// It holds for every other member. Of members that are not known yet nothing holds.
    pub fn all_are(&self, mut holds: impl FnMut(&Peer) -> bool) -> bool {
        self.are_complete() && self.peers.read().values().all(|peer| holds(peer))
    }

    /// Forgets all but these.
    pub fn keep_only(&self, keep: impl Fn(MemberId) -> bool) {
        self.peers.write().retain(|member, _| keep(*member));
    }

    /// How many peers are known to have the actor's operations of the shard up to `number`.
    pub fn having_of(&self, shard: ShardNumber, actor: ActorIndex, number: u64) -> usize {
        let peers = self.peers.read();
        peers.values().filter(|peer| peer.knows(shard, actor, number)).count()
    }

    /// Every peer, to ask them all for much. None if there are none, or if there may be others.
    pub fn everybody(&self) -> Option<Vec<Arc<Peer>>> {
        self.are_complete()
            .then(|| self.all())
            .filter(|peers| !peers.is_empty())
    }

    /// Every peer has this process's operations of the shard up to this number.
    pub fn acked_by_all(&self, shard: ShardNumber) -> u64 {
        if !self.are_complete() {
            return 0;
        }
        let peers = self.peers.read();
        peers.values().map(|peer| peer.acked(shard)).min().unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: ActorIndex = ActorIndex(0);

    #[test]
    fn what_a_process_acknowledged_is_not_said_of_the_next() {
        let peers = Peers::default();
        let peer = peers.get_or_add(2);
        let Some(shard) = ShardNumber::new(7) else { panic!() };
        peer.is_process(ActorId(10));
        peer.has(ActorId(10), ME, shard, 5);
        assert_eq!(peers.having_of(shard, ME, 5), 1);
        assert!(peers.everybody().is_none(), "there may be others");
        peer.is_process(ActorId(11));
        assert_eq!(peer.acked(shard), 0);
        peer.has(ActorId(10), ME, shard, 6);
        assert_eq!(
            peers.having_of(shard, ME, 1),
            0,
            "an answer of the process before came late"
        );
        peer.has(ActorId(11), ME, shard, 6);
        assert_eq!(peers.acked_by_all(shard), 0, "there may be others");
        peers.set_complete();
        assert_eq!(peers.acked_by_all(shard), 6);
    }

    #[test]
    fn of_members_that_are_not_known_yet_nothing_holds() {
        let peers = Peers::default();
        assert!(peers.everybody().is_none() && !peers.all_are(|_| true));
        peers.get_or_add(2);
        assert!(peers.everybody().is_none(), "one of them has called");
        peers.set_complete();
        let Some(shard) = ShardNumber::new(7) else { panic!() };
        let Some(everybody) = peers.everybody() else { panic!() };
        assert_eq!(everybody.len(), 1);
        assert!(everybody[0].knows(shard, ME, 0) && !everybody[0].knows(shard, ME, 1));
    }

    #[test]
    fn the_end_of_an_old_stream_is_not_that_of_the_newest() {
        let peer = Peer::new(2);
        peer.set_sends(true);
        let old = peer.begins_to_receive();
        let newest = peer.begins_to_receive();
        peer.ends_receiving(old);
        assert!(peer.is_connected());
        peer.ends_receiving(newest);
        assert!(!peer.is_connected());
    }
}
