//! Tells the service manager how far this member is: `READY=1` once clients are served, `STOPPING=1` when it begins to stop.
//!
//! The protocol is that of `sd_notify(3)`: one datagram a message to the socket that `NOTIFY_SOCKET` names. Without that variable
//! nobody asked, and nothing is said. A message that cannot be sent is a warning: a member must not end because nobody
//! listens to how it is.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where messages go, as systemd names it.
const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";

/// What a service manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Clients are served. What they ask may still need a leader, which needs other members: that is not waited for, since
    /// a machine that starts its services one after the other would never get to them.
    Ready,
    /// It stops: leadership and writes are handed on, then connections end.
    Stopping,
}

impl Stage {
    fn message(self) -> &'static [u8] {
        match self {
            Self::Ready => b"READY=1\nSTATUS=serves clients",
            Self::Stopping => b"STOPPING=1\nSTATUS=hands on what it has",
        }
    }
}

/// Tells the service manager, if there is one.
pub(super) fn tell(stage: Stage) {
    let Some(socket) = env::var_os(SOCKET_VARIABLE) else {
        return;
    };
    if let Err(error) = send(&socket, stage) {
        tracing::warn!(socket = %socket.display(), %error, "the service manager cannot be told");
    }
}

fn send(socket: &OsStr, stage: Stage) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    // The manager reads slowly at worst; a start or a stop must not hang on it.
    sender.set_nonblocking(true)?;
    sender.send_to_addr(stage.message(), &address(socket)?)?;
    Ok(())
}

/// A path, or with `@` in front a name without a file.
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    let bytes = socket.as_encoded_bytes();
    match bytes.strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name),
        #[cfg(not(target_os = "linux"))]
        Some(_) => Err(io::ErrorKind::Unsupported.into()),
        None => SocketAddr::from_pathname(socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(receiver: &UnixDatagram) -> String {
        let mut message = [0; 256];
        let length = receiver.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_socket_with_a_path_is_told_both_stages() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), Stage::Ready).unwrap();
        send(path.as_os_str(), Stage::Stopping).unwrap();
        assert!(received(&receiver).starts_with("READY=1\n"));
        assert!(received(&receiver).starts_with("STOPPING=1\n"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_without_a_file_is_told_too() {
        let name = format!("@quorate-notify-{}", std::process::id());
        let receiver = UnixDatagram::bind_addr(&address(OsStr::new(&name)).unwrap()).unwrap();
        send(OsStr::new(&name), Stage::Ready).unwrap();
        assert!(received(&receiver).starts_with("READY=1\n"));
    }

    #[test]
    fn nobody_listening_is_an_error_and_no_wait() {
        let directory = tempfile::tempdir().unwrap();
        assert!(send(directory.path().join("nobody").as_os_str(), Stage::Ready).is_err());
    }
}
