//! What the process writes about itself, and how much of it: can be changed while it runs.
//!
//! There is one log in a process, however many members run in it.

use std::sync::OnceLock;

use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat, LogLevel};

/// Bytes of a filter.
const FILTER_BYTES_MAX: usize = 4096;

/// Why the log was not started, or its filter not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It cannot be read.
    #[error(
        "{filter:?} is not a filter ({reason}): write a level (error, warn, info, debug, trace), or directives such as \
         \"info,quorate_node::consensus=debug\""
    )]
    Filter {
        /// What was asked for.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is another log, or none.
    #[error("the log of this process {0}")]
    Log(String),
}

/// Puts a filter in the place of the one in force.
type Apply = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

struct Running {
    apply: Apply,
    filter: Mutex<String>,
}

static RUNNING: OnceLock<Running> = OnceLock::new();

/// Starts the log of the process. Lines go to standard error.
pub fn start(log: &Log) -> Result<(), LogError> {
    let directives = directives_of(log.level);
    let filter = parsed(&directives)?;
    let (apply, started): (Apply, _) = match log.format {
        LogFormat::Text => {
            let builder = tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr);
            let builder = builder.with_env_filter(filter).with_filter_reloading();
            let handle = builder.reload_handle();
            let apply = move |filter| handle.reload(filter).map_err(|error| error.to_string());
            (Box::new(apply), builder.try_init())
        }
        LogFormat::Json => {
            let builder = tracing_subscriber::fmt().json().with_writer(std::io::stderr);
            let builder = builder.with_env_filter(filter).with_filter_reloading();
            let handle = builder.reload_handle();
            let apply = move |filter| handle.reload(filter).map_err(|error| error.to_string());
            (Box::new(apply), builder.try_init())
        }
    };
    started.map_err(|error| LogError::Log(format!("could not be started: {error}")))?;
    let filter = Mutex::new(log.level.name().to_owned());
    let running = RUNNING.set(Running { apply, filter });
    running.map_err(|_| LogError::Log("was started before".to_owned()))
}

/// What is written now: a level, or directives.
pub fn filter() -> Option<String> {
    RUNNING.get().map(|running| running.filter.lock().clone())
}

/// Writes this much from now on, until the process ends: a level, as `log.level` names it, or directives that are taken as
/// they are.
pub fn set_filter(filter: &str) -> Result<(), LogError> {
    let filter = filter.trim();
    let directives = match LogLevel::named(filter) {
        Some(level) => directives_of(level),
        None => filter.to_owned(),
    };
    let parsed = parsed(&directives)?;
    let running = RUNNING
        .get()
        .ok_or_else(|| LogError::Log("was not started by it".to_owned()))?;
    let mut before = running.filter.lock();
    (running.apply)(parsed).map_err(|reason| LogError::Log(format!("cannot be changed: {reason}")))?;
    let was = std::mem::replace(&mut *before, filter.to_owned());
    drop(before);
    tracing::warn!(was, now = filter, "the filter of the log was changed");
    Ok(())
}

/// Of the libraries only what goes wrong is of interest; openraft warns of every vote that comes late, and says what it
/// does when this member is asked for every decision. A line for each request is for whoever asks for it by its name, or for
/// everything.
fn directives_of(level: LogLevel) -> String {
    let consensus = match level {
        LogLevel::Error | LogLevel::Warn | LogLevel::Info => "error",
        LogLevel::Debug => "info",
        LogLevel::Trace => "debug",
    };
    let requests = match level {
        LogLevel::Debug => LogLevel::Info,
        other => other,
    };
    format!(
        "warn,openraft={consensus},quorate={0},quorate::call={1},quorate_node={0},quorate_node::request={1}",
        level.name(),
        requests.name()
    )
}

fn parsed(filter: &str) -> Result<EnvFilter, LogError> {
    let wrong = |reason: String| LogError::Filter {
        filter: filter.chars().take(80).collect(),
        reason,
    };
    if filter.is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    if filter.len() > FILTER_BYTES_MAX {
        let bytes = filter.len();
        return Err(wrong(format!("it has {bytes} bytes, the limit is {FILTER_BYTES_MAX}")));
    }
    // A bare word is the name of a module to the library: a level that is misspelt would write next to nothing.
    let bare = |part: &&str| !part.contains(['=', '[']) && *part != "off" && LogLevel::named(part).is_none();
    if let Some(word) = filter.split(',').map(str::trim).find(bare) {
        return Err(wrong(format!("{word:?} is no level")));
    }
    // To the library a module without a level is one of which everything is written.
    let unsaid = |part: &&str| part.ends_with('=');
    if let Some(word) = filter.split(',').map(str::trim).find(unsaid) {
        return Err(wrong(format!("{word:?} names no level")));
    }
    EnvFilter::try_new(filter).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_refused_and_says_how_one_looks() {
        for wrong in [
            "",
            "verbose",
            "info,verbose",
            "quorate_node=loud",
            "quorate_node=",
            &"x".repeat(5000),
        ] {
            let error = parsed(wrong).unwrap_err().to_string();
            assert!(
                error.contains("is not a filter") && error.contains("quorate_node::consensus=debug"),
                "{error}"
            );
        }
        assert!(parsed("info,quorate_node::consensus=debug").is_ok());
        for level in ["error", "warn", "info", "debug", "trace"] {
            assert!(parsed(&directives_of(LogLevel::named(level).unwrap())).is_ok());
        }
    }

    #[test]
    fn the_filter_is_changed_while_the_process_runs() {
        start(&Log::default()).unwrap();
        assert_eq!(filter().as_deref(), Some("info"));
        assert!(!tracing::enabled!(target: "quorate_node", tracing::Level::DEBUG));
        set_filter("debug\n").unwrap();
        assert_eq!(filter().as_deref(), Some("debug"));
        assert!(tracing::enabled!(target: "quorate_node", tracing::Level::DEBUG));
        assert!(!tracing::enabled!(target: "quorate_node::request", tracing::Level::DEBUG));
        set_filter("quorate_node=loud").unwrap_err();
        assert_eq!(filter().as_deref(), Some("debug"));
        set_filter("warn,quorate_node::consensus=trace").unwrap();
        assert!(tracing::enabled!(target: "quorate_node::consensus", tracing::Level::TRACE));
        assert!(!tracing::enabled!(target: "quorate_node", tracing::Level::INFO));
        set_filter("info,quorate_node::request=trace").unwrap();
        assert!(tracing::enabled!(target: "quorate_node::request", tracing::Level::TRACE));
    }
}
