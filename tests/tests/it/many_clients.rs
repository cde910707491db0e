//! The short version of the long run; `cargo run -p quorate-tests -- many-clients --help` has the long one.

use std::path::PathBuf;

use quorate_tests::scenarios::ManyClients;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_leave_what_they_wrote_and_nothing_else() {
    let crowd = ManyClients {
        clients: 1_000,
        program: PathBuf::from(env!("CARGO_BIN_EXE_quorate-tests")),
    };
    let report = crowd
        .clone()
        .run(|line| println!("{line}"))
        .await
        .unwrap_or_else(|error| panic!("{crowd:?}: {error}"));
    println!("{report}");
    assert_eq!(report.written, 2 * (2 * 1_000 + 16), "{report}");
}
