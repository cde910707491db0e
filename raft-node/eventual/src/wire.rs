//! Numbers and byte strings in frames, rows and tokens.

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged: {0}")]
pub struct Damaged(pub &'static str);

/// Appends a number, seven bits a byte, the lowest first; all but the last byte have the highest bit set (LEB128).
pub fn put_number(out: &mut impl Extend<u8>, mut number: u64) {
    while number >= 0x80 {
        out.extend([number as u8 | 0x80]);
        number >>= 7;
    }
    out.extend([number as u8]);
}

/// Appends a byte string behind its length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes what was put, in order.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Damaged> {
        let (byte, rest) = self.rest.split_first().ok_or(Damaged("it ends too early"))?;
        self.rest = rest;
        Ok(*byte)
    }

    /// A number.
    pub fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damaged("a number is too large"))
    }

    /// A number that counts things of at least `bytes_min` bytes each, which must all be there: what is made room for is
    /// never more than what came.
    pub fn count(&mut self, bytes_min: usize) -> Result<usize, Damaged> {
        let count = self.number()?;
        let count = usize::try_from(count).map_err(|_| Damaged("a count is too large"))?;
        if count > self.rest.len() / bytes_min.max(1) {
            return Err(Damaged("a count is larger than what follows"));
        }
        Ok(count)
    }

    /// Eight bytes, the lowest first.
    pub fn word(&mut self) -> Result<u64, Damaged> {
        let (word, rest) = self.rest.split_first_chunk::<8>().ok_or(Damaged("it ends too early"))?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*word))
    }

    /// A byte string behind its length.
    pub fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = self.count(1)?;
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(bytes)
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_put_is_taken(number: u64, bytes: Vec<u8>, word: u64) {
            let mut out = Vec::new();
            put_number(&mut out, number);
            put_bytes(&mut out, &bytes);
            out.extend_from_slice(&word.to_le_bytes());
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.number(), Ok(number));
            prop_assert_eq!(reader.bytes(), Ok(&bytes[..]));
            prop_assert_eq!(reader.word(), Ok(word));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while !reader.is_empty() {
                if reader.number().is_err() || reader.bytes().is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_count_beyond_what_follows_is_refused() {
        let mut out = Vec::new();
        put_number(&mut out, 1 << 40);
        out.extend_from_slice(b"abc");
        assert_eq!(
            Reader::new(&out).bytes(),
            Err(Damaged("a count is larger than what follows"))
        );
    }

    #[test]
    fn a_number_has_at_most_64_bits() {
        assert_eq!(Reader::new(&[0xff; 10]).number(), Err(Damaged("a number is too large")));
        let mut out = Vec::new();
        put_number(&mut out, u64::MAX);
        assert_eq!(out.len(), 10);
    }
}
