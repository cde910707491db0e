//! What a member answers over plain HTTP, to Prometheus and to whoever keeps it running.
//!
//! ```text
//! /metrics     the page of the table in metrics/
//! /livez       the process answers
//! /readyz      the member can do what it is there for; ?verbose shows each check, ?exclude=NAME leaves one out,
//!              /readyz/NAME is one of them
//! /log-level   GET: what is written to the log; PUT, from the machine itself: write this much from now on
//! ```
//!
//! It listens before the log is opened, so that a member that replays a long log is alive and not ready, and it is the last
//! to stop.
//!
//! Invariants
//! * Nothing here changes anything but how much is written to the log, and no answer depends on how much users have stored.
//! * Connections, the size of a request's head and the time for it are bounded.
//!
//! Deliberately absent: TLS, and whoever may not read. The listener stays on loopback unless the configuration says that
//! the network is trusted.

mod checks;
mod listener;
mod routes;
mod scrape;
mod site;

pub use checks::{Check, Finding, Readiness};
pub use listener::serve;
pub use site::{Observed, Phase, Site};
