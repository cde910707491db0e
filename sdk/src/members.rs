//! Keeps the addresses that a client knows those of the members, while members come and go.
//!
//! Calls learn one address at a time: hints name the leader. A client that is quiet for long, or that has no need of hints,
//! would know only members of long ago. So it asks for the list of them now and then, and soon after an endpoint failed, if it
//! was built to; always a member that it is connected to, since who is connected to none finds the members when it makes its
//! next call, among those that it knew last.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use quorate_proto::v1;
use rand::Rng;

use crate::cluster::member_list;
use crate::core::Core;
use crate::endpoint::Endpoint;
use crate::routing::Route;

/// How long after an endpoint failed, about: by then another leads, and knows who is there.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Nothing waits for the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Asks until the client is closed or dropped. The first time soon: it may have been told of one member of many.
pub(crate) async fn follow(core: Weak<Core>, every: Duration) {
    let (mut closed, failures) = match core.upgrade() {
        Some(core) => (core.closing_signal(), core.routing.failures()),
        None => return,
    };
    let mut pause = AFTER_FAILURE;
    loop {
        let due = async {
            tokio::select! {
                () = tokio::time::sleep(about(pause)) => {}
                () = failures.notified() => tokio::time::sleep(about(AFTER_FAILURE)).await,
            }
        };
        tokio::select! {
            () = due => {}
            // Or the client is gone.
            _ = closed.changed() => return,
        }
        let Some(endpoint) = core.upgrade().and_then(|core| connected(&core)) else {
            if core.strong_count() == 0 {
                return;
            }
            pause = every;
            continue;
        };
        let listed = tokio::select! {
            listed = member_list(&endpoint, ANSWER_TIMEOUT) => listed,
            _ = closed.changed() => return,
        };
        match (listed, core.upgrade()) {
            (Ok(members), Some(core)) => learn(&core, &members),
            (Err(error), _) => tracing::debug!(%error, member = endpoint.address(), "the members could not be listed"),
            (Ok(_), None) => return,
        }
        pause = every;
    }
}

/// Their addresses are the endpoints from now on. One that cannot be used, or one too many, is left out: the client works
/// without it.
pub(crate) fn learn(core: &Core, members: &[v1::Member]) {
    let addresses = members.iter().map(|member| member.client_address.as_str());
    let addresses: Vec<&str> = addresses.filter(|address| !address.is_empty()).collect();
    for error in core.routing.learn_all(&addresses) {
        tracing::debug!(%error, "client address of a member is not used");
    }
}

/// The leader if there is a connection to it, or somebody else.
fn connected(core: &Core) -> Option<Arc<Endpoint>> {
    let now = Instant::now();
    let pick = |route| {
        core.routing
            .pick(route, None, now)
            .filter(|endpoint| endpoint.is_connected())
    };
    pick(Route::Leader).or_else(|| pick(Route::Any))
}

/// Many clients do not ask at once.
fn about(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.75..1.25))
}
