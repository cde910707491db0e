//! The verbs and their flags.

use clap::{Parser, Subcommand};

use super::connect::Global;
use super::exit::EXIT_CODES;
use super::verbs::{
    assign, bench, certs, compact, completion, config_print, del, demo, dev, doctor, domain, elect, eventual, get,
    lease, lock, log_level, member, memory, metrics, put, queue, range, run, server, snapshot, sync, txn, wait, watch,
    worker,
};

/// A replicated store for coordination.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, about, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Arguments {
    /// Flags of every verb.
    #[command(flatten)]
    pub(super) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a member of a cluster
    Server(server::ServerArguments),
    /// Run one node with nothing to configure
    Dev(dev::DevArguments),
    /// Three nodes and a fleet of workers that count the words of your files; a worker and the leader are killed
    Demo(demo::DemoArguments),
    /// A worker of the demonstration, to be killed by it
    #[command(hide = true)]
    DemoWorker(demo::DemoWorkerArguments),
    /// Write a key
    Put(put::PutArguments),
    /// Read a key
    Get(get::GetArguments),
    /// Delete keys
    Del(del::DelArguments),
    /// Read many keys
    Range(range::RangeArguments),
    /// Compare, then write, at one revision
    #[command(after_long_help = txn::EXAMPLE)]
    Txn(txn::TxnArguments),
    /// Show what changes, as it changes
    Watch(watch::WatchArguments),
    /// Wait until a key is as wanted, no longer than --timeout
    Wait(wait::WaitArguments),
    /// Forget the history before a revision
    Compact(compact::CompactArguments),
    /// Grant, renew, end and show leases
    #[command(subcommand)]
    Lease(lease::LeaseVerb),
    /// Show workers, and let them finish
    #[command(subcommand)]
    Worker(worker::WorkerVerb),
    /// Assign a task to a worker, and see to those that are assigned
    Assign(assign::AssignArguments),
    /// Run a command while a lock is held, and show and release locks
    Lock(lock::LockArguments),
    /// Run a command while this process leads an election
    Elect(elect::ElectArguments),
    /// Make queues, push and claim items
    #[command(subcommand)]
    Queue(queue::QueueVerb),
    /// Run a command for each item of a queue
    #[command(after_long_help = run::EXAMPLE)]
    Run(run::RunArguments),
    /// Make, change and show domains: keyspaces with a tier and limits
    #[command(subcommand)]
    Domain(domain::DomainVerb),
    /// Write and read in the memory of any member
    #[command(subcommand)]
    Eventual(eventual::EventualVerb),
    /// How far members have what the others have in memory
    #[command(subcommand)]
    Sync(sync::SyncVerb),
    /// What members have in memory
    Memory(memory::MemoryArguments),
    /// List and change the members of the cluster
    #[command(subcommand)]
    Member(member::MemberVerb),
    /// How each endpoint is doing
    Status,
    /// Look for what usually goes wrong, in the cluster or on this machine, and say what to do
    Doctor(doctor::DoctorArguments),
    /// Save the store
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotVerb),
    /// Measure what needs no cluster
    #[command(subcommand)]
    Bench(bench::BenchVerb),
    /// Make certificates for a cluster, and explain those there are
    #[command(subcommand)]
    Certs(certs::CertsVerb),
    /// Show the settings, and check them
    #[command(subcommand)]
    Config(config_print::ConfigVerb),
    /// Show how much a member writes to its log, or change it while it runs
    LogLevel(log_level::LogLevelArguments),
    /// Show what can be measured
    #[command(subcommand)]
    Metrics(metrics::MetricsVerb),
    /// Write a completion script for a shell
    Completion(completion::CompletionArguments),
}
