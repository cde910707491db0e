//! The short version of the long run; `cargo run -p quorate-tests -- corruption --help` has the long one.

use quorate_tests::scenarios::Corruption;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_disk_is_damaged_never_answers_wrongly() {
    let rounds = Corruption {
        rounds: 6,
        clients: 4,
        seed: rand::random(),
    };
    let report = rounds
        .run(|line| println!("{line}"))
        .await
        .unwrap_or_else(|error| panic!("{rounds:?}: {error}"));
    println!("{report}");
    assert_eq!(report.noticed() + report.unnoticed(), rounds.rounds, "{report}");
}
