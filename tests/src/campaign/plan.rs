//! What a run is to do.

use std::path::PathBuf;

use crate::HarnessError;
use crate::nemesis::FaultKind;
use crate::workloads::{self, Registered};

/// Longer than this no run goes on, in seconds: its truth has to fit into memory.
const SECONDS_MAX: u64 = 6 * 3600;

/// More operations a second than one machine can answer.
const RATE_MAX: u64 = 20_000;

/// A run.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// What is played.
    pub workloads: Vec<Registered>,
    /// What is to happen to members. Kinds that this machine does not let happen are left out, and told.
    pub faults: Vec<FaultKind>,
    /// How long it goes on, in seconds; longer if a planned fault has not happened by then.
    pub seconds: u64,
    /// Everything random comes from it.
    pub seed: u64,
    /// Voters: 3 or 5.
    pub members: u64,
    /// Operations a second, all workloads together.
    pub rate: u64,
    /// How often each kind of fault has to happen.
    pub faults_min: u64,
    /// Where the journal goes; a file in the temporary directory when absent, which is removed if the run passes.
    pub journal: Option<PathBuf>,
}

impl Campaign {
    /// The workloads of a list: `all`, or names with commas between them.
    pub fn workloads(text: &str) -> Result<Vec<Registered>, HarnessError> {
        if text.trim() == "all" {
            return Ok(workloads::all());
        }
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let mut chosen: Vec<Registered> = Vec::new();
        for name in names {
            let known = || {
                workloads::all()
                    .iter()
                    .map(|workload| workload.name)
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let workload = workloads::named(name)
                .ok_or_else(|| HarnessError::Broken(format!("{name:?} is no workload: there are all, {}", known())))?;
            if chosen.iter().all(|other| other.name != name) {
                chosen.push(workload);
            }
        }
        match chosen.is_empty() {
            true => Err(HarnessError::Broken("workloads: none was named".to_owned())),
            false => Ok(chosen),
        }
    }

    /// The faults of a list: `all`, `none`, or kinds and families with commas between them.
    pub fn faults(text: &str) -> Result<Vec<FaultKind>, HarnessError> {
        match text.trim() {
            "none" => Ok(Vec::new()),
            text => FaultKind::list(text),
        }
    }

    /// An error that names the field, its value and its limits.
    pub(super) fn validate(&self) -> Result<(), HarnessError> {
        let in_range = |field: &str, value: u64, range: std::ops::RangeInclusive<u64>| match range.contains(&value) {
            true => Ok(()),
            false => Err(HarnessError::Broken(format!(
                "{field} is {value}, and must be from {} to {}",
                range.start(),
                range.end()
            ))),
        };
        in_range("seconds", self.seconds, 1..=SECONDS_MAX)?;
        in_range("rate", self.rate, 1..=RATE_MAX)?;
        match self.members {
            3 | 5 => Ok(()),
            other => Err(HarnessError::Broken(format!("members is {other}, and must be 3 or 5"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_named_once_each_or_all_at_once() {
        let names = |text: &str| -> Vec<&str> {
            let chosen = Campaign::workloads(text).unwrap();
            chosen.iter().map(|workload| workload.name).collect()
        };
        assert_eq!(names("set, register,set"), ["set", "register"]);
        assert_eq!(names("all").len(), workloads::all().len());
        let unknown = Campaign::workloads("set,bank").unwrap_err().to_string();
        assert!(
            unknown.contains("\"bank\"") && unknown.contains("register"),
            "{unknown}"
        );
        assert!(Campaign::workloads(",").is_err());
    }

    #[test]
    fn no_faults_are_a_plan_too() {
        assert!(Campaign::faults("none").unwrap().is_empty());
        assert_eq!(Campaign::faults("kill").unwrap(), [FaultKind::Kill]);
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        let campaign = Campaign {
            workloads: workloads::all(),
            faults: Vec::new(),
            seconds: 10,
            seed: 1,
            members: 4,
            rate: 100,
            faults_min: 1,
            journal: None,
        };
        let refused = campaign.validate().unwrap_err().to_string();
        assert!(refused.contains("members is 4"), "{refused}");
        let refused = Campaign {
            rate: 0,
            members: 3,
            ..campaign
        }
        .validate()
        .unwrap_err()
        .to_string();
        assert!(refused.contains("rate is 0") && refused.contains("20000"), "{refused}");
    }
}
