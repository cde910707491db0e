//! What was found wrong, by property.

use std::collections::BTreeMap;

use crate::verdict::Verdict;

/// Of each property, what is shown.
const SHOWN: usize = 3;

/// Properties that do not hold, with where and what was seen instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(BTreeMap<&'static str, Vec<String>>);

impl Findings {
    /// Adds what one property found.
    pub fn add(&mut self, property: &'static str, found: Vec<String>) {
        if !found.is_empty() {
            self.0.entry(property).or_default().extend(found);
        }
    }

    /// The properties that do not hold.
    pub fn properties(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }

    /// Illegal if anything was found; otherwise unknown if something that is needed was never seen, and what was covered.
    pub fn verdict(self, needed: &[(&str, u64)], summary: impl FnOnce() -> String) -> Verdict {
        if !self.0.is_empty() {
            return Verdict::Illegal(self.shown());
        }
        match needed.iter().find(|(_, count)| *count == 0) {
            Some((missing, _)) => Verdict::Unknown(format!("there were no {missing}: {}", summary())),
            None => Verdict::Ok(summary()),
        }
    }

    fn shown(&self) -> String {
        let mut text = format!("{} violations", self.0.values().map(Vec::len).sum::<usize>());
        for (property, found) in &self.0 {
            text += &format!("\n{property}, {} times:", found.len());
            for what in found.iter().take(SHOWN) {
                text += &format!("\n  {what}");
            }
        }
        text
    }
}
