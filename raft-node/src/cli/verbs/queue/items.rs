//! Items: pushed, claimed, acknowledged, given back.

use std::time::Duration;

use clap::Args;
use quorate::{Claimed, ItemState, NewItem, Pushed, Receipt};
use serde_json::{Value, json};

use super::receipt;
use crate::cli::bytes::{self, ValueArguments};
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Items in one call.
const BATCH: usize = 128;

/// What is pushed.
#[derive(Args, Debug)]
#[command(override_usage = "quorate queue push [OPTIONS] <QUEUE> <VALUE|--value-file <FILE>>")]
pub struct PushArguments {
    /// To which
    queue: String,
    /// The payload.
    #[command(flatten)]
    payload: ValueArguments,
    /// Each line is an item; up to 128 are pushed at one revision
    #[arg(long, conflicts_with_all = ["dedupe", "hex"])]
    lines: bool,
    /// 0 to 255; higher goes first
    #[arg(long, default_value_t = 0)]
    priority: u8,
    /// Groups are served in turn
    #[arg(long, default_value = "")]
    group: String,
    /// Add nothing if an item with this key was pushed a short time ago
    #[arg(long, value_name = "KEY", default_value = "")]
    dedupe: String,
    /// It can be claimed after this time
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    delay: Duration,
    /// The payload is hexadecimal
    #[arg(long)]
    hex: bool,
}

pub(super) async fn push(arguments: PushArguments, global: &Global) -> Result<Exit, Failure> {
    let payload = arguments.payload.read(arguments.hex)?;
    let item = |payload: &[u8]| {
        NewItem::new(payload)
            .priority(arguments.priority)
            .group(arguments.group.clone())
            .dedupe_key(arguments.dedupe.clone())
            .delay(arguments.delay)
    };
    let queue = global.connect().await?.queue(arguments.queue.clone());
    if !arguments.lines {
        let pushed = queue.push_all([item(&payload)]).await?;
        let json = json!({ "items": pushed.iter().map(shown_push).collect::<Vec<_>>() });
        global.output.show(&json, || sentences(&pushed))?;
        return Ok(Exit::Success);
    }
    let lines: Vec<&[u8]> = payload
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    let mut pushed = Vec::with_capacity(lines.len());
    for batch in lines.chunks(BATCH) {
        let added = queue.push_all(batch.iter().map(|line| item(line))).await;
        pushed.extend(added.map_err(|error| after_some(error, pushed.len()))?);
    }
    let json = json!({ "items": pushed.iter().map(shown_push).collect::<Vec<_>>() });
    global.output.show(&json, || format!("{} items", pushed.len()))?;
    Ok(Exit::Success)
}

/// Batches before the one that failed stay pushed.
fn after_some(error: quorate::Error, pushed: usize) -> Failure {
    let mut failure = Failure::from(error);
    if pushed > 0 {
        failure.message = format!("{} (the first {pushed} items were pushed)", failure.message);
    }
    failure
}

fn shown_push(pushed: &Pushed) -> Value {
    json!({ "item": pushed.item, "duplicate": pushed.duplicate })
}

fn sentences(pushed: &[Pushed]) -> String {
    let sentences = pushed.iter().map(|pushed| match pushed.duplicate {
        true => format!("item {} was pushed before; nothing was added", pushed.item),
        false => format!("item {}", pushed.item),
    });
    sentences.collect::<Vec<_>>().join("\n")
}

/// What is claimed.
#[derive(Args, Debug)]
pub struct ClaimArguments {
    /// Of which
    queue: String,
    /// At most so many
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=128))]
    count: u32,
    /// Wait so long for an item
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    wait: Duration,
    /// How long the claims last; without it, as long as the queue says
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    visibility: Option<Duration>,
    /// The claims end with this lease
    #[arg(long, value_name = "ID", default_value_t = 0)]
    lease: u64,
    /// Who claims, for people
    #[arg(long, default_value = "")]
    worker: String,
    /// Show payloads as hexadecimal
    #[arg(long)]
    hex: bool,
}

