//! The short version of the long run; `cargo run -p quorate-tests -- many-clients --help` has the long one.

use quorate_tests::scenarios::ManyClients;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_leave_what_they_wrote_and_nothing_else() {
    let crowd = ManyClients { clients: 1_000 };
    let report = crowd
        .run(|line| println!("{line}"))
        .await
        .unwrap_or_else(|error| panic!("{crowd:?}: {error}"));
    println!("{report}");
    assert_eq!(report.at_once, 1_000, "{report}");
}
