//! Three real members on loopback, seen through the SDK; one module a subject.

mod basics;
mod durability;
mod faults;
mod limits;
mod membership;
mod reads;
mod retries;
mod startup;
