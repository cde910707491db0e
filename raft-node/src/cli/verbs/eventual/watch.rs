//! `quorate eventual watch`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use quorate::{EventualUpdate, EventualUpdateKind, EventualWatch, EventualWatchItem, Keys};
use serde_json::{Map, Value, json};

use super::Place;
use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{self, Format};
use crate::cli::verbs::server::stop_signal;

/// What to watch.
#[derive(Args, Debug)]
pub struct WatchArguments {
    /// The key; with --prefix or --pattern what that says
    key: OsString,
    /// Every key that starts with KEY; an empty KEY is every key
    #[arg(long, conflicts_with = "pattern")]
    prefix: bool,
    /// KEY is a pattern: `*` matches within a path segment, `**` across segments
    #[arg(long)]
    pattern: bool,
    /// First show everything that there is
    #[arg(long)]
    existing: bool,
    /// Leave the values out
    #[arg(long)]
    keys_only: bool,
    /// End after so many changes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this long
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    #[command(flatten)]
    place: Place,
}

/// Shows what changes until it is told to stop; being told by a signal is a success.
pub(super) async fn run(arguments: WatchArguments, global: &Global) -> Result<Exit, Failure> {
    let keys = keys(&arguments)?;
    let stop = stop_signal()?;
    let watching = async {
        let (_client, eventual) = arguments.place.open(global).await?;
        let mut watch = eventual.watch(keys);
        if arguments.existing {
            watch = watch.existing();
        }
        if arguments.keys_only {
            watch = watch.keys_only();
        }
        let watch = watch.await?;
        if global.output == Format::Table {
            eprintln!("watching");
        }
        let showing = show(watch, &arguments, global.output);
        match arguments.duration {
            Some(duration) => tokio::time::timeout(duration, showing).await.unwrap_or(Ok(())),
            None => showing.await,
        }
    };
    tokio::select! {
        ended = watching => ended?,
        () = stop => {}
    }
    Ok(Exit::Success)
}

fn keys(arguments: &WatchArguments) -> Result<Keys, Failure> {
    let key = arguments.key.clone();
    if arguments.pattern {
        return match key.into_string() {
            Ok(pattern) => Ok(Keys::pattern(pattern)),
            Err(_) => Err(Failure::usage("a pattern must be UTF-8")),
        };
    }
    let key = bytes::argument(key, arguments.place.hex)?;
    Ok(if arguments.prefix {
        Keys::prefix(key)
    } else {
        Keys::key(key)
    })
}

async fn show(mut watch: EventualWatch, arguments: &WatchArguments, format: Format) -> Result<(), Failure> {
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while let Some(item) = watch.next().await {
        let item = item?;
        let line = match format {
            Format::Table => line(&item, arguments.place.hex),
            Format::Json => object(&item, arguments.place.hex).to_string(),
        };
        // Nobody reads any more: `| head` has seen enough.
        if !output::write_line(&line)? {
            return Ok(());
        }
        left -= u64::from(matches!(item, EventualWatchItem::Changed(_)));
        if left == 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// What happened, in a word.
fn word(item: &EventualWatchItem) -> &'static str {
    match item {
        EventualWatchItem::Changed(update) => match update.kind {
            EventualUpdateKind::Put => "put",
            EventualUpdateKind::Delete => "delete",
            EventualUpdateKind::Expire => "expire",
            _ => "changed",
        },
        EventualWatchItem::CaughtUp => "caught-up",
        EventualWatchItem::Restarted => "restarted",
        _ => "unknown",
    }
}

fn line(item: &EventualWatchItem, hex: bool) -> String {
    let EventualWatchItem::Changed(update) = item else {
        return word(item).to_owned();
    };
    let siblings = match update.siblings {
        0 => String::new(),
        siblings => format!("  ({siblings} siblings)"),
    };
    let (key, value) = (bytes::shown(&update.key, hex), bytes::shown(&update.value, hex));
    let entry_type = update.entry_type.name();
    let line = format!("{:<9}  {entry_type:<8}  {key}  {value}{siblings}", word(item));
    line.trim_end().to_owned()
}

fn object(item: &EventualWatchItem, hex: bool) -> Value {
    let EventualWatchItem::Changed(update) = item else {
        return json!({ "kind": word(item) });
    };
    let mut object = Map::new();
    object.insert("kind".to_owned(), word(item).into());
    object.insert("domain".to_owned(), update.domain.as_str().into());
    object.insert("type".to_owned(), update.entry_type.name().into());
    bytes::put_json(&mut object, "key", &update.key, hex);
    if has_value(update) {
        bytes::put_json(&mut object, "value", &update.value, hex);
        object.insert("siblings".to_owned(), update.siblings.into());
    }
    Value::Object(object)
}

/// Sets, maps and flags are read; what went has none.
fn has_value(update: &EventualUpdate) -> bool {
    use quorate::EventualType;
    update.kind == EventualUpdateKind::Put
        && matches!(update.entry_type, EventualType::Register | EventualType::Counter)
}
