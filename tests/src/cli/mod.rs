//! Options of the command line, a file for each subcommand that needs more than a few.

pub mod campaign;
pub mod canaries;
pub mod corruption;
