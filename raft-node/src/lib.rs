//! A member of a Quorate cluster.
//!
//! The modules stand in the order in which a `put` visits them; see `ARCHITECTURE.md` for the walk and for what each
//! folder must never do.

// Command line: the server, the client verbs, the demo.
pub mod cli;

// Settings of a member: flags over environment over file over defaults.
pub mod config;

// 1. Client calls: decodes and checks requests, and makes every `tonic::Status`.
pub mod grpc;

// Pages for Prometheus, and for whoever keeps the member running.
pub mod http;

// Watches: from what was applied, and from the list of changes, to the streams of clients.
pub mod watch;

// 2. Turns a command into a committed log entry, and makes reads linearizable.
pub mod consensus;

// Certificates: who may connect, and to whom.
pub mod tls;

// 3. Votes and entries on disk, in one ordered stream.
pub mod log_store;

// 4. Applies committed commands, exactly once and in order.
pub mod state_machine;

// 5. Sessions, locks, queues, workers: the verbs of a transaction beside put and delete.
pub mod coordination;

// 6. Revisions, records, history.
pub mod mvcc;

// 7. What shares the life of a lease.
pub mod leases;

// 8. The processes that wrote to the eventual tier.
pub mod actors;

// 9. The ordered store on disk.
pub mod storage;

// Rows of the coordination tables: composed keys and typed values.
pub mod rows;

// The eventual tier: a road of its own.
pub mod eventual;

// Wires a member together; start and shutdown order.
pub mod node;

// Bytes on disk and in the log: one envelope.
pub mod codec;

// Tells those who wait what was applied.
pub mod signals;

// Work that may wait for a disk, where a call cannot be asynchronous.
mod blocking;

// Hands what was applied to those who watch.
pub mod feed;

// What the process writes about itself.
pub mod logging;

// What was said already is not said again at once.
mod spoken;

// Follows single requests: names, times, lines, spans.
pub mod request;

// What a member says about itself in numbers.
pub mod metrics;

// Clocks and randomness, so that a simulator can replace them.
pub mod environment;

// Known bugs, for tests of the tests.
pub mod canary;

// Places that can be made to fail, for tests of the tests.
pub mod failpoints;

// Newtypes at the bottom.
pub mod types;

// Free space of the data directory's disk.
pub mod space;
