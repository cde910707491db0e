//! From arguments to exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tokio::runtime::Runtime;

use super::arguments::{Arguments, Verb};
use super::exit::{Exit, Failure};
use super::output::Format;
use super::verbs::{
    assign, bench, certs, compact, completion, config_print, del, demo, dev, doctor, domain, elect, eventual, get,
    lease, lock, log_level, member, memory, metrics, put, queue, range, run as run_verb, server, snapshot, status,
    sync, txn, wait, watch, worker,
};

/// What the binary does.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let exit = match Arguments::try_parse_from(&words) {
        Ok(arguments) => {
            let output = arguments.global.output;
            run(arguments).unwrap_or_else(|failure| {
                output.show_failure(&failure);
                failure.exit
            })
        }
        Err(error) => refuse(&error, &words),
    };
    ExitCode::from(exit as u8)
}

/// Help and version are successes that clap calls errors.
fn refuse(error: &clap::Error, words: &[OsString]) -> Exit {
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !asked_for && wants_json(words) {
        Format::Json.show_failure(&Failure::usage(error.to_string().trim_end()));
    } else {
        // The terminal is gone: there is nobody to tell.
        let _ = error.print();
    }
    if asked_for { Exit::Success } else { Exit::Usage }
}

/// The arguments did not parse, so this looks for the flag itself.
fn wants_json(words: &[OsString]) -> bool {
    let joined = ["-ojson", "-o=json", "--output=json"];
    words.iter().any(|word| joined.iter().any(|flag| word == flag))
        || words
            .windows(2)
            .any(|pair| (pair[0] == "-o" || pair[0] == "--output") && pair[1] == "json")
}

fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let Arguments { global, verb } = arguments;
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::local(format!("threads could not be started: {error}")))
    };
    match verb {
        Verb::Completion(arguments) => completion::run(&arguments),
        Verb::Certs(verb) => certs::run(&verb, &global),
        Verb::LogLevel(arguments) => in_time(runtime()?, log_level::run(arguments, &global)),
        Verb::Metrics(verb) => metrics::run(&verb, &global),
        Verb::Config(verb) => config_print::run(&verb, &global),
        Verb::Bench(verb) => bench::run(&verb, &global),
        Verb::Server(arguments) => server::run(&arguments, &runtime()?),
        Verb::Dev(arguments) => runtime()?.block_on(dev::run(arguments)),
        Verb::Demo(arguments) => runtime()?.block_on(demo::run(arguments, &global)),
        Verb::DemoWorker(arguments) => runtime()?.block_on(demo::hold_files(arguments, &global)),
        Verb::Put(arguments) => in_time(runtime()?, put::run(arguments, &global)),
        Verb::Get(arguments) => in_time(runtime()?, get::run(arguments, &global)),
        Verb::Del(arguments) => in_time(runtime()?, del::run(arguments, &global)),
        Verb::Range(arguments) => in_time(runtime()?, range::run(arguments, &global)),
        Verb::Txn(arguments) => in_time(runtime()?, txn::run(arguments, &global)),
        Verb::Watch(arguments) => in_time(runtime()?, watch::run(arguments, &global)),
        Verb::Wait(arguments) => in_time(runtime()?, wait::run(arguments, &global)),
        Verb::Compact(arguments) => in_time(runtime()?, compact::run(&arguments, &global)),
        Verb::Lease(verb) => in_time(runtime()?, lease::run(verb, &global)),
        Verb::Worker(verb) => in_time(runtime()?, worker::run(verb, &global)),
        Verb::Assign(arguments) => in_time(runtime()?, assign::run(arguments, &global)),
        Verb::Lock(arguments) => in_time(runtime()?, lock::run(arguments, &global)),
        Verb::Elect(arguments) => in_time(runtime()?, elect::run(arguments, &global)),
        Verb::Queue(verb) => in_time(runtime()?, queue::run(verb, &global)),
        Verb::Run(arguments) => in_time(runtime()?, run_verb::run(arguments, &global)),
        Verb::Domain(verb) => in_time(runtime()?, domain::run(verb, &global)),
        Verb::Eventual(verb) => in_time(runtime()?, eventual::run(verb, &global)),
        Verb::Sync(verb) => in_time(runtime()?, sync::run(verb, &global)),
        Verb::Memory(arguments) => in_time(runtime()?, memory::run(arguments, &global)),
        Verb::Member(verb) => in_time(runtime()?, member::run(verb, &global)),
        Verb::Status => in_time(runtime()?, status::run(&global)),
        Verb::Doctor(arguments) => in_time(runtime()?, doctor::run(arguments, &global)),
        Verb::Snapshot(verb) => in_time(runtime()?, snapshot::run(verb, &global)),
    }
}

/// A name that is still being looked up is of no interest once the verb is done: it does not hold the process.
fn in_time(runtime: Runtime, verb: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let ended = runtime.block_on(verb);
    runtime.shutdown_background();
    ended
}
