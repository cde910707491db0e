//! Command line of the counted pieces.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{CostReport, Workload, cache};

/// See [`super`].
#[derive(Debug, Args)]
pub struct CostArgs {
    /// The piece of work; without one, all of them are listed and nothing is done.
    #[arg(value_enum)]
    workload: Option<Workload>,
    /// Members, separated by commas; `cache-get` alone needs one.
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT")]
    endpoints: Vec<String>,
    /// Where data goes [default: the temporary directory].
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<std::path::PathBuf>,
}

/// What there is, and what decides how many instructions it takes.
#[derive(Debug, Serialize)]
struct CostList {
    /// Of the crates of this workspace.
    opt_level: &'static str,
    /// Of the compiler.
    rustc: &'static str,
    /// Of the processor.
    architecture: &'static str,
    workloads: Vec<Listed>,
}

#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    operation: String,
    /// It wants `--endpoints`.
    needs_member: bool,
}

impl CostArgs {
    /// Does it and returns a line of JSON.
    pub async fn run(self) -> Result<String, String> {
        let Some(workload) = self.workload else {
            return line(&list());
        };
        if workload == Workload::CacheGet && !self.endpoints.is_empty() {
            return line(&cache::run(self.endpoints).await?);
        }
        let parent = self.directory.unwrap_or_else(std::env::temp_dir);
        let made = tempfile::Builder::new().prefix("quorate-cost-").tempdir_in(&parent);
        let directory = made.map_err(|error| format!("cannot make a directory in {}: {error}", parent.display()))?;
        let path = directory.path().to_owned();
        // Not on a thread of the runtime: one of the pieces has a runtime of its own.
        let done = tokio::task::spawn_blocking(move || workload.count(&mut workload.prepare(&path)?)).await;
        let report: CostReport = done.map_err(|error| format!("the piece stopped: {error}"))??;
        line(&report)
    }
}

fn list() -> CostList {
    let listed = |workload: &Workload| Listed {
        name: workload.name(),
        operation: workload.operation(),
        needs_member: workload.needs_member(),
    };
    CostList {
        opt_level: env!("QUORATE_BENCH_OPT_LEVEL"),
        rustc: env!("QUORATE_BENCH_RUSTC"),
        architecture: std::env::consts::ARCH,
        workloads: Workload::value_variants().iter().map(listed).collect(),
    }
}

fn line(report: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(report).map_err(|error| error.to_string())
}
