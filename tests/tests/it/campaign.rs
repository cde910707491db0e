//! The short version of the long run; `make jepsen` is the long one.

use std::path::Path;

use quorate_tests::campaign::{Campaign, Outcome, Report};
use quorate_tests::nemesis::{Ability, FaultKind};
use quorate_tests::verdict::Verdict;
use quorate_tests::workloads;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Kinds of fault of the short run, drawn from the seed: the long run has all of them.
const KINDS: usize = 5;

/// A run that is kept, told line by line.
async fn run(campaign: Campaign) -> Report {
    let shown = format!("{campaign:?}");
    let report = campaign.run(|line: &str| println!("{line}")).await;
    report.unwrap_or_else(|error| panic!("{shown}: {error}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_workload_is_explained_under_faults_drawn_from_a_random_seed() {
    let seed = rand::random();
    let mut random = SmallRng::seed_from_u64(seed);
    let possible = Ability::of_this_machine().divide(&FaultKind::ALL, 3).0;
    let report = run(Campaign {
        workloads: workloads::all(),
        faults: possible.choose_multiple(&mut random, KINDS).copied().collect(),
        seconds: 20,
        seed,
        members: 3,
        rate: 200,
        faults_min: 1,
        journal: None,
    })
    .await;
    println!("{report}");
    assert_eq!(report.outcome(), Outcome::Passed, "{report}");
}

/// The first line that has all of these, with `from` made `to`.
fn tampered(path: &Path, has: &[&str], from: &str, to: &str) -> Report {
    let whole = std::fs::read_to_string(path).unwrap();
    let found = whole.lines().find(|line| has.iter().all(|word| line.contains(word)));
    let line = found.unwrap_or_else(|| panic!("no line has {has:?}"));
    let other = line.replacen(from, to, 1);
    assert_ne!(line, other, "{from} is not there");
    let changed = path.with_extension("tampered");
    std::fs::write(&changed, whole.replacen(line, &other, 1)).unwrap();
    Report::replay(&changed).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_journal_says_the_same_again_and_a_forged_one_is_found_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.jsonl");
    let seed = rand::random::<u64>() >> 1;
    let report = run(Campaign {
        workloads: Campaign::workloads("register,set").unwrap(),
        faults: vec![FaultKind::Kill],
        seconds: 4 + SmallRng::seed_from_u64(seed).random_range(0..2),
        seed,
        members: 3,
        rate: 200,
        faults_min: 1,
        journal: Some(path.clone()),
    })
    .await;
    assert_eq!(report.outcome(), Outcome::Passed, "{report}");
    let again = Report::replay(&path).unwrap();
    assert_eq!(again.to_string(), report.to_string());

    let forged = tampered(
        &path,
        &["\"workload\":\"set\"", "\"done\":{\"added\""],
        "\"revision\":",
        "\"revision\":9",
    );
    assert_eq!(forged.outcome(), Outcome::Failed);
    assert!(matches!(forged.verdict("set"), Some(Verdict::Illegal(_))), "{forged}");
    assert!(forged.verdict("register").is_some_and(Verdict::is_ok), "{forged}");

    let forged = tampered(
        &path,
        &["\"workload\":\"register\"", "\"done\":{\"written\"", "\"put\""],
        "\"value\":\"",
        "\"value\":\"x",
    );
    assert!(
        matches!(forged.verdict("register"), Some(Verdict::Illegal(_))),
        "{forged}"
    );

    let unseen = tampered(&path, &["\"journal\":1"], "\"kill\"", "\"pause\"");
    assert_eq!(unseen.outcome(), Outcome::NotCounted, "{unseen}");
}
