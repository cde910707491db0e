//! Every metric there is: what it counts, in which unit, under which labels.
//!
//! A [`Metric`] can be made in this file only, and everything that is recorded or shown names one: what is not in the table
//! cannot appear on the page, and what is in the table appears with its description even while it has no samples.

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the process ends.
    Counter,
    /// It is what it is now.
    Gauge,
    /// How often something took how long, by upper bounds.
    Histogram,
}

impl Kind {
    /// The word for it on the page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What one of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A thing, or an event.
    Count,
    /// 0 for no, 1 for yes.
    Truth,
    /// An index, a term, a revision, a level.
    Number,
    /// Seconds.
    Seconds,
    /// Seconds since 1970.
    UnixSeconds,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Truth => "0 or 1",
            Self::Number => "number",
            Self::Seconds => "seconds",
            Self::UnixSeconds => "unix seconds",
            Self::Bytes => "bytes",
        }
    }
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    name: &'static str,
    kind: Kind,
    unit: Unit,
    labels: &'static [&'static str],
    help: &'static str,
    row: usize,
}

impl Metric {
    /// Its name, prefix included.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How it moves.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What one of it is.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The names of its labels, in their order.
    pub fn labels(&self) -> &'static [&'static str] {
        self.labels
    }

    /// What it says, in a sentence.
    pub fn help(&self) -> &'static str {
        self.help
    }

    /// Its place in the table.
    pub(super) fn row(&self) -> usize {
        self.row
    }
}

macro_rules! table {
    ($($constant:ident $name:literal $kind:ident $unit:ident [$($label:literal)*] $help:literal;)*) => {
        /// The places of the rows.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "named like the constants")]
        enum Row { $($constant),* }
        $(
            #[doc = $help]
            pub const $constant: &Metric = &Metric {
                name: $name,
                kind: Kind::$kind,
                unit: Unit::$unit,
                labels: &[$($label),*],
                help: $help,
                row: Row::$constant as usize,
            };
        )*
        /// All of them, in the order in which they are shown.
        pub const TABLE: &[&Metric] = &[$($constant),*];
    };
}

