//! Starts and ends the streams as members come and go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::link::Link;
use super::pusher::{Pusher, Queues};
use super::queue::Queue;
use crate::consensus::Member;
use crate::consensus::network::{PeerNetwork, Roster};
use crate::eventual::Tier;
use crate::types::MemberId;

const INTERVAL: Duration = Duration::from_millis(100);

/// The sending half of replication at one member.
pub struct Replication {
    tier: Arc<Tier>,
    roster: Arc<Roster>,
    network: PeerNetwork,
    queues: Queues,
    links: BTreeMap<MemberId, (Member, JoinHandle<()>)>,
}

impl Replication {
    /// Nothing is sent yet.
    pub fn new(tier: Arc<Tier>, roster: Arc<Roster>, network: PeerNetwork) -> Self {
        Replication {
            tier,
            roster,
            network,
            queues: Queues::default(),
            links: BTreeMap::new(),
        }
    }

    /// Runs until the member ends, on the runtime of the caller.
    pub async fn run(mut self) {
        tokio::spawn(Pusher::new(Arc::clone(&self.tier), Arc::clone(&self.queues)).run());
        loop {
            self.follow_members();
            self.notice_caught_up();
            tokio::time::sleep(INTERVAL).await;
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
            .filter(|(id, (member, _))| members.get(id) != Some(member))
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
        let heard = peers.iter().filter(|peer| peer.freshness.here_us() != 0).count();
        if heard + 1 > members / 2 {
            self.tier.set_caught_up();
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
