//! What a relaxed cache says of the age of what it holds, and what it takes in.

use bytes::Bytes;
use quorate_proto::v1;

use super::entry::Cached;
use super::handle::UNBOUNDED;
use super::key::KeyRef;
use super::settings::{CacheSettings, Coherence};
use super::shared::Shared;
use super::stats::Miss;
use crate::record::Record;

use std::sync::Arc;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

fn relaxed() -> Shared {
    let settings = CacheSettings::new()
        .coherence(Coherence::Relaxed)
        .ttl(Duration::from_secs(600));
    Shared::new(settings, Arc::default())
}

/// A read of the key whose member said that its answer is so old.
fn read(cache: &Shared, staleness_ms: u64) {
    let fill = cache.begin_fill();
    let header = v1::ResponseHeader {
        revision: 7,
        ..Default::default()
    };
    let record = Record::default();
    cache.fill(fill, "", &Bytes::from("k"), &header, staleness_ms, Some(&record));
}

fn look(cache: &Shared, staleness_max: u64) -> Result<Cached, Miss> {
    cache.look_up(KeyRef::new("", b"k"), staleness_max)
}

#[test]
fn what_is_older_than_the_client_is_as_old_as_the_member_said() {
    let cache = relaxed();
    read(&cache, 600_000);
    assert_eq!(look(&cache, 30 * SECOND).unwrap_err(), Miss::TooOld);
    let found = look(&cache, 700 * SECOND).unwrap();
    let told = found.staleness();
    assert!((600..700).contains(&told.as_secs()), "{told:?}");
}

#[test]
fn what_is_of_no_known_age_keeps_to_no_bound() {
    let cache = relaxed();
    read(&cache, u64::MAX);
    assert_eq!(look(&cache, UNBOUNDED - 1).unwrap_err(), Miss::TooOld);
    assert_eq!(look(&cache, UNBOUNDED).unwrap().staleness(), Duration::MAX);
}

#[test]
fn the_pages_of_one_revision_are_as_old_as_the_first() {
    let cache = relaxed();
    let first = cache.begin_fill();
    std::thread::sleep(Duration::from_millis(20));
    let later = cache.begin_page(first);
    let header = v1::ResponseHeader {
        revision: 7,
        ..Default::default()
    };
    cache.fill(later, "", &Bytes::from("k"), &header, 0, None);
    assert!(look(&cache, UNBOUNDED).unwrap().staleness() >= Duration::from_millis(20));
    cache.clear();
    cache.fill(later, "", &Bytes::from("k"), &header, 0, None);
    assert_eq!(look(&cache, UNBOUNDED).unwrap_err(), Miss::Absent, "it was read before");
    cache.fill(cache.begin_page(first), "", &Bytes::from("k"), &header, 0, None);
    assert!(look(&cache, UNBOUNDED).is_ok());
}
