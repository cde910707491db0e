//! Real-time order, and each client's own order.

use std::collections::HashMap;

use super::Violation;
use super::replay::Placed;
use crate::history::{Operation, Request, Response};

/// What begins after something returned speaks of no earlier revision; a write makes a later one. Reads of a prefix
/// are held to their own client's order only.
pub(super) fn check(operations: &[Operation], placed: &Placed) -> Result<(), Violation> {
    let mut by_invocation: Vec<usize> = (0..operations.len())
        .filter(|index| placed.revision(*index).is_some())
        .collect();
    by_invocation.sort_by_key(|index| operations[*index].invoked);
    let mut by_return: Vec<usize> = by_invocation
        .iter()
        .copied()
        .filter(|index| has_returned(&operations[*index]))
        .collect();
    by_return.sort_by_key(|index| operations[*index].returned);

    let mut returned = by_return.into_iter().peekable();
    let mut newest: Option<usize> = None;
    let mut newest_of_client: HashMap<u64, usize> = HashMap::new();
    for index in by_invocation {
        let operation = &operations[index];
        while let Some(earlier) = returned.next_if(|earlier| operations[*earlier].returned < operation.invoked) {
            let later = |known: usize| {
                if placed.revision(earlier) > placed.revision(known) {
                    earlier
                } else {
                    known
                }
            };
            let of_client = newest_of_client.entry(operations[earlier].client).or_insert(earlier);
            *of_client = later(*of_client);
            if !is_prefix_read(&operations[earlier]) {
                newest = Some(newest.map_or(earlier, later));
            }
        }
        let own = newest_of_client.get(&operation.client).copied();
        let everybody = newest.filter(|_| !is_prefix_read(operation));
        for earlier in own.into_iter().chain(everybody) {
            compare(operations, placed, earlier, index)?;
        }
    }
    Ok(())
}

fn compare(operations: &[Operation], placed: &Placed, earlier: usize, index: usize) -> Result<(), Violation> {
    let (Some(known), Some(revision)) = (placed.revision(earlier), placed.revision(index)) else {
        return Ok(());
    };
    let in_order = match placed.is_write(operations, index) {
        true => revision > known,
        false => revision >= known,
    };
    match in_order {
        true => Ok(()),
        false => Err(Violation::OutOfOrder {
            known,
            earlier: Box::new(operations[earlier].clone()),
            operation: Box::new(operations[index].clone()),
        }),
    }
}

/// A write whose outcome its client never learned may take effect at any later time.
fn has_returned(operation: &Operation) -> bool {
    operation.response != Response::Unknown
}

fn is_prefix_read(operation: &Operation) -> bool {
    matches!(operation.request, Request::Get { strong: false, .. })
}
