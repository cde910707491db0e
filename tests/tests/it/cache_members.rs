//! Caches over plain gRPC, against real members: what is told of keys and in which order, how a cache ends, how what it
//! holds is invalidated, and what a write of a coherent domain waits for.

use std::time::{Duration, Instant};

use prost::Message as _;
use quorate::{Client, Tier};
use quorate_proto::v1::watch_client::WatchClient;
use quorate_proto::v1::watch_create::Start;
use quorate_proto::v1::watch_message::Message;
use quorate_proto::v1::watch_request::Request;
use quorate_proto::v1::{self, ErrorCode, cache_selector, key_selector, watch_event};
use quorate_tests::cluster::{Cluster, Settings};
use quorate_tests::wait;
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);
/// Long enough that what waits for it can be told from what does not.
const LEASE: Duration = Duration::from_secs(3);
/// What a call takes that waits for nothing, on a machine that is busy.
const AT_ONCE: Duration = Duration::from_millis(1500);

/// One stream with one cache, which is watch 1.
struct Cache {
    requests: mpsc::Sender<v1::WatchRequest>,
    responses: tonic::Streaming<v1::WatchResponse>,
    read: Vec<Message>,
}

impl Cache {
    async fn open(cluster: &Cluster, member: u64) -> Cache {
        let endpoint = format!("http://{}", cluster.member(member).unwrap().client_address());
        let (requests, outgoing) = mpsc::channel(64);
        let outgoing = futures::stream::unfold(outgoing, |mut outgoing| async move {
            let request = outgoing.recv().await?;
            Some((request, outgoing))
        });
        let mut client = WatchClient::connect(endpoint).await.unwrap();
        Cache {
            responses: client.open(outgoing).await.unwrap().into_inner(),
            requests,
            read: Vec::new(),
        }
    }

    /// A cache that is there, at this member.
    async fn at(cluster: &Cluster, member: u64, coherent: bool) -> Cache {
        let mut cache = Cache::open(cluster, member).await;
        cache.send(Request::Create(create(coherent))).await;
        let created = cache.until(|message| match message {
            Message::Created(created) => Some(created),
            other => panic!("{other:?}"),
        });
        let created = created.await;
        assert_eq!(created.lease_ms > 0, coherent);
        cache
    }

    async fn send(&self, request: Request) {
        let request = Some(request);
        self.requests.send(v1::WatchRequest { request }).await.unwrap();
    }

    async fn until<T>(&mut self, mut found: impl FnMut(Message) -> Option<T>) -> T {
        loop {
            while self.read.is_empty() {
                let response = timeout(PATIENCE, self.responses.message())
                    .await
                    .expect("a response comes");
                let messages = response.unwrap().expect("the stream goes on").messages;
                self.read = messages.into_iter().filter_map(|message| message.message).collect();
            }
            if let Some(found) = found(self.read.remove(0)) {
                return found;
            }
        }
    }

    async fn add(&mut self, domain: &str, added: &[(&str, u64)]) -> v1::CacheKeysChanged {
        let added = added.iter().map(|(key, mod_revision)| v1::CacheKey {
            key: key.as_bytes().to_vec().into(),
            mod_revision: *mod_revision,
        });
        let keys = v1::CacheKeys {
            watch_id: 1,
            change_id: 1,
            domain: domain.to_owned(),
            added: added.collect(),
            removed: Vec::new(),
        };
        self.send(Request::CacheKeys(keys)).await;
        self.until(|message| match message {
            Message::CacheKeysChanged(changed) => Some(changed),
            _ => None,
        })
        .await
    }

    /// The key, its revision and whether it was written, of the next event.
    async fn event(&mut self) -> (String, u64, bool) {
        let events = self.until(|message| match message {
            Message::Events(events) => Some(events),
            Message::Canceled(canceled) => panic!("{canceled:?}"),
            _ => None,
        });
        let events = events.await;
        let event = v1::WatchEvent::decode(&*events.events[0]).unwrap();
        let Some(watch_event::Event::Key(event)) = event.event else {
            panic!("{event:?}");
        };
        let is_put = event.kind() == v1::KeyEventKind::Put;
        let record = event.record.unwrap();
        (String::from_utf8(record.key.to_vec()).unwrap(), events.revision, is_put)
    }

