//! `quorate completion`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::arguments::Arguments;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Which shell.
#[derive(Args, Debug)]
pub struct CompletionArguments {
    /// The shell to complete for
    shell: Shell,
}

/// Writes the script.
pub fn run(arguments: &CompletionArguments) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "quorate", &mut script);
    output::write_stdout(&script)?;
    Ok(Exit::Success)
}
