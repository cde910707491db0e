//! The client against a cluster that lives in this process and misbehaves on demand.

mod fake;

mod batching;
mod calls;
mod cluster;
mod failures;
mod retries;