    async fn mark(&mut self) -> u64 {
        let probe = v1::WatchProbe {
            probe_id: 5,
            watch_ids: Vec::new(),
            linearizable: true,
        };
        self.send(Request::Probe(probe)).await;
        self.until(|message| match message {
            Message::Mark(mark) if mark.watch_ids.contains(&1) => Some(mark.revision),
            _ => None,
        })
        .await
    }

    async fn applied(&self, revision: u64) {
        let applied = v1::CacheApplied { watch_id: 1, revision };
        self.send(Request::CacheApplied(applied)).await;
    }

    async fn ending(&mut self) -> v1::Error {
        self.until(|message| match message {
            Message::Canceled(canceled) => canceled.error,
            _ => None,
        })
        .await
    }
}

fn create(coherent: bool) -> v1::WatchCreate {
    v1::WatchCreate {
        watch_id: 1,
        start: Some(Start::Now(v1::WatchNow {})),
        cache: Some(v1::CacheWatch { coherent }),
        ..Default::default()
    }
}

async fn one_member() -> (Cluster, Client) {
    let cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    (cluster, client)
}

#[tokio::test]
async fn a_cache_hears_what_differs_and_then_every_change_of_its_keys_and_of_no_other() {
    let (cluster, client) = one_member().await;
    let known = client.put("known", "1").await.unwrap().revision;
    let mut cache = Cache::at(&cluster, 1, false).await;
    let changed = cache.add("", &[("known", known), ("none", 0), ("old", known)]).await;
    assert_eq!((changed.error, changed.differ), (None, vec![2]));
    assert!(changed.revision >= known);
    client.put("other", "1").await.unwrap();
    let put = client.put("none", "1").await.unwrap().revision;
    let deleted = client.delete("known").await.unwrap().revision;
    let old = client.put("old", "1").await.unwrap().revision;
    assert_eq!(cache.event().await, ("none".into(), put, true));
    assert_eq!(cache.event().await, ("known".into(), deleted, false));
    assert_eq!(cache.event().await, ("old".into(), old, true));
    assert!(cache.mark().await >= old);
}

#[tokio::test]
async fn what_a_cache_cannot_ask_for_is_refused_with_its_reason() {
    let (cluster, _client) = one_member().await;
    let selector = v1::WatchSelector::default();
    let cases = [
        (
            v1::WatchCreate {
                selectors: vec![selector],
                ..create(false)
            },
            "selectors",
        ),
        (
            v1::WatchCreate {
                no_deletes: true,
                ..create(false)
            },
            "no_deletes",
        ),
        (
            v1::WatchCreate {
                latest: true,
                ..create(false)
            },
            "latest",
        ),
        (
            v1::WatchCreate {
                start: Some(Start::FromRevision(1)),
                ..create(false)
            },
            "from_revision",
        ),
    ];
    for (asked, field) in cases {
        let mut cache = Cache::open(&cluster, 1).await;
        cache.send(Request::Create(asked)).await;
        let refused = cache.ending().await;
        assert_eq!(
            (refused.code(), refused.field.as_str()),
            (ErrorCode::InvalidArgument, field)
        );
    }
    let mut cache = Cache::at(&cluster, 1, false).await;
    for (domain, code) in [
        ("cache", ErrorCode::TierMismatch),
        ("nowhere", ErrorCode::UnknownDomain),
    ] {
        assert_eq!(
            cache.add(domain, &[("k", 0)]).await.error.unwrap().code(),
            code,
            "{domain}"
        );
    }
    let many: Vec<String> = (0..4097).map(|number| number.to_string()).collect();
    let many: Vec<(&str, u64)> = many.iter().map(|key| (key.as_str(), 0)).collect();
    let refused = cache.add("", &many).await.error.unwrap();
    assert_eq!(refused.code(), ErrorCode::TooLarge);
    assert_eq!((refused.limit, refused.value), (4096, 4097));
    assert_eq!(cache.add("", &many[1..]).await.error, None, "the cache goes on");
}

