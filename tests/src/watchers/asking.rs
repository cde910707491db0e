//! What watchers ask for.

use bytes::Bytes;
use quorate_proto::v1;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use crate::watch_check::{Asked, Names, Space, Start, Wanted};

/// Revisions in the past from which a watcher may start.
const PAST: u64 = 600;

/// Revisions in the future at which a watcher may start, at most.
pub const FUTURE: u64 = 150;

/// The request for a watch, with marks at this interval in milliseconds; 0: none.
pub fn create(watch_id: u64, asked: &Asked, start: Start, mark_interval_ms: u64) -> v1::WatchCreate {
    v1::WatchCreate {
        watch_id,
        selectors: asked.wanted.iter().map(selector).collect(),
        start: Some(match start {
            Start::Now => v1::watch_create::Start::Now(v1::WatchNow {}),
            Start::From(revision) => v1::watch_create::Start::FromRevision(revision),
        }),
        no_puts: !asked.puts,
        no_deletes: !asked.deletes,
        previous: asked.previous,
        keys_only: asked.keys_only,
        mark_interval_ms,
        latest: false,
        cache: None,
    }
}

fn selector(wanted: &Wanted) -> v1::WatchSelector {
    use v1::key_selector::Kind;
    let (space, domain) = match &wanted.space {
        Space::Keys(domain) => (v1::WatchSpace::Keys, domain.clone()),
        Space::Leases => (v1::WatchSpace::Leases, String::new()),
        Space::Locks => (v1::WatchSpace::Locks, String::new()),
        Space::Queues => (v1::WatchSpace::Queues, String::new()),
        Space::Workers => (v1::WatchSpace::Workers, String::new()),
        Space::Tasks => (v1::WatchSpace::Tasks, String::new()),
    };
    let kind = match &wanted.names {
        Names::One(name) => Kind::Key(name.clone()),
        Names::Prefix(prefix) => Kind::Prefix(prefix.clone()),
        Names::Interval { start, end } => Kind::Interval(v1::Interval {
            start: start.clone(),
            end: end.clone(),
        }),
        Names::Pattern(pattern) => Kind::Pattern(pattern.clone()),
    };
    v1::WatchSelector {
        space: space.into(),
        domain,
        keys: Some(v1::KeySelector { kind: Some(kind) }),
    }
}

/// One to three selectors of what the writers of [`WatchRounds`](crate::scenarios::WatchRounds) touch, and filters.
pub fn random_asked(random: &mut SmallRng) -> Asked {
    let selectors = *[1, 1, 1, 2, 3].choose(random).unwrap_or(&1);
    let (puts, deletes) = *[(true, true), (true, true), (true, true), (true, false), (false, true)]
        .choose(random)
        .unwrap_or(&(true, true));
    Asked {
        wanted: (0..selectors).map(|_| random_wanted(random)).collect(),
        puts,
        deletes,
        previous: random.random_bool(0.5),
        keys_only: random.random_bool(0.2),
    }
}

fn random_wanted(random: &mut SmallRng) -> Wanted {
    let everything = || Names::Prefix(Bytes::new());
    let (space, names) = match random.random_range(0..24) {
        0 => (Space::Leases, everything()),
        1 => (Space::Locks, everything()),
        2 => (Space::Queues, everything()),
        3 => (Space::Workers, everything()),
        4 => (Space::Tasks, Names::Pattern("task/*/1".to_owned())),
        5 => (Space::Keys("shared".to_owned()), everything()),
        _ => (Space::Keys("default".to_owned()), random_keys(random)),
    };
    Wanted { space, names }
}

fn random_keys(random: &mut SmallRng) -> Names {
    let mut one_of = |words: &[&'static str]| *words.choose(random).unwrap_or(&"");
    let bytes = |word: &'static str| Bytes::from_static(word.as_bytes());
    match one_of(&["one", "prefix", "prefix", "interval", "pattern", "pattern", "all"]) {
        "one" => Names::One(bytes(one_of(&[
            "jobs/1/state",
            "jobs/4/log",
            "cfg/2",
            "tmp/3",
            "held/0",
        ]))),
        "prefix" => Names::Prefix(bytes(one_of(&["jobs/", "jobs/2", "cfg/", "tmp/", "held/", "bulk/"]))),
        "interval" => {
            let (start, end) = match one_of(&["low", "middle", "open"]) {
                "low" => ("a", "jobs/2/state"),
                "middle" => ("cfg/3", "jobs/5"),
                _ => ("jobs/3", ""),
            };
            Names::Interval {
                start: bytes(start),
                end: bytes(end),
            }
        }
        "pattern" => {
            Names::Pattern(one_of(&["jobs/*/state", "**/log", "jobs/**", "*/1", "cfg/*", "bulk/**"]).to_owned())
        }
        _ => Names::Prefix(Bytes::new()),
    }
}

/// Now, or at a revision around `newest`.
pub fn random_start(random: &mut SmallRng, newest: u64) -> Start {
    match random.random_range(0..10) {
        0..4 => Start::Now,
        4..8 => Start::From(newest.saturating_sub(random.random_range(0..PAST)).max(1)),
        _ => Start::From(newest + random.random_range(1..=FUTURE)),
    }
}
