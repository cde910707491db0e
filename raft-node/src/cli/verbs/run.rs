//! `quorate run`: a worker for shells.
//!
//! Items are claimed under a session, so that those of a worker that was killed come back when the session ends. The
//! command gets the payload on its standard input and runs in a process group of its own: Ctrl-C reaches this program
//! alone, which then claims nothing more and lets the commands finish.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use clap::Args;
use quorate::{Claimed, Client, ErrorKind, Outcome, Queue, Session};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::server::stop_signal;
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// If the worker is killed, its items come back after this time.
const SESSION_TTL: Duration = Duration::from_secs(10);
/// How long one claim waits; with `--until-empty`, the end of the queue is noticed within this time.
const WAIT: Duration = Duration::from_secs(10);
const WAIT_UNTIL_EMPTY: Duration = Duration::from_secs(1);
/// After a call that failed because no leader could be reached.
const PAUSE: Duration = Duration::from_secs(1);

/// For `--help`.
pub const EXAMPLE: &str = "\
The payload is on the standard input of the command, and these are in its environment: QUORATE_QUEUE, QUORATE_ITEM,
QUORATE_RECEIPT (for `quorate queue extend`), QUORATE_ATTEMPT.

  quorate queue push pictures photo.png
  quorate run --queue pictures --concurrency 4 -- sh -c 'convert \"$(cat)\" -resize 200 thumbs/$QUORATE_ITEM.png'

SIGINT and SIGTERM end it: nothing more is claimed, and the commands that run finish.";

/// What to run, for what.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// The queue
    #[arg(long)]
    queue: String,
    /// Commands that run at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// How long a claim lasts; it is extended while the command runs. Without it, as long as the queue says
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    visibility: Option<Duration>,
    /// End when no item is ready, delayed or claimed
    #[arg(long)]
    until_empty: bool,
    /// An item whose command failed can be claimed again after this time
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    retry_delay: Duration,
    /// Who claims, as `queue peek --state claimed` shows it
    #[arg(long, default_value = "quorate run")]
    worker: String,
    /// The command; an item is done if it returns 0, and is given back otherwise
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// What became of items.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    acked: u64,
    failed: u64,
    lost: u64,
}

/// Works until it is told to stop, or the queue is empty.
pub async fn run(arguments: RunArguments, global: &Global) -> Result<Exit, Failure> {
    let client = global.connect().await?;
    let queue = client.queue(arguments.queue.clone());
    let stop = stop_signal()?;
    let (stopping, stopped) = watch::channel(false);
    let arguments = std::sync::Arc::new(arguments);
    let mut slots = JoinSet::new();
    for _ in 0..arguments.concurrency {
        let slot = Slot {
            client: client.clone(),
            queue: queue.clone(),
            arguments: std::sync::Arc::clone(&arguments),
            stopped: stopped.clone(),
            session: None,
            counts: Counts::default(),
        };
        slots.spawn(slot.work());
    }
    tokio::pin!(stop);
    let mut counts = Counts::default();
    let mut failure = None;
    loop {
        let ended = tokio::select! {
            () = &mut stop, if !*stopping.borrow() => {
                stopping.send_replace(true);
                continue;
            }
            ended = slots.join_next() => ended,
        };
        match ended {
            None => break,
            Some(Ok((slot, ended))) => {
                counts.acked += slot.acked;
                counts.failed += slot.failed;
                counts.lost += slot.lost;
                if let Err(reason) = ended {
                    failure.get_or_insert(reason);
                    stopping.send_replace(true);
                }
            }
            Some(Err(panicked)) => return Err(Failure::local(format!("a worker ended: {panicked}"))),
        }
    }
    let Counts { acked, failed, lost } = counts;
    let json = json!({ "acked": acked, "failed": failed, "lost": lost });
    let text = || format!("{acked} items are done, {failed} commands failed, {lost} claims were lost");
    global.output.show(&json, text)?;
    failure.map_or(Ok(Exit::Success), Err)
}

/// One command at a time.
struct Slot {
    client: Client,
    queue: Queue,
    arguments: std::sync::Arc<RunArguments>,
    stopped: watch::Receiver<bool>,
    session: Option<Session>,
    counts: Counts,
}

impl Slot {
    async fn work(mut self) -> (Counts, Result<(), Failure>) {
        let ended = self.until_stopped().await;
        if let Some(session) = self.session.take()
            && let Err(error) = session.end().await
        {
            eprintln!("the session was not ended, and will end by itself: {error}");
        }
        (self.counts, ended)
    }

