//! What a certificate says, for checks and for people. Trust is decided by rustls alone; this only reads.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::date::{date, days};
use crate::der::{BOOLEAN, Der, GENERALIZED_TIME, INTEGER, OCTETS, OID, SEQUENCE, SET, UTC_TIME};

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANISATION: &[u8] = &[0x55, 0x04, 0x0a];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const FOR_SERVERS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const FOR_CLIENTS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
const FOR_ANY: &[u8] = &[0x55, 0x1d, 0x25, 0x00];

const MEMBER_PREFIX: &str = "member-";
const MEMBER_SUFFIX: &str = ".quorate";
const DAY_S: i64 = 86_400;

/// The DNS name that makes a certificate that of a member.
pub fn member_name(member: u64) -> String {
    format!("{MEMBER_PREFIX}{member}{MEMBER_SUFFIX}")
}

/// What one certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is: the common name, or the organisation, or nothing.
    pub subject: String,
    /// Who signed it, in the same way.
    pub issuer: String,
    /// Subject and issuer are the same, byte for byte.
    pub self_issued: bool,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// DNS names and IP addresses that it is for, as they are written; URIs with `uri:` before them.
    pub names: Vec<String>,
    /// Seconds since 1970 from which it is valid.
    pub not_before_s: i64,
    /// Seconds since 1970 after which it is not valid any more.
    pub not_after_s: i64,
    /// It may sign others.
    pub authority: bool,
    /// It may be a server's.
    pub for_servers: bool,
    /// It may be a client's.
    pub for_clients: bool,
}

/// A certificate and the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is valid for that many more seconds.
    Valid {
        /// Seconds until it expires.
        left_s: i64,
    },
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYet,
}

impl Certificate {
    /// Reads DER. None if that is not a certificate.
    pub fn read(der: &[u8]) -> Option<Self> {
        let mut signed = Der(der).element(SEQUENCE)?.element(SEQUENCE)?;
        // The version.
        signed.element(0xa0);
        let serial = signed
            .element(INTEGER)?
            .0
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // The algorithm of the signature.
        signed.element(SEQUENCE)?;
        let issuer = signed.element(SEQUENCE)?;
        let mut validity = signed.element(SEQUENCE)?;
        let (not_before_s, not_after_s) = (time(validity.next()?)?, time(validity.next()?)?);
        let subject = signed.element(SEQUENCE)?;
        let mut certificate = Self {
            subject: name(subject),
            issuer: name(issuer),
            self_issued: subject.0 == issuer.0,
            serial,
            names: Vec::new(),
            not_before_s,
            not_after_s,
            authority: false,
            // What is not restricted is allowed.
            for_servers: true,
            for_clients: true,
        };
        // The public key.
        signed.element(SEQUENCE)?;
        if let Some((_, mut extensions)) = signed.find(|(tag, _)| *tag == 0xa3) {
            for (_, extension) in extensions.element(SEQUENCE)? {
                certificate.extend(extension)?;
            }
        }
        Some(certificate)
    }

    fn extend(&mut self, mut extension: Der<'_>) -> Option<()> {
        let kind = extension.element(OID)?.0;
        // Whether it is critical.
        extension.element(BOOLEAN);
        let mut value = extension.element(OCTETS)?;
        match kind {
            SUBJECT_ALT_NAME => self.names = value.element(SEQUENCE)?.filter_map(alternative).collect(),
            BASIC_CONSTRAINTS => {
                let authority = value.element(SEQUENCE)?.element(BOOLEAN);
                self.authority = authority.is_some_and(|flag| flag.0 != [0]);
            }
            EXTENDED_KEY_USAGE => {
                let uses: Vec<&[u8]> = value.element(SEQUENCE)?.map(|(_, purpose)| purpose.0).collect();
                let allows = |purpose: &[u8]| uses.iter().any(|used| *used == purpose || *used == FOR_ANY);
                self.for_servers = allows(FOR_SERVERS);
                self.for_clients = allows(FOR_CLIENTS);
            }
            _ => {}
        }
        Some(())
    }

    /// The members that it is for: `member-2.quorate` is for member 2.
    pub fn members(&self) -> Vec<u64> {
        let member = |name: &String| {
            let id = name.strip_prefix(MEMBER_PREFIX)?.strip_suffix(MEMBER_SUFFIX)?;
            let member = id.parse().ok()?;
            // One way to write a number: `member-02` and `member-+2` are nobody.
            (member_name(member) == *name).then_some(member)
        };
        self.names.iter().filter_map(member).collect()
    }

    /// Whether it is valid at that time, in seconds since 1970.
    pub fn validity(&self, unix_s: i64) -> Validity {
        if unix_s < self.not_before_s {
            Validity::NotYet
        } else if unix_s > self.not_after_s {
            Validity::Expired
        } else {
            Validity::Valid {
                left_s: self.not_after_s - unix_s,
            }
        }
    }

    /// `"node 2" (signed by "peer authority", valid until 2027-11-22 05:34 UTC)`.
    pub fn describe(&self) -> String {
        format!(
            "{:?} (signed by {:?}, valid until {})",
            self.subject,
            self.issuer,
            date(self.not_after_s)
        )
    }

    /// The names as a list, or that there are none.
    pub fn names_shown(&self) -> String {
        if self.names.is_empty() {
            "no names".to_owned()
        } else {
            self.names.join(", ")
        }
    }
}

/// The common name, or else the organisation.
fn name(parts: Der<'_>) -> String {
    let attributes = parts.filter(|(tag, _)| *tag == SET).flat_map(|(_, set)| set);
    let mut found = [None, None];
    for (_, mut attribute) in attributes {
        let Some(kind) = attribute.element(OID) else { continue };
        let Some((_, text)) = attribute.next() else { continue };
        let text = || Some(String::from_utf8_lossy(text.0).into_owned());
        match kind.0 {
            COMMON_NAME => found[0] = text(),
            ORGANISATION => found[1] = text(),
            _ => {}
        }
    }
    found.into_iter().flatten().next().unwrap_or_default()
}

fn alternative((tag, value): (u8, Der<'_>)) -> Option<String> {
    let text = || String::from_utf8_lossy(value.0).into_owned();
    match tag {
        0x82 => Some(text()),
        0x86 => Some(format!("uri:{}", text())),
        0x87 => match value.0.len() {
            4 => <[u8; 4]>::try_from(value.0)
                .ok()
                .map(|ip| Ipv4Addr::from(ip).to_string()),
            _ => <[u8; 16]>::try_from(value.0)
                .ok()
                .map(|ip| Ipv6Addr::from(ip).to_string()),
        },
        _ => None,
    }
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, the only forms that certificates may use.
fn time((tag, text): (u8, Der<'_>)) -> Option<i64> {
    let text = std::str::from_utf8(text.0).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (tag, text.len()) {
        (UTC_TIME, 12) => {
            let year: i64 = text[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &text[2..])
        }
        (GENERALIZED_TIME, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let part = |at: usize| rest[at..at + 2].parse::<i64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let of_day = part(4)? * 3600 + part(6)? * 60 + part(8)?;
    Some(days(year, month, day) * DAY_S + of_day)
}
