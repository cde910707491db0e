//! What an operation costs the state machine when there is little or much else: queued items, leases or waiters.
//!
//! A real [`State`](quorate_node::state_machine::State) over RocksDB in a directory of its own for every size, in this
//! process: no log, no network, no other member. Commands come in groups of `GROUP`, encoded before the clock starts,
//! as the log brings them; what is timed is decoding, applying and writing them. The sizes of a case take turns, so that
//! a slow phase of the machine meets all of them.

mod leases;
pub(crate) mod locks;
pub(crate) mod queues;
pub(crate) mod store;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use self::leases::Leases;
use self::locks::Locks;
use self::queues::Queues;

/// Commands in a group.
pub(crate) const GROUP: u32 = 64;

/// A measurement.
#[derive(Clone, Debug)]
pub struct Scale {
    /// Rounds that count.
    pub rounds: u32,
    /// Operations of a round, for each size.
    pub operations: u32,
    /// Where data goes.
    pub directory: PathBuf,
}

/// What it found.
#[derive(Debug, Serialize)]
pub struct ScaleReport {
    /// Rounds that counted.
    pub rounds: u32,
    /// Operations of a round, for each size.
    pub operations: u32,
    /// By case, then by size.
    pub figures: Vec<ScaleFigure>,
}

/// One case at one size.
#[derive(Clone, Debug, Serialize)]
pub struct ScaleFigure {
    /// What one operation is.
    pub operation: &'static str,
    /// What there is how many of.
    pub of: &'static str,
    /// How many.
    pub size: u32,
    /// Microseconds that one operation took, the median of the rounds.
    pub us_per_operation: f64,
    /// The fastest and the slowest round.
    pub us_extremes: (f64, f64),
    /// To the smallest size of the case.
    pub ratio: f64,
}

/// Something to be measured, of a size that stays.
pub(crate) trait Case {
    /// Does [`GROUP`] operations and returns how long the state machine took.
    fn step(&mut self) -> Result<Duration, String>;
}

impl Scale {
    /// Runs all cases.
    pub fn run(&self) -> Result<ScaleReport, String> {
        let mut figures = Vec::new();
        figures.extend(self.case(
            "enqueue + claim + ack",
            "queued items",
            [1_000, 100_000, 1_000_000],
            |size| Queues::new(&self.directory, size),
        )?);
        figures.extend(self.case("grant + revoke", "leases", [1_000, 100_000], |size| {
            Leases::new(&self.directory, size)
        })?);
        figures.extend(self.case("release + acquire", "waiters", [0, 1, 100, 10_000], |size| {
            Locks::new(&self.directory, size)
        })?);
        Ok(ScaleReport {
            rounds: self.rounds,
            operations: self.operations,
            figures,
        })
    }

    fn case<C: Case>(
        &self,
        operation: &'static str,
        of: &'static str,
        sizes: impl IntoIterator<Item = u32>,
        new: impl Fn(u32) -> Result<C, String>,
    ) -> Result<Vec<ScaleFigure>, String> {
        let mut cases = Vec::new();
        for size in sizes {
            cases.push((size, new(size)?, Vec::new()));
        }
        for round in 0..=self.rounds {
            for (_, case, us) in &mut cases {
                let steps = (self.operations / GROUP).max(1);
                let mut spent = Duration::ZERO;
                for _ in 0..steps {
                    spent += case.step()?;
                }
                // The first one warms up.
                if round > 0 {
                    us.push(spent.as_secs_f64() * 1e6 / f64::from(steps * GROUP));
                }
            }
        }
        let mut figures: Vec<ScaleFigure> = Vec::new();
        for (size, _, mut us) in cases {
            us.sort_by(f64::total_cmp);
            let median = us[us.len() / 2];
            let smallest = figures.first().map_or(median, |first| first.us_per_operation);
            figures.push(ScaleFigure {
                operation,
                of,
                size,
                us_per_operation: median,
                us_extremes: (us[0], us[us.len() - 1]),
                ratio: median / smallest,
            });
        }
        Ok(figures)
    }
}

impl ScaleReport {
    /// A table.
    pub fn text(&self) -> String {
        let mut text = String::from("| operation | with | us each | fastest to slowest round | to the smallest |\n");
        text += "|---|---|---|---|---|\n";
        for figure in &self.figures {
            let (fastest, slowest) = figure.us_extremes;
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} {} | {:.2} | {fastest:.2} to {slowest:.2} | {:.2}x |",
                figure.operation, figure.size, figure.of, figure.us_per_operation, figure.ratio
            );
        }
        text.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_goes_on_for_as_long_as_it_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let mut cases: Vec<Box<dyn Case>> = vec![
            Box::new(Queues::new(directory, 0).unwrap()),
            Box::new(Queues::new(directory, 300).unwrap()),
            Box::new(Leases::new(directory, 65).unwrap()),
            Box::new(Locks::new(directory, 0).unwrap()),
            Box::new(Locks::new(directory, 1).unwrap()),
            Box::new(Locks::new(directory, 100).unwrap()),
        ];
        for case in &mut cases {
            for _ in 0..3 {
                assert!(case.step().unwrap() > Duration::ZERO);
            }
        }
    }
}
