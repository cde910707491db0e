use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quorate_eventual::row::entry_key;
use quorate_eventual::{Action, ActorId, Clock, DomainCounts, Moment, Place, ShardNumber, Space, Strategy, Written};
use tokio::sync::watch;

use crate::environment::SystemClock;
use crate::eventual::limits::Limits;
use crate::eventual::replication::{NotRepaired, repair};
use crate::eventual::testing::{self, exchange, send, states, tier, value};
use crate::eventual::{Disk, EventualOptions, Loaded, NotWritten, Tier};
use crate::mvcc::{DomainSettings, DomainTable, Domains, EventualDomain, Evict, EvictPolicy, NewDomain};
use crate::storage::{EntryBatch, EntryStore, MemoryEngine};
use crate::types;

const CLUSTER: u64 = 77;
/// Of which 75 % are some 1,300 entries with values of 400 bytes.
const BYTES_MAX: u64 = 1_000_000;

/// One durable domain that keeps on the disk alone what is too much.
fn table(bytes_max: u64) -> Arc<DomainTable> {
    table_with(DomainSettings {
        bytes_max,
        ..settings()
    })
}

fn settings() -> DomainSettings {
    DomainSettings {
        evict: Evict::Memory,
        policy: EvictPolicy::Lru,
        ..DomainSettings::of_tier(types::Tier::Eventual)
    }
}

fn table_with(settings: DomainSettings) -> Arc<DomainTable> {
    let mut domains = Domains::load(&MemoryEngine::new()).unwrap();
    let new = NewDomain {
        name: String::from("documents"),
        tier: types::Tier::Eventual,
        volatile: false,
        settings,
    };
    domains.create(new).unwrap();
    Arc::new(DomainTable::of(&domains))
}

fn domain(table: &DomainTable) -> &EventualDomain {
    table.eventual("documents").unwrap()
}

/// A member with a disk.
struct Member {
    tier: Arc<Tier>,
    disk: Disk,
    loaded: Loaded,
    table: Arc<DomainTable>,
    limits: Limits,
}

impl Member {
    fn open(directory: &Path, id: u64, table: &Arc<DomainTable>) -> Self {
        Self::open_with(directory, tier(id), table)
    }

    fn open_with(directory: &Path, tier: Arc<Tier>, table: &Arc<DomainTable>) -> Self {
        let (disk, loaded) = Disk::open(directory, CLUSTER, &tier, table).unwrap();
        Member {
            limits: Limits::new(Arc::clone(&tier), tier.store.id().0),
            tier,
            disk,
            loaded,
            table: Arc::clone(table),
        }
    }

    fn counts(&self) -> Arc<DomainCounts> {
        self.tier.store.counts().domain(domain(&self.table).id.0)
    }

    fn place(&self, name: &str) -> Place {
        testing::place(domain(&self.table).id.0, Space::Register, name)
    }

    /// As a client writes.
    fn writes(&self, name: &str, action: Action<'_>) -> Result<Written, NotWritten> {
        let place = self.place(name);
        let write = quorate_eventual::Write {
            place: &place,
            action,
            context: None,
            expires_at_ms: 0,
        };
        let moment = Moment {
            now_ms: self.tier.wall_ms(),
            predecessors: &[],
        };
        let written = self.tier.write(domain(&self.table), &write, moment);
        written.map(|(_, written)| written)
    }

    fn fills(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            self.writes(&format!("key-{number}"), value(&text(number))).unwrap();
        }
    }

    /// Everything that is on the disk and long leaves the memory.
    fn chills_everything(&self) {
        self.disk.flush(&self.tier).unwrap();
        for number in ShardNumber::all().filter(|number| !number.is_volatile()) {
            while self.tier.chill_some(domain(&self.table).id.0, number, u64::MAX) > 0 {}
        }
    }

    /// Its values, in order.
    fn reads(&self, name: &str) -> Vec<String> {
        let place = self.place(name);
        let held = self.tier.read(place.shard(false), &place, None).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut values: Vec<String> = held.siblings.iter().map(|(_, one)| text(one.value.bytes())).collect();
        values.sort();
        values
    }

    fn has_all(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            assert_eq!(self.reads(&format!("key-{number}")), [text(number)]);
        }
    }
}

/// 400 bytes that tell one value from another.
fn text(number: usize) -> String {
    format!("{number:0>400}")
}

