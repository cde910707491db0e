//! The watches of caches: keys that come and go, and what is to be dropped.

use quorate_proto::v1;
use quorate_proto::v1::watch_message::Message;

use super::watch::{Broken, Serving};

impl Serving {
    /// What this member has applied.
    pub(super) fn applied(&self) -> u64 {
        let newest = self.shared.store.lock().revision;
        let applied_max = self.shared.watches.lock().applied_max;
        applied_max.map_or(newest, |max| max.min(newest))
    }

    pub(super) async fn name_keys(&mut self, named: v1::CacheKeys) -> Result<(), Broken> {
        // Everything that was routed before the keys are added is told before the answer.
        self.pump().await?;
        let applied = self.applied();
        let mut changed = v1::CacheKeysChanged {
            header: self.shared.store.lock().header(),
            watch_id: named.watch_id,
            change_id: named.change_id,
            revision: applied,
            ..Default::default()
        };
        let (mute, refusal) = {
            let mut script = self.shared.watches.lock();
            let refusal = if named.added.is_empty() {
                None
            } else {
                script.refuse_keys.pop_front()
            };
            (script.mute_keys, refusal)
        };
        if refusal.is_some() {
            changed.error = refusal;
            return self.send(Message::CacheKeysChanged(changed)).await;
        }
        let Some(watcher) = self.watchers.get_mut(&named.watch_id) else {
            return Ok(());
        };
        assert!(
            named.added.len() + named.removed.len() <= 4_096,
            "too many keys in a request"
        );
        for removed in &named.removed {
            watcher.keys.remove(&(named.domain.clone(), removed.clone()));
        }
        for (index, added) in (0..).zip(&named.added) {
            watcher.keys.insert((named.domain.clone(), added.key.clone()));
            let there = self.shared.store.lock().mod_revision_at(&added.key, applied);
            if there != added.mod_revision {
                changed.differ.push(index);
            }
        }
        if mute {
            return Ok(());
        }
        self.send(Message::CacheKeysChanged(changed)).await
    }

    pub(super) async fn invalidate(&mut self, invalidation_id: u64, what: v1::CacheSelector) -> Result<(), Broken> {
        let caches = self
            .watchers
            .iter()
            .filter(|(_, watcher)| watcher.create.cache.is_some());
        let watch_ids: Vec<u64> = caches.map(|(watch_id, _)| *watch_id).collect();
        if watch_ids.is_empty() {
            return Ok(());
        }
        self.send(Message::CacheInvalidate(v1::CacheInvalidate {
            watch_ids,
            invalidation_id,
            what: Some(what),
        }))
        .await
    }
}
