//! Real server processes, on loopback unless told otherwise.
//!
//! A [`Cluster`] owns its members' processes, ports and data directories. Members are signalled by process id, never
//! by name, and all are killed when the cluster is dropped; after a panic the ends of their logs are printed. Where root
//! allows it they can have a [`Network`] of their own, in which they are cut off from one another.

mod binary;
mod member;
mod network;
mod ports;
mod processes;
mod settings;
mod status;

pub use binary::server_binary;
pub use member::Member;
pub use network::Network;
pub use ports::free_ports;
pub use processes::Cluster;
pub use settings::{Settings, run_to_exit, run_to_exit_with};
pub use status::{EqualState, status_of};
