//! Who is at the other end of an accepted connection.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::Line;
use crate::types::MemberId;

/// What is known of the one who connected, whatever its calls say.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Where it called from, if that is known.
    address: Option<SocketAddr>,
    /// The members that its certificate is for; none where there is no TLS.
    members: Option<Arc<[MemberId]>>,
    /// The connection itself.
    line: Line,
}

impl Caller {
    /// One at an address.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address: Some(address),
            ..Self::default()
        }
    }

    /// The same with a certificate for these members, often one.
    pub fn with_certificate_for(mut self, members: Vec<MemberId>) -> Self {
        self.members = Some(members.into());
        self
    }

    /// Its connection, to be cut.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// The machine or the network that it called from, if that is known: whoever has one address of IPv6 has 2^64 of them.
    pub fn neighbourhood(&self) -> Option<IpAddr> {
        const FIRST_64: u128 = !(u64::MAX as u128);
        self.address.map(|address| match address.ip().to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & FIRST_64)),
            address => address,
        })
    }

    /// The members that its certificate is for; none where there is no TLS.
    pub fn members(&self) -> Option<&[MemberId]> {
        self.members.as_deref()
    }

    /// Where it called from, for people.
    pub fn shown(&self) -> String {
        self.address
            .map_or_else(|| "somewhere".to_owned(), |address| address.to_string())
    }

    /// Whether it may be member `id`. The error says what its certificate is for.
    pub(super) fn check(&self, id: MemberId) -> Result<(), String> {
        match &self.members {
            Some(members) if !members.contains(&id) => {
                let of: Vec<String> = members.iter().map(|member| format!("member {member}")).collect();
                let of = if of.is_empty() {
                    "no member".to_owned()
                } else {
                    of.join(", ")
                };
                Err(format!(
                    "the call says that it comes from member {id}, and its certificate is for {of}: give member {id} a \
                     certificate made with `--member {id}`"
                ))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbourhood_is_an_address_of_ipv4_or_a_network_of_ipv6() {
        let of = |address: &str| {
            Caller::at(address.parse().unwrap())
                .neighbourhood()
                .unwrap()
                .to_string()
        };
        assert_eq!(of("10.0.0.7:1"), "10.0.0.7");
        assert_eq!(of("[::ffff:10.0.0.7]:1"), "10.0.0.7");
        assert_eq!(of("[2001:db8:1:2:3:4:5:6]:1"), "2001:db8:1:2::");
        assert_eq!(Caller::default().neighbourhood(), None);
    }

    #[test]
    fn a_certificate_is_good_for_its_members_alone() {
        assert_eq!(Caller::default().check(7), Ok(()), "without TLS calls are believed");
        let two = Caller::default().with_certificate_for(vec![2]);
        assert_eq!(two.check(2), Ok(()));
        assert!(two.check(3).unwrap_err().contains("its certificate is for member 2"));
        let nobody = Caller::default().with_certificate_for(Vec::new());
        assert!(nobody.check(2).unwrap_err().contains("for no member"));
    }
}
