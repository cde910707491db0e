//! Starts and ends the streams as members come and go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};

use super::ask::AskPeers;
use super::link::Link;
use super::pusher::{Pusher, Queues};
use super::queue::Queue;
use crate::consensus::Member;
use crate::consensus::network::{PeerNetwork, Roster};
use crate::eventual::{Peer, Tier, WaitFor};
use crate::types::MemberId;

const INTERVAL: Duration = Duration::from_millis(100);
/// A majority that has just started waits so long for one that has not.
const ALONE_TOGETHER: Duration = Duration::from_secs(2);
/// What others had when the process of a peer had ended comes within this, or is asked for again.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// The sending half of replication at one member.
pub struct Replication {
    tier: Arc<Tier>,
    roster: Arc<Roster>,
    network: PeerNetwork,
    queues: Queues,
    links: BTreeMap<MemberId, (Member, JoinHandle<()>)>,
    /// When it began, on the monotonic clock.
    began: Duration,
}

impl Replication {
    /// Nothing is sent yet.
    pub fn new(tier: Arc<Tier>, roster: Arc<Roster>, network: PeerNetwork) -> Self {
        Replication {
            began: tier.monotonic(),
            tier,
            roster,
            network,
            queues: Queues::default(),
            links: BTreeMap::new(),
        }
    }

    /// Runs until the member ends, on the runtime of the caller.
    pub async fn run(mut self) {
        // They end with this: what sends must not outlive what decides to whom.
        let mut tasks = JoinSet::new();
        tasks.spawn(Pusher::new(Arc::clone(&self.tier), Arc::clone(&self.queues)).run());
        let ask = AskPeers::new(Arc::clone(&self.roster), self.network.clone());
        tasks.spawn(check_processes(Arc::clone(&self.tier), ask));
        loop {
            self.follow_members();
            self.notice_caught_up();
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                // Neither ends by itself: it has failed, and the member is told by the end of this.
                _ = tasks.join_next() => return,
            }
        }
    }

    fn follow_members(&mut self) {
        let members = self.roster.members();
        let me = self.roster.me().member;
        if self.roster.cluster_id() == 0 {
            return;
        }
        let gone: Vec<MemberId> = self
            .links
            .iter()
            .filter(|(id, (member, task))| members.get(id) != Some(member) || task.is_finished())
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            if let Some((_, task)) = self.links.remove(&id) {
                task.abort();
            }
            if let Some(queue) = self.queues.write().remove(&id) {
                queue.close();
            }
        }
        self.tier.peers.keep_only(|id| members.contains_key(&id));
        for (id, member) in members.iter().filter(|(id, _)| **id != me) {
            if !self.links.contains_key(id) {
                let link = self.link(*id, member);
                self.links.insert(*id, (member.clone(), tokio::spawn(link.run())));
            }
        }
        if members.contains_key(&me) && !self.tier.peers.are_complete() {
            self.tier.peers.set_complete();
            // Alone, nobody else wakes who waits.
            self.tier.heard_something();
        }
    }

    fn link(&self, id: MemberId, member: &Member) -> Link {
        let queue = Arc::new(Queue::new(self.tier.options.queue_bytes_max));
        self.queues.write().insert(id, Arc::clone(&queue));
        Link {
            tier: Arc::clone(&self.tier),
            roster: Arc::clone(&self.roster),
            network: self.network.clone(),
            member: member.clone(),
            peer: self.tier.peers.get_or_add(id),
            queue,
        }
    }

    /// This process has what there was when it started once it has everything of one member that has all of that, see
    /// `receive.rs`. Where all have just started there is none: then a majority together is taken to have it. What every
    /// member had could be missing only if that majority lost it at the same time.
    fn notice_caught_up(&self) {
        let members = self.roster.members().len();
        if self.tier.is_caught_up() || !self.tier.peers.are_complete() {
            return;
        }
        let peers = self.tier.peers.all();
        let has_been_heard = |peer: &Arc<Peer>| peer.freshness.here_us() != 0;
        let heard = peers.iter().filter(|peer| has_been_heard(peer)).count();
        let waits = peers.iter().any(|peer| peer.is_connected() && !has_been_heard(peer));
        // One that has everything may be about to connect.
        let has_waited = self.tier.monotonic() > self.began + ALONE_TOGETHER;
        if heard == peers.len() || (heard + 1 > members / 2 && !waits && has_waited) {
            self.tier.set_caught_up();
        }
    }
}

/// After the process of a peer has ended: whoever is left may have got more of it than this member.
async fn check_processes(tier: Arc<Tier>, ask: AskPeers) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(ended) = tier.processes_to_check() else {
            continue;
        };
        let wait = WaitFor::new(&tier, CHECK_TIMEOUT);
        let mut is_here = true;
        for (_, clocks) in ask.all_clocks(&tier).await {
            // One that cannot be reached is not heard of either, and the age cannot be told for that reason.
            if let Some(clocks) = clocks {
                is_here &= wait.clocks(&clocks).await.is_ok();
            }
        }
        if is_here {
            tier.processes_are_checked(ended);
        }
    }
}

impl Drop for Replication {
    fn drop(&mut self) {
        for (_, task) in self.links.values() {
            task.abort();
        }
    }
}
