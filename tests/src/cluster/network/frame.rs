//! What a packet looks like that goes the way round: the frame of a link within a datagram (VXLAN, RFC 7348).
//!
//! ```text
//! 8 bytes of VXLAN | 6 to whom, 6 from whom, 2 type | 20 or more of IPv4 | TCP
//! ```
//!
//! Interfaces that exist in memory only leave the checksum of TCP to a device that is never reached. It is completed here;
//! whoever receives the packet would drop it otherwise.

/// Which of the virtual networks it is; there is one.
pub(super) const NETWORK: u32 = 1;

/// Bytes before the frame.
const VXLAN: usize = 8;

/// Bytes before the packet.
const PACKET: usize = VXLAN + 14;

const IPV4: [u8; 2] = [8, 0];
const TCP: u8 = 6;

/// The shortest headers of IPv4 and of TCP.
const HEADER_MIN: usize = 20;

/// The link address of a member on the way round.
pub(super) fn link_address(id: u64) -> String {
    format!("02:00:00:00:01:{id:02x}")
}

/// From whom and to whom a datagram is; nothing for what is no packet between two members.
pub(super) fn ends(datagram: &[u8]) -> Option<(u64, u64)> {
    let kind = datagram.get(PACKET - 2..PACKET)?;
    let to = member(datagram.get(VXLAN..VXLAN + 6)?)?;
    let from = member(datagram.get(VXLAN + 6..VXLAN + 12)?)?;
    (kind == IPV4).then_some((from, to))
}

fn member(link_address: &[u8]) -> Option<u64> {
    let (id, prefix) = link_address.split_last()?;
    (prefix == [2, 0, 0, 0, 1]).then_some(u64::from(*id))
}

/// Completes the checksum of TCP; leaves what is something else as it is.
pub(super) fn complete_checksum(datagram: &mut [u8]) {
    let Some(packet) = datagram.get_mut(PACKET..) else {
        return;
    };
    if packet.len() < 2 * HEADER_MIN || packet[9] != TCP {
        return;
    }
    let header = usize::from(packet[0] & 15) * 4;
    let whole = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    if header < HEADER_MIN || whole < header + HEADER_MIN || whole > packet.len() {
        return;
    }
    let (head, rest) = packet.split_at_mut(header);
    let segment = &mut rest[..whole - header];
    segment[16..18].fill(0);
    let length = u32::try_from(segment.len()).unwrap_or(u32::MAX);
    let sum = sum(&head[12..20]) + u32::from(TCP) + length + sum(segment);
    segment[16..18].copy_from_slice(&(!folded(sum)).to_be_bytes());
}

/// Of 16-bit words. A packet has fewer than 32,768 of them, so that it cannot overflow.
fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2);
    words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)])))
        .sum()
}

fn folded(mut sum: u32) -> u16 {
    while sum > u32::from(u16::MAX) {
        sum = (sum >> 16) + (sum & u32::from(u16::MAX));
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment without options or payload from 198.18.0.1 to 198.18.0.2.
    fn datagram() -> Vec<u8> {
        let mut bytes = vec![8, 0, 0, 0, 0, 0, 1, 0];
        bytes.extend([2, 0, 0, 0, 1, 2, 2, 0, 0, 0, 1, 1, 8, 0]);
        bytes.extend([
            0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, TCP, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2,
        ]);
        bytes.extend([
            0x9c, 0x40, 0x1d, 0x4d, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 0x02, 0x00, 0xab, 0xcd, 0, 0,
        ]);
        bytes
    }

    #[test]
    fn a_packet_says_between_whom_it_goes() {
        assert_eq!(ends(&datagram()), Some((1, 2)));
        let mut multicast = datagram();
        multicast[VXLAN] = 0x33;
        assert_eq!(ends(&multicast), None);
        assert_eq!(ends(&datagram()[..PACKET - 1]), None);
    }

    #[test]
    fn a_completed_checksum_makes_the_whole_sum_to_nothing() {
        let mut datagram = datagram();
        complete_checksum(&mut datagram);
        let packet = &datagram[PACKET..];
        let whole = sum(&packet[12..20]) + u32::from(TCP) + 20 + sum(&packet[20..]);
        assert_eq!(folded(whole), u16::MAX);
        let again = datagram.clone();
        complete_checksum(&mut datagram);
        assert_eq!(datagram, again);
    }

    #[test]
    fn what_is_too_short_or_something_else_is_left_as_it_is() {
        for length in 0..datagram().len() {
            let mut short = datagram()[..length].to_vec();
            complete_checksum(&mut short);
            assert_eq!(short, datagram()[..length]);
        }
        let mut other = datagram();
        other[PACKET + 9] = 17;
        let before = other.clone();
        complete_checksum(&mut other);
        assert_eq!(other, before);
    }
}
