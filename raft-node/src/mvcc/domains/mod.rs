//! Domains: keyspaces with a tier, limits, and what calls mean that do not say it themselves.
//!
//! The table is small and stays in memory whole; each domain has a row in the meta table. Ids are never used twice: one
//! more row says which is next.

mod change;
mod published;
mod row;
mod settings;
mod table;

pub use change::{DOMAINS_MAX, DomainChange, NewDomain};
pub use published::{DomainTable, EventualDomain, StrongDomain};
pub use row::{Domain, NextDomain, stored};
pub use settings::{DefaultLevel, DomainSettings, Evict, EvictPolicy, TTL_MS_MAX};
pub use table::{DomainIndex, Domains, resolve_strong};
