//! Labels of workers: `zone=a`.

use std::collections::BTreeMap;

/// A label and its value.
pub type Label = (String, String);

/// Reads `LABEL=VALUE`; the value may be empty, and may hold `=`.
pub fn label(text: &str) -> Result<Label, String> {
    match text.split_once('=') {
        Some((label, value)) if !label.is_empty() => Ok((label.to_owned(), value.to_owned())),
        _ => Err("write LABEL=VALUE, as zone=a".to_owned()),
    }
}

/// As they are written on the command line, for a cell of a table.
pub fn text(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    pairs.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_ends_at_the_first_equals_sign() {
        let pair = |label: &str, value: &str| Ok((label.to_owned(), value.to_owned()));
        assert_eq!(label("zone=a=b"), pair("zone", "a=b"));
        assert_eq!(label("gpu="), pair("gpu", ""));
        assert!(label("zone").is_err() && label("=a").is_err());
    }
}
