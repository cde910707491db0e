//! Leases against a whole state machine.

mod golden;
mod model;
mod refusals;
mod scripts;
