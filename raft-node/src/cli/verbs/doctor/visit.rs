//! Asks every member.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use quorate::{Client, Member, MemberStatus};

use crate::cli::exit::Failure;
use crate::environment::{Clock, SystemClock};

/// The quickest of so many answers tells best what the clock of a member showed.
const CALLS: usize = 5;

/// One answer, and what the asking showed.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: MemberStatus,
    /// From the question to the answer.
    pub(super) round_trip: Duration,
    /// How far the member's clock is ahead of the one here, in milliseconds, give or take half the round trip. None from a
    /// member that does not say.
    pub(super) ahead_ms: Option<i64>,
}

/// An address, and what came back.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) address: String,
    pub(super) answer: Result<Answer, String>,
}

/// What was heard.
#[derive(Clone, Debug)]
pub(super) struct Visited {
    /// The members, as one of them knows them, or why nobody could say.
    pub(super) members: Result<Vec<Member>, String>,
    /// Each address that was given or that a member tells its clients.
    pub(super) visits: Vec<Visit>,
}

/// Asks who the members are, then each of them how it is.
pub(super) async fn all(client: &Client, endpoints: &[String]) -> Visited {
    let members = client.members().await.map_err(|error| Failure::from(error).message);
    let mut addresses: Vec<String> = members
        .iter()
        .flatten()
        .map(|member| member.client_address.clone())
        .filter(|address| !address.is_empty())
        .collect();
    let given = endpoints.iter().map(|endpoint| plain(endpoint).to_owned());
    addresses.extend(given);
    let mut seen = BTreeMap::new();
    addresses.retain(|address| seen.insert(address.clone(), ()).is_none());
    let visits = join_all(addresses.into_iter().map(|address| async move {
        let answer = ask(client, &address).await;
        Visit { address, answer }
    }));
    Visited {
        visits: visits.await,
        members,
    }
}

async fn ask(client: &Client, address: &str) -> Result<Answer, String> {
    let mut best: Option<Answer> = None;
    for _ in 0..CALLS {
        let began = Instant::now();
        let before_ms = SystemClock.wall_ms();
        let status = client
            .status(address)
            .await
            .map_err(|error| Failure::from(error).message)?;
        let round_trip = began.elapsed();
        if best.as_ref().is_none_or(|best| round_trip < best.round_trip) {
            let here_ms = before_ms.saturating_add(round_trip.as_millis() as u64 / 2);
            let ahead_ms = (status.wall_ms > 0).then(|| status.wall_ms.wrapping_sub(here_ms) as i64);
            best = Some(Answer {
                status,
                round_trip,
                ahead_ms,
            });
        }
    }
    best.ok_or_else(|| "it was not asked".to_owned())
}

/// As members write it.
fn plain(endpoint: &str) -> &str {
    let endpoint = endpoint.strip_prefix("http://").unwrap_or(endpoint);
    endpoint.trim_end_matches('/')
}