table! {
    // Consensus.
    HAS_LEADER "quorate_has_leader" Gauge Truth [] "This member knows a leader that, if it is itself, a quorum has answered within 2 s.";
    IS_LEADER "quorate_is_leader" Gauge Truth [] "This member leads.";
    RAFT_TERM "quorate_raft_term" Gauge Number [] "Term of the newest vote.";
    LEADER_CHANGES "quorate_leader_changes_total" Counter Count [] "Times that another leader became known to this member.";
    PROPOSALS "quorate_proposals_total" Counter Count [] "Commands that were given to this member to propose.";
    PROPOSALS_PENDING "quorate_proposals_pending" Gauge Count [] "Commands that wait for their outcome at this member.";
    PROPOSALS_FAILED "quorate_proposals_failed_total" Counter Count ["reason"] "Commands without an outcome from the log: not_leader, overloaded, encode, unknown, stopped.";
    PROPOSAL_GROUPS "quorate_proposal_groups_total" Counter Count [] "Log entries that were made of the proposed commands; commands of many clients share one.";
    COMMITTED_INDEX "quorate_committed_index" Gauge Number [] "Log index up to which this member knows entries to be committed.";
    APPLIED_INDEX "quorate_applied_index" Gauge Number [] "Log index up to which this member has applied entries.";
    APPLY_LAG_ENTRIES "quorate_apply_lag_entries" Gauge Count [] "Entries that are known to be committed and not yet applied.";
    APPLY_SECONDS "quorate_apply_seconds" Histogram Seconds [] "Time to apply one batch of entries.";
    REPLICATION_LAG_ENTRIES "quorate_replication_lag_entries" Gauge Count ["peer"] "On the leader: entries of its log that the peer is not known to have.";
    PEER_CONNECTED "quorate_peer_connected" Gauge Truth ["peer"] "The peer answered the newest question of this member, asked once a second.";
    READ_INDEX_ROUNDS "quorate_read_index_rounds_total" Counter Count [] "Rounds that made reads linearizable; all reads that waited share one.";
    READ_INDEX_FAILED "quorate_read_index_failed_total" Counter Count [] "Rounds that found no leader, or no quorum.";
    SNAPSHOTS_BUILT "quorate_snapshots_built_total" Counter Count [] "Snapshots that this member made of its state.";
    SNAPSHOTS_INSTALLED "quorate_snapshots_installed_total" Counter Count [] "Snapshots that took the place of this member's state.";
    CLIENTS "quorate_clients" Gauge Count [] "Clients that are registered in the cluster, whose retries apply once.";

    // Disk.
    LOG_SYNC_SECONDS "quorate_log_sync_seconds" Histogram Seconds [] "Time of one sync of the log to the disk.";
    LOG_WRITTEN_BYTES "quorate_log_written_bytes_total" Counter Bytes [] "Bytes written to the log.";
    LOG_DISK_BYTES "quorate_log_disk_bytes" Gauge Bytes [] "Space that the log takes on the disk.";
    DATABASE_BYTES "quorate_database_bytes" Gauge Bytes [] "Space that the state of the strong tier takes on the disk.";
    DISK_FREE_BYTES "quorate_disk_free_bytes" Gauge Bytes [] "Free space on the disk of the data directory, looked at once a second.";
    DISK_RESERVE_BYTES "quorate_disk_reserve_bytes" Gauge Bytes [] "storage.space_reserve_bytes: with less free, this member counts as full.";
    BLOCK_CACHE_HITS "quorate_block_cache_hits_total" Counter Count [] "Blocks of the state that were found in the block cache.";
    BLOCK_CACHE_MISSES "quorate_block_cache_misses_total" Counter Count [] "Blocks of the state that had to be read from the disk.";
    REVISION "quorate_revision" Gauge Number [] "Newest revision of the store that this member has applied.";
    COMPACTED_REVISION "quorate_compacted_revision" Gauge Number [] "Oldest revision that can be read.";
    COMPACTIONS "quorate_compactions_total" Counter Count [] "Times that the oldest readable revision moved.";

    // What is wrong.
    ALARM_ACTIVE "quorate_alarm_active" Gauge Truth ["alarm"] "The alarm is raised: no_leader, no_space, disk_low, diverged, eventual_diverged, stopped.";

    // Watches and caches of clients.
    WATCHES "quorate_watches" Gauge Count [] "Watches that are open at this member.";
    WATCHES_BEHIND "quorate_watches_behind" Gauge Count [] "Watches that read the past, because they began there or their client is slow.";
    WATCH_EVENTS "quorate_watch_events_total" Counter Count [] "Deliveries of a revision to a watch.";
    WATCHES_LAGGED "quorate_watches_lagged_total" Counter Count [] "Watches that were ended because their client did not read.";
    WATCH_PENDING_BYTES "quorate_watch_pending_bytes" Gauge Bytes [] "Events that wait for clients to read them.";
    CACHES "quorate_caches" Gauge Count [] "Caches of clients that this member keeps true.";
    CACHE_KEYS "quorate_cache_keys" Gauge Count [] "Keys that these caches registered.";
    CACHE_INVALIDATIONS "quorate_cache_invalidations_total" Counter Count [] "Deliveries of a change, or of an invalidation, to a cache.";

    // Coordination. All of it is replicated: every member says the same of the same revision.
    LEASES "quorate_leases" Gauge Count [] "Leases.";
    LEASES_EXPIRED "quorate_leases_expired_total" Counter Count [] "Leases that ended because nobody renewed them.";
    LOCKS_HELD "quorate_locks_held" Gauge Count [] "Holds of locks; a semaphore has one a holder.";
    LOCK_WAITERS "quorate_lock_waiters" Gauge Count [] "Acquisitions that wait in line.";
    LOCK_WAIT_SECONDS "quorate_lock_wait_seconds" Histogram Seconds [] "How long acquisitions waited in line that were granted in the end, as this member answered them.";
    QUEUES "quorate_queues" Gauge Count [] "Queues.";
    QUEUE_ITEMS "quorate_queue_items" Gauge Count ["queue" "state"] "Items of the queue: ready, claimed, delayed, dead.";
    QUEUE_OLDEST_AGE_SECONDS "quorate_queue_oldest_age_seconds" Gauge Seconds ["queue"] "How long the ready item that became ready first has been ready; 0 without one. The leader says it as of now, the others as of the newest entry: take the greatest.";
    QUEUE_REDELIVERED "quorate_queue_redelivered_total" Counter Count ["queue"] "Claims that ended without an answer, after which the item was given out again.";
    QUEUE_DEAD "quorate_queue_dead_total" Counter Count ["queue"] "Items that were put with the dead.";
    WORKERS "quorate_workers" Gauge Count [] "Workers that are registered.";
    ASSIGNMENTS "quorate_assignments" Gauge Count [] "Tasks that are assigned or wait for a worker.";

    // Eventual tier.
    EVENTUAL_WRITES "quorate_eventual_writes_total" Counter Count [] "Operations that this member made in the eventual tier.";
    EVENTUAL_ENTRIES "quorate_eventual_entries" Gauge Count ["domain"] "Entries of the domain at this member.";
    EVENTUAL_SYNC_LAG_SECONDS "quorate_eventual_sync_lag_seconds" Gauge Seconds ["peer"] "How long ago this member is known to have had everything that the peer had; absent until it is known once.";
    EVENTUAL_SIBLINGS "quorate_eventual_siblings" Gauge Count ["domain"] "Values that stand beside another of their entry: what a resolver has still to decide.";
    EVENTUAL_CONFLICTS "quorate_eventual_conflicts_total" Counter Count ["domain" "strategy"] "Conflicts that this member resolved.";
    EVENTUAL_HEAL_REPORTS "quorate_eventual_heal_reports_total" Counter Count [] "Partitions that were healed with a member.";
    EVENTUAL_DAMAGED_FRAMES "quorate_eventual_damaged_frames_total" Counter Count [] "Frames of the eventual tier that arrived damaged and were asked for again.";
    MEMORY_USED_BYTES "quorate_memory_used_bytes" Gauge Bytes ["domain"] "Bytes that count against the limit of the domain.";
    MEMORY_LIMIT_BYTES "quorate_memory_limit_bytes" Gauge Bytes ["domain"] "The limit of the domain; absent without one.";
    MEMORY_PRESSURE "quorate_memory_pressure" Gauge Number ["domain"] "0: none. 1 from 60 %: warns. 2 from 80 %: evicts. 3 from 90 %: refuses writes that grow it.";
    EVICTIONS "quorate_evictions_total" Counter Count ["domain" "policy"] "Entries that made room for others.";

    // Calls.
    RPC "quorate_rpc_total" Counter Count ["method" "code"] "Calls of clients that ended, by method and gRPC code.";
    RPC_SECONDS "quorate_rpc_seconds" Histogram Seconds ["method"] "Time from the arrival of a call to its reply; of a call that streams, to the beginning of its answer.";
    RPC_IN_FLIGHT "quorate_rpc_in_flight" Gauge Count [] "Calls that this member works on.";
    RPC_WAITING "quorate_rpc_waiting" Gauge Count [] "Calls that wait for something to happen, such as a claim of an empty queue.";
    SLOW_CALLS "quorate_slow_calls_total" Counter Count [] "Calls that took log.slow_call_ms or longer, not counting what they asked to wait.";
    TRACE_SPANS "quorate_trace_spans_total" Counter Count ["result"] "Spans for tracing.otlp_endpoint: exported, or dropped because the collector did not take them in time.";
    CONNECTIONS "quorate_connections" Gauge Count ["side"] "Open connections: client, peer, http.";
    CONNECTIONS_REFUSED "quorate_connections_refused_total" Counter Count ["side" "reason"] "Connections that this member closed by itself: too_many beyond the limit, silent ones, no_handshake where TLS is spoken, not_http2, pushed_out to make room.";
    REQUESTS_CUT "quorate_requests_cut_total" Counter Count ["reason"] "Requests of clients that were given up before they were there: too_slow, pushed_out to make room.";
    REQUESTS_BYTES "quorate_requests_bytes" Gauge Bytes [] "Requests of clients that are whole and not answered; limits.requests_bytes_max bounds them.";
    ANSWERS_UNREAD_BYTES "quorate_answers_unread_bytes" Gauge Bytes [] "Answers that wait for clients to read them; limits.answers_unread_bytes_max bounds them.";
    TLS_CERTIFICATE_EXPIRY "quorate_tls_certificate_expiry_timestamp_seconds" Gauge UnixSeconds ["side"] "When the certificate of this member that ends first is over: client, peer.";
    TLS_RELOADS "quorate_tls_reloads_total" Counter Count ["result"] "Times that certificates were read again: ok, failed.";

    // The process.
    READY "quorate_ready" Gauge Truth [] "What /readyz answers.";
    BUILD_INFO "quorate_build_info" Gauge Truth ["version" "target"] "The build, always 1.";
    PROCESS_CPU_SECONDS "quorate_process_cpu_seconds_total" Counter Seconds [] "Processor time of the process.";
    PROCESS_RESIDENT_BYTES "quorate_process_resident_bytes" Gauge Bytes [] "Memory of the process that is in use.";
    PROCESS_OPEN_FDS "quorate_process_open_fds" Gauge Count [] "Open file descriptors.";
    PROCESS_MAX_FDS "quorate_process_max_fds" Gauge Count [] "File descriptors that the process may open.";
    PROCESS_THREADS "quorate_process_threads" Gauge Count [] "Threads.";
    PROCESS_START_TIME "quorate_process_start_time_seconds" Gauge UnixSeconds [] "When the process began.";
    SCRAPE_SECONDS "quorate_scrape_seconds" Histogram Seconds [] "Time to make this page, earlier ones counted.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_row_knows_its_place_and_no_name_stands_twice() {
        for (place, metric) in TABLE.iter().enumerate() {
            assert_eq!(metric.row(), place, "{}", metric.name());
        }
        let names: BTreeSet<&str> = TABLE.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn names_say_what_the_metric_is() {
        for metric in TABLE {
            let name = metric.name();
            assert!(name.starts_with("quorate_"), "{name}");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}: lower case and underscores only"
            );
            assert_eq!(metric.kind() == Kind::Counter, name.ends_with("_total"), "{name}");
            let base = name.trim_end_matches("_total");
            match metric.unit() {
                Unit::Seconds => assert!(base.ends_with("_seconds"), "{name}"),
                Unit::UnixSeconds => assert!(base.ends_with("_time_seconds") || base.ends_with("_timestamp_seconds")),
                Unit::Bytes => assert!(base.ends_with("_bytes"), "{name}"),
                Unit::Count | Unit::Truth | Unit::Number => {
                    assert!(!base.ends_with("_seconds") && !base.ends_with("_bytes"), "{name}");
                }
            }
            assert!(metric.help().ends_with('.'), "{name}: its help is a sentence");
        }
    }
}