#[tokio::test]
async fn what_is_too_much_leaves_the_memory_and_is_read_all_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let table = table(BYTES_MAX);
    let mut member = Member::open(scratch.path(), 1, &table);
    member.limits.step(&table).await;
    member.fills(0..1_500);
    member.disk.flush(&member.tier).unwrap();
    assert!(member.counts().bytes() > BYTES_MAX * 75 / 100);
    let before = states(&member.tier);
    member.limits.step(&table).await;
    let (bytes, cold) = (member.counts().bytes(), member.counts().cold_bytes());
    assert!(
        (BYTES_MAX * 74 / 100..=BYTES_MAX * 75 / 100).contains(&bytes),
        "{bytes}"
    );
    assert_eq!(cold, member.counts().cold_values() * 400);
    assert_eq!(states(&member.tier), before, "nobody else can tell");
    assert_eq!(member.counts().evicted.load(std::sync::atomic::Ordering::Relaxed), 0);
    member.has_all(0..1_500);
    assert_eq!(member.counts().cold_bytes(), cold, "nobody asked for them to stay");
}

#[tokio::test]
async fn three_times_its_limit_is_written_without_a_refusal_and_without_a_sweep() {
    let scratch = tempfile::tempdir().unwrap();
    let table = table(BYTES_MAX);
    let mut member = Member::open(scratch.path(), 1, &table);
    member.limits.step(&table).await;
    let mut most = 0;
    for number in 0..5_000 {
        member.fills(number..number + 1);
        most = most.max(member.counts().bytes());
    }
    assert!(most <= BYTES_MAX * 91 / 100, "{most}");
    member.has_all(0..5_000);
}

#[test]
fn values_stay_in_memory_where_entries_are_what_is_too_many() {
    let scratch = tempfile::tempdir().unwrap();
    let table = table_with(DomainSettings {
        bytes_max: BYTES_MAX,
        entries_max: 100,
        ..settings()
    });
    let member = Member::open(scratch.path(), 1, &table);
    member.fills(0..90);
    member.disk.flush(&member.tier).unwrap();
    for number in 90..100 {
        let refused = member.writes(&format!("key-{number}"), value("short")).unwrap_err();
        assert!(
            matches!(&refused, NotWritten::Full(full) if full.what == "entries"),
            "{refused}"
        );
    }
    assert_eq!(member.counts().cold_values(), 0);
}

#[test]
fn a_shard_that_is_too_large_to_be_sent_is_refused_before_its_values_are_brought() {
    let scratch = tempfile::tempdir().unwrap();
    let options = EventualOptions {
        frame_bytes_max: 10_000,
        ..EventualOptions::default()
    };
    let tier = Tier::new(ActorId(1), options, Arc::new(SystemClock));
    let member = Member::open_with(scratch.path(), tier, &table(BYTES_MAX));
    let place = member.place("list");
    let field = |number: usize| {
        let element = format!("field-{number}");
        let address = quorate_eventual::Address {
            element: Some(element.as_bytes()),
            space: Space::Map,
            ..quorate_eventual::Address::decode(place.bytes()).unwrap()
        };
        let place = Place::of(address);
        testing::write(&member.tier, &place, false, value(&text(number)), 0);
        place.shard(false)
    };
    let number = field(0);
    let sent = |member: &Member| repair(&member.tier, number, &Clock::default());
    member.chills_everything();
    assert!(sent(&member).unwrap().is_some());
    for other in 1..40 {
        assert_eq!(field(other), number, "a collection is in one shard");
    }
    member.chills_everything();
    assert_eq!(member.counts().cold_values(), 40);
    // If their rows were read, it would be found that one is not there.
    let mut batch = EntryBatch::default();
    let lost = quorate_eventual::Address {
        element: Some(b"field-7"),
        space: Space::Map,
        ..quorate_eventual::Address::decode(place.bytes()).unwrap()
    };
    batch.delete(&entry_key(number, Place::of(lost).bytes()));
    member.disk.write_batch(batch);
    let refused = sent(&member).unwrap_err();
    assert!(matches!(refused, NotRepaired::TooLarge { bytes: 16_000 }), "{refused}");
}

#[test]
fn a_domain_that_no_sweep_has_seen_yet_makes_room_all_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let member = Member::open(scratch.path(), 1, &table(BYTES_MAX));
    member.fills(0..5_000);
    member.has_all(0..5_000);
}

