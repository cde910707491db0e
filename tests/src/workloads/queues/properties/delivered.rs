//! Nothing is lost and nothing is done twice: in the end every item that was pushed is acknowledged, once, and what was
//! pushed again under the same dedupe key is one item.

use std::collections::BTreeMap;

use super::super::history::History;
use super::super::record::Done;
use super::super::truth::State;

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let works = history.works();
    let answered = history
        .operations
        .iter()
        .filter_map(|operation| match operation.answer.done() {
            Some(Done::Claimed { revision, .. }) => Some(*revision),
            _ => None,
        });
    let last_claim = answered.max().unwrap_or_default();
    for (item, life) in &history.items.all {
        // A push that nobody was answered may come when nobody looks any more.
        if life.pushed > last_claim && life.claims.is_empty() && !works.contains_key(item) {
            continue;
        }
        // That it was acknowledged once is a matter of its states.
        if !matches!(life.state, State::Acked(_)) {
            found.push(format!("item {item} is left over: {life:?}"));
        }
        if matches!(life.state, State::Acked(_)) && life.claims.is_empty() {
            found.push(format!("item {item} was never delivered: {life:?}"));
        }
    }
    let mut items: BTreeMap<String, u64> = BTreeMap::new();
    for (item, work) in works {
        if let Some(before) = items.insert(work.payload.clone(), item) {
            found.push(format!("{:?} is item {before} and item {item}", work.payload));
        }
    }
    found
}
