//! The client against a cluster that lives in this process and misbehaves on demand.

#![allow(
    clippy::disallowed_methods,
    reason = "tests measure real time; nothing here is replicated"
)]

mod fake;

mod batching;
mod cache;
mod cache_coherence;
mod cache_faults;
mod cache_invalidation;
mod calls;
mod cluster;
mod eventual_batch;
mod eventual_calls;
mod eventual_retries;
mod eventual_session;
mod eventual_watch;
mod failures;
mod memory;
mod memory_agents;
mod memory_batch;
mod memory_life;
mod memory_subscriptions;
mod retries;
mod wait_for;
mod watch;
mod watch_faults;
mod watch_members;