#[tokio::test]
async fn growth_is_refused_when_keys_alone_fill_it() {
    let scratch = tempfile::tempdir().unwrap();
    let table = table(100_000);
    let mut member = Member::open(scratch.path(), 1, &table);
    member.limits.step(&table).await;
    let refused = (0..1_000).find_map(|number| {
        let written = member.writes(&format!("key-{number}"), value("short"));
        written.err().map(|refused| (number, refused))
    });
    let (number, refused) = refused.unwrap();
    assert!((500..700).contains(&number), "{number}");
    assert!(matches!(refused, NotWritten::Full(_)), "{refused}");
    member.writes("key-1", value("other")).expect("it is as long as before");
}

#[tokio::test]
async fn a_value_that_is_read_stays_while_there_is_room() {
    let scratch = tempfile::tempdir().unwrap();
    let table = table(BYTES_MAX);
    let mut member = Member::open(scratch.path(), 1, &table);
    member.limits.step(&table).await;
    member.fills(0..4_000);
    member.chills_everything();
    assert_eq!(member.counts().cold_values(), 4_000);
    let reads = |number: usize| {
        let place = member.place(&format!("key-{number}"));
        member.tier.used(domain(&table), &place);
        let held = member.tier.read(place.shard(false), &place, Some(domain(&table)));
        assert_eq!(held.unwrap().siblings[0].1.value.bytes(), text(number).as_bytes());
    };
    reads(7);
    assert_eq!(member.counts().cold_values(), 3_999);
    (0..4_000).for_each(reads);
    let bytes = member.counts().bytes();
    assert!((BYTES_MAX * 89 / 100..BYTES_MAX * 90 / 100).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn a_restart_leaves_on_the_disk_what_is_too_much() {
    let scratch = tempfile::tempdir().unwrap();
    let table = table(BYTES_MAX);
    let mut before = Member::open(scratch.path(), 1, &table);
    before.limits.step(&table).await;
    before.fills(0..4_000);
    before.disk.close(&before.tier).unwrap();
    drop(before.disk);
    let mut after = Member::open(scratch.path(), 2, &table);
    assert_eq!((after.loaded.entries, after.loaded.shards_dropped), (4_000, 0));
    assert_eq!(states(&after.tier), states(&before.tier));
    // Keys come after the values that fill three quarters: the first sweep makes up for them.
    let bytes = after.counts().bytes();
    assert!(bytes < BYTES_MAX * 75 / 100 + 4_000 * 160, "{bytes}");
    assert!(after.counts().cold_values() > 2_000);
    after.limits.step(&table).await;
    let bytes = after.counts().bytes();
    assert!(bytes <= BYTES_MAX * 75 / 100, "{bytes}");
    after.has_all(0..4_000);
    // What is written now does not take the others from the disk.
    after.fills(3_000..4_500);
    after.disk.close(&after.tier).unwrap();
    drop(after.disk);
    let again = Member::open(scratch.path(), 3, &table);
    assert_eq!((again.loaded.entries, again.loaded.shards_dropped), (4_500, 0));
    again.has_all(0..4_500);
}

#[tokio::test]
async fn siblings_of_a_cold_value_are_kept_with_it_on_the_disk_and_by_peers() {
    let scratch = tempfile::tempdir().unwrap();
    let table = table(BYTES_MAX);
    let mut member = Member::open(scratch.path(), 1, &table);
    let peer = tier(2);
    member.limits.step(&table).await;
    let sibling = |text| Action::Put {
        value: text,
        strategy: Strategy::Siblings,
        written: None,
    };
    let (mine, theirs) = (text(1), text(2));
    member.writes("key", sibling(mine.as_bytes())).unwrap();
    testing::write(&peer, &member.place("key"), false, sibling(theirs.as_bytes()), 0);
    member.chills_everything();
    exchange(&member.tier, &peer);
    assert_eq!(member.counts().cold_values(), 1);
    member.chills_everything();
    assert_eq!(member.counts().cold_values(), 2);
    assert_eq!(member.reads("key"), [mine.clone(), theirs.clone()]);
    member.writes("key", sibling(b"third")).unwrap();
    member.disk.close(&member.tier).unwrap();
    drop(member.disk);
    let again = Member::open(scratch.path(), 3, &table);
    assert_eq!(again.reads("key"), [mine, theirs, String::from("third")]);
    let wiped = tier(4);
    again.chills_everything();
    send(&again.tier, &wiped);
    assert_eq!(states(&wiped), states(&again.tier));
}

#[tokio::test]
async fn a_union_takes_up_what_is_on_the_disk_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let table = table(BYTES_MAX);
    let mut member = Member::open(scratch.path(), 1, &table);
    member.limits.step(&table).await;
    let union = |text| Action::Put {
        value: text,
        strategy: Strategy::Union,
        written: None,
    };
    let long = format!("[{:?}]", text(1));
    member.writes("list", union(long.as_bytes())).unwrap();
    member.chills_everything();
    assert_eq!(member.counts().cold_values(), 1);
    member.writes("list", union(b"[1]")).unwrap();
    assert_eq!(member.reads("list"), [format!("[1,{:?}]", text(1))]);
    assert_eq!(member.counts().cold_values(), 0);
    // What says nothing new leaves it as it is.
    member.chills_everything();
    assert!(member.writes("list", union(b"[1]")).unwrap().dot.is_none());
}

#[tokio::test]
async fn a_map_is_read_with_the_fields_that_are_on_the_disk_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let table = table(BYTES_MAX);
    let mut member = Member::open(scratch.path(), 1, &table);
    member.limits.step(&table).await;
    let address = |element| quorate_eventual::Address {
        domain: domain(&table).id.0,
        space: Space::Map,
        name: b"map",
        element,
    };
    for (field, content) in [(b"a".as_slice(), text(1)), (b"b", String::from("short"))] {
        testing::write(
            &member.tier,
            &Place::of(address(Some(field))),
            false,
            value(&content),
            0,
        );
    }
    member.chills_everything();
    assert_eq!(member.counts().cold_values(), 1);
    let map = Place::of(address(None));
    let read = member.tier.read_elements(map.shard(false), &map, Some(domain(&table)));
    let values: Vec<_> = read
        .unwrap()
        .into_iter()
        .map(|(field, held)| (field.to_vec(), held.siblings[0].1.value.bytes().to_vec()))
        .collect();
    let expected = [
        (b"a".to_vec(), text(1).into_bytes()),
        (b"b".to_vec(), b"short".to_vec()),
    ];
    assert_eq!(values, expected);
    assert_eq!(member.counts().cold_values(), 0, "it was read, and there is room");
}

