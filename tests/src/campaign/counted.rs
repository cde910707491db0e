//! Whether a run counts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::journal::JournalFile;
use crate::workloads::Checked;

/// Each kind of operation has to succeed once in so much time.
const WINDOW: Duration = Duration::from_secs(60);

/// What was planned and did not happen, in words; nothing if the run counts.
pub(super) fn missing(journal: &JournalFile, checked: &[Checked]) -> Vec<String> {
    let mut missing = missing_faults(journal);
    for checked in checked {
        for (kind, times) in &checked.kinds {
            missing.extend(missing_operations(journal, checked.workload, kind, times));
        }
    }
    missing
}

fn missing_faults(journal: &JournalFile) -> Vec<String> {
    let mut happened: BTreeMap<&str, u64> = BTreeMap::new();
    let with_evidence = journal.faults.iter().filter(|fault| !fault.evidence.is_empty());
    for fault in with_evidence {
        *happened.entry(fault.fault.as_str()).or_default() += 1;
    }
    let planned = journal.header.faults.iter();
    let missing = planned.filter_map(|kind| {
        let times = happened.get(kind.as_str()).copied().unwrap_or(0);
        let wanted = journal.header.faults_min;
        (times < wanted).then(|| format!("{kind} happened {times} times, and had to {wanted} times"))
    });
    missing.collect()
}

/// Whole minutes, the last of which takes what is left; one if there is no whole minute.
fn missing_operations(journal: &JournalFile, workload: &str, kind: &str, times: &[u64]) -> Option<String> {
    let (began, stopped) = (journal.end.began_us, journal.end.stopped_us);
    let window = WINDOW.as_micros() as u64;
    let windows = (stopped.saturating_sub(began) / window).max(1);
    let index = |time: u64| (time.saturating_sub(began) / window).min(windows - 1);
    let mut seen = vec![false; usize::try_from(windows).unwrap_or(0)];
    for time in times.iter().filter(|time| **time <= stopped) {
        seen[usize::try_from(index(*time)).unwrap_or(0)] = true;
    }
    let empty = seen.iter().position(|seen| !seen)?;
    Some(format!(
        "{workload}: no {kind} was done in minute {} of {windows}",
        empty + 1
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{End, Fault, Header};
    use crate::verdict::Verdict;

    const SECOND: u64 = 1_000_000;

    fn journal(seconds: u64, faults: &[(&str, &str)]) -> JournalFile {
        let header = Header {
            faults: vec!["kill".to_owned(), "pause".to_owned()],
            faults_min: 1,
            ..Header::default()
        };
        let end = End {
            began_us: 10 * SECOND,
            stopped_us: (10 + seconds) * SECOND,
            ..End::default()
        };
        let faults = faults.iter().map(|(kind, evidence)| Fault {
            fault: (*kind).to_owned(),
            evidence: (*evidence).to_owned(),
            ..Fault::default()
        });
        JournalFile::of_parts(header, faults.collect(), end)
    }

    fn puts(seconds: &[u64]) -> Vec<Checked> {
        let times = seconds.iter().map(|second| second * SECOND).collect();
        vec![Checked {
            workload: "register",
            done: 0,
            not_done: 0,
            unknown: 0,
            kinds: vec![("put", times)],
            verdict: Verdict::Ok(String::new()),
        }]
    }

    #[test]
    fn a_fault_that_did_not_happen_or_was_not_seen_is_missing() {
        let seen = [("kill", "it ended"), ("pause", "it stood")];
        assert!(missing(&journal(20, &seen), &puts(&[15])).is_empty());
        let unseen = missing(&journal(20, &[("kill", "it ended"), ("pause", "")]), &puts(&[15]));
        assert_eq!(unseen, ["pause happened 0 times, and had to 1 times"]);
    }

    #[test]
    fn every_whole_minute_needs_its_operation() {
        let seen = [("kill", "it ended"), ("pause", "it stood")];
        let journal = journal(200, &seen);
        assert!(
            missing(&journal, &puts(&[15, 75, 205])).is_empty(),
            "the last takes what is left"
        );
        let missing = missing(&journal, &puts(&[15, 135, 211]));
        assert_eq!(missing, ["register: no put was done in minute 2 of 3"]);
    }
}
