//! One verb a file: its arguments and `run`.

pub mod assign;
pub mod compact;
pub mod completion;
pub mod config_print;
pub mod del;
pub mod demo;
pub mod dev;
pub mod domain;
pub mod elect;
pub mod get;
pub mod lease;
pub mod lock;
pub mod member;
pub mod put;
pub mod queue;
pub mod range;
pub mod run;
pub mod server;
pub mod snapshot;
pub mod status;
pub mod txn;
pub mod wait;
pub mod watch;
pub mod worker;