#[tokio::test]
async fn a_cache_whose_client_does_not_read_ends_with_lagged() {
    let (cluster, client) = one_member().await;
    let mut cache = Cache::at(&cluster, 1, false).await;
    cache.add("", &[("k", 0)]).await;
    for _ in 0..20 {
        client.put("k", vec![b'v'; 500 << 10]).await.unwrap();
    }
    assert_eq!(cache.ending().await.code(), ErrorCode::Lagged);
    cache.send(Request::Create(create(false))).await;
    let last = client.get("k").await.unwrap().record.unwrap().mod_revision;
    cache
        .until(|message| matches!(message, Message::Created(_)).then_some(()))
        .await;
    assert!(
        cache.add("", &[("k", last)]).await.differ.is_empty(),
        "what it had is still true"
    );
}

/// Three members that can be cut off from one another, and one of them that does not lead.
async fn three_members(settings: Settings) -> (Cluster, u64, u64) {
    let mut cluster = Cluster::start_with(settings.in_own_network()).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let follower = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    (cluster, leader, follower)
}

fn others(cluster: &Cluster, id: u64) -> Vec<u64> {
    cluster.ids().into_iter().filter(|other| *other != id).collect()
}

#[tokio::test]
async fn a_follower_that_lags_tells_a_cache_that_it_differs_and_then_what_it_lacked() {
    let (mut cluster, leader, follower) = three_members(Settings::of(3)).await;
    let client = cluster.client_of(leader).await.unwrap();
    let before = client.put("k", "1").await.unwrap().revision;
    let mut cache = Cache::at(&cluster, follower, false).await;
    cache.mark().await;
    let away = others(&cluster, follower);
    cluster.cut(follower, &away).unwrap();
    let newer = client.put("k", "2").await.unwrap().revision;
    // Read at the leader, named at the follower.
    let changed = cache.add("", &[("k", newer)]).await;
    assert_eq!(changed.differ, [0]);
    assert!((before..newer).contains(&changed.revision), "{}", changed.revision);
    cluster.heal().unwrap();
    assert_eq!(cache.event().await, ("k".into(), newer, true));
}

#[tokio::test]
async fn a_snapshot_that_is_installed_under_a_cache_ends_it() {
    let (mut cluster, leader, follower) = three_members(Settings::of(3).with_early_snapshots()).await;
    let client = cluster.client_of(leader).await.unwrap();
    let mut cache = Cache::at(&cluster, follower, false).await;
    assert_eq!(cache.add("", &[("never written", 0)]).await.error, None);
    let missed = cluster.status(follower).await.unwrap().applied_index;
    let away = others(&cluster, follower);
    cluster.cut(follower, &away).unwrap();
    wait::until("the leader's log to be purged", PATIENCE, async || {
        for number in 0..50_u8 {
            let put = client.put(format!("k{number}"), vec![number; 4 << 10]).await;
            put.map_err(|error| error.to_string())?;
        }
        let first = cluster.status(leader).await?.log_first_index;
        (first > missed + 1)
            .then_some(())
            .ok_or(format!("it begins at {first}"))
    })
    .await
    .unwrap();
    cluster.heal().unwrap();
    assert_eq!(cache.ending().await.code(), ErrorCode::Lagged);
    assert!(cluster.status(follower).await.unwrap().snapshot_index > missed);
}

async fn invalidate(
    cluster: &Cluster,
    member: u64,
    which: cache_selector::Which,
    wait_ms: u64,
) -> v1::InvalidateResponse {
    let endpoint = format!("http://{}", cluster.member(member).unwrap().client_address());
    let mut client = WatchClient::connect(endpoint).await.unwrap();
    let what = v1::CacheSelector {
        domain: String::new(),
        which: Some(which),
    };
    let request = v1::InvalidateRequest {
        what: Some(what),
        wait_ms,
    };
    client.invalidate(request).await.unwrap().into_inner()
}

fn pattern(text: &str) -> cache_selector::Which {
    cache_selector::Which::Keys(v1::KeySelector {
        kind: Some(key_selector::Kind::Pattern(text.to_owned())),
    })
}

impl Cache {
    /// Does what it is told.
    async fn drop_what_is_invalidated(&mut self) -> v1::CacheSelector {
        let told = self.until(|message| match message {
            Message::CacheInvalidate(told) => Some(told),
            _ => None,
        });
        let told = told.await;
        assert_eq!(told.watch_ids, [1]);
        let invalidated = v1::CacheInvalidated {
            watch_id: 1,
            invalidation_id: told.invalidation_id,
        };
        self.send(Request::CacheInvalidated(invalidated)).await;
        told.what.unwrap()
    }
}

