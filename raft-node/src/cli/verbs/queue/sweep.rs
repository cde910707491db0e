//! Many items at once: dead letters that are tried again, and items that are removed.

use clap::Args;
use quorate::{Queue, Swept};
use serde_json::json;

use super::State;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// Items in one call.
const BATCH: u64 = 1000;

/// Which dead letters.
#[derive(Args, Debug)]
pub struct RedriveArguments {
    /// Of which
    queue: String,
    /// This one alone
    #[arg(long, value_name = "ID", conflicts_with = "count")]
    item: Option<u64>,
    /// The first so many; without it, all that are there
    #[arg(short = 'n', long)]
    count: Option<u64>,
}

/// Which items.
#[derive(Args, Debug)]
pub struct PurgeArguments {
    /// Of which
    queue: String,
    /// In which state
    #[arg(long, value_enum)]
    state: State,
    /// The first so many; without it, all that are there
    #[arg(short = 'n', long)]
    count: Option<u64>,
}

pub(super) async fn redrive(arguments: RedriveArguments, global: &Global) -> Result<Exit, Failure> {
    let queue = global.connect().await?.queue(arguments.queue);
    let (items, remaining) = match arguments.item {
        Some(item) => {
            let swept = queue.redrive_item(item).await?;
            (u64::from(swept.items), swept.remaining)
        }
        None => sweep(&queue, arguments.count, async |queue, count| queue.redrive(count).await).await?,
    };
    let json = json!({ "items": items, "remaining": remaining });
    let text = || format!("{items} dead letters are ready again; {remaining} are left");
    global.output.show(&json, text)?;
    Ok(Exit::Success)
}

pub(super) async fn purge(arguments: PurgeArguments, global: &Global) -> Result<Exit, Failure> {
    let state = arguments.state.of_item();
    let queue = global.connect().await?.queue(arguments.queue);
    let purge = async |queue: &Queue, count| queue.purge(state, count).await;
    let (items, remaining) = sweep(&queue, arguments.count, purge).await?;
    let json = json!({ "items": items, "remaining": remaining });
    let text = || format!("removed {items} items that were {state}; {remaining} are left");
    global.output.show(&json, text)?;
    Ok(Exit::Success)
}

/// As many as asked for, or as many as there are when it begins: others may add to them all the time.
async fn sweep(
    queue: &Queue,
    count: Option<u64>,
    batch: impl AsyncFn(&Queue, u32) -> quorate::Result<Swept>,
) -> Result<(u64, u64), Failure> {
    let mut goal = count;
    let mut items = 0;
    loop {
        let wanted = goal.map_or(BATCH, |goal| (goal - items).min(BATCH));
        let swept = batch(queue, u32::try_from(wanted).unwrap_or(u32::MAX)).await?;
        items += u64::from(swept.items);
        let goal = *goal.get_or_insert(items + swept.remaining);
        if swept.items == 0 || items >= goal {
            return Ok((items, swept.remaining));
        }
    }
}
