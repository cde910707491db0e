//! The name of one request, the same at the client and at every member, without a byte on the wire or in the log.
//!
//! A mutation is named by what makes its retries apply once: the cluster, the client and the sequence, which every member
//! finds in its log. Everything else is named by its connection, which the client draws a number for when it opens the
//! stream, and the id of the call on it. The name is a hash of those: 16 bytes, which are the trace id of OpenTelemetry as
//! they are, and 32 hexadecimal digits for people.
//!
//! Clients and members of different versions compute it: its bytes are frozen by a test.

use std::fmt;
use std::str::FromStr;

/// Metadata of a stream of calls: the number of the connection, as 16 hexadecimal digits.
pub const CONNECTION_HEADER: &str = "quorate-connection";
/// Metadata of a stream of calls: `1` if the client makes a span for each of them, to which those of the members belong.
pub const SPANS_HEADER: &str = "quorate-spans";

const MUTATION: u64 = 1;
const CALL: u64 = 2;
const SPAN: u64 = 3;

/// Two unrelated beginnings, one for each half.
const SEEDS: [u64; 2] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344];

/// A request's name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u128);

impl RequestId {
    /// A mutation, whichever of its attempts.
    pub fn of_mutation(cluster_id: u64, client_id: u64, sequence: u64) -> Self {
        Self::of([MUTATION, cluster_id, client_id, sequence])
    }

    /// Another call of a stream: each attempt is one.
    pub fn of_call(connection: u64, call_id: u64) -> Self {
        Self::of([CALL, connection, call_id, 0])
    }

    fn of(words: [u64; 4]) -> Self {
        let [high, low] = SEEDS.map(|seed| words.iter().fold(seed, |hash, word| mixed(hash ^ word)));
        Self(u128::from(high) << 64 | u128::from(low))
    }

    /// The trace id.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Whether it is one of so many in a million. Whoever asks about a request gets the same answer, and one that is chosen
    /// at some share is chosen at every greater one.
    pub fn is_sampled(self, per_million: u32) -> bool {
        let place = self.0 & u128::from(u64::MAX);
        place * 1_000_000 < u128::from(per_million) << 64
    }

    /// The span id of a part of it, never 0. Whoever knows what the part is called and its number knows its span.
    pub fn span(self, part: &str, number: u64) -> u64 {
        let id = (self.0 >> 64) as u64 ^ self.0 as u64;
        let named = part
            .bytes()
            .fold(mixed(id ^ SPAN), |hash, byte| mixed(hash ^ u64::from(byte)));
        mixed(named ^ number).max(1)
    }

    /// The span id of the client's own span.
    pub fn client_span(self) -> u64 {
        self.span("client", 0)
    }
}

/// A bijection in which each bit of the result depends on each bit of the word.
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let word = (word ^ (word >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    word ^ (word >> 32)
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARequestId;

impl fmt::Display for NotARequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request id has 32 hexadecimal digits")
    }
}

impl std::error::Error for NotARequestId {}

impl FromStr for RequestId {
    type Err = NotARequestId;

    fn from_str(text: &str) -> Result<Self, NotARequestId> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotARequestId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| NotARequestId)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_name_of_a_request_is_frozen() {
        let put = RequestId::of_mutation(0x1122_3344_5566_7788, 8192, 1);
        assert_eq!(put.to_string(), "323f617ac57f0a99500ca19db8a4e8d4");
        assert_eq!(
            RequestId::of_call(7, 1 << 32).to_string(),
            "30288d78d923fa8eea10839163bf12a4"
        );
        assert_eq!(put.client_span(), 0xd9c5_5fa4_2b9e_e7b0);
        assert_eq!(put.span("entry", 12), 0xf191_f296_6a33_4f71);
    }

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let id = RequestId::of_call(1, 2);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(format!("{:032x}", u128::from_be_bytes(id.to_bytes())), id.to_string());
        for wrong in ["", "12", &"g".repeat(32), &"+".repeat(32), &"1".repeat(33)] {
            assert_eq!(wrong.parse::<RequestId>(), Err(NotARequestId), "{wrong}");
        }
    }

    #[test]
    fn neighbours_have_nothing_in_common_and_clusters_do_not_meet() {
        let mut seen = HashSet::new();
        for cluster in 0..4 {
            for client in [4096, 4097, 8192] {
                for sequence in 1..1000 {
                    assert!(seen.insert(RequestId::of_mutation(cluster, client, sequence)));
                    assert!(seen.insert(RequestId::of_call(client, sequence)) || cluster > 0);
                }
            }
        }
    }

    #[test]
    fn the_sample_is_the_share_that_was_asked_for_and_larger_shares_hold_smaller_ones() {
        let ids = || (1..=100_000).map(|sequence| RequestId::of_mutation(9, 4096, sequence));
        assert_eq!(ids().filter(|id| id.is_sampled(0)).count(), 0);
        assert_eq!(ids().filter(|id| id.is_sampled(1_000_000)).count(), 100_000);
        let tenth = ids().filter(|id| id.is_sampled(100_000)).count();
        // 10,000 expected; the deviation is 95.
        assert!((9_500..10_500).contains(&tenth), "{tenth}");
        assert!(ids().all(|id| !id.is_sampled(100_000) || id.is_sampled(200_000)));
    }

    #[test]
    fn parts_of_a_request_have_spans_of_their_own() {
        let id = RequestId::of_mutation(1, 2, 3);
        let spans = [
            id.client_span(),
            id.span("entry", 0),
            id.span("entry", 1),
            id.span("apply", 1),
            RequestId::of_mutation(1, 2, 4).client_span(),
        ];
        assert_eq!(spans.iter().collect::<HashSet<_>>().len(), spans.len());
        assert!(!spans.contains(&0));
    }
}
