//! `quorate doctor`, at a cluster that is well and at what is not.

use std::path::Path;
use std::process::Command;

use quorate_tests::cluster::{Cluster, server_binary};
use serde_json::Value;

use super::tls::{Secured, expired_pair};

/// The exit code and the JSON that the command wrote, to whichever of the two.
fn doctor(arguments: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(server_binary().unwrap())
        .arg("doctor")
        .args(arguments)
        .args(["-o", "json", "--timeout", "2s"])
        .output()
        .unwrap();
    let written = if output.stdout.is_empty() {
        &output.stderr
    } else {
        &output.stdout
    };
    let json = serde_json::from_slice(written).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code(), json)
}

/// The verdict of the first check with this name, and what was found.
fn check<'j>(json: &'j Value, of: &str) -> (&'j str, &'j str) {
    let checks = json["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["check"] == of);
    let check = check.unwrap_or_else(|| panic!("nothing was said of {of}: {json:#}"));
    (check["verdict"].as_str().unwrap(), check["found"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_died_is_named_and_so_is_how_many_more_may_fail() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let endpoints = cluster.endpoints().join(",");
    let (code, json) = doctor(&["--endpoints", &endpoints]);
    assert_eq!((code, &json["healthy"]), (Some(0), &Value::Bool(true)), "{json:#}");
    assert_eq!(
        check(&json, "quorum"),
        ("good", "3 of 3 voters answer, and 2 are needed: 1 may fail")
    );

    cluster.kill9(3).unwrap();
    cluster.wait_for_leader().await.unwrap();
    // One address is enough: the others are asked for.
    let first = cluster.member(1).unwrap().client_address().to_owned();
    let (code, json) = doctor(&["cluster", "--endpoints", &first]);
    assert_eq!((code, &json["healthy"]), (Some(1), &Value::Bool(false)), "{json:#}");
    assert_eq!(check(&json, "member 3").0, "bad");
    let (verdict, found) = check(&json, "quorum");
    assert_eq!(verdict, "warning");
    assert!(found.ends_with("one more failure stops the cluster"), "{found}");

    cluster.kill9(2).unwrap();
    let (code, json) = doctor(&["--endpoints", &endpoints]);
    assert_eq!(code, Some(1), "{json:#}");

    cluster.kill9(1).unwrap();
    let (code, json) = doctor(&["--endpoints", &endpoints]);
    assert_eq!(code, Some(3), "{json:#}");
    let message = json["error"]["message"].as_str().unwrap();
    assert!(message.contains(&first), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_machine_is_looked_at_while_its_member_runs_and_nothing_is_left_behind() {
    let cluster = Cluster::start(3).await.unwrap();
    let member = cluster.member(2).unwrap();
    let configuration = member.configuration();
    let (code, json) = doctor(&["machine", "--config", configuration.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{json:#}");
    for of in ["settings", "disk sync", "disk space", "open files", "memory"] {
        assert_ne!(check(&json, of).0, "bad", "{json:#}");
    }
    assert_eq!((check(&json, "peer 1").0, check(&json, "peer 3").0), ("good", "good"));
    let data = std::fs::read_dir(member.data_directory()).unwrap();
    let names = data.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with(".doctor")).count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_looked_at_from_both_sides() {
    let secured = Secured::start().await;
    let endpoints = secured.cluster.endpoints().join(",");
    let made = &secured.made;
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let [ca, certificate, key] =
        ["client-ca.crt", "client.crt", "client.key"].map(|file| path(&made.of_client("test", file)));
    let tls = ["--ca", &ca, "--certificate", &certificate, "--key", &key];
    let (code, json) = doctor(&[&["--endpoints", &endpoints], &tls[..]].concat());
    assert_eq!(code, Some(0), "{json:#}");
    let of = format!("certificate of {}", secured.cluster.endpoints()[0]);
    let (verdict, found) = check(&json, &of);
    assert_eq!(verdict, "good");
    assert!(found.ends_with("days are left"), "{found}");

    let configuration = secured.cluster.member(1).unwrap().configuration();
    let configuration = path(&configuration);
    let (code, json) = doctor(&["machine", "--config", &configuration]);
    assert_eq!((code, check(&json, "certificates").0), (Some(0), "good"), "{json:#}");
    assert_eq!(check(&json, "tls.peer.certificate").0, "good");
    let (expired, expired_key) = expired_pair(made, "peer", 1);
    let set = |key: &str, value: &Path| format!("tls.peer.{key}={}", value.display());
    let (certificate, key) = (set("certificate", &expired), set("key", &expired_key));
    let (code, json) = doctor(&[
        "machine",
        "--config",
        &configuration,
        "--set",
        &certificate,
        "--set",
        &key,
    ]);
    assert_eq!((code, check(&json, "certificates").0), (Some(1), "bad"), "{json:#}");
    let (verdict, found) = check(&json, "tls.peer.certificate");
    assert_eq!(verdict, "bad");
    assert!(found.ends_with("it has expired"), "{found}");
}
