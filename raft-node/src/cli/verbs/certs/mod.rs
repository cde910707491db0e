//! `quorate certs`: makes the certificates that a cluster and its clients need, and explains those there are.
//!
//! A directory holds two authorities, one for members and one for clients, and a directory for each member and client that
//! has everything which belongs on its machine. The keys of the authorities stay where they were made.

mod authority;
mod files;
mod init;
mod issue;
mod show;

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

/// Of a certificate that is not an authority's.
const DAYS_DEFAULT: &str = "365";
/// Of an authority.
const AUTHORITY_DAYS_DEFAULT: &str = "3650";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum CertsVerb {
    /// Make two authorities: one that signs the certificates of members, one for servers and clients
    Init {
        /// Where; its keys must be kept safe
        directory: PathBuf,
        /// Days until the authorities expire
        #[arg(long, default_value = AUTHORITY_DAYS_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: u32,
    },
    /// Make the certificates of a member, for clients and for other members
    Node {
        /// Where `certs init` made the authorities
        directory: PathBuf,
        /// The member's id
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        member: u64,
        /// A host name or IP address by which clients reach it; may be repeated, or a list with commas
        #[arg(long, value_name = "NAME_OR_IP", required = true, value_delimiter = ',')]
        host: Vec<String>,
        /// Days until they expire
        #[arg(long, default_value = DAYS_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: u32,
        /// Replace those there are
        #[arg(long)]
        renew: bool,
    },
    /// Make the certificate of a client
    Client {
        /// Where `certs init` made the authorities
        directory: PathBuf,
        /// Whose it is
        #[arg(long, default_value = "client")]
        name: String,
        /// Days until it expires
        #[arg(long, default_value = DAYS_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: u32,
        /// Replace the one there is
        #[arg(long)]
        renew: bool,
    },
    /// Say what certificates and keys are, and what is wrong with them
    Show {
        /// PEM files; who signed what is looked up among them
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Does it.
pub fn run(verb: &CertsVerb, global: &Global) -> Result<Exit, Failure> {
    match verb {
        CertsVerb::Init { directory, days } => init::run(directory, *days, global),
        CertsVerb::Node {
            directory,
            member,
            host,
            days,
            renew,
        } => issue::node(directory, *member, host, *days, *renew, global),
        CertsVerb::Client {
            directory,
            name,
            days,
            renew,
        } => issue::client(directory, name, *days, *renew, global),
        CertsVerb::Show { files } => show::run(files, global),
    }
}
