//! The tables of the state machine's store.

/// A keyspace of the engine. Names are part of the disk format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Key -> its newest record.
    Latest,
    /// Key and revision -> the record that this revision replaced.
    History,
    /// Revision -> the keys it touched.
    Changes,
    /// Expiries and tags -> nothing; the key of the entry says it all.
    Index,
    /// Registered clients and the answers kept for them.
    Clients,
    /// Leases, locks, the order of queues, workers, assignments: small rows, all of which the state machine also keeps in
    /// memory in their order, so that the head of a queue is found without passing what was deleted before it.
    Coordination,
    /// What queued items hold.
    Items,
    /// Single values: applied log id, membership, revision, log time, hash, domains.
    Meta,
}

impl Table {
    /// Every table, in the order of the enum.
    pub const ALL: [Table; 8] = [
        Table::Latest,
        Table::History,
        Table::Changes,
        Table::Index,
        Table::Clients,
        Table::Coordination,
        Table::Items,
        Table::Meta,
    ];

    /// The name on disk.
    pub fn name(self) -> &'static str {
        match self {
            Table::Latest => "latest",
            Table::History => "history",
            Table::Changes => "changes",
            Table::Index => "index",
            Table::Clients => "clients",
            Table::Coordination => "coordination",
            Table::Items => "items",
            Table::Meta => "meta",
        }
    }
}
