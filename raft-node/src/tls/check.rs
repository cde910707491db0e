//! What certificates must be, so that others accept them.

use quorate_tls::{Credentials, Files, Validity, date, host_of, member_name};

use super::Sides;
use crate::config::{ConfigError, NodeConfig};
use crate::environment::{Clock, SystemClock};
use crate::types::MemberId;

/// What one port needs.
#[derive(Clone, Debug)]
pub(super) struct Demands {
    /// `client` or `peer`.
    pub(super) name: &'static str,
    pub(super) files: Option<Files>,
    /// Whose certificate it must be.
    pub(super) member: Option<MemberId>,
    pub(super) allow_tls_1_2: bool,
}

impl Demands {
    pub(super) fn of_client_port(config: &NodeConfig) -> Self {
        Self {
            name: "client",
            files: config.tls.client.files(),
            member: None,
            allow_tls_1_2: config.tls.client.allow_tls_1_2,
        }
    }

    pub(super) fn of_peer_port(config: &NodeConfig) -> Self {
        Self {
            name: "peer",
            files: config.tls.peer.files(),
            member: Some(config.member_id),
            allow_tls_1_2: false,
        }
    }

    /// The setting that problems are told of.
    pub(super) fn key(&self) -> String {
        format!("tls.{}.certificate", self.name)
    }
}

/// Reads every file of certificates that the settings name, and checks what they hold, as a start does. Returns what a start
/// would warn of.
pub fn check(config: &NodeConfig) -> Result<Option<String>, ConfigError> {
    let sides = Sides::open(config)?;
    Ok(advertised_in_vain(config, &sides))
}

/// Why others would refuse this member, if they would.
pub(super) fn first_problem(demands: &Demands, credentials: &Credentials) -> Option<String> {
    let (pair, files) = (credentials.pair.as_ref()?, demands.files.as_ref()?);
    let (certificate, path) = (&pair.certificate, files.pair.as_ref()?.certificate.display());
    let whose = format!("{path}: the certificate of {:?}", certificate.subject);
    let now_s = now_s();
    match certificate.validity(now_s) {
        Validity::Valid { .. } => {}
        Validity::Expired => {
            return Some(format!(
                "{whose} expired on {}: make a new one (`quorate certs node`)",
                date(certificate.not_after_s)
            ));
        }
        Validity::NotYet => {
            return Some(format!(
                "{whose} is valid from {} on, and the clock here says {}: set the clock right",
                date(certificate.not_before_s),
                date(now_s)
            ));
        }
    }
    if !certificate.for_servers {
        return Some(format!(
            "{whose} is one for clients only: name one for servers (`quorate certs node` makes one)"
        ));
    }
    let member = demands.member?;
    if !certificate.members().contains(&member) {
        return Some(format!(
            "{whose} is for {}, and not for {}: this is member {member}; name the certificate that was made with `--member \
             {member}`, or correct member_id",
            certificate.names_shown(),
            member_name(member)
        ));
    }
    if !certificate.for_clients {
        return Some(format!(
            "{whose} is one for servers only, and members connect to each other too: `quorate certs node` makes one for both"
        ));
    }
    let authorities = credentials.authorities.as_ref()?;
    let unknown = pair.check_signed_by(authorities, &member_name(member)).err()?;
    Some(format!("{whose} {unknown}"))
}

/// Why clients that were told of this member by another one would refuse its certificate, if they would.
pub fn advertised_in_vain(config: &NodeConfig, sides: &Sides) -> Option<String> {
    let credentials = sides.client.as_ref()?.credentials();
    let pair = credentials.pair.as_ref()?;
    let address = config.client_address();
    let host = host_of(&address);
    (!pair.is_for(host)).then(|| {
        format!(
            "the certificate of the client port is for {}, and clients are told to use {address}: those that do not say what it \
             is for (`--server-name`) refuse it. Set advertise_client to a name that it has, or make one for {host} \
             (`quorate certs node`)",
            pair.certificate.names_shown()
        )
    })
}

pub(super) fn now_s() -> i64 {
    i64::try_from(SystemClock.wall_ms() / 1000).unwrap_or(i64::MAX)
}
