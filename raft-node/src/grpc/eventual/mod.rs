//! The eventual tier's calls: checked, done in this member's memory, and answered.
//!
//! A write or a read needs no other member and does not wait, unless the client asks for acknowledgements, for an age or
//! for what a token names. Calls of one stream are done in the order in which they come; those that wait are put aside.

mod answer;
mod asked;
mod change;
mod check;
mod entry;
mod level;
mod memory;
mod read;
mod repeat;
mod scan;
mod service;
mod stream;
mod sync;
#[cfg(test)]
mod testing;
mod write;

pub(super) use repeat::Repeats;
pub use service::EventualService;

use quorate_proto::v1::EventualHeader;

use super::api::Api;
use crate::mvcc::DomainTable;

impl Api {
    /// Who answers.
    pub(super) fn eventual_header(&self) -> EventualHeader {
        EventualHeader {
            cluster_id: self.roster.cluster_id(),
            member_id: self.roster.me().member,
            process: self.tier.store.id().0,
        }
    }

    /// The domains as this member knows them.
    fn domain_table(&self) -> std::sync::Arc<DomainTable> {
        self.store.domains().load()
    }
}
