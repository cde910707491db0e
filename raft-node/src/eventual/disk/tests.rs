use std::fs;
use std::path::Path;

use quorate_eventual::row::{entry_key, head_key};
use quorate_eventual::{Action, Place, Space};

use super::*;
use crate::eventual::testing::{self, exchange, states, tier};
use crate::storage::EntryBatch;

const CLUSTER: u64 = 77;

fn open(directory: &Path, id: u64) -> (Arc<Tier>, Disk, Loaded) {
    let tier = tier(id);
    let (disk, loaded) = Disk::open(directory, CLUSTER, &tier, &DomainTable::default()).unwrap();
    (tier, disk, loaded)
}

fn place(name: &str) -> Place {
    testing::place(7, Space::Register, name)
}

fn put(tier: &Tier, name: &str, value: &str) {
    testing::write(tier, &place(name), false, testing::value(value), 0);
}

fn delete(tier: &Tier, name: &str) {
    testing::write(tier, &place(name), false, Action::Delete, 0);
}

fn get(tier: &Tier, name: &str) -> Option<String> {
    let place = place(name);
    let held = tier.store.lock(place.shard(false)).read(&place, tier.wall_ms());
    let (_, sibling) = held.siblings.first()?;
    Some(String::from_utf8_lossy(sibling.value.bytes()).into_owned())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "LOCK" {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_restarted_member_has_what_was_flushed_and_nothing_volatile() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("eventual");
    let (before, disk, loaded) = open(&directory, 1);
    assert_eq!((loaded.entries, loaded.shards_dropped), (0, 0));
    for number in 0..1_000 {
        put(&before, &format!("key-{number}"), "value");
    }
    for number in 0..100 {
        delete(&before, &format!("key-{number}"));
    }
    testing::write(&before, &place("worker-1"), true, testing::value("beat"), 0);
    disk.flush(&before).unwrap();
    put(&before, "key-500", "after the flush");
    drop(disk);

    let (after, _disk, loaded) = open(&directory, 2);
    assert_eq!((loaded.entries, loaded.shards_dropped), (900, 0));
    assert_eq!(get(&after, "key-50"), None);
    assert_eq!(get(&after, "key-500"), Some("value".to_owned()));
    let changed = place("key-500").shard(false).index();
    for (number, (was, is)) in states(&before).iter().zip(states(&after)).take(ALL_SHARDS).enumerate() {
        assert_eq!(number == changed, *was != is, "shard {number}");
    }
    let volatile = place("worker-1").shard(true);
    assert_eq!(after.store.lock(volatile).len(), 0);
    assert_eq!(after.store.lock(volatile).clock().iter().count(), 0);
}

#[test]
fn a_process_that_never_wrote_keeps_what_the_one_before_it_had_across_starts() {
    let scratch = tempfile::tempdir().unwrap();
    let (first, disk, _) = open(scratch.path(), 1);
    put(&first, "key", "value");
    disk.close(&first).unwrap();
    drop(disk);
    for id in 2..5 {
        let (tier, disk, loaded) = open(scratch.path(), id);
        assert_eq!(loaded.entries, 1);
        assert_eq!(states(&tier), states(&first));
        disk.close(&tier).unwrap();
    }
}

/// The log of the store is cut at many places, as a machine without power leaves it.
#[test]
fn wherever_the_log_was_cut_each_shard_is_as_it_was_at_some_flush() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("eventual");
    let (tier, disk, _) = open(&directory, 1);
    let mut at_flush = vec![states(&tier)];
    for round in 0..12 {
        for number in 0..20 {
            put(
                &tier,
                &format!("key-{}", (number * 7 + round) % 30),
                &format!("round {round}"),
            );
        }
        delete(&tier, &format!("key-{round}"));
        disk.flush(&tier).unwrap();
        at_flush.push(states(&tier));
    }
    disk.sync().unwrap();
    let log = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "log"))
        .unwrap();
    let length = fs::metadata(&log).unwrap().len();
    let mut seen = std::collections::BTreeSet::new();
    for cut in 0..40 {
        let cut_at = length * cut / 39;
        let crashed = scratch.path().join(format!("crashed-{cut}"));
        copy(&directory, &crashed);
        let file = fs::OpenOptions::new()
            .write(true)
            .open(crashed.join(log.file_name().unwrap()))
            .unwrap();
        file.set_len(cut_at).unwrap();
        let (after, _disk, loaded) = open(&crashed, 2);
        assert_eq!(loaded.shards_dropped, 0, "cut at {cut_at}");
        for (number, state) in states(&after).iter().enumerate() {
            let was = at_flush.iter().any(|states| states[number] == *state);
            assert!(was, "shard {number} cut at {cut_at} is as it never was");
        }
        seen.insert(loaded.entries);
        exchange(&tier, &after);
        assert_eq!(states(&after), at_flush[12], "nothing that was deleted came back");
    }
    assert!(seen.len() > 5, "the log was cut in the middle: {seen:?}");
}

