//! The command line: the server, the client verbs, the demo.
//!
//! `main` parses the arguments, runs one verb and turns its result into an exit code. Each verb is a file in `verbs/`
//! with its arguments and one `run` function; what they share (bytes, output, exit codes) stands beside this file.
//!
//! Invariants
//! * Results go to standard output, everything else to standard error; with `-o json` both are JSON.
//! * The exit code is 0 only on success. A mutation whose fate is unknown never looks like one that failed.
//! * Keys and values are bytes: nothing is lost because it is not UTF-8.
//! * Verbs other than `server`, `dev` and `demo` know the cluster through the SDK alone.
//!
//! Deliberately absent: an interactive shell, and configuration of the client verbs by file.

#![allow(clippy::disallowed_methods, reason = "a program for people measures real time")]

mod arguments;
mod bytes;
mod connect;
mod demo;
mod events;
mod exit;
mod fence;
mod labels;
mod output;
mod ports;
mod progress;
mod run;
mod selection;
mod setting_flags;
#[cfg(test)]
mod tests;
mod txn_document;
mod under_lock;
mod verbs;

pub use arguments::Arguments;
pub use exit::Exit;
pub use run::main;
