//! What a client has seen, to be handed to another one.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use quorate_proto::v1;

use super::seen::{Marks, append_varint, take_varint};
use crate::client::Client;
use crate::error::{Error, Outcome, Result};

/// What a text form of a token starts with.
const PREFIX: &str = "q1.";
/// A token that is longer, as text, is refused.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Everything that a client has seen or written, in both tiers. A client that has [observed](Client::observe) it reads
/// nothing older: neither eventual values nor those of local reads.
///
/// As text it is one word of letters, digits and a dot, usually below a few kilobytes, to be sent along with a message to
/// another program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CausalToken {
    epoch: u64,
    revision: u64,
    marks: Marks,
}

/// What one answer names, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Strong { epoch: u64, revision: u64 },
    Eventual(Bytes),
}

impl Told {
    /// What a header of the strong tier names.
    pub(crate) fn of(header: &v1::ResponseHeader) -> Self {
        Self::Strong {
            epoch: header.store_epoch,
            revision: header.revision,
        }
    }

    pub(crate) fn token(&self) -> CausalToken {
        match self {
            Self::Strong { epoch, revision } => CausalToken {
                epoch: *epoch,
                revision: *revision,
                marks: Marks::default(),
            },
            // It was read once already, when the answer came.
            Self::Eventual(token) => CausalToken {
                marks: Marks::parse(token).unwrap_or_default(),
                ..CausalToken::default()
            },
        }
    }
}

impl Default for Told {
    fn default() -> Self {
        Self::Eventual(Bytes::new())
    }
}

/// Declares `token()` of answers that keep what they were told in the field of that name.
macro_rules! answers_with_a_token {
    ($($answer:ty),+) => {
        $(impl $answer {
            /// For another client to [observe](crate::Client::observe), which then reads nothing older than this answer. It names
            /// less than [`Client::causal_token`](crate::Client::causal_token), which is of everything that this client has seen.
            pub fn token(&self) -> $crate::CausalToken {
                self.told.token()
            }
        })+
    };
}
pub(crate) use answers_with_a_token;

impl CausalToken {
    /// The highest revision of the strong tier that was seen; 0: none.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many counters of the eventual tier it names: how far each process of a member was seen, by shard.
    pub fn marks(&self) -> usize {
        self.marks.len()
    }
}

impl fmt::Display for CausalToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::new();
        append_varint(&mut bytes, self.epoch);
        append_varint(&mut bytes, self.revision);
        self.marks.append_to(&mut bytes);
        f.write_str(PREFIX)?;
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for CausalToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(refused(&format!(
                "it is {} bytes; the limit is {TEXT_BYTES_MAX}",
                text.len()
            )));
        }
        let digits = text
            .strip_prefix(PREFIX)
            .ok_or_else(|| refused("it does not start with q1."))?;
        let bytes = from_hexadecimal(digits).ok_or_else(|| refused("it is not in hexadecimal digits"))?;
        let mut rest = bytes.as_slice();
        let numbers = take_varint(&mut rest).zip(take_varint(&mut rest));
        let (epoch, revision) = numbers.ok_or_else(|| refused("it is cut off"))?;
        let marks = Marks::parse(rest).ok_or_else(|| refused("it is cut off, or damaged"))?;
        Ok(Self { epoch, revision, marks })
    }
}

impl Client {
    /// Everything that this client has seen or written up to now, for another client to [observe](Self::observe).
    pub fn causal_token(&self) -> CausalToken {
        let (epoch, revision) = self.core.seen_point();
        CausalToken {
            epoch,
            revision,
            marks: self.core.eventual.seen.all(),
        }
    }

    /// From now on this client reads nothing that is older than what the token names: a read waits for it, and ends with
    /// [`Stale`](crate::ErrorKind::Stale) if no member has it in time.
    pub fn observe(&self, token: &CausalToken) {
        self.core.observe_revision(token.epoch, token.revision);
        self.core.eventual.seen.observe(&token.marks);
    }
}

fn refused(why: &str) -> Error {
    Error::invalid("token", format!("this is not a causal token: {why}")).with_outcome(Outcome::NotAMutation)
}

fn from_hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_of_a_token_is_frozen() {
        let marks = Marks::parse(&[1, b'a', 5, 2, b'b', b'c', 0x80, 0x01]).unwrap();
        let (epoch, revision) = (0, 300);
        let token = CausalToken { epoch, revision, marks };
        let text = "q1.00ac020161050262638001";
        assert_eq!(token.to_string(), text);
        assert_eq!(text.parse::<CausalToken>().unwrap(), token);
    }

    #[test]
    fn what_is_not_a_token_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "does not start with q1."),
            ("q2.00", "does not start with q1."),
            ("q1.0", "hexadecimal"),
            ("q1.0g", "hexadecimal"),
            ("q1.00", "cut off"),
            ("q1.000005", "cut off, or damaged"),
        ] {
            let error = text.parse::<CausalToken>().unwrap_err();
            assert!(error.message().contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(q1\\.)?[0-9a-f]{0,40}") {
            if let Ok(token) = text.parse::<CausalToken>() {
                prop_assert_eq!(token.to_string().parse::<CausalToken>().unwrap(), token);
            }
        }
    }
}
