//! A command that runs as long as a lock is held.
//!
//! Whatever ends it (the command, a signal, the loss of the lock), the session is ended before this returns, so that the
//! next in the queue need not wait for its time.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use clap::Args;
use quorate::{Client, ErrorKind, LockGuard, Session};
use rustix::process::{Pid, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::connect::Global;
use super::exit::{Exit, Failure};
use super::fence;

/// After SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// Added to the number of a signal that ended a process, as shells do.
const ENDED_BY_SIGNAL: i32 = 128;

/// What is run, and for how long the lock outlives this process.
#[derive(Args, Debug)]
pub struct CommandArguments {
    /// How long the lock outlives this process if that dies, from 500ms to 1day
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    ttl: Duration,
    /// Give up after this long; 0s takes it only if it is free. Without it, wait as long as it takes
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
    /// The command and its arguments; it finds QUORATE_LOCK, QUORATE_LEASE, QUORATE_FENCE (the fencing token) and
    /// QUORATE_ENDPOINTS in its environment
    #[arg(last = true, required = true, num_args = 1..)]
    command: Vec<OsString>,
}

/// What is taken.
pub struct Wanted {
    /// The name of the lock.
    pub name: String,
    /// Together with others.
    pub shared: bool,
    /// What the holder proclaims.
    pub value: Vec<u8>,
}

/// How the command ended.
enum Ended {
    ByItself(ExitStatus),
    /// The lock was lost, for this reason.
    Lost(String),
}

/// Takes the lock, runs the command, and gives the lock back. Returns on success only; the process ends with the exit code
/// of a command that failed.
pub async fn run(wanted: Wanted, arguments: CommandArguments, global: &Global) -> Result<Exit, Failure> {
    let client = global.connect().await?;
    let signals = Signals::catch()?;
    let session = client.session(arguments.ttl).name(session_name(&wanted.name)).await?;
    let code = hold(&client, &session, wanted, arguments, global, signals).await;
    if let Err(error) = session.end().await {
        eprintln!("warning: the lock ends by itself, within its time to live: {error}");
    }
    match code? {
        0 => Ok(Exit::Success),
        code => std::process::exit(code),
    }
}

async fn hold(
    client: &Client,
    session: &Session,
    wanted: Wanted,
    arguments: CommandArguments,
    global: &Global,
    mut signals: Signals,
) -> Result<i32, Failure> {
    let name = wanted.name.clone();
    let guard = tokio::select! {
        taken = take(client, session, wanted, arguments.wait) => taken?,
        number = signals.next() => return Ok(ENDED_BY_SIGNAL + number),
    };
    let mut child = start(&arguments.command, &guard, global)?;
    let status = match watch(&mut child, &guard, &mut signals).await? {
        Ended::ByItself(status) => status,
        Ended::Lost(why) => return Err(lost(&name, &why, "the command was ended")),
    };
    match guard.release().await {
        Ok(()) => {}
        Err(error) if *error.kind() == ErrorKind::Fenced => {
            return Err(lost(&name, error.message(), "the command ended later"));
        }
        Err(error) => eprintln!("warning: the lock was not released at once: {error}"),
    }
    Ok(exit_code(status))
}

async fn take(
    client: &Client,
    session: &Session,
    wanted: Wanted,
    wait: Option<Duration>,
) -> Result<LockGuard, Failure> {
    let name = wanted.name;
    let mut lock = client.lock(&name).session(session).value(wanted.value);
    if wanted.shared {
        lock = lock.shared();
    }
    let taken = match wait {
        None => Some(lock.acquire().await?),
        Some(Duration::ZERO) => lock.try_acquire().await?,
        Some(wait) => lock.acquire_within(wait).await?,
    };
    taken.ok_or_else(|| {
        let wait = wait.unwrap_or_default();
        Failure::new(
            Exit::Refused,
            "busy",
            format!("lock {name:?} was not free within {wait:?}"),
        )
    })
}

fn start(command: &[OsString], guard: &LockGuard, global: &Global) -> Result<Child, Failure> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| Failure::usage("a command is missing"))?;
    let hold = guard.hold();
    Command::new(program)
        .args(arguments)
        .env(fence::LOCK, &hold.lock)
        .env(fence::LEASE, hold.lease.to_string())
        .env(fence::TOKEN, hold.token.to_string())
        .env("QUORATE_ENDPOINTS", global.endpoints.join(","))
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure::local(format!("{}: {error}", program.display())))
}

/// Waits for the command's end; ends it when the lock is lost.
async fn watch(child: &mut Child, guard: &LockGuard, signals: &mut Signals) -> Result<Ended, Failure> {
    let why = loop {
        let next = tokio::time::sleep(guard.session().ttl());
        tokio::select! {
            status = child.wait() => return status.map(Ended::ByItself).map_err(waiting),
            loss = guard.lost() => break loss.to_string(),
            number = signals.next() => forward(child, number),
            // A release by force does not end the session.
            () = next => match guard.renew().await {
                Err(error) if *error.kind() == ErrorKind::Fenced => break error.message().to_owned(),
                _ => {}
            },
        }
    };
    tell(child, rustix::process::Signal::TERM);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        child.kill().await.map_err(waiting)?;
    }
    Ok(Ended::Lost(why))
}

/// An interrupt comes from a terminal, which has sent it to the command, too.
fn forward(child: &Child, number: i32) {
    if number != SignalKind::interrupt().as_raw_value() {
        tell(child, rustix::process::Signal::TERM);
    }
}

/// The child is not reaped before its `wait` has answered: the id is still its own.
fn tell(child: &Child, signal: rustix::process::Signal) {
    let pid = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = kill_process(pid, signal)
    {
        eprintln!("warning: the command could not be signalled: {error}");
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| ENDED_BY_SIGNAL + status.signal().unwrap_or_default())
}

fn lost(name: &str, why: &str, then: &str) -> Failure {
    Failure::new(
        Exit::Refused,
        "lock_lost",
        format!("lock {name:?} was lost: {why}; {then}"),
    )
}

fn waiting(error: std::io::Error) -> Failure {
    Failure::local(format!("waiting for the command: {error}"))
}

fn session_name(lock: &str) -> String {
    let mut name = format!("quorate lock {lock}");
    name.truncate(name.floor_char_boundary(128));
    name
}

/// Signals that would end this process.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn catch() -> Result<Self, Failure> {
        let catch = |kind| signal(kind).map_err(|error| Failure::local(format!("signals cannot be caught: {error}")));
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hang_up: catch(SignalKind::hangup())?,
        })
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.hang_up.recv() => SignalKind::hangup(),
        };
        kind.as_raw_value()
    }
}
