//! What readers read and writers write: the same few keys.

use bytes::Bytes;
use quorate::{Client, Tier};
use rand::Rng;
use rand::rngs::SmallRng;

use crate::HarnessError;
use crate::cache_check::Place;

/// A domain whose writes wait for caches.
pub(super) const COHERENT: &str = "coherent";

/// A domain whose writes do not.
pub(super) const PLAIN: &str = "default";

/// Keys of each domain: few, so that what is cached is written.
const KEYS: u64 = 24;

/// Keys that go by themselves.
const EXPIRING: u64 = 4;

/// The domain is there.
pub(super) async fn make_domains(client: &Client) -> Result<(), HarnessError> {
    let made = client.domains().create(COHERENT, Tier::Strong).coherent(true).await;
    made.map(drop).map_err(HarnessError::call("make the coherent domain"))
}

fn domain(random: &mut SmallRng) -> String {
    let coherent = random.random_bool(0.4);
    (if coherent { COHERENT } else { PLAIN }).to_owned()
}

/// A key that is written and deleted. Some are read and written more than others.
pub(super) fn lasting(random: &mut SmallRng) -> Place {
    let number = random.random_range(0..KEYS).min(random.random_range(0..KEYS));
    Place {
        domain: domain(random),
        key: Bytes::from(format!("k/{number}")),
    }
}

/// A key that is written with an end.
pub(super) fn expiring(random: &mut SmallRng) -> Place {
    Place {
        domain: domain(random),
        key: Bytes::from(format!("tmp/{}", random.random_range(0..EXPIRING))),
    }
}

/// Any key.
pub(super) fn any(random: &mut SmallRng) -> Place {
    match random.random_range(0..10) {
        0 => expiring(random),
        _ => lasting(random),
    }
}
