//! Settings of a member.
//!
//! Four layers, the upper over the lower: flags, environment (`QUORATE_...`), the TOML file, defaults. `load()` merges
//! them and remembers where each value came from; `NodeConfig::validate` checks every value and how they go together.
//!
//! Invariants
//! * A key that is not in `SETTINGS` is an error that names the key and the file: a misspelt limit must not be
//!   silently the default.
//! * Every message names the key, the value and what is allowed; every problem is reported, not the first alone.
//! * A value means the same on every layer: `raft.heartbeat_ms` is `QUORATE_RAFT_HEARTBEAT_MS` is
//!   `--set raft.heartbeat_ms=`.
//!
//! Deliberately absent: reloading while running, and included or merged files.

mod error;
mod layer;
mod limits;
mod listen_http;
mod load;
mod node;
mod print;
mod sections;
mod settings;
#[cfg(test)]
mod tests;
mod tls;
mod tls_rules;
mod validate;

pub use error::{ConfigError, Problem};
pub use layer::{Layer, parse_members};
pub use limits::Limits;
pub use listen_http::ListenHttp;
pub use load::{Loaded, Origin, load};
pub use node::{Cluster, FoundingMember, NodeConfig};
pub use sections::{Cache, Compaction, Eventual, Log, LogFormat, LogLevel, Metrics, Raft, Storage, Tracing};
pub use settings::{Kind, SETTINGS, Setting};
pub use tls::{ClientTls, PeerTls, Tls};
