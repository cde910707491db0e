//! What is in `deploy/` fits together: alerts and their pages, dashboards and the metrics there are, the unit of systemd; and the
//! guide of operators is true.
//!
//! Programs of others (promtool, systemd-analyze, shellcheck) check what is theirs, where they are installed; a test that could
//! not ask one says so.

mod live;
mod queries;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use queries::{Query, dashboards, rules};
use quorate_tests::cluster::server_binary;
use serde_json::Value;

/// A folder or a file of `deploy/`.
fn deployed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs a program of others; none if it is not installed.
fn ask(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("not asked, since it is not installed: {command:?}");
            None
        }
        Err(error) => panic!("{command:?}: {error}"),
    }
}

#[track_caller]
fn content(output: &Output) -> String {
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

fn alerts() -> BTreeSet<String> {
    let names: BTreeSet<String> = rules().into_iter().map(|query| query.place).collect();
    assert!(names.len() >= 30, "only {} alerts were found in the file", names.len());
    names
}

#[test]
fn every_alert_has_a_page_and_every_page_an_alert() {
    let pages: BTreeSet<String> = fs::read_dir(deployed("runbooks"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(pages, alerts());
    for name in pages {
        let page = read(&deployed("runbooks").join(format!("{name}.md")));
        assert!(page.starts_with(&format!("# {name}\n")), "{name}: its title is another");
        for part in ["What it means", "What users notice", "When to wake somebody"] {
            assert!(
                page.contains(&format!("\n## {part}\n")),
                "{name}: no part is called {part:?}"
            );
        }
        assert!(page.contains("\n## How to look"), "{name}: nothing says how to look");
    }
}

#[test]
fn every_alert_links_its_page_and_says_how_urgent_it_is() {
    let text = read(&deployed("prometheus/rules/quorate.yaml"));
    for alert in text.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap().trim();
        let page = format!("runbook_url: deploy/runbooks/{name}.md");
        assert!(alert.contains(&page), "{name}: its page is not linked");
        let urgent = ["severity: warning", "severity: critical"].map(|severity| alert.contains(severity));
        assert_ne!(urgent[0], urgent[1], "{name}: neither warning nor critical");
    }
}

#[test]
fn every_alert_is_seen_to_fire() {
    let tests = read(&deployed("prometheus/rules/quorate_test.yaml"));
    for name in alerts() {
        let fires = format!("alertname=\"{name}\"");
        assert!(tests.contains(&fires), "{name}: no test sees it fire");
    }
}

#[test]
fn promtool_accepts_rules_and_their_tests() {
    let folder = deployed("prometheus/rules");
    let mut test = Command::new("promtool");
    test.args(["test", "rules", "quorate_test.yaml"]).current_dir(&folder);
    if let Some(output) = ask(&mut test) {
        content(&output);
    }
    let mut check = Command::new("promtool");
    check
        .args(["check", "config", "prometheus.yml"])
        .current_dir(deployed("prometheus"));
    if let Some(output) = ask(&mut check) {
        content(&output);
    }
}

#[test]
fn dashboards_are_whole() {
    let mut uids = BTreeSet::new();
    for path in queries::dashboard_files() {
        let name = path.display().to_string();
        let dashboard: Value = serde_json::from_str(&read(&path)).unwrap();
        assert!(
            uids.insert(dashboard["uid"].as_str().unwrap().to_owned()),
            "{name}: its uid is another's"
        );
        let panels = dashboard["panels"].as_array().unwrap();
        let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{name}: two panels have one id");
        for panel in panels.iter().filter(|panel| panel["type"] != "row") {
            assert_eq!(
                panel["datasource"]["uid"], "${datasource}",
                "{name}: {}",
                panel["title"]
            );
            assert!(
                !panel["targets"].as_array().unwrap().is_empty(),
                "{name}: {}",
                panel["title"]
            );
        }
        for (index, one) in panels.iter().enumerate() {
            for other in &panels[index + 1..] {
                assert!(
                    !overlap(one, other),
                    "{name}: {} and {} lie over each other",
                    one["title"],
                    other["title"]
                );
            }
        }
    }
    assert_eq!(uids.len(), 4);
}

fn overlap(one: &Value, other: &Value) -> bool {
    let side = |panel: &Value, key: &str| panel["gridPos"][key].as_i64().unwrap();
    let apart = |at: &str, size: &str| {
        side(one, at) + side(one, size) <= side(other, at) || side(other, at) + side(other, size) <= side(one, at)
    };
    !apart("x", "w") && !apart("y", "h")
}

#[test]
fn the_unit_is_accepted_and_leaves_little_open() {
    // What it would start is not installed here.
    let directory = tempfile::tempdir().unwrap();
    let unit = directory.path().join("quorate.service");
    let text = read(&deployed("systemd/quorate.service"));
    assert!(text.contains("\nType=notify\n"));
    fs::write(&unit, text.replace("/usr/bin/quorate", "/bin/true")).unwrap();
    let Some(output) = ask(Command::new("systemd-analyze").arg("verify").arg(&unit)) else {
        return;
    };
    let said = content(&output);
    assert!(!said.contains("quorate.service"), "{said}");
    // In tenths: 0 is nothing, 100 everything.
    let mut security = Command::new("systemd-analyze");
    security
        .args(["security", "--offline=true", "--threshold=15"])
        .arg(&unit);
    content(&ask(&mut security).unwrap());
}

#[test]
fn scripts_are_as_shellcheck_wants_them() {
    let mut scripts = Vec::new();
    let mut folders = vec![deployed("")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("local/data") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sh") {
                scripts.push(path);
            }
        }
    }
    assert!(scripts.len() >= 8, "{scripts:?}");
    if let Some(output) = ask(Command::new("shellcheck").args(&scripts)) {
        content(&output);
    }
}

/// Where there can be no network of its own, the script says so and exits with this.
const NOT_TRIED: i32 = 77;

#[test]
fn the_guide_of_operators_is_carried_out_as_it_is_written() {
    let mut script = Command::new("bash");
    script
        .arg(deployed("operations_try.sh"))
        .env("QUORATE_BIN", server_binary().unwrap());
    let output = ask(&mut script).unwrap();
    if output.status.code() == Some(NOT_TRIED) {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let said = content(&output);
    assert!(said.ends_with("the guide was carried out as it is written\n"), "{said}");
}

#[test]
fn what_is_asked_for_is_in_the_table_of_metrics_and_what_is_there_is_asked_for() {
    let members = quorate_node::metrics::TABLE.iter().map(|metric| metric.name());
    let clients = quorate::CLIENT_METRICS.iter().map(|metric| metric.name);
    let there: BTreeSet<String> = members.chain(clients).map(str::to_owned).collect();
    let asked: BTreeSet<String> = rules().iter().chain(&dashboards()).flat_map(Query::metrics).collect();
    assert_eq!(asked, there);
}
