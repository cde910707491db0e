//! The order of calls.

use std::collections::HashMap;

use super::graph::{Dependency, Edge, Graph};
use super::{Outcome, Transaction};

/// Adds the order of each client's calls, and that of calls of which one returned before the other began. Of the latter
/// only those that no others imply: as many as calls overlap.
pub(super) fn in_time(transactions: &[Transaction], happened: &[bool], graph: &mut Graph<'_>) {
    let mut calls: Vec<usize> = (0..transactions.len()).filter(|index| happened[*index]).collect();
    calls.sort_by_key(|index| transactions[*index].invoked);
    // What may take effect at any time has never returned.
    let mut returns: Vec<usize> = calls
        .iter()
        .copied()
        .filter(|index| transactions[*index].outcome == Outcome::Committed)
        .collect();
    returns.sort_by_key(|index| transactions[*index].returned);

    let mut returns = returns.into_iter().peekable();
    let mut frontier: Vec<usize> = Vec::new();
    let mut own: HashMap<u64, usize> = HashMap::new();
    for to in calls {
        let invoked = transactions[to].invoked;
        while let Some(returned) = returns.next_if(|index| transactions[*index].returned < invoked) {
            // Whatever had returned before this one began stands before it already.
            frontier.retain(|before| transactions[*before].returned >= transactions[returned].invoked);
            frontier.push(returned);
            own.insert(transactions[returned].client, returned);
        }
        let add = |graph: &mut Graph<'_>, from, dependency| {
            graph.add(Edge {
                from,
                to,
                dependency,
                shown_by: None,
            });
        };
        if let Some(before) = own.get(&transactions[to].client) {
            add(graph, *before, Dependency::Process);
        }
        for before in &frontier {
            add(graph, *before, Dependency::Realtime);
        }
    }
}
