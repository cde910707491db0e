//! `quorate doctor`: looks at what usually goes wrong, and says what to do about it.
//!
//! ```text
//! run.rs            what is asked, in which order, and how it is shown
//! check.rs          one check: what was found, and what to do
//! visit.rs          asks every member
//! cluster.rs        what their answers say together
//! certificates.rs   how long certificates last
//! machine.rs        what a member would find on this machine
//! disk.rs           how long this disk takes to keep what it was given
//! ```
//!
//! Nothing is changed: it writes one file beside the data of the member, which it deletes.

mod certificates;
mod check;
mod cluster;
mod disk;
mod machine;
mod run;
#[cfg(test)]
mod tests;
mod visit;

pub use run::{DoctorArguments, run};
