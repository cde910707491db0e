//! What a member has open, as the system sees it.

use std::path::PathBuf;

use crate::HarnessError;
use crate::cluster::Member;

/// Of one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Footprint {
    /// Of clients.
    pub(super) connections: u64,
    pub(super) resident_bytes: u64,
}

impl Footprint {
    pub(super) fn of(member: &Member) -> Result<Footprint, HarnessError> {
        let pid = member
            .pid()
            .ok_or_else(|| HarnessError::Broken(format!("member {} does not run", member.id())))?;
        let process = PathBuf::from(format!("/proc/{pid}"));
        // What the members have open among themselves comes and goes as they need it.
        let (_, port) = member.client_address().rsplit_once(':').unwrap_or_default();
        let port: u16 = port
            .parse()
            .map_err(|_| HarnessError::Broken(format!("{} has no port", member.client_address())))?;
        let table = process.join("net/tcp");
        let table = std::fs::read_to_string(&table).map_err(HarnessError::io(format!("read {}", table.display())))?;
        let connections = table.lines().filter(|line| is_open_at(line, port)).count() as u64;
        let status = process.join("status");
        let status =
            std::fs::read_to_string(&status).map_err(HarnessError::io(format!("read {}", status.display())))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        let resident = resident.ok_or_else(|| HarnessError::Broken(format!("no VmRSS of process {pid}")))?;
        Ok(Footprint {
            connections,
            resident_bytes: resident << 10,
        })
    }
}

/// Whether a row of the table of sockets is one that a process holds, at this port of its own, and no listener.
fn is_open_at(row: &str, port: u16) -> bool {
    const LISTEN: &str = "0A";
    let mut fields = row.split_ascii_whitespace().skip(1);
    let local = fields.next().and_then(|local| local.rsplit_once(':'));
    let (state, inode) = (fields.nth(1), fields.nth(5));
    local.is_some_and(|(_, own)| u16::from_str_radix(own, 16) == Ok(port))
        && state.is_some_and(|state| state != LISTEN)
        && inode.is_some_and(|inode| inode != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_counts_if_a_process_holds_it_at_that_port_and_does_not_listen() {
        let row = |state: &str, inode: &str| {
            format!(
                "  17: 0100007F:6242 0100007F:E74C {state} 00000000:00000000 02:000005E1 00000000     0        0 {inode} 2 0"
            )
        };
        assert!(is_open_at(&row("01", "4242"), 0x6242));
        assert!(
            is_open_at(&row("08", "4242"), 0x6242),
            "the client has closed, and the member has not"
        );
        assert!(!is_open_at(&row("01", "4242"), 0xE74C));
        assert!(!is_open_at(&row("0A", "4242"), 0x6242));
        assert!(!is_open_at(&row("06", "0"), 0x6242), "nobody holds it any more");
        assert!(!is_open_at("  sl  local_address rem_address   st tx_queue", 0x6242));
    }
}
