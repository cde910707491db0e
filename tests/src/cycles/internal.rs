//! A transaction by itself.

use std::collections::BTreeMap;

use super::{Anomaly, Kind, Outcome, Step, Transaction};

/// What a transaction knows of a list from its own steps.
enum Known {
    /// It ends with this.
    End(Vec<u64>),
    /// It is this.
    All(Vec<u64>),
}

/// Every read of a transaction agrees with its own steps before it.
pub(super) fn internal(transactions: &[Transaction]) -> Vec<Anomaly> {
    let committed = transactions.iter().filter(|one| one.outcome == Outcome::Committed);
    committed.filter_map(one).collect()
}

fn one(transaction: &Transaction) -> Option<Anomaly> {
    let mut known: BTreeMap<&str, Known> = BTreeMap::new();
    for step in &transaction.steps {
        match step {
            Step::Append { key, element } => match known.entry(key).or_insert(Known::End(Vec::new())) {
                Known::End(list) | Known::All(list) => list.push(*element),
            },
            Step::Read { list: None, .. } => {}
            Step::Read { key, list: Some(list) } => {
                let agrees = match known.get(key.as_str()) {
                    None => true,
                    Some(Known::End(end)) => list.ends_with(end),
                    Some(Known::All(all)) => list == all,
                };
                if !agrees {
                    return Some(Anomaly {
                        kind: Kind::Internal,
                        what: format!("the read of {key:?} that shows {list:?} in {transaction:?}"),
                    });
                }
                known.insert(key, Known::All(list.clone()));
            }
        }
    }
    None
}
