//! Labels that users choose: so many, and no more.

/// What is shown in the place of names that are too many.
pub(super) const OTHER: &str = "other";

/// Which names are shown by themselves. Those that come first stay; the rest goes by one name together.
#[derive(Debug)]
pub struct Names {
    left: usize,
}

impl Names {
    /// At most `names_max` names.
    pub fn new(names_max: usize) -> Self {
        Self { left: names_max }
    }

    /// The label of a name that was not shown before on this page.
    pub fn label<'n>(&mut self, name: &'n str) -> &'n str {
        if self.left == 0 {
            return OTHER;
        }
        self.left -= 1;
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_limit_go_by_one_name() {
        let mut names = Names::new(2);
        let labels = ["a", "b", "c", "d"].map(|name| names.label(name));
        assert_eq!(labels, ["a", "b", "other", "other"]);
    }
}
