//! Whoever watches a run.

use std::time::Duration;

use crate::journal::Fault;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Since it began.
    pub elapsed: Duration,
    /// How long it is to go on.
    pub planned: Duration,
    /// Operations that have ended.
    pub operations: u64,
    /// Of those, in the last second.
    pub per_second: u64,
    /// Faults that the cluster has got over.
    pub faults: u64,
}

/// Is told of a run while it goes on.
pub trait Progress: Send {
    /// Something that should be read.
    fn say(&mut self, line: &str);

    /// A fault is over.
    fn fault(&mut self, fault: &Fault);

    /// Every second.
    fn stand(&mut self, standing: Standing);
}

/// Every line, and how it stands now and then.
impl<F: FnMut(&str) + Send> Progress for F {
    fn say(&mut self, line: &str) {
        self(line);
    }

    fn fault(&mut self, fault: &Fault) {
        let Fault {
            fault: kind,
            victims,
            leader_hit,
            began_us,
            ended_us,
            evidence,
        } = fault;
        let began = Duration::from_micros(*began_us).as_secs_f32();
        let took = Duration::from_micros(ended_us.saturating_sub(*began_us)).as_secs_f32();
        let led = if *leader_hit { ", the leader" } else { "" };
        self(&format!(
            "{began:7.1} s  {kind} of {victims:?}{led}: {evidence} ({took:.1} s)"
        ));
    }

    fn stand(&mut self, standing: Standing) {
        const EVERY_SECONDS: u64 = 30;
        if standing.elapsed.as_secs() % EVERY_SECONDS == EVERY_SECONDS - 1 {
            self(&format!(
                "{:7.1} s  {} operations, {} a second, {} faults",
                standing.elapsed.as_secs_f32(),
                standing.operations,
                standing.per_second,
                standing.faults
            ));
        }
    }
}