    async fn until_stopped(&mut self) -> Result<(), Failure> {
        let mut stopped = self.stopped.clone();
        loop {
            // A claim that is given up here may have been made: the session's end returns its item.
            let claimed = tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
                claimed = self.claim() => claimed,
            };
            match claimed {
                Ok(Some(claimed)) => self.handle(&claimed).await?,
                Ok(None) if self.arguments.until_empty && self.is_empty().await? => return Ok(()),
                Ok(None) => {}
                Err(error) if *error.kind() == ErrorKind::UnknownLease => self.session = None,
                Err(error) if passes(&error) => {
                    eprintln!("{error}");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn claim(&mut self) -> quorate::Result<Option<Claimed>> {
        let lives = self.session.as_ref().filter(|session| session.loss().is_none());
        let session = match lives {
            Some(session) => session.clone(),
            None => {
                let opened = self.client.session(SESSION_TTL).name("quorate run").await?;
                self.session.insert(opened).clone()
            }
        };
        let wait = if self.arguments.until_empty {
            WAIT_UNTIL_EMPTY
        } else {
            WAIT
        };
        let claim = self.queue.claim(1).wait(wait).session(&session);
        let visibility = self.arguments.visibility.unwrap_or_default();
        let worker = self.arguments.worker.clone();
        Ok(claim.visibility(visibility).worker(worker).await?.pop())
    }

    async fn is_empty(&self) -> Result<bool, Failure> {
        match self.queue.stats().await {
            Ok(stats) => Ok(stats.is_none_or(|stats| stats.ready + stats.delayed + stats.claimed == 0)),
            Err(error) if passes(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn handle(&mut self, claimed: &Claimed) -> Result<(), Failure> {
        let item = claimed.id();
        let mut command = Running::start(&self.arguments.command, claimed)?;
        let ended = match claimed.extend_while(command.finish(claimed.payload())).await {
            Ok(ended) => ended?,
            Err(error) => {
                command.kill();
                self.counts.lost += 1;
                eprintln!("item {item}: its claim is lost, and its command was killed: {error}");
                return Ok(());
            }
        };
        let answered = if ended.success() {
            claimed.ack().await.map(|()| self.counts.acked += 1)
        } else {
            self.counts.failed += 1;
            eprintln!("item {item}: {ended}");
            let nack = claimed.nack().delay(self.arguments.retry_delay);
            nack.reason(format!("the command failed: {ended}")).await.map(drop)
        };
        if let Err(error) = answered {
            self.counts.lost += 1;
            eprintln!("item {item}: it may come back: {error}");
        }
        Ok(())
    }
}

/// Worth another try later.
fn passes(error: &quorate::Error) -> bool {
    error.is_retryable() || error.outcome() == Outcome::Unknown
}

/// A command that runs.
struct Running {
    child: Child,
    group: Option<rustix::process::Pid>,
}

impl Running {
    fn start(command: &[OsString], claimed: &Claimed) -> Result<Running, Failure> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(Failure::usage("a command is missing after --"));
        };
        let child = Command::new(program)
            .args(arguments)
            .env("QUORATE_QUEUE", claimed.queue().name())
            .env("QUORATE_ITEM", claimed.id().to_string())
            .env("QUORATE_RECEIPT", claimed.receipt().to_string())
            .env("QUORATE_ATTEMPT", claimed.attempt().to_string())
            .stdin(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::local(format!("{}: {error}", program.to_string_lossy())))?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        let group = pid.and_then(rustix::process::Pid::from_raw);
        Ok(Running { child, group })
    }

    /// Hands it the payload and waits for its end. One that does not read is no failure.
    async fn finish(&mut self, payload: &[u8]) -> Result<ExitStatus, Failure> {
        let stdin = self.child.stdin.take();
        let write = async move {
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(payload).await;
                let _ = stdin.shutdown().await;
            }
            std::future::pending::<()>().await
        };
        let ended = tokio::select! {
            ended = self.child.wait() => ended,
            () = write => return Err(Failure::local("a write that never ends has ended")),
        };
        ended.map_err(|error| Failure::local(format!("waiting for the command: {error}")))
    }

    /// Ends it and what it has started.
    fn kill(&self) {
        if let Some(group) = self.group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}