#[tokio::test]
async fn a_value_whose_row_is_gone_stops_the_member_and_comes_from_a_peer() {
    let scratch = tempfile::tempdir().unwrap();
    let table = table(BYTES_MAX);
    let mut member = Member::open(scratch.path(), 1, &table);
    let peer = tier(2);
    member.limits.step(&table).await;
    member.fills(0..50);
    exchange(&member.tier, &peer);
    member.chills_everything();
    let place = member.place("key-7");
    let mut batch = EntryBatch::default();
    batch.delete(&entry_key(place.shard(false), place.bytes()));
    let failed = watch::Sender::new(None);
    let running = tokio::spawn(member.disk.clone().run(Arc::clone(&member.tier), failed.clone()));
    drop(member.disk);
    member.tier.disk().unwrap().write_batch(batch);

    let lost = member.tier.read(place.shard(false), &place, None).unwrap_err();
    assert!(lost.to_string().contains("is not there or lacks it"), "{lost}");
    tokio::time::timeout(Duration::from_secs(10), running)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(*failed.borrow(), Some(lost.to_string()));

    let after = Member::open(scratch.path(), 3, &table);
    assert_eq!(after.loaded.shards_dropped, 1);
    send(&peer, &after.tier);
    after.has_all(0..50);
}

#[test]
fn a_store_that_is_made_anew_has_the_values_that_were_on_the_disk_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("eventual");
    let table = table(BYTES_MAX);
    let before = Member::open(&directory, 1, &table);
    for number in 0..8_000 {
        let place = before.place(&format!("key-{number}"));
        testing::write(&before.tier, &place, false, value(&text(number)), 0);
    }
    let peer = tier(9);
    send(&before.tier, &peer);
    before.disk.close(&before.tier).unwrap();
    drop(before.disk);
    // What the log has becomes a file when it is opened again.
    drop(EntryStore::open(&directory).unwrap());
    let files = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files = files.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
    let file = files.next().unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();

    let after = Member::open(&directory, 2, &table);
    assert!((1..=3).contains(&after.loaded.shards_dropped), "{:?}", after.loaded);
    assert!(after.counts().cold_values() > 4_000);
    send(&peer, &after.tier);
    after.has_all(0..8_000);
}
