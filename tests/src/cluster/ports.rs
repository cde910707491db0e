//! Ports for servers.

use std::net::{Ipv4Addr, TcpListener};

use rand::seq::SliceRandom;

use crate::HarnessError;

/// Below the range from which the kernel takes ports for outgoing connections: a member that is restarted must find
/// its port free again, although nobody listened on it for a while.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Different ports on which nobody listens now. They are bound once to make sure, and released.
pub fn free_ports(count: usize) -> Result<Vec<u16>, HarnessError> {
    let mut candidates: Vec<u16> = PORTS.collect();
    candidates.shuffle(&mut rand::rng());
    let mut held = Vec::with_capacity(count);
    for port in candidates {
        if held.len() == count {
            break;
        }
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
    }
    if held.len() < count {
        return Err(HarnessError::Broken(format!(
            "cannot find {count} free ports in {PORTS:?}"
        )));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}
