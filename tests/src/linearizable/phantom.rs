//! Values that nobody can have written.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use super::KeyOperation;

/// The first operation that shows a value before its writer began, or one that has no writer. A window that begins with
/// whatever suits it would not see that.
pub(super) fn phantom(operations: &[KeyOperation]) -> Option<usize> {
    let mut began: HashMap<&Bytes, Duration> = HashMap::new();
    for operation in operations {
        if let Some(value) = operation.writes() {
            let first = began.entry(value).or_insert(operation.invoked);
            *first = operation.invoked.min(*first);
        }
    }
    operations.iter().position(|operation| {
        operation
            .shows()
            .is_some_and(|value| began.get(value).is_none_or(|began| *began > operation.returned))
    })
}