#[tokio::test]
async fn an_invalidation_reaches_the_caches_of_every_member_and_names_the_member_that_is_cut_off() {
    let (mut cluster, leader, follower) = three_members(Settings::of(3)).await;
    let mut caches = Vec::new();
    for id in cluster.ids() {
        caches.push((id, Cache::at(&cluster, id, false).await));
    }
    let asked = invalidate(&cluster, follower, pattern("jobs/*"), 20_000);
    let obeyed = futures::future::join_all(caches.iter_mut().map(|(_, cache)| cache.drop_what_is_invalidated()));
    let (answer, told) = futures::join!(asked, obeyed);
    assert_eq!((answer.told, answer.acknowledged), (3, 3));
    assert!(answer.unreached.is_empty());
    for what in told {
        assert_eq!((what.domain.as_str(), what.which), ("default", Some(pattern("jobs/*"))));
    }
    let away = others(&cluster, follower);
    cluster.cut(follower, &away).unwrap();
    let tag = cache_selector::Which::Tag("stale".into());
    let asked = invalidate(&cluster, leader, tag, 2000);
    let reached = caches.iter_mut().filter(|(id, _)| *id != follower);
    let obeyed = futures::future::join_all(reached.map(|(_, cache)| cache.drop_what_is_invalidated()));
    let (answer, _) = futures::join!(asked, obeyed);
    assert_eq!((answer.told, answer.acknowledged), (2, 2));
    assert_eq!(answer.unreached, [follower]);
    // Nobody obeys: it is waited for, and said.
    let answer = invalidate(&cluster, leader, pattern("**"), 500).await;
    assert_eq!((answer.told, answer.acknowledged), (2, 0));
}

/// A cluster with a coherent domain `c`, past the wait of its first leader.
async fn coherent_members(members: u64) -> (Cluster, u64, Client) {
    let mut settings = Settings::of(members);
    settings.more_toml = format!("[cache]\nlease_ms = {}\n", LEASE.as_millis());
    let mut cluster = Cluster::start_with(settings).await.unwrap();
    let leader = cluster.wait_for_leader().await.unwrap();
    let client = cluster.client().await.unwrap();
    let domain = client.domains().create("c", Tier::Strong).coherent(true).await.unwrap();
    assert!(domain.coherent);
    client.put("k", "0").domain("c").await.unwrap();
    (cluster, leader, client)
}

async fn timed_put(client: &Client, domain: &str, key: &str) -> (u64, Duration) {
    let began = Instant::now();
    let put = client.put(key, "v").domain(domain).timeout(PATIENCE).await.unwrap();
    (put.revision, began.elapsed())
}

#[tokio::test]
async fn a_write_of_a_coherent_domain_waits_for_a_silent_cache_until_its_lease_is_over() {
    let (cluster, leader, client) = coherent_members(1).await;
    let mut cache = Cache::at(&cluster, leader, true).await;
    let known = client.get("k").domain("c").await.unwrap().record.unwrap().mod_revision;
    assert!(cache.add("c", &[("k", known)]).await.differ.is_empty());
    let (_, unproved) = timed_put(&client, "c", "k").await;
    assert!(
        unproved < AT_ONCE,
        "a cache that was never proved does not answer: {unproved:?}"
    );

    cache.mark().await;
    let (_, waited) = timed_put(&client, "c", "k").await;
    assert!(waited > LEASE - AT_ONCE && waited < LEASE + AT_ONCE, "{waited:?}");

    // Proved again, and told of what was written: nothing older is answered.
    cache.mark().await;
    let (other_key, elsewhere) = (
        timed_put(&client, "c", "other").await,
        timed_put(&client, "default", "k").await,
    );
    assert!(
        other_key.1 < AT_ONCE && elsewhere.1 < AT_ONCE,
        "{other_key:?} {elsewhere:?}"
    );
    let answered = async {
        loop {
            let (_, revision, _) = cache.event().await;
            cache.applied(revision).await;
        }
    };
    let put = async {
        let mut last = Duration::ZERO;
        for _ in 0..3 {
            last = last.max(timed_put(&client, "c", "k").await.1);
        }
        last
    };
    tokio::select! {
        longest = put => assert!(longest < AT_ONCE, "{longest:?}"),
        () = answered => {}
    }
}

