//! Two candidates, one leader, and what happens when it resigns:
//! `cargo run -p quorate --example leader_election [HOST:PORT]`.

use futures::StreamExt;
use quorate::{Client, ErrorKind, Op, Result};

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    let member = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7401".to_owned());
    let client = Client::builder()
        .endpoints([member])
        .name("leader_election")
        .connect()
        .await?;
    let name = format!("examples/scheduler/{}", std::process::id());
    let election = client.election(&name);

    let first = client.election(&name).campaign("candidate-1").await?;
    let second = tokio::spawn(client.election(&name).campaign("candidate-2"));
    let leader = election.leader().await?.expect("the first one leads");
    println!("{} leads, with token {}", leader.value.escape_ascii(), leader.token);
    assert_eq!(
        (leader.value.as_ref(), leader.token),
        (&b"candidate-1"[..], first.token())
    );

    // What a leader writes is refused as soon as it does not lead any more.
    let plan = format!("{name}/plan");
    client
        .txn()
        .then(first.fence())
        .then(Op::put(&plan, "by the first"))
        .await?;
    let fence = first.fence();
    first.release().await?;
    let second = second.await.expect("it does not panic")?;
    let late = client.txn().then(fence).then(Op::put(&plan, "late")).await.unwrap_err();
    println!("the first one, late: {late}");
    assert_eq!(late.kind(), &ErrorKind::Fenced);
    client
        .txn()
        .then(second.fence())
        .then(Op::put(&plan, "by the second"))
        .await?;

    // Whoever follows the election is told of each leader.
    let mut leaders = std::pin::pin!(election.observe());
    while let Some(leader) = leaders.next().await {
        if let Some(leader) = leader?.filter(|leader| leader.token == second.token()) {
            println!("{} leads, with token {}", leader.value.escape_ascii(), leader.token);
            assert!(leader.token > 0);
            break;
        }
    }
    let written = client.get(&plan).await?.record.expect("it was written");
    assert_eq!(written.value, "by the second");
    second.release().await?;
    client.delete(&plan).await?;
    client.close().await;
    Ok(())
}
