//! `quorate bench`: measurements that need no cluster.

mod eviction;

use clap::Subcommand;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum BenchVerb {
    /// How many requests of a trace each eviction policy would answer from memory
    #[command(after_long_help = eviction::EXAMPLE)]
    Eviction(eviction::EvictionArguments),
}

/// Measures.
pub fn run(verb: &BenchVerb, global: &Global) -> Result<Exit, Failure> {
    match verb {
        BenchVerb::Eviction(arguments) => eviction::run(arguments, global),
    }
}