pub(super) async fn claim(arguments: ClaimArguments, global: &Global) -> Result<Exit, Failure> {
    let hex = arguments.hex;
    let queue = global.connect().await?.queue(arguments.queue);
    let claimed = queue
        .claim(arguments.count)
        .wait(arguments.wait)
        .visibility(arguments.visibility.unwrap_or_default())
        .lease(arguments.lease)
        .worker(arguments.worker)
        .await?;
    let json = json!({ "items": claimed.iter().map(|one| shown_claim(one, hex)).collect::<Vec<_>>() });
    global.output.show(&json, || match claimed.as_slice() {
        [] => "nothing can be claimed".to_owned(),
        claimed => claim_table(claimed, hex),
    })?;
    // For scripts: as a key that does not exist.
    Ok(if claimed.is_empty() {
        Exit::Refused
    } else {
        Exit::Success
    })
}

fn shown_claim(claimed: &Claimed, hex: bool) -> Value {
    let item = claimed.item();
    let mut object = serde_json::Map::new();
    object.insert("item".to_owned(), claimed.id().into());
    object.insert("receipt".to_owned(), claimed.receipt().to_string().into());
    object.insert("attempt".to_owned(), claimed.attempt().into());
    object.insert("priority".to_owned(), item.priority.into());
    object.insert("group".to_owned(), item.group.clone().into());
    object.insert("enqueued_at_ms".to_owned(), item.enqueued_at_ms.into());
    if let Some(checkpoint) = claimed.checkpoint() {
        bytes::put_json(&mut object, "checkpoint", checkpoint, hex);
    }
    bytes::put_json(&mut object, "payload", claimed.payload(), hex);
    Value::Object(object)
}

fn claim_table(claimed: &[Claimed], hex: bool) -> String {
    let rows = claimed.iter().map(|claimed| {
        vec![
            claimed.receipt().to_string(),
            claimed.attempt().to_string(),
            claimed.item().priority.to_string(),
            claimed.item().group.clone(),
            bytes::shown(claimed.payload(), hex),
        ]
    });
    output::table(&["receipt", "attempt", "priority", "group", "payload"], rows)
}

pub(super) async fn ack(queue: &str, receipt: Receipt, global: &Global) -> Result<Exit, Failure> {
    global.connect().await?.queue(queue).ack(receipt).await?;
    let item = receipt.item;
    global.output.show(&json!({ "item": item, "acked": true }), || {
        format!("item {item} is done")
    })?;
    Ok(Exit::Success)
}

/// What is given back.
#[derive(Args, Debug)]
pub struct NackArguments {
    /// Of which
    queue: String,
    /// ITEM:TOKEN, as the claim showed it
    #[arg(value_parser = receipt)]
    receipt: Receipt,
    /// It can be claimed after this time
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    delay: Duration,
    /// It goes to the dead letters at once
    #[arg(long)]
    dead: bool,
    /// Why; kept with a dead letter
    #[arg(long, default_value = "")]
    reason: String,
}

pub(super) async fn nack(arguments: NackArguments, global: &Global) -> Result<Exit, Failure> {
    let item = arguments.receipt.item;
    let queue = global.connect().await?.queue(arguments.queue);
    let mut nack = queue
        .nack(arguments.receipt)
        .delay(arguments.delay)
        .reason(arguments.reason);
    if arguments.dead {
        nack = nack.dead();
    }
    let state = nack.await?;
    let json = json!({ "item": item, "state": state.to_string() });
    global.output.show(&json, || match state {
        ItemState::Dead => format!("item {item} is a dead letter"),
        state => format!("item {item} is {state}"),
    })?;
    Ok(Exit::Success)
}

/// What is extended.
#[derive(Args, Debug)]
pub struct ExtendArguments {
    /// Of which
    queue: String,
    /// ITEM:TOKEN, as the claim showed it
    #[arg(value_parser = receipt)]
    receipt: Receipt,
    /// How long the claim lasts from now on; without it, as long as the queue says
    #[arg(value_parser = humantime::parse_duration)]
    visibility: Option<Duration>,
}

pub(super) async fn extend(arguments: ExtendArguments, global: &Global) -> Result<Exit, Failure> {
    let item = arguments.receipt.item;
    let queue = global.connect().await?.queue(arguments.queue);
    let visibility = queue
        .extend(arguments.receipt, arguments.visibility.unwrap_or_default())
        .await?;
    let visibility_ms = u64::try_from(visibility.as_millis()).unwrap_or(u64::MAX);
    let json = json!({ "item": item, "visibility_ms": visibility_ms });
    global.output.show(&json, || {
        format!("item {item} is claimed for {visibility:?} from now on")
    })?;
    Ok(Exit::Success)
}
