//! Where the server is.

use std::path::PathBuf;

use crate::HarnessError;

/// `QUORATE_BIN`, else `quorate` in the build directory that this executable came from.
pub fn server_binary() -> Result<PathBuf, HarnessError> {
    let path = match std::env::var_os("QUORATE_BIN") {
        Some(named) => PathBuf::from(named),
        None => beside_this_executable()?,
    };
    match path.is_file() {
        true => Ok(path),
        false => Err(HarnessError::NoBinary { path }),
    }
}

/// Tests run from `debug/deps/`, programs from `debug/`.
fn beside_this_executable() -> Result<PathBuf, HarnessError> {
    let mut directory = std::env::current_exe().map_err(HarnessError::io("find this executable"))?;
    directory.pop();
    if directory.ends_with("deps") {
        directory.pop();
    }
    Ok(directory.join("quorate"))
}
