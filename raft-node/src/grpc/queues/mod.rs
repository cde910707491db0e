//! The operations and queries of queues.

mod operation;
mod query;
mod refusal;
mod result;
mod sync;

pub(super) use operation::operation;
pub(super) use query::{check, query, settled, topic};
pub(super) use refusal::refusal;
pub(super) use result::result;

use quorate_proto::v1::{Error, QueueItemState};

use super::error::{invalid, too_large};
use crate::coordination::queues::{ItemState, NAME_BYTES_MAX};

/// A queue that must be named.
fn name(queue: &str) -> Result<String, Error> {
    if queue.is_empty() {
        return Err(invalid("queue", "the queue's name is empty"));
    }
    text("queue", queue, NAME_BYTES_MAX)
}

/// A text of at most so many bytes.
fn text(field: &str, text: &str, bytes_max: usize) -> Result<String, Error> {
    if text.len() > bytes_max {
        return Err(too_large(field, "fixed", bytes_max as u64, text.len() as u64, "bytes"));
    }
    Ok(text.to_owned())
}

/// A number from `least` to `most`, both of which the refusal names.
fn within(field: &str, what: &str, value: u64, least: u64, most: u64) -> Result<u64, Error> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(Error {
        limit: if value < least { least } else { most },
        value,
        ..invalid(field, format!("{what} is {least} to {most}, not {value}"))
    })
}

/// A state that must be named.
fn state(field: &str, state: i32) -> Result<ItemState, Error> {
    match QueueItemState::try_from(state) {
        Ok(QueueItemState::Ready) => Ok(ItemState::Ready),
        Ok(QueueItemState::Delayed) => Ok(ItemState::Delayed),
        Ok(QueueItemState::Claimed) => Ok(ItemState::Claimed),
        Ok(QueueItemState::Dead) => Ok(ItemState::Dead),
        Ok(QueueItemState::Unspecified) | Err(_) => Err(invalid(
            field,
            format!("state {state} is unknown: 1 ready, 2 delayed, 3 claimed, 4 dead"),
        )),
    }
}

fn wire_state(state: ItemState) -> QueueItemState {
    match state {
        ItemState::Ready => QueueItemState::Ready,
        ItemState::Delayed => QueueItemState::Delayed,
        ItemState::Claimed => QueueItemState::Claimed,
        ItemState::Dead => QueueItemState::Dead,
    }
}

#[cfg(test)]
mod tests;
