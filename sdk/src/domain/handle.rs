//! The calls about domains.

use std::time::Duration;

use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::reply::Response;

use super::change::ChangeDomain;
use super::create::CreateDomain;
use super::record::{Domain, Tier};
use crate::client::Client;
use crate::core::{Core, unexpected};
use crate::error::{ErrorKind, Outcome, Result};
use crate::kv::unexpected_read;
use crate::routing::Route;

/// The domains of a store: at most 1,024.
#[derive(Clone, Copy)]
pub struct Domains<'a> {
    core: &'a Core,
}

impl Client {
    /// Domains: keyspaces with a tier and limits. See [`Domains`].
    pub fn domains(&self) -> Domains<'_> {
        Domains { core: &self.core }
    }
}

impl<'a> Domains<'a> {
    /// Makes a domain. Its name has 1 to 128 bytes of `a-z`, `0-9`, `.`, `_` and `-`. Await the builder; see
    /// [`CreateDomain`].
    pub fn create(&self, name: impl Into<String>, tier: Tier) -> CreateDomain<'a> {
        CreateDomain::new(self.core, name.into(), tier)
    }

    /// Changes settings of a domain, also of a built-in one. Await the builder; see [`ChangeDomain`].
    pub fn change(&self, name: impl Into<String>) -> ChangeDomain<'a> {
        ChangeDomain::new(self.core, name.into())
    }

    /// Every domain, in the order in which they were made. A strong read.
    ///
    /// # Errors
    ///
    /// What any call may return.
    pub async fn list(&self) -> Result<Vec<Domain>> {
        let request = Request::DomainList(v1::DomainListRequest::default());
        match self.core.read(request, Route::Leader, None).await? {
            Response::DomainList(response) => {
                let domains = response
                    .domains
                    .into_iter()
                    .map(|domain| Domain::from_wire(Some(domain)));
                domains
                    .collect::<Result<_>>()
                    .map_err(|error| error.with_outcome(Outcome::NotAMutation))
            }
            other => Err(unexpected_read("DomainList", &other)),
        }
    }

    /// One domain; none if it does not exist. A strong read.
    ///
    /// # Errors
    ///
    /// What any call may return.
    pub async fn get(&self, name: impl Into<String>) -> Result<Option<Domain>> {
        let request = Request::DomainGet(v1::DomainGetRequest {
            name: name.into(),
            read: None,
        });
        match self.core.read(request, Route::Leader, None).await {
            Ok(Response::DomainGet(response)) => Domain::from_wire(response.domain)
                .map(Some)
                .map_err(|error| error.with_outcome(Outcome::NotAMutation)),
            Ok(other) => Err(unexpected_read("DomainGet", &other)),
            Err(error) if *error.kind() == ErrorKind::UnknownDomain => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Drops a domain: an eventual one with what it holds, a strong one when it holds nothing. Returns it as it was.
    ///
    /// # Errors
    ///
    /// [`UnknownDomain`](ErrorKind::UnknownDomain); [`DomainInUse`](ErrorKind::DomainInUse) if it is built in, or strong
    /// with keys; and what any call may return.
    pub async fn drop(&self, name: impl Into<String>) -> Result<Domain> {
        let request = Request::DomainDrop(v1::DomainDropRequest {
            name: name.into(),
            stamp: None,
        });
        domain_of(self.core, request, None).await
    }
}

/// Makes a mutation whose answer is a domain.
pub(super) async fn domain_of(core: &Core, request: Request, timeout: Option<Duration>) -> Result<Domain> {
    match core.mutate(request, timeout).await? {
        Response::DomainCreate(response) => Domain::from_wire(response.domain),
        Response::DomainChange(response) => Domain::from_wire(response.domain),
        Response::DomainDrop(response) => Domain::from_wire(response.domain),
        other => Err(unexpected("a change of domains", &other)),
    }
}
