//! `quorate lock`.

use std::time::SystemTime;

use clap::{Args, Subcommand};
use quorate::{LockHolder, LockMode, LockRecord};
use serde_json::{Map, Value, json};

use crate::cli::bytes;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::under_lock::{self, CommandArguments, Wanted};

/// `quorate lock NAME -- COMMAND` is short for `quorate lock run NAME -- COMMAND`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct LockArguments {
    #[command(subcommand)]
    verb: Option<LockVerb>,
    /// The lock
    #[arg(required = true)]
    name: Option<String>,
    /// Hold it together with others who want it shared
    #[arg(long)]
    shared: bool,
    #[command(flatten)]
    command: Option<CommandArguments>,
}

/// Which lock, and what is done under it.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// The lock
    name: String,
    /// Hold it together with others who want it shared
    #[arg(long)]
    shared: bool,
    /// The command.
    #[command(flatten)]
    command: CommandArguments,
}

/// What to do with locks.
#[derive(Debug, Subcommand)]
pub enum LockVerb {
    /// Run a command while the lock is held; the exit code is the command's, and 1 if the lock was not had or was lost
    Run(RunArguments),
    /// Show the locks that are held or waited for
    List {
        /// Only those whose names start with this
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Show who holds a lock
    Holder {
        /// The lock
        name: String,
    },
    /// Take a lock away from those who hold it
    ForceRelease {
        /// The lock
        name: String,
        /// Only from the holder with this fencing token
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        token: u64,
        /// Why: it is shown with the lock, and logged
        #[arg(long)]
        reason: String,
    },
}

impl LockArguments {
    /// Without a verb, it is `run`.
    fn verb(self) -> Result<LockVerb, Failure> {
        match (self.verb, self.name, self.command) {
            (Some(verb), _, _) => Ok(verb),
            (None, Some(name), Some(command)) => Ok(LockVerb::Run(RunArguments {
                name,
                shared: self.shared,
                command,
            })),
            (None, _, _) => Err(Failure::usage(
                "say which lock, and after -- the command to run under it",
            )),
        }
    }
}

/// Does it.
pub async fn run(arguments: LockArguments, global: &Global) -> Result<Exit, Failure> {
    match arguments.verb()? {
        LockVerb::Run(run) => run_command(run, global).await,
        LockVerb::List { prefix } => list(&prefix, global).await,
        LockVerb::Holder { name } => holder(&name, global).await,
        LockVerb::ForceRelease { name, token, reason } => force_release(&name, token, &reason, global).await,
    }
}

async fn run_command(run: RunArguments, global: &Global) -> Result<Exit, Failure> {
    let wanted = Wanted {
        name: run.name,
        shared: run.shared,
        value: Vec::new(),
    };
    under_lock::run(wanted, run.command, global).await
}

async fn list(prefix: &str, global: &Global) -> Result<Exit, Failure> {
    let client = global.connect().await?;
    let mut locks: Vec<LockRecord> = Vec::new();
    loop {
        let after = locks.last().map_or(String::new(), |last| last.name.clone());
        let page = client.list_locks(prefix, after, 0).await?;
        let more = page.more && !page.locks.is_empty();
        locks.extend(page.locks);
        if !more {
            break;
        }
    }
    let json = json!({ "locks": locks.iter().map(|lock| shown(lock, false)).collect::<Vec<_>>() });
    global.output.show(&json, || {
        let rows = locks.iter().map(|lock| {
            let first = lock.holders.first();
            vec![
                lock.name.clone(),
                lock.permits
                    .map_or("mutex".to_owned(), |permits| format!("{permits} permits")),
                lock.taken.to_string(),
                lock.waiting.to_string(),
                first.map_or(String::new(), |holder| holder.lease.to_string()),
                first.map_or(String::new(), |holder| holder.token.to_string()),
            ]
        });
        output::table(&["lock", "kind", "taken", "waiting", "lease", "token"], rows)
    })?;
    Ok(Exit::Success)
}

async fn holder(name: &str, global: &Global) -> Result<Exit, Failure> {
    let Some(lock) = global.connect().await?.find_lock(name).await? else {
        let message = format!("nobody holds lock {name:?} or waits for it");
        return Err(Failure::new(Exit::Refused, "not_held", message));
    };
    global.output.show(&shown(&lock, true), || {
        let rows = lock.holders.iter().map(|holder| {
            vec![
                holder.lease.to_string(),
                holder.token.to_string(),
                how(holder),
                bytes::shown(&holder.value, false),
            ]
        });
        let mut text = output::table(&["lease", "token", "holds", "value"], rows);
        text.push_str(&format!("\n{} hold it, {} wait", lock.holders_count, lock.waiting));
        if let Some(forced) = &lock.forced {
            text.push_str(&format!(
                "\ntoken {} was taken away by force: {}",
                forced.token,
                bytes::shown(forced.reason.as_bytes(), false)
            ));
        }
        text
    })?;
    Ok(Exit::Success)
}

/// Exit code 1 when nobody held it.
async fn force_release(name: &str, token: u64, reason: &str, global: &Global) -> Result<Exit, Failure> {
    let client = global.connect().await?;
    let mut holds = 0_u64;
    let last = loop {
        let done = client.force_release(name, token, reason).await?;
        holds += u64::from(done.holds);
        if !done.more {
            break done;
        }
    };
    let json = json!({ "lock": name, "holds": holds, "revision": last.revision });
    let text = || format!("{holds} holds of lock {name:?} have ended, revision {}", last.revision);
    global.output.show(&json, text)?;
    Ok(if holds == 0 { Exit::Refused } else { Exit::Success })
}

fn how(holder: &LockHolder) -> String {
    match holder.mode {
        Some(LockMode::Exclusive) => "exclusive".to_owned(),
        Some(LockMode::Shared) => "shared".to_owned(),
        None => format!("{} permits", holder.count),
    }
}

/// A list is without values.
fn shown(lock: &LockRecord, values: bool) -> Value {
    let holders = lock.holders.iter().map(|holder| {
        let mut object = Map::new();
        object.insert("lease".to_owned(), holder.lease.into());
        object.insert("token".to_owned(), holder.token.into());
        match holder.mode {
            Some(_) => object.insert("mode".to_owned(), how(holder).into()),
            None => object.insert("count".to_owned(), holder.count.into()),
        };
        if values {
            bytes::put_json(&mut object, "value", &holder.value, false);
        }
        Value::Object(object)
    });
    let forced = lock.forced.as_ref().map(|forced| {
        let at = forced.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        json!({ "reason": forced.reason, "token": forced.token, "at_ms": at_ms })
    });
    json!({
        "lock": lock.name,
        "permits": lock.permits,
        "taken": lock.taken,
        "holders": holders.collect::<Vec<_>>(),
        "holders_count": lock.holders_count,
        "waiting": lock.waiting,
        "changed_revision": lock.changed_revision,
        "acquisitions": lock.acquisitions,
        "contended": lock.contended,
        "expirations": lock.expirations,
        "forced": forced,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        lock: LockArguments,
    }

    #[test]
    fn run_can_be_left_out() {
        for line in [
            "lock a --shared --ttl 5s -- true",
            "lock a -- true",
            "lock run a -- true",
        ] {
            let parsed = Line::try_parse_from(line.split_whitespace()).unwrap();
            let Ok(LockVerb::Run(run)) = parsed.lock.verb() else {
                panic!("{line}")
            };
            assert_eq!((run.name.as_str(), run.shared), ("a", line.contains("--shared")));
        }
        let parsed = Line::try_parse_from(["lock", "list"]).unwrap();
        assert!(matches!(parsed.lock.verb(), Ok(LockVerb::List { .. })));
    }
}
