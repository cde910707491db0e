//! How many conflicts a core resolves in a second.

use std::hint::black_box;
use std::time::{Duration, Instant};

use quorate_eventual::resolve::{Candidate, resolve};
use quorate_eventual::{Hlc, Strategy};
use serde::Serialize;

/// Resolutions between two looks at the clock.
const ROUND: u64 = 1_000;

/// A run: every strategy in turns.
#[derive(Clone, Copy, Debug)]
pub struct ResolveLoad {
    /// How long each strategy is measured.
    pub window: Duration,
}

/// What it came to.
#[derive(Debug, Serialize)]
pub struct ResolveReport {
    /// By strategy, on one thread.
    pub rates: Vec<ResolveRate>,
}

/// One strategy.
#[derive(Debug, Serialize)]
pub struct ResolveRate {
    /// What is resolved.
    pub conflict: &'static str,
    /// Conflicts of two values that are resolved in a second.
    pub per_second: f64,
}

impl ResolveLoad {
    /// Runs it, in this thread.
    pub fn run(&self) -> Result<ResolveReport, String> {
        let rates = conflicts().into_iter().map(|(conflict, strategy, values)| {
            let per_second = self.rate(strategy, &values)?;
            Ok(ResolveRate { conflict, per_second })
        });
        Ok(ResolveReport {
            rates: rates.collect::<Result<_, String>>()?,
        })
    }

    fn rate(&self, strategy: Strategy, values: &[String; 2]) -> Result<f64, String> {
        let candidates = [0, 1].map(|place: usize| Candidate {
            value: values[place].as_bytes(),
            strategy,
            hlc: Hlc(place as u64 + 1),
            actor: 6 - place as u64,
            number: place as u64 + 1,
        });
        let began = Instant::now();
        let mut done = 0;
        // At least once, however short it is to take.
        while done == 0 || began.elapsed() < self.window {
            for _ in 0..ROUND {
                if black_box(resolve(black_box(&candidates))).is_none() {
                    return Err(format!("{strategy:?} made nothing of two values"));
                }
            }
            done += ROUND;
        }
        Ok(done as f64 / began.elapsed().as_secs_f64())
    }
}

fn conflicts() -> [(&'static str, Strategy, [String; 2]); 5] {
    let bytes = [0, 1].map(|number| format!("{number}{}", "x".repeat(255)));
    let numbers = [0, 1].map(|number| format!("{}", 1_700_000_000 + number));
    let arrays = [0, 1].map(|number| format!(r#"["worker-{number}","worker-{}","all"]"#, number + 1));
    let objects = [0, 1].map(|number| {
        format!(r#"{{"step":{number},"by":{{"worker":"w-{number}","host-{number}":true}},"done":0.{number}}}"#)
    });
    [
        ("last write, 256 bytes", Strategy::LastWrite, bytes.clone()),
        ("siblings, 256 bytes", Strategy::Siblings, bytes),
        ("max, 10 digits", Strategy::Max, numbers),
        ("union, 3 strings each", Strategy::Union, arrays),
        ("merge, 5 fields each", Strategy::Merge, objects),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_conflict_is_resolved_at_some_rate() {
        let load = ResolveLoad {
            window: Duration::from_millis(1),
        };
        let report = load.run().unwrap();
        assert_eq!(report.rates.len(), 5);
        assert!(report.rates.iter().all(|rate| rate.per_second > 0.0));
    }
}
