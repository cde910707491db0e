//! TLS as servers and clients of Quorate use it: certificates from files, both sides of a handshake, and refusals that say what
//! to do next.
//!
//! [`Credentials`] are what files hold: a certificate with its key, authorities to trust, or both. [`Reloading`] keeps the ones in
//! force and takes up new ones when the files change; a file that is broken or half-written changes nothing.
//! [`dial`] and [`accept`] shake hands and turn what goes wrong into a sentence that names the certificate at fault, also after
//! the handshake: with TLS 1.3 a client learns from its first read that it was refused.
//!
//! Invariants
//! * TLS 1.3 alone, unless a server of clients is told otherwise; nothing is resumed, so that each connection is held to the
//!   certificates in force when it was made.
//! * Nothing here reads the wall clock but the check of a certificate's time.
//! * No key is ever part of a message.
//!
//! Deliberately absent: revocation lists (certificates live for a year, and an authority is replaced instead), the authorities of
//! the operating system (a cluster has its own), keys in other devices.

mod accept;
mod certificate;
mod credentials;
mod date;
mod der;
mod dial;
mod explain;
mod first_byte;
mod pem;
mod refusal;
mod reloading;
mod stream;
#[cfg(test)]
mod tests;

pub use accept::{AcceptSettings, accept, farewell};
pub use certificate::{Certificate, Validity, member_name};
pub use credentials::{Authorities, Credentials, Files, Pair, PairFiles};
pub use date::date;
pub use dial::{DialSettings, dial, host_of};
pub use explain::Remote;
pub use first_byte::{FirstByte, SPEAKS_TLS_MEMBER, SPEAKS_TLS_SERVER};
pub use pem::{FileError, read_certificates};
pub use refusal::Refusal;
pub use reloading::{Refreshed, Reloading};
pub use stream::Explained;
