//! Where the messages of a gRPC body begin and end.

/// One byte that says whether it is compressed, four with its length.
const HEAD_BYTES: usize = 5;

/// Follows a body, whatever the pieces are in which it comes.
#[derive(Debug, Default)]
pub(super) struct Framing {
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    /// Bytes of the message that are yet to come; its head is there.
    missing: u64,
    /// Bytes of the message that came, its head included.
    came: u64,
}

impl Framing {
    /// Says whether a message became whole in this piece.
    pub(super) fn take(&mut self, mut piece: &[u8]) -> bool {
        let mut whole = false;
        while !piece.is_empty() {
            if self.head_bytes < HEAD_BYTES {
                let bytes = piece.len().min(HEAD_BYTES - self.head_bytes);
                let (head, rest) = piece.split_at(bytes);
                self.head[self.head_bytes..self.head_bytes + bytes].copy_from_slice(head);
                self.head_bytes += bytes;
                self.came += bytes as u64;
                piece = rest;
                if self.head_bytes < HEAD_BYTES {
                    break;
                }
                let [_, length @ ..] = self.head;
                self.missing = u64::from(u32::from_be_bytes(length));
            } else {
                let bytes = (piece.len() as u64).min(self.missing);
                self.missing -= bytes;
                self.came += bytes;
                // No more than the piece has.
                piece = &piece[usize::try_from(bytes).unwrap_or(piece.len())..];
            }
            if self.missing == 0 {
                whole = true;
                *self = Self::default();
            }
        }
        whole
    }

    /// Bytes of the message that is not whole.
    pub(super) fn unfinished(&self) -> u64 {
        self.came
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(bytes: usize) -> Vec<u8> {
        let mut message = vec![0];
        message.extend_from_slice(&u32::try_from(bytes).unwrap().to_be_bytes());
        message.resize(HEAD_BYTES + bytes, 7);
        message
    }

    #[test]
    fn a_message_is_whole_with_its_last_byte() {
        let mut framing = Framing::default();
        let bytes = message(3);
        for byte in &bytes[..7] {
            assert!(!framing.take(&[*byte]));
        }
        assert_eq!(framing.unfinished(), 7);
        assert!(framing.take(&bytes[7..]));
        assert_eq!(framing.unfinished(), 0);
        assert!(framing.take(&message(0)), "one may be empty");
    }

    proptest! {
        #[test]
        fn the_pieces_make_no_difference(
            lengths in proptest::collection::vec(0_usize..300, 1..10),
            piece_bytes in 1_usize..400,
            cut in 0_usize..50,
        ) {
            let mut body: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            let last = message(60);
            body.extend_from_slice(&last[..cut]);
            let mut framing = Framing::default();
            for piece in body.chunks(piece_bytes) {
                framing.take(piece);
            }
            prop_assert_eq!(framing.unfinished(), cut as u64);
        }
    }
}
