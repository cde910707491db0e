//! Certificates of a member: what is in force at its two ports, and who may come in.
//!
//! A [`Side`] is one port: the certificates of clients or of members, followed while the member runs ([`follow`]). [`Handshakes`]
//! are those with whoever connects; the door of the port says how many at a time and how long. [`SecureTransport`] connects to
//! other members. What TLS itself needs is in the crate `quorate_tls`.
//!
//! Invariants
//! * What is put in place of the files is used for new connections only; open ones live on.
//! * Files that cannot be used change nothing while the member runs, and let none start.
//! * With TLS between members a connection is one of a member: who connects must be dialled by its id, and whoever calls must
//!   have a certificate for the id that it calls from.

mod check;
mod follow;
mod handshakes;
mod plain;
mod side;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod transport;

pub use check::{advertised_in_vain, check};
pub use follow::follow;
pub use handshakes::Handshakes;
pub use plain::PlainTransport;
pub use side::{Side, Sides};
pub use transport::SecureTransport;
