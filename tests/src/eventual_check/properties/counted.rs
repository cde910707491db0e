//! Sums.

use super::violation;
use crate::eventual_check::record::{Change, History, Kind, Write};
use crate::eventual_check::verdict::{Property, Violation};

pub(super) fn check(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (key, writes) in history.by_key(Kind::Counter) {
        let sum = |counts: &dyn Fn(&Write) -> bool| -> i64 {
            let counted = writes.iter().filter(|write| counts(write));
            counted
                .map(|write| match write.change {
                    Change::Add(number) => number,
                    _ => 0,
                })
                .sum()
        };
        let (least, most) = (sum(&|write| history.survives(write)), sum(&Write::is_possible));
        let is = history.held(key).sum;
        if !(least..=most).contains(&is) {
            let what = format!("{key:?} is {is}; {least} survive and {most} were tried");
            violations.push(violation(Property::Counted, what));
        }
    }
    violations
}
