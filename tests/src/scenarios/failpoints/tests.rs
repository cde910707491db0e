//! The list of failpoints is the failpoints that there are.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

/// Every failpoint that is passed somewhere under a folder, and how often it stands there.
fn passed(folder: &Path, found: &mut BTreeMap<String, usize>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            passed(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for call in ["failpoints::hit(\"", "failpoints::pass(\""] {
            for part in text.split(call).skip(1) {
                let name = part.split('"').next().unwrap();
                *found.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
}

#[test]
fn every_failpoint_in_the_list_is_in_the_code_once_and_no_other_is() {
    let mut found = BTreeMap::new();
    passed(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../raft-node/src"),
        &mut found,
    );
    let listed: BTreeMap<String, usize> = POINTS.iter().map(|point| (point.name.to_owned(), 1)).collect();
    assert_eq!(found, listed);
    assert!(listed.len() >= 40, "{} failpoints", listed.len());
}
