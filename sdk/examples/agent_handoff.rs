//! One agent hands its work to another one, which then sees everything that the first one has seen, wherever it reads:
//! `cargo run -p quorate --example agent_handoff [HOST:PORT [HOST:PORT]]`.

use quorate::{CausalToken, Consistency, Memory, Result};
use serde_json::{Value, json};

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<()> {
    let mut members = std::env::args().skip(1);
    let one = members.next().unwrap_or_else(|| "127.0.0.1:7401".to_owned());
    let other = members.next().unwrap_or_else(|| one.clone());

    let writer = memory("agent-a", &one).await?;
    let state = writer.sync_task_state("paper", &json!({"status": "drafted"})).await?;
    writer
        .sync_agent_coordination("paper", "agent-a", &json!({"sections": ["intro", "method"]}))
        .await?;
    writer.sync_task_progress("paper", 60, "drafted").await?;
    // What the batch still holds is not in a token: it was not written yet.
    writer.force_sync().await?;

    // The token is one word. It goes along with whatever tells the other agent to go on.
    let message = format!("go on with the paper; {}", writer.client().causal_token());
    println!("{message}");

    let word = message.rsplit(' ').next().unwrap_or_default();
    let reader = memory("agent-b", &other).await?;
    reader.client().observe(&word.parse::<CausalToken>()?);
    let draft = reader
        .get_task_state::<Value>("paper")
        .consistency(Consistency::Local)
        .await?;
    let draft = draft.expect("the token says that it is there");
    assert_eq!((draft.revision, &draft["status"]), (state.revision, &json!("drafted")));
    let notes = reader
        .get_agent_coordination::<Value>("paper", "agent-a")
        .await?
        .expect("as above");
    println!("agent-b reads {} and {}", draft.value, notes.value);
    assert_eq!(notes["sections"], json!(["intro", "method"]));
    assert_eq!(reader.get_task_progress("paper").await?.expect("as above").percent, 60);

    // It goes on where the first one stopped, and not over somebody else's work.
    let published = json!({"status": "published"});
    reader
        .sync_task_state("paper", &published)
        .expected_revision(draft.revision)
        .await?;
    writer
        .sync_task_state("paper", &json!({"status": "late"}))
        .expected_revision(draft.revision)
        .await
        .unwrap_err();
    reader.shutdown().await?;
    writer.shutdown().await
}

async fn memory(worker: &str, member: &str) -> Result<Memory> {
    let prefix = format!("examples/handoff/{}/", std::process::id());
    let builder = Memory::builder().endpoints([member]).worker_id(worker).prefix(prefix);
    builder.connect().await
}
