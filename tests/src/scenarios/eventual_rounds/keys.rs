//! Domains and keys of the run, and what a member's entry says in the words of the check.

use quorate::{Client, EventualEntry, EventualType, Strategy, Tier};

use crate::HarnessError;
use crate::eventual_check::{Held, KINDS, Key, Kind, State};

/// Kept on disk, and made for the run.
const SIBLINGS: &str = "rounds-siblings";
/// In memory only, and made for the run.
const VOLATILE: &str = "rounds-volatile";
const DEFAULT: &str = "default-eventual";
const CACHE: &str = "cache";
const EPHEMERAL: &str = "ephemeral";

/// What is written for so long outlives the run.
const TTL_MS: u64 = 3_600_000;

/// Where keys of each kind are.
pub(super) const PLACES: [(&str, Kind); 11] = [
    (SIBLINGS, Kind::Siblings),
    (VOLATILE, Kind::Siblings),
    (DEFAULT, Kind::LastWrite),
    (CACHE, Kind::LastWrite),
    (EPHEMERAL, Kind::LastWrite),
    (DEFAULT, Kind::Union),
    (DEFAULT, Kind::Max),
    (DEFAULT, Kind::Counter),
    (CACHE, Kind::Counter),
    (DEFAULT, Kind::Set),
    (VOLATILE, Kind::Set),
];

/// Keys of one kind in one domain.
const KEYS: u64 = 6;

/// Makes the domains that a cluster does not have by itself.
pub(super) async fn make_domains(client: &Client) -> Result<(), HarnessError> {
    let domains = client.domains();
    let durable = domains
        .create(SIBLINGS, Tier::Eventual)
        .strategy(Strategy::Siblings)
        .await;
    durable.map_err(HarnessError::call("create a domain of siblings"))?;
    let volatile = domains
        .create(VOLATILE, Tier::Eventual)
        .volatile()
        .strategy(Strategy::Siblings)
        .await;
    volatile
        .map(drop)
        .map_err(HarnessError::call("create a volatile domain"))
}

/// A key of a place.
pub(super) fn key(place: (&'static str, Kind), number: u64) -> Key {
    let (domain, kind) = place;
    Key {
        domain,
        kind,
        name: format!("{}{}", prefix(kind), number % KEYS),
    }
}

/// How names of this kind begin.
pub(super) fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::Siblings => "siblings/",
        Kind::LastWrite => "last/",
        Kind::Union => "union/",
        Kind::Max => "max/",
        Kind::Counter => "counter/",
        Kind::Set => "set/",
    }
}

/// What a write of this key must say about its life.
pub(super) fn ttl_ms(key: &Key) -> u64 {
    if key.domain == EPHEMERAL { TTL_MS } else { 0 }
}

pub(super) fn strategy(kind: Kind) -> Strategy {
    match kind {
        Kind::Union => Strategy::Union,
        Kind::Max => Strategy::Max,
        Kind::Siblings => Strategy::Siblings,
        Kind::LastWrite | Kind::Counter | Kind::Set => Strategy::LastWrite,
    }
}

pub(super) fn entry_type(kind: Kind) -> EventualType {
    match kind {
        Kind::Counter => EventualType::Counter,
        Kind::Set => EventualType::Set,
        Kind::Siblings | Kind::LastWrite | Kind::Union | Kind::Max => EventualType::Register,
    }
}

/// Everything that a member has under keys of the run.
pub(super) async fn state_of(client: &Client) -> Result<State, quorate::Error> {
    let mut state = State::new();
    for (domain, kind) in PLACES {
        let eventual = client.eventual_in(domain);
        let mut next = None;
        loop {
            let mut scan = eventual.scan(quorate::Keys::prefix(prefix(kind))).of(entry_type(kind));
            if let Some(next) = next.take() {
                scan = scan.after(next);
            }
            let page = scan.await?;
            for entry in page.entries {
                let name = text(&entry.key);
                state.insert(Key { domain, kind, name }, held(kind, &entry));
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
    }
    debug_assert!(KINDS.iter().all(|kind| PLACES.iter().any(|place| place.1 == *kind)));
    Ok(state)
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a read gave.
pub(super) fn held(kind: Kind, entry: &EventualEntry) -> Held {
    let mut held = Held {
        sum: entry.counter,
        members: entry.members.iter().map(|member| text(member)).collect(),
        times: (entry.written_at_ms, entry.expires_at_ms),
        ..Held::default()
    };
    match kind {
        Kind::Counter | Kind::Set => {}
        Kind::Union => {
            let elements: Vec<String> = serde_json::from_slice(&entry.value).unwrap_or_default();
            held.values = elements.into_iter().collect();
        }
        Kind::Siblings if !entry.siblings.is_empty() => {
            for sibling in &entry.siblings {
                held.values.insert(text(&sibling.value));
                held.dots.insert((sibling.process, sibling.number));
            }
        }
        Kind::Siblings | Kind::LastWrite | Kind::Max => {
            held.values.insert(text(&entry.value));
        }
    }
    held
}
