//! `quorate demo`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::connect::Global;
use crate::cli::demo::{self, Plan};
use crate::cli::exit::{Exit, Failure};

/// Flags of the demonstration.
#[derive(Args, Debug)]
pub struct DemoArguments {
    /// The files to count; .git and target are left out
    #[arg(long, value_name = "DIR", default_value = ".")]
    input: PathBuf,
    /// How many workers share the files
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// Keep the data and logs of the three nodes
    #[arg(long)]
    keep: bool,
}

/// What the demonstration asks of the process that it will kill.
#[derive(Args, Debug)]
pub struct DemoWorkerArguments {
    /// How many files to claim and hold
    #[arg(value_parser = clap::value_parser!(u32).range(1..=128))]
    files: u32,
}

/// Claims files and holds them.
pub async fn hold_files(arguments: DemoWorkerArguments, global: &Global) -> Result<Exit, Failure> {
    demo::hold_files(arguments.files, global).await
}

/// Runs it.
pub async fn run(arguments: DemoArguments, global: &Global) -> Result<Exit, Failure> {
    let plan = Plan {
        input: arguments.input,
        workers: arguments.workers,
        keep: arguments.keep,
    };
    demo::run(plan, global.output).await
}
