//! What a cache makes of what its stream brings.

use std::sync::Arc;

use prost::Message;
use quorate_proto::v1;
use quorate_proto::v1::watch_event::Event;
use quorate_proto::v1::watch_request::Request;

use super::entry::Entry;
use super::holds::Settled;
use super::key::CacheKey;
use super::lane::{Lane, Stay, Writer, lost, protocol};
use super::settings::Coherence;
use super::shared::Shared;
use crate::error::{Error, Outcome};
use crate::record::Record;
use crate::watch::{CacheWatcher, Delivery, Departure};

/// One lane of a cache, as its stream sees it.
pub(super) struct Watcher {
    cache: Arc<Shared>,
    coherence: Coherence,
}

impl Watcher {
    /// None: nothing keeps such entries true.
    pub(super) fn new(cache: &Arc<Shared>, coherence: Coherence) -> Option<Self> {
        cache.lane(coherence)?;
        Some(Self {
            cache: Arc::clone(cache),
            coherence,
        })
    }

    /// What `act` makes of it while it is served; an error sends it away.
    fn while_served(&self, act: impl FnOnce(&Lane, &mut Writer) -> Result<(), Departure>) -> bool {
        let Some(lane) = self.cache.lane(self.coherence) else {
            return false;
        };
        let mut writer = lane.writer.lock();
        let acted = match writer.stay {
            Stay::Served { .. } => act(lane, &mut writer),
            Stay::Asked { .. } => Err(Departure::Refused(protocol(
                "something came before the watch was created",
            ))),
            Stay::Nowhere | Stay::Left(_) => return false,
        };
        match acted {
            Ok(()) => {
                lane.publish(&mut writer, &self.cache.seen);
                true
            }
            Err(departure) => {
                lane.leave(&mut writer, departure);
                false
            }
        }
    }

    fn take(&self, writer: &mut Writer, revision: u64, event: v1::KeyEvent) {
        let domain = self.cache.intern(&event.domain);
        if self.cache.settings.coherence_in(&domain) != self.coherence {
            return;
        }
        let is_put = event.kind() == v1::KeyEventKind::Put;
        let Some(record) = event.record else { return };
        let key = CacheKey::new(&domain, &record.key);
        let record = is_put.then(|| Record::from(record));
        let entry = Arc::new(Entry::new(
            &key.key,
            record,
            revision,
            (0, self.cache.expiry()),
            writer.member,
            self.coherence,
        ));
        if let Some(Settled::Keep(key, entry)) = writer.holds.event(&key, entry) {
            self.cache.change(key, entry);
        }
    }

    fn start(&self, lane: &Lane, writer: &mut Writer, created: &v1::WatchCreated) -> Result<(), Departure> {
        let Stay::Asked { watch_id, seen } = writer.stay else {
            return Err(Departure::Refused(protocol("the watch of a cache was created twice")));
        };
        let header = created.header.unwrap_or_default();
        let origin = (header.cluster_id, header.store_epoch);
        if (seen.0 == origin.1 && created.revision < seen.1) || origin.1 < seen.0 {
            let message = format!(
                "a watch was started at revision {}, before {}",
                created.revision, seen.1
            );
            return Err(Departure::Lost(protocol(message)));
        }
        let lease = match lane.coherence {
            Coherence::Strong if created.lease_ms == 0 => {
                return Err(Departure::Refused(protocol("the lease of a coherent cache is missing")));
            }
            Coherence::Strong => created.lease_ms.saturating_mul(1_000_000),
            Coherence::Eventual | Coherence::Relaxed => 0,
        };
        if writer.origin.is_some_and(|known| known != origin) {
            self.cache.drop_all_of(self.coherence);
        }
        writer.stay = Stay::Served { watch_id };
        writer.origin = Some(origin);
        writer.member = header.member_id;
        writer.position = created.revision;
        writer.proven = 0;
        writer.lease = lease;
        writer.trouble = None;
        self.cache.sweep(lane, writer);
        for (key, entry) in self.cache.entries_of(self.coherence) {
            if !writer.holds.carry(&key, entry) {
                self.cache.settle(Settled::Drop(key));
            }
        }
        Ok(())
    }
}

