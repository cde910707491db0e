//! What rules and dashboards ask Prometheus.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{deployed, read};

/// One query.
#[derive(Clone, Debug)]
pub struct Query {
    /// The alert, or the panel.
    pub place: String,
    /// What is asked.
    pub text: String,
}

impl Query {
    /// The metrics in it, histograms by their own name.
    pub fn metrics(&self) -> BTreeSet<String> {
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        self.text
            .split(|letter| !is_word(letter))
            .filter(|word| word.starts_with("quorate_"))
            .map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned())
            .collect()
    }
}

/// Of the alerts, in the order of the file. Its form is our own: `expr:` with the query behind it, or `expr: |` with the
/// query below, indented further.
pub fn rules() -> Vec<Query> {
    let text = read(&deployed("prometheus/rules/quorate.yaml"));
    let mut queries: Vec<Query> = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if let Some(name) = line.trim().strip_prefix("- alert: ") {
            queries.push(Query {
                place: name.to_owned(),
                text: String::new(),
            });
        }
        let Some(query) = queries.last_mut() else {
            continue;
        };
        if let Some(expression) = line.strip_prefix("        expr: ") {
            in_block = expression == "|";
            if !in_block {
                query.text = expression.to_owned();
            }
        } else if in_block && line.starts_with("          ") {
            query.text += line;
            query.text += "\n";
        } else {
            in_block = false;
        }
    }
    for query in &queries {
        assert!(!query.text.is_empty(), "{}: no expression was found", query.place);
    }
    queries
}

/// The files of the dashboards.
pub fn dashboard_files() -> Vec<PathBuf> {
    let folder = fs::read_dir(deployed("grafana/dashboards")).unwrap();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Of all panels, and of the variables that name members.
pub fn dashboards() -> Vec<Query> {
    let mut queries = Vec::new();
    for path in dashboard_files() {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let dashboard: Value = serde_json::from_str(&read(&path)).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                queries.push(Query {
                    place: format!("{file}, {}", panel["title"]),
                    text: target["expr"].as_str().unwrap().to_owned(),
                });
            }
        }
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            if variable["type"] == "query" {
                queries.push(Query {
                    place: format!("{file}, the variable {}", variable["name"]),
                    text: variable["definition"].as_str().unwrap().to_owned(),
                });
            }
        }
    }
    assert!(queries.len() > 50, "only {} queries were found", queries.len());
    queries
}
