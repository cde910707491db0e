//! `quorate-tests run`, `quorate-tests replay` and `quorate-tests export`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use quorate_tests::HarnessError;
use quorate_tests::campaign::{Campaign, Progress, Report, Standing, export_lists, export_registers};
use quorate_tests::journal::{Fault, JournalFile};

/// What is played, what happens meanwhile, and for how long.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct RunOptions {
    /// `all`, or names with commas between them.
    #[arg(long, default_value = "all", value_name = "NAMES")]
    workloads: String,
    /// `all`, `none`, or kinds and families of faults with commas between them.
    #[arg(long, default_value = "all", value_name = "KINDS")]
    faults: String,
    /// How long it goes on; longer if a planned fault has not happened by then.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=360))]
    minutes: u64,
    /// Instead of minutes.
    #[arg(long, conflicts_with = "minutes")]
    seconds: Option<u64>,
    /// Repeats the decisions of an earlier run; drawn and printed when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Voters: 3 or 5. A learner that keeps its whole log is one more.
    #[arg(long, default_value_t = 3)]
    members: u64,
    /// Operations a second, all workloads together.
    #[arg(long, default_value_t = 400)]
    rate: u64,
    /// How often each kind of fault has to happen.
    #[arg(long, default_value_t = 1)]
    faults_min: u64,
    /// Keeps the journal in this file; without it, one is kept in the temporary directory if the run does not pass.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

/// Which journal.
#[derive(Debug, Args)]
pub struct ReplayOptions {
    /// A journal of `run`.
    file: PathBuf,
}

/// What of a journal goes where.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)))]
pub struct ExportOptions {
    /// A journal of `run`.
    file: PathBuf,
    /// The transactions over lists, in EDN, for Elle.
    #[arg(long, value_name = "FILE", group = "what")]
    elle: Option<PathBuf>,
    /// The calls of registers, in lines of JSON, for checkers in the manner of Porcupine.
    #[arg(long, value_name = "FILE", group = "what")]
    registers: Option<PathBuf>,
}

impl RunOptions {
    /// Runs it.
    pub async fn run(self) -> Result<Report, HarnessError> {
        let campaign = Campaign {
            workloads: Campaign::workloads(&self.workloads)?,
            faults: Campaign::faults(&self.faults)?,
            seconds: self.seconds.unwrap_or(60 * self.minutes),
            seed: self.seed.unwrap_or_else(rand::random),
            members: self.members,
            rate: self.rate,
            faults_min: self.faults_min,
            journal: self.keep,
        };
        match std::io::stderr().is_terminal() {
            true => campaign.run(Bar::new()).await,
            false => campaign.run(|line: &str| println!("{line}")).await,
        }
    }
}

impl ReplayOptions {
    /// Checks it again.
    pub fn run(self) -> Result<Report, HarnessError> {
        Report::replay(&self.file)
    }
}

impl ExportOptions {
    /// Writes it; returns what was written.
    pub fn run(self) -> Result<String, HarnessError> {
        let journal = JournalFile::open(&self.file)?;
        let mut written = Vec::new();
        if let Some(path) = &self.elle {
            written.push(format!("{} transactions", export_lists(&journal, path)?));
        }
        if let Some(path) = &self.registers {
            written.push(format!("{} calls", export_registers(&journal, path)?));
        }
        Ok(written.join(", "))
    }
}

/// A line that moves, below those that stay.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Bar {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{elapsed_precise} [{wide_bar}] {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Bar(bar)
    }
}

impl Progress for Bar {
    fn say(&mut self, line: &str) {
        self.0.println(line);
    }

    fn fault(&mut self, fault: &Fault) {
        let took = Duration::from_micros(fault.ended_us.saturating_sub(fault.began_us)).as_secs_f32();
        let line = format!(
            "{} of {:?}: {} ({took:.1} s)",
            fault.fault, fault.victims, fault.evidence
        );
        self.0.println(line);
    }

    fn stand(&mut self, standing: Standing) {
        self.0.set_length(standing.planned.as_secs());
        self.0.set_position(standing.elapsed.min(standing.planned).as_secs());
        self.0.set_message(format!(
            "{} operations, {} a second, {} faults",
            standing.operations, standing.per_second, standing.faults
        ));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
