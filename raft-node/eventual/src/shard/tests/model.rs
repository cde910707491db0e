//! Random runs of three to five members: writes of every kind, partitions, lost frames, short logs, values that end,
//! contexts from elsewhere, crashes back to a flush, wiped and restored disks, retired processes. Members exchange real
//! frames. After every step, each member has to hold what the operations that its clock covers mean.

use std::collections::BTreeSet;

use super::checks;
use super::cluster::{Cluster, Options, Outcome};

/// Runs of the test. `QUORATE_MODEL_RUNS` asks for more.
const RUNS: u64 = 300;

/// One run, of at most `steps_max` steps. The same seed gives the same run.
pub fn run(seed: u64, steps_max: usize, options: Options) -> Outcome {
    let mut cluster = Cluster::new(seed, options);
    let steps = [30, 80, 160][(seed % 3) as usize].min(steps_max);
    let mut seen: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); cluster.nodes.len()];
    for _ in 0..steps {
        cluster.step()?;
        if options.only_grows {
            nothing_goes_missing(&cluster, &mut seen)?;
        }
    }
    cluster.heal()?;
    checks::at_the_end(&mut cluster)?;
    retire_everybody(&mut cluster)?;
    checks::at_the_end(&mut cluster)
}

/// What a member once had, it has.
fn nothing_goes_missing(cluster: &Cluster, seen: &mut [BTreeSet<usize>]) -> Outcome {
    for (node, seen) in cluster.nodes.iter().zip(seen) {
        for (place, target) in cluster.targets.iter().enumerate() {
            if !node.shard.read(&target.place, cluster.now_ms).siblings.is_empty() {
                seen.insert(place);
            } else if seen.contains(&place) {
                return Err(format!("{:?} was there and is missing", target.place));
            }
        }
    }
    Ok(())
}

/// When all have the same, every process that is gone can be retired, and nothing is awaited of it.
fn retire_everybody(cluster: &mut Cluster) -> Outcome {
    let gone: BTreeSet<_> = cluster
        .nodes
        .iter()
        .flat_map(|node| node.earlier.iter().copied())
        .filter(|actor| cluster.nodes.iter().all(|node| node.actor != *actor))
        .collect();
    for node in &mut cluster.nodes {
        for actor in &gone {
            let last = node.number(*actor);
            let index = node.index(*actor);
            if !node.shard.retire(index, last) {
                return Err(format!("{actor} cannot be retired"));
            }
        }
        let listed = node.shard.clock().iter().count();
        let awaits = node.shard.awaits_something();
        if awaits || listed > cluster.targets.len() + 5 {
            return Err(format!("awaits something: {awaits}, and lists {listed} actors"));
        }
    }
    Ok(())
}

/// The fewest steps with which the run fails.
fn fewest_steps(seed: u64, options: Options) -> usize {
    (1..=160)
        .find(|steps| run(seed, *steps, options).is_err())
        .unwrap_or(160)
}

fn runs() -> u64 {
    let asked = std::env::var("QUORATE_MODEL_RUNS").ok();
    asked.and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
}

fn all_hold(options: Options) {
    for seed in 0..runs() {
        if let Err(failure) = run(seed, usize::MAX, options) {
            let steps = fewest_steps(seed, options);
            panic!("seed {seed}, {steps} steps: {failure}\n{:?}", run(seed, steps, options));
        }
    }
}

#[test]
fn members_hold_what_their_operations_mean_whatever_happens() {
    all_hold(Options::default());
}

#[test]
fn what_is_never_deleted_never_goes_missing() {
    all_hold(Options {
        only_grows: true,
        ..Options::default()
    });
}
