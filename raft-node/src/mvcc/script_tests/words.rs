//! Reads the commands of scripts.

use crate::mvcc::{Delete, Put, Range, Selector, SortTarget};
use crate::state_machine::testing;
use crate::state_machine::{Compare, CompareOperand, CompareOperator, Operation};
use crate::types::{LeaseId, Revision};

/// The words of a command: places first, then options in any order.
pub struct Words<'s> {
    words: Vec<&'s str>,
    at: usize,
}

impl<'s> Words<'s> {
    pub fn new(line: &'s str) -> Self {
        Self {
            words: line.split_whitespace().collect(),
            at: 0,
        }
    }

    pub fn next(&mut self) -> &'s str {
        self.at += 1;
        self.words
            .get(self.at - 1)
            .unwrap_or_else(|| panic!("a word is missing in {:?}", self.words))
    }

    pub fn number(&mut self) -> u64 {
        self.next().parse().unwrap()
    }

    pub fn option(&self, name: &str) -> Option<&'s str> {
        self.words
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.words[self.at..].contains(&name)
    }

    fn domain(&self) -> String {
        self.option("domain").unwrap_or("default").to_owned()
    }

    fn number_option(&self, name: &str) -> Option<u64> {
        self.option(name).map(|number| number.parse().unwrap())
    }

    fn selector(&mut self) -> Selector {
        let word = self.next();
        if let Some(pattern) = word.strip_prefix('~') {
            return Selector::Pattern(pattern.to_owned());
        }
        if let Some(prefix) = word.strip_suffix("...") {
            return Selector::Prefix(prefix.as_bytes().to_vec());
        }
        match word.split_once("..") {
            Some((start, end)) => Selector::Interval {
                start: start.as_bytes().to_vec(),
                end: end.as_bytes().to_vec(),
            },
            None => Selector::Key(word.as_bytes().to_vec()),
        }
    }

    fn bounds(&self, name: &str) -> (Option<Revision>, Option<Revision>) {
        let Some((least, most)) = self.option(name).and_then(|bounds| bounds.split_once("..")) else {
            return (None, None);
        };
        let bound = |text: &str| (!text.is_empty()).then(|| Revision(text.parse().unwrap()));
        (bound(least), bound(most))
    }

    pub fn range(&mut self) -> Range {
        let keys = self.selector();
        Range {
            domain: self.domain(),
            revision: self.number_option("revision").map(Revision),
            limit: self.number_option("limit").unwrap_or(u64::MAX),
            bytes_max: self.number_option("bytes").unwrap_or(u64::MAX),
            keys_only: self.flag("keys"),
            count_only: self.flag("count"),
            sort: match self.option("sort") {
                None | Some("key") => SortTarget::Key,
                Some("version") => SortTarget::Version,
                Some("create") => SortTarget::CreateRevision,
                Some("mod") => SortTarget::ModRevision,
                Some("value") => SortTarget::Value,
                Some(other) => panic!("unknown target {other:?}"),
            },
            descending: self.flag("descending"),
            mod_revision: self.bounds("mod"),
            create_revision: self.bounds("create"),
            tag: self.option("tag").map(str::to_owned),
            after: self.option("after").map(|after| after.as_bytes().to_vec()),
            ..testing::range(keys)
        }
    }
}

pub fn operation(words: &mut Words<'_>) -> Operation {
    match words.next() {
        "put" => {
            let (key, value) = (words.next(), value(words.next()));
            Operation::Put(Put {
                domain: words.domain(),
                lease: words.number_option("lease").map(LeaseId),
                ttl_ms: words.number_option("ttl"),
                tags: words
                    .option("tag")
                    .map_or(Vec::new(), |tags| tags.split(',').map(str::to_owned).collect()),
                previous: words.flag("previous"),
                ..testing::put(key, value)
            })
        }
        "delete" => {
            let keys = words.selector();
            Operation::Delete(Delete {
                domain: words.domain(),
                keys,
                previous: words.flag("previous"),
            })
        }
        "range" => Operation::Range(words.range()),
        other => panic!("unknown operation {other:?}"),
    }
}

pub fn compare(words: &mut Words<'_>) -> Compare {
    let (key, target, operator, text) = (words.next(), words.next(), words.next(), words.next());
    let number = || text.parse().unwrap();
    let operand = match target {
        "value" => CompareOperand::Value(value(text)),
        "version" => CompareOperand::Version(number()),
        "create" => CompareOperand::CreateRevision(number()),
        "mod" => CompareOperand::ModRevision(number()),
        "lease" => CompareOperand::Lease(number()),
        other => panic!("unknown target {other:?}"),
    };
    let operator = match operator {
        "=" => CompareOperator::Equal,
        "!=" => CompareOperator::NotEqual,
        ">" => CompareOperator::Greater,
        "<" => CompareOperator::Less,
        other => panic!("unknown operator {other:?}"),
    };
    testing::compare(key, operator, operand)
}

fn value(word: &str) -> Vec<u8> {
    match word.split_once('*') {
        Some((text, times)) => text.repeat(times.parse().unwrap()).into_bytes(),
        None => word.as_bytes().to_vec(),
    }
}
