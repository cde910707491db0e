//! What is counted.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Of one file, or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Line feeds.
    pub lines: u64,
    /// Runs of bytes that are not ASCII white space.
    pub words: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Counts {
    /// Counts bytes, whatever they mean.
    pub fn of(content: &[u8]) -> Self {
        let words = content.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        Self {
            lines: content.iter().filter(|byte| **byte == b'\n').count() as u64,
            words: words.count() as u64,
            bytes: content.len() as u64,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.words += other.words;
        self.bytes += other.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_words_and_bytes_are_counted_as_wc_counts_them() {
        let counts = Counts::of(b"one  two\n\n three\xff\tfour");
        assert_eq!(
            counts,
            Counts {
                lines: 2,
                words: 4,
                bytes: 22
            }
        );
        assert_eq!(Counts::of(b""), Counts::default());
    }
}