/// Changes a row behind the back of the shard.
fn flip(directory: &Path, key: &[u8], bit: usize) {
    let store = EntryStore::open(directory).unwrap();
    let mut row = store.get(key).unwrap().unwrap();
    let length = row.len();
    row[bit / 8 % length] ^= 1 << (bit % 8);
    let mut batch = EntryBatch::default();
    batch.put(key, &row);
    store.write(batch).unwrap();
}

#[test]
fn a_shard_with_a_flipped_bit_starts_empty_and_comes_back_from_a_peer() {
    let names: Vec<String> = (0..600).map(|number| format!("key-{number}")).collect();
    for (flipped, bit) in [("head", 100), ("entry", 99), ("entry", 0)] {
        let scratch = tempfile::tempdir().unwrap();
        let (before, disk, _) = open(scratch.path(), 1);
        for name in &names {
            put(&before, name, "value");
        }
        disk.close(&before).unwrap();
        drop(disk);
        let shard = place(&names[0]).shard(false);
        let key = match flipped {
            "head" => head_key(shard),
            _ => entry_key(shard, place(&names[0]).bytes()),
        };
        flip(scratch.path(), &key, bit);

        let lost = before.store.lock(shard).len() as u64;
        let (after, disk, loaded) = open(scratch.path(), 2);
        assert_eq!((loaded.entries, loaded.shards_dropped), (600 - lost, 1), "{flipped}");
        assert_eq!(after.store.lock(shard).len(), 0);
        assert_eq!(
            after.store.lock(shard).clock().iter().count(),
            0,
            "its clock covers nothing"
        );
        // The rows are gone, too: with what is written now, they would look whole again.
        disk.close(&after).unwrap();
        drop(disk);
        let (again, disk, loaded) = open(scratch.path(), 3);
        assert_eq!((loaded.entries, loaded.shards_dropped), (600 - lost, 0), "{flipped}");
        exchange(&before, &again);
        assert_eq!(get(&again, &names[0]), Some("value".to_owned()));
        disk.close(&again).unwrap();
        drop(disk);
        assert_eq!(open(scratch.path(), 4).2.entries, 600);
    }
}

#[test]
fn a_file_that_cannot_be_read_costs_its_shards_and_the_store_is_made_anew() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("eventual");
    let (before, disk, _) = open(&directory, 1);
    for number in 0..20_000 {
        put(
            &before,
            &format!("key-{number}"),
            &format!("a value of some length {number}"),
        );
    }
    disk.close(&before).unwrap();
    drop(disk);
    // What the log has becomes a file when it is opened again.
    drop(EntryStore::open(&directory).unwrap());
    let file = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "sst"))
        .unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();

    let (after, disk, loaded) = open(&directory, 2);
    assert!((1..=3).contains(&loaded.shards_dropped), "{loaded:?}");
    assert!(loaded.entries > 19_000, "{loaded:?}");
    assert!(scratch.path().join("eventual.damaged").is_dir());
    assert!(!scratch.path().join("eventual.new").exists());
    exchange(&before, &after);
    disk.close(&after).unwrap();
    drop(disk);
    let (_, _disk, loaded) = open(&directory, 3);
    assert_eq!((loaded.entries, loaded.shards_dropped), (20_000, 0));
}

#[test]
fn a_store_that_cannot_be_opened_is_put_aside_and_everything_comes_from_a_peer() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("eventual");
    let (before, disk, _) = open(&directory, 1);
    put(&before, "key", "value");
    disk.close(&before).unwrap();
    drop(disk);
    fs::write(directory.join("CURRENT"), b"no manifest of this name\n").unwrap();
    let (after, _disk, loaded) = open(&directory, 2);
    assert_eq!((loaded.entries, loaded.shards_dropped), (0, ALL_SHARDS));
    exchange(&before, &after);
    assert_eq!(get(&after, "key"), Some("value".to_owned()));
}

#[test]
fn a_new_store_that_was_complete_takes_its_place_after_a_crash_and_one_that_was_not_goes() {
    let scratch = tempfile::tempdir().unwrap();
    let (directory, new) = (scratch.path().join("eventual"), scratch.path().join("eventual.new"));
    let (tier, disk, _) = open(&new, 1);
    put(&tier, "key", "value");
    disk.close(&tier).unwrap();
    drop(disk);
    drop(open(&directory, 2));
    assert!(
        !new.exists(),
        "the old one was still there, so the new one was not complete"
    );
    fs::rename(&directory, &new).unwrap();
    drop(open(&directory, 3));
    assert!(directory.is_dir() && !new.exists());
}

