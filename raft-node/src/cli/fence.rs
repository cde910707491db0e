//! The lock that a command runs under, as its environment says.

use quorate::LockHold;

use super::exit::Failure;

/// Name of the lock.
pub const LOCK: &str = "QUORATE_LOCK";
/// The lease that holds it.
pub const LEASE: &str = "QUORATE_LEASE";
/// The fencing token.
pub const TOKEN: &str = "QUORATE_FENCE";

/// The hold that `quorate lock` or `quorate elect` left in the environment of the command.
pub fn from_environment() -> Result<LockHold, Failure> {
    let read = |name: &str| std::env::var(name).map_err(|_| missing(name));
    let number = |name: &str| read(name)?.parse().map_err(|_| missing(name));
    Ok(LockHold {
        lock: read(LOCK)?,
        lease: number(LEASE)?,
        token: number(TOKEN)?,
        ..LockHold::default()
    })
}

fn missing(name: &str) -> Failure {
    Failure::usage(format!(
        "{name} is missing or wrong: --fenced is for commands that run under `quorate lock` or `quorate elect`"
    ))
}
