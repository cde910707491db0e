//! Ok, illegal or unknown.

use super::graph::{Dependency, Edge, Graph};
use super::lists::Lists;
use super::{Anomaly, Kind, Outcome, Transaction};
use super::{components, infer, internal, shortest, time};

/// Components of which a circle is shown.
const CIRCLES_MAX: usize = 5;

/// What a history that is right has covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Transactions that were acknowledged.
    pub committed: usize,
    /// Those of unknown outcome that had their effect.
    pub unknown_applied: usize,
    /// Lists that were read.
    pub reads: usize,
    /// Dependencies that the lists show.
    pub dependencies: usize,
    /// Dependencies of time.
    pub in_time: usize,
}

/// How a check ended. Only [`Verdict::Ok`] is a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong.
    Ok(Summary),
    /// This is.
    Illegal(Vec<Anomaly>),
    /// It cannot be told.
    Unknown(String),
}

impl Verdict {
    /// The summary of a pass; otherwise the explanation.
    pub fn into_result(self) -> Result<Summary, String> {
        match self {
            Verdict::Ok(summary) => Ok(summary),
            Verdict::Unknown(reason) => Err(format!("no verdict: {reason}")),
            Verdict::Illegal(anomalies) => {
                let shown: Vec<String> = anomalies.iter().map(Anomaly::to_string).collect();
                Err(format!("illegal: {}", shown.join("\n")))
            }
        }
    }
}

/// Checks a history in which all lists were empty at first.
pub fn check(transactions: &[Transaction]) -> Verdict {
    let lists = match Lists::of(transactions) {
        Ok(lists) => lists,
        Err(problem) => return Verdict::Unknown(problem),
    };
    let mut anomalies = internal::internal(transactions);
    anomalies.extend(lists.anomalies());
    let mut graph = Graph::new(transactions.len());
    infer::infer(&lists, &mut graph);
    time::in_time(transactions, &lists.happened, &mut graph);
    let components = components::components(&graph);
    for component in components.iter().take(CIRCLES_MAX) {
        let circle = shortest::worst(&graph, component).unwrap_or_default();
        anomalies.push(anomaly(transactions, &circle));
    }
    if !anomalies.is_empty() {
        return Verdict::Illegal(anomalies);
    }
    let summary = summary(transactions, &lists, &graph);
    match summary.reads * summary.dependencies {
        0 => Verdict::Unknown(format!("too little was read: {summary:?}")),
        _ => Verdict::Ok(summary),
    }
}

fn anomaly(transactions: &[Transaction], circle: &[Edge<'_>]) -> Anomaly {
    let mut what = format!("{} transactions stand before one another", circle.len());
    for edge in circle {
        what += &format!("\n  T{} -{}-> T{}", edge.from, edge.dependency, edge.to);
        if let Some((key, element)) = edge.shown_by {
            what += &match edge.dependency {
                Dependency::WriteRead => format!(" ({element} of {key:?} was read)"),
                Dependency::ReadWrite => format!(" ({element} of {key:?} was not read)"),
                _ => format!(" ({element} of {key:?} is behind)"),
            };
        }
    }
    for edge in circle {
        what += &format!("\n  T{}: {:?}", edge.from, transactions[edge.from]);
    }
    Anomaly {
        kind: Kind::Circle(shortest::name(circle)),
        what,
    }
}

fn summary(transactions: &[Transaction], lists: &Lists<'_>, graph: &Graph<'_>) -> Summary {
    let of = |outcome| transactions.iter().filter(move |one| one.outcome == outcome).count();
    let happened = lists.happened.iter().filter(|happened| **happened).count();
    let counted = |kinds: &[Dependency]| kinds.iter().map(|kind| graph.count(*kind)).sum();
    Summary {
        committed: of(Outcome::Committed),
        unknown_applied: happened - of(Outcome::Committed),
        reads: transactions.iter().map(|one| one.reads().count()).sum(),
        dependencies: counted(&[Dependency::WriteWrite, Dependency::WriteRead, Dependency::ReadWrite]),
        in_time: counted(&[Dependency::Process, Dependency::Realtime]),
    }
}
