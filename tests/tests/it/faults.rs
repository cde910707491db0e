//! The short versions of the long runs; `cargo run -p quorate-tests -- --help` has the long ones.

use quorate_tests::scenarios::{KillRounds, PowerLoss, PowerLossEnd};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_kills_under_load_leave_a_history_that_is_explained() {
    let scenario = KillRounds {
        rounds: 8,
        clients: 6,
        seed: rand::random(),
    };
    let report = scenario
        .run(|line| println!("{line}"))
        .await
        .unwrap_or_else(|error| panic!("{scenario:?}: {error}"));
    assert_eq!(report.faults, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_lost_three_times_loses_nothing_acknowledged() {
    let scenario = PowerLoss {
        rounds: 3,
        clients: 6,
        seed: rand::random(),
    };
    let end = scenario
        .run(|line| println!("{line}"))
        .await
        .unwrap_or_else(|error| panic!("{scenario:?}: {error}"));
    match end {
        PowerLossEnd::Passed(report) => assert_eq!(report.faults, 3),
        PowerLossEnd::Skipped(reason) => eprintln!("skipped: {reason}"),
    }
}