#[test]
fn a_wiped_member_gets_everything_and_its_new_writes_count() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("eventual");
    let peer = tier(9);
    let (before, disk, _) = open(&directory, 1);
    put(&before, "key", "old");
    exchange(&before, &peer);
    disk.close(&before).unwrap();
    drop(disk);
    fs::remove_dir_all(&directory).unwrap();
    let (after, _disk, loaded) = open(&directory, 2);
    assert_eq!(loaded.entries, 0);
    put(&after, "other", "written before the join");
    exchange(&after, &peer);
    assert_eq!(get(&peer, "other"), Some("written before the join".to_owned()));
    assert_eq!(get(&after, "key"), Some("old".to_owned()));
}

#[test]
fn an_older_copy_of_the_directory_brings_nothing_back_and_loses_nothing_new() {
    let scratch = tempfile::tempdir().unwrap();
    let (directory, older) = (scratch.path().join("eventual"), scratch.path().join("older"));
    let peer = tier(9);
    let (before, disk, _) = open(&directory, 1);
    for name in ["deleted", "changed", "kept"] {
        put(&before, name, "first");
    }
    exchange(&before, &peer);
    disk.close(&before).unwrap();
    copy(&directory, &older);
    delete(&before, "deleted");
    put(&before, "changed", "second");
    put(&before, "late", "after the copy");
    exchange(&before, &peer);
    disk.close(&before).unwrap();
    drop(disk);

    let (after, _disk, loaded) = open(&older, 2);
    assert_eq!(loaded.entries, 3);
    // Written by a member that does not know yet how old its copy is.
    put(&after, "kept", "by the new process");
    exchange(&after, &peer);
    for tier in [&after, &peer] {
        assert_eq!(get(tier, "deleted"), None);
        assert_eq!(get(tier, "changed"), Some("second".to_owned()));
        assert_eq!(get(tier, "late"), Some("after the copy".to_owned()));
        assert_eq!(get(tier, "kept"), Some("by the new process".to_owned()));
    }
}

#[test]
fn a_directory_of_another_cluster_is_refused_by_both_names() {
    let scratch = tempfile::tempdir().unwrap();
    drop(open(scratch.path(), 1));
    for wanted in [78, 0] {
        let refused = Disk::open(scratch.path(), wanted, &tier(2), &DomainTable::default())
            .unwrap_err()
            .to_string();
        assert!(refused.contains("cluster 000000000000004d"), "{refused}");
        assert!(refused.contains(&format!("cluster {wanted:016x}")), "{refused}");
    }
}

#[test]
fn a_directory_that_is_in_use_is_refused_and_not_put_aside() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("eventual");
    let _in_use = open(&directory, 1);
    let refused = Disk::open(&directory, CLUSTER, &tier(2), &DomainTable::default()).unwrap_err();
    assert!(matches!(refused, DiskError::Storage { .. }), "{refused}");
    assert!(!scratch.path().join("eventual.damaged").exists());
}

#[tokio::test]
async fn what_is_written_reaches_the_disk_by_itself() {
    let scratch = tempfile::tempdir().unwrap();
    let (tier, disk, _) = open(scratch.path(), 1);
    let failed = watch::Sender::new(None);
    let running = tokio::spawn(disk.clone().run(Arc::clone(&tier), failed));
    put(&tier, "key", "value");
    let key = entry_key(place("key").shard(false), place("key").bytes());
    let mut looks = 0;
    while disk.store.get(&key).unwrap().is_none() {
        looks += 1;
        assert!(looks < 1_000, "it is not on disk after ten seconds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.abort();
}

#[tokio::test]
async fn a_write_that_fails_is_told_and_ends_it() {
    let scratch = tempfile::tempdir().unwrap();
    let (tier, disk, _) = open(scratch.path(), 1);
    let disk = Disk {
        store: Arc::new(EntryStore::open_read_only(&disk.directory).unwrap()),
        ..disk
    };
    let failed = watch::Sender::new(None);
    let mut told = failed.subscribe();
    put(&tier, "key", "value");
    let running = disk.clone().run(Arc::clone(&tier), failed);
    let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
    ended.unwrap();
    let reason = told.borrow_and_update().clone().unwrap();
    assert!(reason.contains("write a batch of entries"), "{reason}");
    let later = disk
        .close(&tier)
        .expect_err("nothing is written behind a gap")
        .to_string();
    assert!(later.contains("before it failed"), "{later}");
}

#[test]
fn after_a_flush_there_is_a_pause_of_at_most_a_second() {
    assert_eq!(super::pause_after(Duration::ZERO), Duration::ZERO);
    assert_eq!(
        super::pause_after(Duration::from_millis(20)),
        Duration::from_millis(180)
    );
    assert_eq!(super::pause_after(Duration::from_secs(600)), Duration::from_secs(1));
}
