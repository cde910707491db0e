//! Watchers of Quorate through its SDK: those of one client share a stream.

use std::time::Instant;

use quorate::{Client, Keys, WatchEvent, WatchItem};
use tokio::sync::mpsc;

use super::Received;

pub(super) async fn open(
    endpoints: &[String],
    watchers: usize,
    prefix: &str,
    received: &mpsc::Sender<Received>,
) -> Result<(), String> {
    let said = |error: quorate::Error| error.to_string();
    let client = Client::builder()
        .endpoints(endpoints.to_vec())
        .connect()
        .await
        .map_err(said)?;
    for _ in 0..watchers {
        let mut watch = client.watch(Keys::prefix(prefix.to_owned())).await.map_err(said)?;
        let received = received.clone();
        tokio::spawn(async move {
            while let Some(Ok(item)) = watch.next().await {
                let WatchItem::Events(batch) = item else { continue };
                let events = batch.events.into_iter();
                let values = events.filter_map(|event| match event {
                    WatchEvent::Key(key) => Some(key.record.value),
                    _ => None,
                });
                let at = Instant::now();
                let values = values.collect();
                if received.send(Received { at, values }).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}
