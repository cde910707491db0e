//! Three real members on loopback, seen through the SDK; one module a subject.

#![allow(
    clippy::disallowed_methods,
    reason = "tests measure real time; nothing here is replicated"
)]

mod abuse;
mod basics;
mod cache_lies;
mod cache_members;
mod cache_rounds;
mod campaign;
mod corruption;
mod deploy;
mod doctor;
mod domains;
mod durability;
mod eventual;
mod eventual_cold;
mod eventual_peers;
mod eventual_restart;
mod eventual_rounds;
mod eventual_watch;
mod examples;
mod faults;
mod features;
mod fleet;
mod integrity;
mod leases;
mod limits;
mod limits_table;
mod locks;
mod many_clients;
mod membership;
mod memory;
mod metrics;
mod nemeses;
mod partitions;
mod promises;
mod queues;
mod reads;
mod requests;
mod restore;
mod retries;
mod sdk_resilience;
mod startup;
mod tidy;
mod tls;
mod tls_rotation;
mod tls_start;
mod watch;
mod watch_cli;
mod watch_faults;
mod watch_lies;
mod watch_rounds;
mod workers;
