//! The log, the store and the disk that they are on.

use std::sync::atomic::Ordering;

use super::super::site::Observed;
use crate::config::NodeConfig;
use crate::metrics::{self as table, Page};

pub(super) fn put(page: &mut Page, observed: &Observed, config: &NodeConfig) {
    let log = observed.log.metrics();
    page.timed(table::LOG_SYNC_SECONDS, &[], log.syncs.read());
    page.number(table::LOG_WRITTEN_BYTES, &[], log.bytes.load(Ordering::Relaxed));
    page.number(table::LOG_DISK_BYTES, &[], observed.log.disk_bytes());
    let engine = observed.store.engine();
    page.number(table::DATABASE_BYTES, &[], engine.disk_bytes());
    let blocks = engine.block_reads();
    page.number(table::BLOCK_CACHE_HITS, &[], blocks.hits);
    page.number(table::BLOCK_CACHE_MISSES, &[], blocks.misses);
    page.number(table::DISK_FREE_BYTES, &[], observed.space.free_bytes());
    page.number(table::DISK_RESERVE_BYTES, &[], config.storage.space_reserve_bytes);
}
