//! The short version of the long run; `cargo run -p quorate-tests -- watch-rounds --help` has the long one.

use quorate_tests::scenarios::WatchRounds;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_watchers_are_told_everything_in_order_and_once_whatever_happens_to_the_members() {
    let rounds = WatchRounds {
        watchers: 50,
        seconds: 20,
        seed: rand::random(),
    };
    let report = rounds
        .run(|line| println!("{line}"))
        .await
        .unwrap_or_else(|error| panic!("{rounds:?}: {error}"));
    println!("{report}");
    assert!(report.faults.is_complete(&report.planned), "{report}");
}