impl CacheWatcher for Watcher {
    fn created(&self, created: &v1::WatchCreated) -> bool {
        let Some(lane) = self.cache.lane(self.coherence) else {
            return false;
        };
        let mut writer = lane.writer.lock();
        if let Err(departure) = self.start(lane, &mut writer, created) {
            lane.leave(&mut writer, departure);
            return false;
        }
        lane.publish(&mut writer, &self.cache.seen);
        drop(writer);
        lane.work.notify_one();
        lane.quiet.notify_waiters();
        true
    }

    fn events(&self, delivery: &Delivery, replies: &mut Vec<Request>) -> bool {
        self.while_served(|lane, writer| {
            if delivery.revision <= writer.position {
                let (came, position) = (delivery.revision, writer.position);
                let message = format!("revision {came} came to a cache that was at {position}");
                return Err(Departure::Refused(protocol(message)));
            }
            self.cache.sweep(lane, writer);
            for encoded in &delivery.events {
                let decoded = v1::WatchEvent::decode(encoded.clone());
                let event = decoded
                    .map_err(|error| Departure::Refused(protocol(format!("an event cannot be read: {error}"))))?;
                if let Some(Event::Key(event)) = event.event {
                    self.take(writer, delivery.revision, event);
                }
            }
            if delivery.more {
                return Ok(());
            }
            writer.position = delivery.revision;
            if let (Coherence::Strong, Stay::Served { watch_id }) = (lane.coherence, &writer.stay) {
                replies.push(Request::CacheApplied(v1::CacheApplied {
                    watch_id: *watch_id,
                    revision: delivery.revision,
                }));
            }
            Ok(())
        })
    }

    fn mark(&self, probe_id: u64, revision: u64) -> bool {
        self.while_served(|lane, writer| {
            writer.position = writer.position.max(revision);
            if let Some(asked_at) = writer.pace.answered(probe_id) {
                writer.proven = writer.proven.max(asked_at);
                lane.work.notify_one();
            }
            Ok(())
        })
    }

    fn probe_failed(&self, probe_id: u64) -> bool {
        let Some(lane) = self.cache.lane(self.coherence) else {
            return false;
        };
        let failed = lane.writer.lock().pace.failed(probe_id, self.cache.now());
        if failed {
            lane.work.notify_one();
        }
        failed
    }

    fn keys_changed(&self, changed: &v1::CacheKeysChanged) -> bool {
        self.while_served(|lane, writer| {
            let mut settled = Vec::new();
            if let Some(error) = &changed.error {
                if let Some(domain) = writer.holds.refused(changed.change_id, &mut settled) {
                    writer.refuse(domain.to_string(), self.cache.now());
                }
                writer.trouble = Some(Error::of_reply(error.clone()).with_outcome(Outcome::NotAMutation));
            } else {
                writer.position = writer.position.max(changed.revision);
                let (change_id, revision) = (changed.change_id, changed.revision);
                writer.holds.changed(change_id, revision, &changed.differ, &mut settled);
            }
            let dropped = |settled: &Settled| match settled {
                Settled::Drop(key) => Some(key.clone()),
                Settled::Keep(..) => None,
            };
            let dropped: Vec<CacheKey> = settled.iter().filter_map(dropped).collect();
            for settled in settled {
                self.cache.settle(settled);
            }
            // Only now: a key that had no entry for long may have got one of this very answer.
            for key in dropped {
                let old = writer.holds.found_empty(&key, self.cache.empty_max());
                if let Some(old) = old.filter(|old| !self.cache.store.holds(old)) {
                    writer.holds.remove(&old);
                }
            }
            self.cache.sweep(lane, writer);
            lane.work.notify_one();
            if writer.holds.is_quiet() {
                lane.quiet.notify_waiters();
            }
            Ok(())
        })
    }

    fn invalidate(&self, what: &v1::CacheSelector) {
        self.cache.invalidate(what);
    }

    fn left(&self, watch_id: u64, departure: Departure) {
        if let Some(lane) = self.cache.lane(self.coherence) {
            lane.left(watch_id, departure);
        }
    }
}

/// Nobody is to serve it for now.
pub(super) fn nowhere() -> Departure {
    Departure::Lost(lost("every endpoint failed a moment ago, none is tried right now"))
}
