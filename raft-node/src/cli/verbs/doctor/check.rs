//! One thing that was looked at.

use serde_json::{Value, json};

/// How bad it is, from the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// As it should be.
    Good,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work, or would not when it is needed.
    Bad,
}

impl Verdict {
    pub(super) fn name(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Warning => "warning",
            Verdict::Bad => "BAD",
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// What was looked at, in a word or two.
    pub(super) of: String,
    pub(super) verdict: Verdict,
    /// What it is like.
    pub(super) found: String,
    /// What to do; empty if there is nothing to be done.
    pub(super) advice: String,
}

impl Check {
    pub(super) fn good(of: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(of, Verdict::Good, found, "")
    }

    pub(super) fn warning(of: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(of, Verdict::Warning, found, advice)
    }

    pub(super) fn bad(of: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(of, Verdict::Bad, found, advice)
    }

    fn new(of: impl Into<String>, verdict: Verdict, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            of: of.into(),
            verdict,
            found: found.into(),
            advice: advice.into(),
        }
    }

    pub(super) fn to_row(&self) -> Vec<String> {
        vec![
            self.of.clone(),
            self.verdict.name().to_owned(),
            self.found.clone(),
            self.advice.clone(),
        ]
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "check": self.of,
            "verdict": self.verdict.name().to_lowercase(),
            "found": self.found,
            "advice": self.advice,
        })
    }
}
