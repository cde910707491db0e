//! Reads, from memory and from the medium.

use std::sync::atomic::Ordering;

use openraft::storage::{RaftLogReader, RaftLogStorage};

use super::*;

#[tokio::test]
async fn entries_are_readable_as_soon_as_append_returns() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    let mut reader = store.get_log_reader().await;
    for index in 0..200 {
        append_and_forget(&mut store, entries(1, index..index + 1)).await;
        assert_eq!(
            reader.try_get_log_entries(index..index + 1).await.unwrap(),
            entries(1, index..index + 1)
        );
    }
    assert_eq!(all(&mut reader).await, entries(1, 0..200));
}

#[tokio::test]
async fn a_read_joins_what_is_on_disk_and_what_is_in_memory() {
    let options = LogOptions {
        tail_bytes: 2000,
        ..small()
    };
    let mut store = LogStore::open(LossyDisk::new(), options).unwrap();
    append(&mut store, entries(1, 0..100)).await;
    for (start, end) in [(0, 100), (3, 7), (50, 99), (95, 100), (0, 1), (99, 100)] {
        assert_eq!(
            store.try_get_log_entries(start..end).await.unwrap(),
            entries(1, start..end)
        );
    }
    assert_eq!(store.try_get_log_entries(90..200).await.unwrap(), entries(1, 90..100));
    assert_eq!(store.try_get_log_entries(100..200).await.unwrap(), []);
}

#[tokio::test]
async fn a_limited_read_stops_at_the_limit_but_returns_one_entry() {
    for tail_bytes in [0, 1 << 20] {
        let options = LogOptions {
            tail_bytes,
            read_bytes_max: 1000,
            ..small()
        };
        let mut store = LogStore::open(LossyDisk::new(), options).unwrap();
        append(&mut store, entries(1, 0..50)).await;
        let read = store.limited_get_log_entries(10, 50).await.unwrap();
        assert!((2..20).contains(&read.len()), "{} entries", read.len());
        assert_eq!(read, entries(1, 10..10 + read.len() as u64));

        let mut large = entry(1, 50);
        large.payload = EntryPayload::Normal(Group::from_bytes(vec![1; 10_000].into()));
        append(&mut store, vec![large.clone()]).await;
        assert_eq!(store.limited_get_log_entries(50, 51).await.unwrap(), [large]);
    }
}

#[tokio::test]
async fn an_entry_larger_than_a_segment_gets_one_of_its_own() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    let mut wanted = entries(1, 0..3);
    let mut large = entry(1, 3);
    large.payload = EntryPayload::Normal(Group::from_bytes(vec![1; 100_000].into()));
    wanted.push(large);
    wanted.extend(entries(1, 4..80));
    append(&mut store, wanted.clone()).await;
    assert_eq!(all(&mut store).await, wanted);
    assert_eq!(all(&mut open(&disk.crash(0))).await, wanted);
}

#[tokio::test]
async fn reads_beside_truncations_see_one_moment() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..40)).await;
    let mut reader = store.get_log_reader().await;
    let reading = tokio::spawn(async move {
        loop {
            let found = all(&mut reader).await;
            // Terms never go down within one log, and never up at a place that is kept.
            assert!(found.is_sorted_by_key(|entry| (entry.log_id.leader_id, entry.log_id.index)));
            assert!(
                found
                    .iter()
                    .enumerate()
                    .all(|(at, entry)| entry.log_id.index == at as u64)
            );
            if found.last().is_some_and(|entry| entry.log_id == id(300, 39)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    for term in 2..=300 {
        let keep = 20 + term % 15;
        let mut kept = all(&mut store).await;
        kept.truncate(keep as usize);
        store
            .truncate_after(kept.last().map(|entry| entry.log_id))
            .await
            .unwrap();
        append_and_forget(&mut store, entries(term, keep..40)).await;
        tokio::task::yield_now().await;
    }
    reading.await.unwrap();
}

#[tokio::test]
async fn the_metrics_count_what_was_done() {
    let mut store = open(&LossyDisk::new());
    append(&mut store, entries(1, 0..3)).await;
    let metrics = store.metrics();
    assert_eq!(metrics.entries.load(Ordering::Relaxed), 3);
    assert_eq!(metrics.syncs.read().count, 1);
    assert!(metrics.bytes.load(Ordering::Relaxed) > 300);
    assert_eq!(store.disk_bytes(), 4096);

    // A committed position is not worth a sync.
    store.save_committed(Some(id(1, 2))).await.unwrap();
    append(&mut store, entries(1, 3..4)).await;
    assert!(metrics.syncs.read().count <= 2);
}