#[tokio::test]
async fn a_coherent_cache_that_is_gone_is_waited_for_and_one_that_gave_a_key_up_is_not() {
    let (cluster, leader, client) = coherent_members(1).await;
    let known = client.get("k").domain("c").await.unwrap().record.unwrap().mod_revision;
    let mut gone = Cache::at(&cluster, leader, true).await;
    gone.add("c", &[("k", known)]).await;
    gone.mark().await;
    drop(gone);
    let (_, waited) = timed_put(&client, "c", "k").await;
    assert!(waited > LEASE - AT_ONCE, "it may still answer: {waited:?}");
    let mut cache = Cache::at(&cluster, leader, true).await;
    cache.add("c", &[("k", 0)]).await;
    cache.mark().await;
    let removed = v1::CacheKeys {
        watch_id: 1,
        change_id: 2,
        domain: "c".into(),
        removed: vec!["k".into()],
        ..Default::default()
    };
    cache.send(Request::CacheKeys(removed)).await;
    cache
        .until(|message| matches!(message, Message::CacheKeysChanged(_)).then_some(()))
        .await;
    let (_, waited) = timed_put(&client, "c", "k").await;
    assert!(waited < AT_ONCE, "{waited:?}");
}

#[tokio::test]
async fn a_new_leader_lets_a_lease_pass_before_it_answers_writes_of_coherent_domains_and_only_those() {
    let (mut cluster, leader, client) = coherent_members(3).await;
    let known = client.get("k").domain("c").await.unwrap().record.unwrap().mod_revision;
    let mut cache = Cache::at(&cluster, leader, true).await;
    cache.add("c", &[("k", known)]).await;
    cache.mark().await;
    cluster.kill9(leader).unwrap();
    let began = Instant::now();
    let (coherent, elsewhere) = futures::join!(timed_put(&client, "c", "k"), timed_put(&client, "default", "k"));
    assert!(began.elapsed() > LEASE, "{:?}", began.elapsed());
    assert!(elsewhere.1 < LEASE, "{elsewhere:?}");
    assert!(coherent.1 < 2 * LEASE, "{coherent:?}");
    let (_, again) = timed_put(&client, "c", "k").await;
    assert!(again < AT_ONCE, "{again:?}");
}

#[tokio::test]
async fn coherent_caches_are_the_leaders_and_of_coherent_domains() {
    let (cluster, leader, client) = coherent_members(3).await;
    let follower = others(&cluster, leader)[0];
    let mut elsewhere = Cache::open(&cluster, follower).await;
    elsewhere.send(Request::Create(create(true))).await;
    let refused = elsewhere.ending().await;
    assert_eq!(refused.code(), ErrorCode::NotLeader);
    assert_eq!(refused.leader_hint.unwrap().member_id, leader);
    let mut cache = Cache::at(&cluster, leader, true).await;
    let refused = cache.add("default", &[("k", 0)]).await.error.unwrap();
    assert_eq!(
        (refused.code(), refused.field.as_str()),
        (ErrorCode::InvalidArgument, "domain")
    );
    assert_eq!(cache.add("c", &[("k", 0)]).await.error, None);
    client.domains().change("c").coherent(false).await.unwrap();
    client.put("other", "v").domain("c").await.unwrap();
    assert_eq!(
        cache.ending().await.code(),
        ErrorCode::InvalidArgument,
        "writes do not wait for it any more"
    );
}

#[tokio::test]
async fn a_coherent_cache_ends_when_its_member_leads_no_more() {
    let (mut cluster, leader, client) = coherent_members(3).await;
    let mut cache = Cache::at(&cluster, leader, true).await;
    cache.add("c", &[("k", 0)]).await;
    let follower = others(&cluster, leader)[0];
    client.transfer_leader(follower).await.unwrap();
    cluster.wait_for_leader().await.unwrap();
    let ended = cache.ending().await;
    assert_eq!(ended.code(), ErrorCode::NotLeader, "{ended:?}");
}
