//! What was said already, so that what happens many times a second is not written as often.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::environment::{Clock, SystemClock};

const SAID_MAX: usize = 64;

/// The same sentence is said again after this, unless it is told otherwise.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// Sentences of late.
#[derive(Debug)]
pub struct Spoken {
    again_after: Duration,
    said: Mutex<BTreeMap<String, Duration>>,
}

impl Default for Spoken {
    fn default() -> Self {
        Self::new(SAY_AGAIN)
    }
}

impl Spoken {
    /// The same sentence is news again after so long.
    pub fn new(again_after: Duration) -> Self {
        Self {
            again_after,
            said: Mutex::default(),
        }
    }

    /// Whether it is time to say this. Of more different sentences than are remembered none is said until some are old.
    pub fn is_news(&self, sentence: &str) -> bool {
        self.is_news_at(sentence, SystemClock.monotonic())
    }

    fn is_news_at(&self, sentence: &str, now: Duration) -> bool {
        let mut said = self.said.lock();
        said.retain(|_, at| now.saturating_sub(*at) < self.again_after);
        if said.contains_key(sentence) || said.len() >= SAID_MAX {
            return false;
        }
        said.insert(sentence.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_said_once_in_a_while_and_many_are_bounded() {
        let spoken = Spoken::new(Duration::from_secs(10));
        assert!(spoken.is_news_at("a", Duration::from_secs(1)));
        assert!(!spoken.is_news_at("a", Duration::from_secs(10)));
        assert!(spoken.is_news_at("a", Duration::from_secs(11)));
        let told = (0..1000).filter(|n| spoken.is_news_at(&n.to_string(), Duration::from_secs(12)));
        assert_eq!(told.count(), SAID_MAX - 1);
        assert!(spoken.is_news_at("b", Duration::from_secs(30)));
    }
}
