//! The short version of the long run; `cargo run -p quorate-tests -- eventual-rounds --help` has the long one.

use quorate_tests::scenarios::EventualRounds;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_equal_after_partitions_and_nothing_that_two_of_them_had_is_lost() {
    let rounds = EventualRounds {
        writers: 30,
        seconds: 20,
        seed: rand::random(),
    };
    let report = rounds
        .run(|line| println!("{line}"))
        .await
        .unwrap_or_else(|error| panic!("{rounds:?}: {error}"));
    println!("{report}");
    assert!(report.faults.is_complete(report.partitions), "{report}");
}
