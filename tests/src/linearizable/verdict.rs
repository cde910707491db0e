//! All keys, window by window.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use super::phantom::phantom;
use super::search::{Outcome, search_steps};
use super::windows::{Window, windows};
use super::{Budget, KeyOperation};

/// Operations before the stop that are shown.
const SHOWN: usize = 8;

/// What was searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Keys.
    pub keys: usize,
    /// Windows that have an order.
    pub windows: usize,
    /// Operations in them, each counted once.
    pub operations: usize,
    /// Operations in windows with too many writes of unknown outcome, which were not searched.
    pub skipped: usize,
}

/// No order explains these answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Illegal {
    /// The key.
    pub key: Bytes,
    /// The longest order that was found.
    pub order: Vec<KeyOperation>,
    /// The operation that cannot be added to it.
    pub operation: KeyOperation,
}

/// How a check ended. Only [`Verdict::Ok`] is a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every window that was searched has an order.
    Ok(Summary),
    /// One has none.
    Illegal(Box<Illegal>),
    /// A search had no end within its budget, or there was nothing to search.
    Unknown(String),
}

impl Verdict {
    /// The summary of a pass; otherwise the explanation.
    pub fn into_result(self) -> Result<Summary, String> {
        match self {
            Verdict::Ok(summary) => Ok(summary),
            Verdict::Illegal(illegal) => Err(format!("illegal: {illegal}")),
            Verdict::Unknown(reason) => Err(format!("no verdict: {reason}")),
        }
    }
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Illegal { key, order, operation } = self;
        let hidden = order.len().saturating_sub(SHOWN);
        write!(
            f,
            "key {:?}: no order of the calls explains the answers; the longest that does has {} of them",
            String::from_utf8_lossy(key),
            order.len()
        )?;
        for operation in &order[hidden..] {
            write!(f, "\n  {operation:?}")?;
        }
        write!(f, "\nand cannot go on with\n  {operation:?}")
    }
}

/// Searches every key's history, which began when the key did not exist. `budget` is that of a window.
pub fn check(histories: &BTreeMap<Bytes, Vec<KeyOperation>>, budget: Budget) -> Verdict {
    let mut summary = Summary::default();
    for (key, history) in histories {
        let mut history = history.clone();
        history.sort_by_key(|operation| operation.invoked);
        if let Some(index) = phantom(&history) {
            return Verdict::Illegal(Box::new(Illegal {
                key: key.clone(),
                order: Vec::new(),
                operation: history[index].clone(),
            }));
        }
        summary.keys += 1;
        for window in windows(&history) {
            if !window.is_small() {
                summary.skipped += window.new;
                continue;
            }
            match search_steps(&window.steps, window.start, budget) {
                Outcome::Ok(_) => {
                    summary.windows += 1;
                    summary.operations += window.new;
                }
                Outcome::Illegal(stop) => {
                    return Verdict::Illegal(Box::new(illegal(key, &window, &stop.order, stop.operation)));
                }
                Outcome::Unknown => return Verdict::Unknown(spent(key, &window, budget)),
            }
        }
    }
    match summary.operations {
        0 => Verdict::Unknown(format!("no operation could be searched: {summary:?}")),
        _ => Verdict::Ok(summary),
    }
}

fn illegal(key: &Bytes, window: &Window<'_>, order: &[usize], operation: usize) -> Illegal {
    let of = |index: usize| window.steps[index].operation.clone();
    Illegal {
        key: key.clone(),
        order: order.iter().copied().map(of).collect(),
        operation: of(operation),
    }
}

fn spent(key: &Bytes, window: &Window<'_>, budget: Budget) -> String {
    format!(
        "the search of {} operations of key {:?} from {:?} on spent its {budget:?}",
        window.steps.len(),
        String::from_utf8_lossy(key),
        window.steps.first().map(|step| step.operation.invoked)
    )
}
