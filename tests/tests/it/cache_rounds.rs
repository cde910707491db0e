//! The short version of the long run; `cargo run -p quorate-tests -- cache-rounds --help` has the long one.

use quorate_tests::scenarios::CacheRounds;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cache_answers_with_what_it_may_not_whatever_happens_to_the_members() {
    let rounds = CacheRounds {
        clients: 12,
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
