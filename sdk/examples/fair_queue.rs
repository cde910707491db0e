//! A tenant with much work does not hold up one with little: `cargo run -p quorate --example fair_queue [HOST:PORT]`.

use quorate::{Client, NewItem, QueueConfig, Result};

const MANY: usize = 100;
const FEW: usize = 3;

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
        .name("fair_queue")
        .connect()
        .await?;
    let queue = client.queue(format!("examples/fair/{}", std::process::id()));
    queue.create_if_missing(QueueConfig::default()).await?;

    // The large tenant comes first, with everything it has. A group is served in turn with the others.
    let large = (0..MANY).map(|number| NewItem::new(format!("large {number}")).group("large"));
    queue.push_all(large).await?;
    let small = (0..FEW).map(|number| NewItem::new(format!("small {number}")).group("small"));
    queue.push_all(small).await?;
    // Whatever is urgent goes before all of it.
    queue.push("urgent").priority(9).await?;

    let mut order = Vec::new();
    while let Some(item) = queue.claim(1).await?.pop() {
        order.push(String::from_utf8_lossy(item.payload()).into_owned());
        item.ack().await?;
    }
    println!("the first ones: {:?}", &order[..8]);
    assert_eq!(order.len(), MANY + FEW + 1);
    assert_eq!(order[0], "urgent");
    let last_small = order
        .iter()
        .rposition(|task| task.starts_with("small"))
        .expect("they were claimed");
    println!("the small tenant was done after {last_small} of {} items", order.len());
    assert!(last_small <= 2 * FEW + 1);
    queue.delete().await?;
    client.close().await;
    Ok(())
}
