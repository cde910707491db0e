//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use super::exit::Failure;

/// Below the ranges from which systems take the ports of outgoing connections: a port that a server leaves while it is
/// down must not go to some connection meanwhile.
const FIRST: u16 = 17_000;
const COUNT: u16 = 14_000;

/// Ports that nobody listens on at this moment. The search starts at a place that depends on the process, so that two
/// processes that search at the same time seldom meet.
pub fn free_ports(wanted: usize) -> Result<Vec<u16>, Failure> {
    // Less than COUNT, so it fits.
    let start = (std::process::id().wrapping_mul(97) % u32::from(COUNT)) as u16;
    let free: Vec<u16> = (0..COUNT)
        .map(|step| FIRST + (start + step) % COUNT)
        .filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .take(wanted)
        .collect();
    if free.len() == wanted {
        Ok(free)
    } else {
        let last = FIRST + COUNT - 1;
        Err(Failure::local(format!(
            "{wanted} free ports are needed, and {FIRST} to {last} are all in use"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_not_given_out() {
        let first = free_ports(1).unwrap()[0];
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        let ports = free_ports(6).unwrap();
        assert_eq!(ports.len(), 6);
        assert!(!ports.contains(&first));
    }
}
