//! The task of one subscription: makes a message when the client has read the one before.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1::WatchMark;

use super::event::{Absent, event};
use super::subscription::{News, Subscription};
use super::walk::Walk;
use crate::eventual::Tier;
use crate::types::Revision;
use crate::watch::hub::Hub;
use crate::watch::outbox::Delivery;
use crate::watch::watches::WatchKey;

/// What changed makes up so much of a message, at most one event more.
const CHANGES_BYTES: usize = 256 << 10;
/// And what there is, while that is told, as much again.
const WALK_BYTES: usize = 256 << 10;
/// Shards that are looked through for a message.
const LOOKS: usize = 16;
/// Where the outboxes of all streams are full nobody says when they are not.
const FULL_RETRY: Duration = Duration::from_millis(100);

/// Delivers what a subscription finds.
pub(in crate::watch) struct Deliverer {
    hub: Arc<Hub>,
    tier: Arc<Tier>,
    watch: WatchKey,
    subscription: Arc<Subscription>,
    walk: Walk,
    /// The walk has to be told to be over.
    walking: bool,
}

/// How it stands with the outbox.
pub(in crate::watch) enum Place {
    /// The client has read everything.
    Read,
    /// It has not.
    Full,
    /// The watch is over.
    Gone,
}

impl Deliverer {
    /// `existing`: begins with what there is.
    pub(in crate::watch) fn new(
        hub: Arc<Hub>,
        tier: Arc<Tier>,
        watch: WatchKey,
        subscription: Arc<Subscription>,
        existing: bool,
    ) -> Self {
        let (durable, volatile) = subscription.spec.durability();
        let mut walk = Walk::new(durable, volatile);
        if existing {
            walk.go_round();
        }
        Self {
            hub,
            tier,
            watch,
            subscription,
            walk,
            walking: existing,
        }
    }

    /// Ends with the subscription.
    pub(in crate::watch) async fn run(mut self) {
        loop {
            let news = self.subscription.news();
            match news {
                News::Over => return,
                News::Nothing if !self.walking => {
                    self.subscription.told().notified().await;
                    continue;
                }
                News::Missed => {
                    self.mark(true);
                    self.walk.go_round();
                    self.walking = true;
                }
                News::Nothing | News::Changes => {}
            }
            if !self.until_read().await {
                return;
            }
            let events = self.events();
            if !self.send(events).await {
                return;
            }
            if self.walking && self.walk.is_over() {
                self.walking = false;
                self.mark(false);
            }
            tokio::task::consume_budget().await;
        }
    }

    /// What goes into one message: some of what changed, then some of what there is.
    fn events(&mut self) -> Vec<Bytes> {
        let (tier, spec) = (&self.tier, &self.subscription.spec);
        let (mut events, mut bytes) = (Vec::new(), 0);
        while bytes < CHANGES_BYTES
            && let Some(changed) = self.subscription.take()
        {
            let event = event(tier, spec, &changed, Absent::Told);
            bytes += event.as_ref().map_or(0, Bytes::len);
            events.extend(event);
        }
        let (mut bytes, mut looks) = (0, LOOKS);
        while bytes < WALK_BYTES
            && let Some(found) = self.walk.next(tier, spec, &mut looks)
        {
            let event = event(tier, spec, &found, Absent::Skipped);
            bytes += event.as_ref().map_or(0, Bytes::len);
            events.extend(event);
        }
        events
    }

    /// Waits until the client has read what was sent; false when the watch is over.
    async fn until_read(&self) -> bool {
        loop {
            let told = self.subscription.told().notified();
            match self.hub.place_of(self.watch) {
                Place::Read => return true,
                Place::Gone => return false,
                Place::Full => told.await,
            }
        }
    }

    /// False when the watch is over.
    async fn send(&self, events: Vec<Bytes>) -> bool {
        if events.is_empty() {
            return true;
        }
        let delivery = Arc::new(Delivery::new(Revision(0), self.tier.wall_ms(), events));
        loop {
            let told = self.subscription.told().notified();
            match self.hub.offer(self.watch, &delivery) {
                Place::Read => return true,
                Place::Gone => return false,
                Place::Full => {
                    let _ = tokio::time::timeout(FULL_RETRY, told).await;
                }
            }
        }
    }

    fn mark(&self, again: bool) {
        self.hub.mark_latest(self.watch, |header, id| WatchMark {
            header: Some(header),
            watch_ids: vec![id],
            again,
            ..WatchMark::default()
        });
    }
}
