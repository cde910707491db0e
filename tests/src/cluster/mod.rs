//! Real server processes, on loopback unless told otherwise.
//!
//! A [`Cluster`] owns its members' processes, ports and data directories. Members are signalled by process id, never
//! by name, and all are killed when the cluster is dropped; after a panic the ends of their logs are printed. Where root
//! allows it they can have a [`Network`] of their own, in which they are cut off from one another.

mod binary;
mod certificates;
mod disruption;
mod member;
mod namespace;
mod network;
mod own_clock;
mod page;
mod ports;
mod processes;
mod settings;
mod small_disk;
mod status;

pub use binary::server_binary;
pub use certificates::Certificates;
pub use member::Member;
pub use network::{Network, Passed, Quality};
pub use page::{MetricsPage, http_get};
pub use ports::free_ports;
pub use processes::Cluster;
pub use settings::{SMALL_RESERVE_BYTES, Settings, run_to_exit, run_to_exit_with};
pub use status::{EqualState, status_of, status_over_tls};

/// Whether this machine lets the wall clocks of members be set, and if not, why.
pub fn own_clocks_possible() -> Result<(), crate::HarnessError> {
    own_clock::OwnClocks::new().map(drop)
}

/// Whether this machine lets members have small disks of their own, and if not, why.
pub fn small_disks_possible() -> Result<(), crate::HarnessError> {
    small_disk::SmallDisk::possible()
}
