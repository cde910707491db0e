//! `quorate server`.

use std::io::Read;

use clap::Args;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::exit::{Exit, Failure};
use crate::cli::setting_flags::{self, SettingFlags};
use crate::{logging, node, tls};

/// A member's flags.
#[derive(Args, Debug)]
pub struct ServerArguments {
    /// What the file sets too.
    #[command(flatten)]
    flags: SettingFlags,
    /// Stop at once when standard input ends: for a parent that must not leave servers behind
    #[arg(long, hide = true)]
    exit_with_stdin: bool,
}

/// Runs a member until it is told to stop.
pub fn run(arguments: &ServerArguments, runtime: &Runtime) -> Result<Exit, Failure> {
    let config = arguments.flags.load()?.config;
    tls::check(&config).map_err(setting_flags::failure)?;
    logging::start(&config.log).map_err(|error| Failure::local(error.to_string()))?;
    #[cfg(feature = "canaries")]
    crate::canary::choose().map_err(Failure::local)?;
    abort_on_panic();
    #[cfg(feature = "failpoints")]
    crate::failpoints::arm().map_err(Failure::local)?;
    if arguments.exit_with_stdin {
        exit_with_stdin()?;
    }
    runtime.block_on(async {
        // A service is told so to look at its files; without certificates there are none, and that is no reason to end.
        let _hang_up = signal(SignalKind::hangup()).map_err(|error| Failure::local(format!("signals: {error}")))?;
        let stopped = node::run(config, stop_signal()?).await;
        stopped.map_err(|error| Failure::local(error.to_string()))
    })?;
    Ok(Exit::Success)
}

/// A panic anywhere ends the process: a member that has lost one of its tasks must not go on as if it had not. The log
/// and the other members make good what it was doing.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}

/// Done when SIGTERM or SIGINT arrives.
pub fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::local(format!("signals: {error}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The parent holds the other end of standard input; when it dies, however it dies, the pipe ends. A thread of its own,
/// so that nothing the server does can hold it up.
fn exit_with_stdin() -> Result<(), Failure> {
    let watch = || {
        let mut ignored = [0; 64];
        while matches!(std::io::stdin().lock().read(&mut ignored), Ok(read) if read > 0) {}
        std::process::exit(Exit::Local as i32);
    };
    std::thread::Builder::new()
        .name("parent-watch".to_owned())
        .spawn(watch)
        .map(drop)
        .map_err(|error| Failure::local(format!("a thread could not be started: {error}")))
}
