//! Reads DER: tags, lengths, contents. Only what certificates are made of.

/// What is left to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Der<'a>(pub(crate) &'a [u8]);

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const BOOLEAN: u8 = 0x01;

impl<'a> Der<'a> {
    /// The contents of the next element, which has that tag.
    pub(crate) fn element(&mut self, tag: u8) -> Option<Der<'a>> {
        let before = *self;
        match self.next() {
            Some((found, contents)) if found == tag => Some(contents),
            _ => {
                *self = before;
                None
            }
        }
    }
}

impl<'a> Iterator for Der<'a> {
    type Item = (u8, Der<'a>);

    /// The next element: its tag and contents. None at the end, and where the bytes are no DER.
    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        // Tags of more than one byte do not occur in certificates.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first & 0x80 != 0 {
            let bytes = usize::from(first & 0x7f);
            if bytes == 0 || bytes > 4 {
                return None;
            }
            length = 0;
            for _ in 0..bytes {
                let (&byte, after) = rest.split_first()?;
                length = length << 8 | usize::from(byte);
                rest = after;
            }
        }
        let (contents, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, Der(contents)))
    }
}
