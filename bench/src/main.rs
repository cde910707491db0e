//! `quorate-bench`: see [`quorate_bench`].

use std::process::ExitCode;

use clap::Parser;
use quorate_bench::cli::Cli;

/// Threads of the client: half of a two-core machine would starve it, more would starve the servers.
const CLIENT_THREADS: usize = 2;

/// That of the servers it drives, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CLIENT_THREADS)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("quorate-bench: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli.run()) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("quorate-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
