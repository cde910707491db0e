//! The properties, a file each where one needs it.

mod collections;
mod counted;
mod equal;
mod registers;
mod session;
mod siblings;

use super::record::History;
use super::verdict::{Property, Violation};

/// What does not hold.
pub(super) fn all(history: &History) -> Vec<Violation> {
    [
        equal::check(history),
        siblings::check(history),
        registers::newest(history),
        registers::joined(history),
        registers::greatest(history),
        counted::check(history),
        collections::check(history),
        session::check(history),
    ]
    .concat()
}

fn violation(property: Property, what: String) -> Violation {
    Violation { property, what }
}
