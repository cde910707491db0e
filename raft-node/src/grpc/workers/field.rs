//! The limits of what names and describes workers and tasks.

use std::collections::HashMap;

use quorate_proto::v1::Error;

use crate::coordination::workers::{
    CAPACITY_MAX, Cursor, LABEL_BYTES_MAX, LABELS_MAX, Labels, TASK_BYTES_MAX, WORKER_BYTES_MAX,
};
use crate::grpc::error::{invalid, too_large};

pub fn worker(field: &str, name: &str) -> Result<String, Error> {
    text(field, name, WORKER_BYTES_MAX)
}

pub fn task(name: &str) -> Result<String, Error> {
    text("task", name, TASK_BYTES_MAX)
}

fn text(field: &str, name: &str, bytes_max: usize) -> Result<String, Error> {
    if name.is_empty() {
        return Err(invalid(field, format!("{field} is empty")));
    }
    bytes(field, name.len(), bytes_max)?;
    Ok(name.to_owned())
}

pub fn bytes(field: &str, bytes: usize, bytes_max: usize) -> Result<(), Error> {
    if bytes > bytes_max {
        return Err(too_large(field, "fixed", bytes_max as u64, bytes as u64, "bytes"));
    }
    Ok(())
}

pub fn capacity(capacity: u32) -> Result<u32, Error> {
    if capacity > CAPACITY_MAX {
        let (limit, value) = (u64::from(CAPACITY_MAX), u64::from(capacity));
        return Err(too_large("capacity", "fixed", limit, value, "tasks"));
    }
    Ok(capacity)
}

/// Sorted, as the store keeps them.
pub fn labels(labels: &HashMap<String, String>) -> Result<Labels, Error> {
    if labels.len() > LABELS_MAX {
        let (limit, value) = (LABELS_MAX as u64, labels.len() as u64);
        return Err(too_large("labels", "fixed", limit, value, "labels"));
    }
    for (label, value) in labels {
        if label.is_empty() {
            return Err(invalid("labels", "a label is empty"));
        }
        bytes("labels", label.len(), LABEL_BYTES_MAX)?;
        bytes("labels", value.len(), LABEL_BYTES_MAX)?;
    }
    Ok(labels
        .iter()
        .map(|(label, value)| (label.clone(), value.clone()))
        .collect())
}

/// Generations are at least 1; 0 is given where none may be.
pub fn generation(generation: u64) -> Result<u64, Error> {
    if generation == 0 {
        return Err(invalid(
            "generation",
            "no generation is given; that of an assignment is at least 1",
        ));
    }
    Ok(generation)
}

/// A place in a list, as this member wrote it in an answer.
pub fn cursor(field: &str, place: &[u8]) -> Result<Option<Cursor>, Error> {
    if place.is_empty() {
        return Ok(None);
    }
    let parsed = place.split_first_chunk::<8>().and_then(|(generation, task)| {
        let task = std::str::from_utf8(task).ok()?.to_owned();
        let generation = u64::from_be_bytes(*generation);
        Some(Cursor { generation, task })
    });
    let wrong = || {
        invalid(
            field,
            "this is not a place in a list: give what the answer before had in `next`",
        )
    };
    let parsed = parsed.ok_or_else(wrong)?;
    bytes(field, parsed.task.len(), TASK_BYTES_MAX)?;
    Ok(Some(parsed))
}

/// The same, written.
pub fn written(cursor: Option<Cursor>) -> Vec<u8> {
    let Some(Cursor { generation, task }) = cursor else {
        return Vec::new();
    };
    let mut place = generation.to_be_bytes().to_vec();
    place.extend_from_slice(task.as_bytes());
    place
}
