//! `quorate bench eviction`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use quorate_eventual::policy::{Policy, REQUESTS_MAX, Recommendation, Trace, recommend, simulate, simulate_exact_lru};
use serde_json::{Value, json};

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

pub(super) const EXAMPLE: &str = "Examples:
  quorate bench eviction --capacity 10000 --trace keys.txt
  quorate bench eviction --capacity 10000 --zipf 0.9 --keys 1000000";

/// A line of a trace is a key; longer ones are another kind of file.
const LINE_BYTES_MAX: usize = 64 << 10;
const SEED: u64 = 1;

/// What is asked for, and how much fits.
#[derive(Args, Debug)]
pub struct EvictionArguments {
    /// Entries that fit into memory
    #[arg(long, value_name = "ENTRIES")]
    capacity: NonZeroUsize,
    /// One policy only: lru, lfu, ttl, fifo, arc or random
    #[arg(long)]
    policy: Option<Policy>,
    /// Where the requests come from.
    #[command(flatten)]
    source: Source,
    /// Keys of a made-up trace [default: ten times the capacity]
    #[arg(long, value_name = "KEYS", conflicts_with = "trace")]
    keys: Option<NonZeroUsize>,
    /// Requests of a made-up trace
    #[arg(long, value_name = "REQUESTS", default_value_t = 1_000_000, conflicts_with = "trace")]
    requests: usize,
}

/// One of them.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct Source {
    /// A file with a key a line, in the order in which they were asked for
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Made up: the key of rank r is asked for as often as 1/r^S says
    #[arg(long, value_name = "S")]
    zipf: Option<f64>,
    /// Made up: each key once
    #[arg(long)]
    scan: bool,
    /// Made up: all keys in order, over and over
    #[arg(long = "loop")]
    looped: bool,
}

/// Runs the trace through each policy and shows how much of it would be answered from memory.
pub fn run(arguments: &EvictionArguments, global: &Global) -> Result<Exit, Failure> {
    let trace = arguments.trace()?;
    let capacity = arguments.capacity;
    let exact_lru = simulate_exact_lru(&trace, capacity).hit_rate();
    let requests = trace.requests().len();
    let mut json = json!({ "requests": requests, "capacity": capacity, "exact_lru": exact_lru });
    let text = match arguments.policy {
        Some(policy) => {
            let rates = [(policy, simulate(&trace, capacity, policy, SEED).hit_rate())];
            json["hit_rates"] = rates_json(&rates);
            table(&rates, exact_lru)
        }
        None => {
            let Recommendation { policy, hit_rates, why } = recommend(&trace, capacity);
            json["hit_rates"] = rates_json(&hit_rates);
            json["recommended"] = policy.name().into();
            json["why"] = why.clone().into();
            format!("{}\n\nrecommended: {policy}, since {why}", table(&hit_rates, exact_lru))
        }
    };
    global.output.show(&json, || text)?;
    Ok(Exit::Success)
}

impl EvictionArguments {
    fn trace(&self) -> Result<Trace, Failure> {
        if let Some(path) = &self.source.trace {
            return read(path);
        }
        if self.requests > REQUESTS_MAX {
            return Err(Failure::usage(format!(
                "--requests {}: at most {REQUESTS_MAX} fit into memory",
                self.requests
            )));
        }
        let keys = self
            .keys
            .map_or(self.capacity.get().saturating_mul(10), NonZeroUsize::get);
        if keys > REQUESTS_MAX {
            return Err(Failure::usage(format!(
                "--keys {keys}: at most {REQUESTS_MAX} fit into memory"
            )));
        }
        match self.source.zipf {
            Some(exponent) if exponent.is_finite() && (0.0..=10.0).contains(&exponent) => {
                Ok(Trace::zipf(keys, exponent, self.requests, SEED))
            }
            Some(exponent) => Err(Failure::usage(format!("--zipf {exponent}: it must be from 0 to 10"))),
            None if self.source.scan => Ok(Trace::scan(self.requests)),
            None => Ok(Trace::looped(keys, self.requests)),
        }
    }
}

fn read(path: &Path) -> Result<Trace, Failure> {
    let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    let mut lines = BufReader::new(file);
    let mut failed = None;
    let keys = std::iter::from_fn(|| match line(&mut lines) {
        Ok(line) => line,
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    let trace = Trace::of_keys(keys).map_err(|error| Failure::usage(format!("{}: {error}", path.display())));
    match failed {
        Some(error) => Err(Failure::file(path, &error)),
        None => trace,
    }
}

/// The next line without its end; none after the last.
fn line(lines: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let limit = LINE_BYTES_MAX as u64 + 1;
    if std::io::Read::take(lines, limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() > LINE_BYTES_MAX {
        return Err(std::io::Error::other(format!(
            "a line has more than {LINE_BYTES_MAX} bytes: is it a list of keys?"
        )));
    }
    while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(line))
}

fn rates_json(rates: &[(Policy, f64)]) -> Value {
    let rates = rates
        .iter()
        .map(|(policy, rate)| (policy.name().to_owned(), json!(rate)));
    Value::Object(rates.collect())
}

fn table(rates: &[(Policy, f64)], exact_lru: f64) -> String {
    let row = |name: &str, rate: f64| vec![name.to_owned(), format!("{:.2} %", rate * 100.0)];
    let rows = rates.iter().map(|(policy, rate)| row(policy.name(), *rate));
    let exact = row("lru, exact", exact_lru);
    output::table(&["policy", "answered from memory"], rows.chain([exact]))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: EvictionArguments,
    }

    fn parsed(words: &[&str]) -> Result<EvictionArguments, clap::Error> {
        let words = ["eviction"].iter().chain(words);
        Line::try_parse_from(words).map(|line| line.arguments)
    }

    #[test]
    fn a_trace_is_read_a_key_a_line() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("keys.txt");
        std::fs::write(&path, "a\nb\r\na").unwrap();
        let trace = read(&path).unwrap();
        let hashes: Vec<u64> = trace.requests().iter().map(|request| request.key_hash).collect();
        assert_eq!(hashes.len(), 3);
        assert_eq!(hashes[0], hashes[2]);
        assert_ne!(hashes[0], hashes[1]);
    }

    #[test]
    fn a_file_of_another_kind_is_refused_before_it_fills_the_memory() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("keys.txt");
        std::fs::write(&path, vec![b'x'; LINE_BYTES_MAX + 5]).unwrap();
        let failure = read(&path).unwrap_err().to_string();
        assert!(failure.contains("is it a list of keys?"), "{failure}");
    }

    #[test]
    fn there_is_one_source_and_its_numbers_are_checked() {
        assert!(parsed(&["--capacity", "10"]).is_err(), "no source");
        assert!(
            parsed(&["--capacity", "10", "--scan", "--loop"]).is_err(),
            "two sources"
        );
        assert!(parsed(&["--capacity", "0", "--scan"]).is_err(), "nothing fits");
        let zipf = parsed(&["--capacity", "10", "--zipf", "11"]).unwrap();
        assert!(zipf.trace().unwrap_err().to_string().contains("from 0 to 10"));
        let many = parsed(&["--capacity", "10", "--scan", "--requests", "20000001"]).unwrap();
        assert!(many.trace().unwrap_err().to_string().contains("at most 20000000"));
        let looped = parsed(&["--capacity", "10", "--loop", "--requests", "500"]).unwrap();
        assert_eq!(looped.trace().unwrap().requests().len(), 500);
    }
}
