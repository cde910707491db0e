//! Where a member answers over HTTP, if it does.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const OFF: &str = "off";

/// An address, or nothing. Written `IP:PORT` or `off`. Default `127.0.0.1:7601`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenHttp(pub Option<SocketAddr>);

impl ListenHttp {
    /// The member does not answer over HTTP.
    pub const OFF: Self = Self(None);
}

impl Default for ListenHttp {
    fn default() -> Self {
        Self(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 7601))))
    }
}

impl FromStr for ListenHttp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == OFF {
            return Ok(Self::OFF);
        }
        let address = text
            .parse()
            .map_err(|_| format!("{text:?} is not an address: write IP:PORT, e.g. \"127.0.0.1:7601\", or \"off\""))?;
        Ok(Self(Some(address)))
    }
}

impl TryFrom<String> for ListenHttp {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ListenHttp> for String {
    fn from(listen: ListenHttp) -> Self {
        listen.0.map_or_else(|| OFF.to_owned(), |address| address.to_string())
    }
}
