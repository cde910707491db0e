//! Ok, illegal or unknown: how a check ended.

use std::fmt;

/// What became of a check. Only [`Verdict::Ok`] is a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every answer is explained; what was covered, in a few words.
    Ok(String),
    /// Something cannot be explained; it names the operations.
    Illegal(String),
    /// Something needed for a verdict is missing.
    Unknown(String),
}

impl Verdict {
    /// Whether it passes.
    pub fn is_ok(&self) -> bool {
        matches!(self, Verdict::Ok(_))
    }

    /// `ok`, `illegal` or `unknown`.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Ok(_) => "ok",
            Verdict::Illegal(_) => "illegal",
            Verdict::Unknown(_) => "unknown",
        }
    }

    /// What was covered, what is wrong, or what is missing.
    pub fn text(&self) -> &str {
        match self {
            Verdict::Ok(text) | Verdict::Illegal(text) | Verdict::Unknown(text) => text,
        }
    }

    /// The verdict of two checks of the same history: what is illegal outweighs what is unknown, and that what is ok.
    pub fn and(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::Ok(one), Verdict::Ok(other)) => Verdict::Ok(format!("{one}; {other}")),
            (Verdict::Illegal(one), Verdict::Illegal(other)) => Verdict::Illegal(format!("{one}\n{other}")),
            (illegal @ Verdict::Illegal(_), _) | (_, illegal @ Verdict::Illegal(_)) => illegal,
            (Verdict::Unknown(one), Verdict::Unknown(other)) => Verdict::Unknown(format!("{one}; {other}")),
            (unknown @ Verdict::Unknown(_), _) | (_, unknown @ Verdict::Unknown(_)) => unknown,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_of_two_verdicts_stands() {
        let ok = || Verdict::Ok("a".to_owned());
        let unknown = || Verdict::Unknown("b".to_owned());
        let illegal = || Verdict::Illegal("c".to_owned());
        assert_eq!(ok().and(unknown()), unknown());
        assert_eq!(unknown().and(illegal()), illegal());
        assert_eq!(illegal().and(ok()), illegal());
        assert_eq!(ok().and(ok()), Verdict::Ok("a; a".to_owned()));
    }
}
