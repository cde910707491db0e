//! CPU time of processes, from `/proc/PID/stat`, and their memory, from `/proc/PID/status`.
//!
//! Its resolution is a clock tick of 10 ms, which a run of seconds makes small. A process that ended has no CPU time:
//! reading it is an error, since a run that lost a server is not a measurement.

use std::str::FromStr;

use serde::Serialize;

/// Microseconds in a tick: Linux reports 100 ticks a second to programs on every architecture that is built for.
const TICK_US: u64 = 10_000;

/// A process whose CPU time is measured, written `PID:ROLE` on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// What it is, e.g. `leader`.
    pub role: String,
}

impl FromStr for Process {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (pid, role) = text.split_once(':').unwrap_or((text, "server"));
        let pid = pid
            .parse()
            .map_err(|_| format!("{text:?} is not PID or PID:ROLE, for example 4711:leader"))?;
        Ok(Process {
            pid,
            role: role.to_owned(),
        })
    }
}

/// CPU time used so far, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTime {
    /// In user space.
    pub user_us: u64,
    /// In the kernel.
    pub system_us: u64,
}

impl CpuTime {
    /// Of a process and all its threads.
    pub fn of(pid: u32) -> Result<CpuTime, String> {
        let path = format!("/proc/{pid}/stat");
        let stat = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
        parse_stat(&stat).ok_or_else(|| format!("{path} does not look like a process: {stat:?}"))
    }

    /// Since `before`.
    pub fn since(self, before: CpuTime) -> CpuTime {
        CpuTime {
            user_us: self.user_us.saturating_sub(before.user_us),
            system_us: self.system_us.saturating_sub(before.system_us),
        }
    }
}

/// The command's name stands in parentheses and may itself hold spaces and parentheses, so count from the last one.
fn parse_stat(stat: &str) -> Option<CpuTime> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(CpuTime {
        user_us: user * TICK_US,
        system_us: system * TICK_US,
    })
}

/// What one process spent on a run.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessCost {
    /// `client` for the generator itself.
    pub role: String,
    /// Its process id.
    pub pid: u32,
    /// CPU time in user space per operation, in microseconds.
    pub user_us_per_op: f64,
    /// CPU time in the kernel per operation, in microseconds.
    pub system_us_per_op: f64,
}

/// CPU times at the start of a window, for a set of processes.
#[derive(Debug)]
pub struct CpuWindow {
    start: Vec<(Process, CpuTime)>,
}

impl CpuWindow {
    /// Reads the processes, and this one as `client`.
    pub fn open(servers: &[Process]) -> Result<CpuWindow, String> {
        let client = Process {
            pid: std::process::id(),
            role: "client".to_owned(),
        };
        let mut start = Vec::with_capacity(servers.len() + 1);
        for process in std::iter::once(&client).chain(servers) {
            start.push((process.clone(), CpuTime::of(process.pid)?));
        }
        Ok(CpuWindow { start })
    }

    /// What each process spent since.
    pub fn close(self) -> Result<Vec<(Process, CpuTime)>, String> {
        let spent = self.start.into_iter().map(|(process, before)| {
            let now = CpuTime::of(process.pid)?;
            Ok((process, now.since(before)))
        });
        spent.collect()
    }
}

impl ProcessCost {
    /// What `process` spent, spread over the operations of a run.
    pub fn per_operation(process: Process, spent: CpuTime, operations: u64) -> ProcessCost {
        let operations = operations.max(1) as f64;
        ProcessCost {
            role: process.role,
            pid: process.pid,
            user_us_per_op: spent.user_us as f64 / operations,
            system_us_per_op: spent.system_us as f64 / operations,
        }
    }
}

/// Memory of a process that is resident, in bytes.
pub fn resident_bytes(pid: u32) -> Result<u64, String> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| format!("{path} says nothing of resident memory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 1 2 3 4 7 5 0 0 20 0 1 0 100 1 1";
        let expected = CpuTime {
            user_us: 70_000,
            system_us: 50_000,
        };
        assert_eq!(parse_stat(stat), Some(expected));
        assert_eq!(parse_stat("42 (cut S 1"), None);
    }

    #[test]
    fn a_process_is_read_with_and_without_a_role() {
        let leader: Process = "17:leader".parse().unwrap();
        assert_eq!((leader.pid, leader.role.as_str()), (17, "leader"));
        assert_eq!("17".parse::<Process>().unwrap().role, "server");
        assert!("leader:17".parse::<Process>().unwrap_err().contains("PID:ROLE"));
    }

    #[test]
    fn a_process_that_does_not_exist_is_an_error_that_names_it() {
        assert!(CpuTime::of(u32::MAX).unwrap_err().contains("4294967295"));
    }
}
