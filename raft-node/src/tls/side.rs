//! One port and its certificates.

use std::sync::Arc;

use quorate_tls::{Credentials, Refreshed, Reloading};

use super::check::{Demands, first_problem};
use crate::config::{ConfigError, NodeConfig, Problem};

/// The two ports of a member; those without TLS are none.
#[derive(Clone, Debug)]
pub struct Sides {
    /// The port of clients.
    pub client: Option<Arc<Side>>,
    /// The port of members, and this member's connections to others.
    pub peer: Option<Arc<Side>>,
}

impl Sides {
    /// Reads the files. The error names each setting that cannot stand, and the file.
    pub fn open(config: &NodeConfig) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut open = |demands: Demands| match Side::open(demands) {
            Ok(side) => side.map(Arc::new),
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        let sides = Self {
            client: open(Demands::of_client_port(config)),
            peer: open(Demands::of_peer_port(config)),
        };
        if problems.is_empty() {
            Ok(sides)
        } else {
            Err(ConfigError::Invalid(problems))
        }
    }

    /// Those with TLS.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Side>> {
        self.client.iter().chain(&self.peer)
    }
}

/// One port with TLS.
#[derive(Debug)]
pub struct Side {
    demands: Demands,
    reloading: Reloading,
}

impl Side {
    fn open(demands: Demands) -> Result<Option<Self>, Problem> {
        let Some(files) = demands.files.clone() else {
            return Ok(None);
        };
        let problem = |message: String| Problem::new(demands.key(), message);
        let reloading = Reloading::open(files).map_err(|error| problem(error.to_string()))?;
        if let Some(message) = first_problem(&demands, &reloading.current()) {
            return Err(problem(message));
        }
        Ok(Some(Self { demands, reloading }))
    }

    /// `client` or `peer`.
    pub fn name(&self) -> &'static str {
        self.demands.name
    }

    /// What new connections use.
    pub fn credentials(&self) -> Arc<Credentials> {
        self.reloading.current()
    }

    pub(super) fn allow_tls_1_2(&self) -> bool {
        self.demands.allow_tls_1_2
    }

    /// Whether whoever connects is a member.
    pub(super) fn is_of_members(&self) -> bool {
        self.demands.member.is_some()
    }

    /// Looks at the files.
    pub(super) fn refresh(&self) -> Refreshed {
        let check = |new: &Credentials| first_problem(&self.demands, new).map_or(Ok(()), Err);
        self.reloading.refresh_if(check)
    }

    /// Seconds since 1970 at which this member's own certificate expires.
    pub fn expires_unix_s(&self) -> i64 {
        let credentials = self.credentials();
        credentials.pair.as_ref().map_or(0, |pair| pair.certificate.not_after_s)
    }
}
