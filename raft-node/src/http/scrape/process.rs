//! The process, as the system sees it.

use std::fs;

use super::super::site::Site;
use crate::metrics::{self as table, Page};

/// Of times in `/proc`: the kernel says 100 to programs on every machine that this is built for.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn put(page: &mut Page, site: &Site) {
    let machine = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    page.truth(table::BUILD_INFO, &[env!("CARGO_PKG_VERSION"), &machine], true);
    page.timed(table::SCRAPE_SECONDS, &[], site.scrapes.read());
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    page.add(
        table::PROCESS_CPU_SECONDS,
        &[],
        cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
    );
    // What this system does not tell is not shown.
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        if let Some(kib) = field(&status, "VmRSS:") {
            page.number(table::PROCESS_RESIDENT_BYTES, &[], kib * 1024);
        }
        if let Some(threads) = field(&status, "Threads:") {
            page.number(table::PROCESS_THREADS, &[], threads);
        }
    }
    let began = fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|text| began_ticks(&text));
    let booted = fs::read_to_string("/proc/stat")
        .ok()
        .and_then(|text| field(&text, "btime "));
    if let (Some(began), Some(booted)) = (began, booted) {
        let began = booted as f64 + began as f64 / TICKS_PER_SECOND;
        page.add(table::PROCESS_START_TIME, &[], began);
    }
    if let Some(open) = open_files() {
        page.number(table::PROCESS_OPEN_FDS, &[], open);
    }
    if let Some(most) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        page.number(table::PROCESS_MAX_FDS, &[], most);
    }
}

/// Newer kernels say how many there are; on others they are listed.
fn open_files() -> Option<u64> {
    const DIRECTORY: &str = "/proc/self/fd";
    match fs::metadata(DIRECTORY).ok()?.len() {
        0 => Some(fs::read_dir(DIRECTORY).ok()?.count() as u64),
        open => Some(open),
    }
}

/// The number behind the name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}

/// When the process began, in ticks since the system did: field 22. The name of the process is in brackets, and may hold
/// anything; the third field comes behind the last bracket.
fn began_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells_is_read() {
        let line = "42 (a) b) S 1 1 1 0 -1 4194304 100 0 0 0 700 55 0 0 20 0 11 0 123456 9999 321 18446744073709551615";
        assert_eq!(began_ticks(line), Some(123_456));
        assert_eq!(began_ticks("42 (a"), None);
        assert_eq!(field("cpu 1 2\nbtime 1700000000\n", "btime "), Some(1_700_000_000));
        assert_eq!(field("VmHWM:\t 1 kB\nVmRSS:\t  320 kB\n", "VmRSS:"), Some(320));
        assert_eq!(field("VmRSS:\n", "VmRSS:"), None);
    }

    #[test]
    fn this_process_has_threads_and_files() {
        let mut page = Page::default();
        put(
            &mut page,
            &Site::new(std::sync::Arc::new(crate::config::NodeConfig::default())),
        );
        let text = page.text();
        for name in [
            "cpu_seconds_total",
            "resident_bytes",
            "threads",
            "start_time_seconds",
            "open_fds",
            "max_fds",
        ] {
            let name = format!("\nquorate_process_{name} ");
            let (_, value) = text.split_once(&name).expect(&name);
            let value: f64 = value.lines().next().unwrap().parse().unwrap();
            assert!(value > 0.0, "{name}{value}");
        }
        assert!(open_files().unwrap() >= 3);
    }
}
