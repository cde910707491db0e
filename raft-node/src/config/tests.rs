//! Settings from text to struct, and what is said about bad ones.

use std::path::Path;

use super::*;

const GOOD: &str = r#"
member_id = 1
data_directory = "/tmp/one"
[[cluster.members]]
id = 1
peer = "127.0.0.1:7501"
[[cluster.members]]
id = 2
peer = "127.0.0.1:7502"
"#;

fn file(text: &str) -> Layer {
    Layer::toml(text, Path::new("node.toml")).unwrap()
}

fn load_file(text: &str) -> Result<Loaded, ConfigError> {
    load(vec![Layer::toml(text, Path::new("node.toml"))?])
}

fn environment(pairs: &[(&str, &str)]) -> Layer {
    Layer::environment(
        pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned())),
    )
}

fn leaves(prefix: &str, tree: &serde_json::Value, keys: &mut Vec<String>) {
    match tree {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let key = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                leaves(&key, value, keys);
            }
        }
        _ => keys.push(prefix.to_owned()),
    }
}

#[test]
fn the_table_of_settings_names_exactly_the_fields_of_the_struct() {
    let mut fields = Vec::new();
    leaves("", &serde_json::to_value(NodeConfig::default()).unwrap(), &mut fields);
    let mut keys: Vec<String> = SETTINGS.iter().map(|setting| setting.key.to_owned()).collect();
    fields.sort();
    keys.sort();
    assert_eq!(keys, fields);
}

#[test]
fn no_two_settings_share_an_environment_variable() {
    let variables: std::collections::BTreeSet<String> = SETTINGS.iter().map(Setting::variable).collect();
    assert_eq!(variables.len(), SETTINGS.len());
}

#[test]
fn the_defaults_need_only_an_id_and_the_members() {
    let loaded = load_file(GOOD).unwrap();
    let expected = NodeConfig::founding(
        1,
        "/tmp/one",
        "127.0.0.1:7401".parse().unwrap(),
        "127.0.0.1:7501".parse().unwrap(),
        vec![
            FoundingMember {
                id: 1,
                peer: "127.0.0.1:7501".to_owned(),
            },
            FoundingMember {
                id: 2,
                peer: "127.0.0.1:7502".to_owned(),
            },
        ],
    );
    assert_eq!(loaded.config, expected);
}

#[test]
fn flags_go_over_the_environment_over_the_file_over_the_defaults() {
    let with_raft = format!("{GOOD}\n[raft]\nheartbeat_ms = 41\nelection_min_ms = 131\nelection_max_ms = 231\n");
    let environment = environment(&[
        ("QUORATE_RAFT_ELECTION_MIN_MS", "132"),
        ("QUORATE_RAFT_ELECTION_MAX_MS", "232"),
        ("HOME", "/home/ada"),
    ]);
    let mut flags = Layer::empty();
    flags.flag("--set", "raft.election_max_ms", "233");
    let loaded = load(vec![file(&with_raft), environment, flags]).unwrap();

    let raft = &loaded.config.raft;
    assert_eq!(
        (
            raft.heartbeat_ms,
            raft.election_min_ms,
            raft.election_max_ms,
            raft.keep_log_entries
        ),
        (41, 132, 233, 50_000)
    );
    assert_eq!(loaded.origin["raft.heartbeat_ms"], "file node.toml");
    assert_eq!(
        loaded.origin["raft.election_min_ms"],
        "environment QUORATE_RAFT_ELECTION_MIN_MS"
    );
    assert_eq!(loaded.origin["raft.election_max_ms"], "flag --set");
    assert_eq!(loaded.origin["raft.keep_log_entries"], "default");
}

#[test]
fn members_can_be_given_in_one_line_and_replace_those_of_the_file() {
    let environment = environment(&[("QUORATE_CLUSTER_MEMBERS", "1=127.0.0.1:9001, 3=localhost:9003")]);
    let loaded = load(vec![file(GOOD), environment]).unwrap();
    let members: Vec<(u64, &str)> = loaded
        .config
        .cluster
        .members
        .iter()
        .map(|member| (member.id, member.peer.as_str()))
        .collect();
    assert_eq!(members, [(1, "127.0.0.1:9001"), (3, "localhost:9003")]);
    assert_eq!(loaded.origin["cluster.members"], "environment QUORATE_CLUSTER_MEMBERS");
}

#[test]
fn what_is_printed_can_be_loaded_again() {
    let text = format!("{GOOD}\n[log]\nlevel = \"debug\"\nformat = \"json\"\n");
    let loaded = load_file(&text).unwrap();
    for show_origin in [false, true] {
        let again = load_file(&loaded.to_toml(show_origin)).unwrap();
        assert_eq!(again.config, loaded.config);
    }
}

#[test]
fn the_printed_origin_stands_beside_the_value() {
    let shown = load_file(GOOD).unwrap().to_toml(true);
    assert!(shown.contains("member_id = 1  # file node.toml\n"), "{shown}");
    assert!(shown.contains("raft.heartbeat_ms = 40  # default\n"), "{shown}");
}

/// Text to append to (or, with a leading `=`, to put instead of) a good file, and what the message must contain.
const BAD: &[(&str, &[&str])] = &[
    ("=member_id = = 1", &["node.toml", "it is not TOML", "line 1"]),
    (
        "raft.hartbeat_ms = 40",
        &[
            "raft.hartbeat_ms",
            "unknown key; did you mean raft.heartbeat_ms?",
            "file node.toml",
        ],
    ),
    (
        "[raft]\nlevel = \"info\"",
        &["raft.level", "did you mean log.level?", "file node.toml"],
    ),
    ("colour = \"red\"", &["colour", "unknown key", "config print"]),
    (
        "[[cluster.members]]\nid = 3\nport = 1",
        &["cluster.members", "unknown key port in member number 3"],
    ),
    (
        "[[cluster.members]]\nid = 3",
        &["cluster.members", "member number 3 lacks an id or a peer"],
    ),
    ("raft = 3", &["raft", "must be a section: write [raft]"]),
    (
        "raft.heartbeat_ms = \"fast\"",
        &["raft.heartbeat_ms", "\"fast\"", "whole number from 5 to 10000"],
    ),
    ("raft.heartbeat_ms = \"40\"", &["raft.heartbeat_ms", "without quotes"]),
    (
        "raft.heartbeat_ms = true",
        &["raft.heartbeat_ms", "true is not a whole number"],
    ),
    (
        "raft.heartbeat_ms = 40.5",
        &["raft.heartbeat_ms", "40.5 is not a whole number"],
    ),
    (
        "raft.heartbeat_ms = 0",
        &["raft.heartbeat_ms", "0 is out of range", "5 to 10000"],
    ),
    (
        "raft.heartbeat_ms = -1",
        &["raft.heartbeat_ms", "-1 is out of range", "file node.toml"],
    ),
    (
        "raft.heartbeat_ms = 100",
        &["raft.election_min_ms", "120 is less than twice raft.heartbeat_ms (100)"],
    ),
    (
        "raft.election_max_ms = 120",
        &["raft.election_max_ms", "120 is not above raft.election_min_ms (120)"],
    ),
    (
        "limits.value_bytes_max = 9000000000",
        &["limits.value_bytes_max", "9000000000 is out of range"],
    ),
    (
        "limits.value_bytes_max = 2097152",
        &["limits.request_bytes_max", "lower limits.value_bytes_max"],
    ),
    (
        "limits.txn_operations_max = 0",
        &["limits.txn_operations_max", "1 to 4096 is allowed"],
    ),
    (
        "storage.space_reserve_bytes = 0",
        &["storage.space_reserve_bytes", "0 is out of range"],
    ),
    (
        "log.level = \"loud\"",
        &["log.level", "\"loud\" is not one of error, warn, info, debug, trace"],
    ),
    ("log.format = 1", &["log.format", "1 is not a string in quotes"]),
    (
        "insecure_allow_non_loopback = \"yes\"",
        &["insecure_allow_non_loopback", "true or false"],
    ),
    (
        "listen_client = \"localhost\"",
        &["listen_client", "\"localhost\" is not an address: write IP:PORT"],
    ),
    ("listen_client = \"127.0.0.1:0\"", &["listen_client", "port 0"]),
    (
        "listen_client = \"127.0.0.1:7501\"",
        &["listen_peer", "is listen_client too"],
    ),
    (
        "listen_client = \"10.0.0.7:7401\"",
        &["listen_client", "not a loopback", "insecure_allow_non_loopback = true"],
    ),
    (
        "listen_peer = \"[2001:db8::1]:7501\"",
        &["listen_peer", "not a loopback"],
    ),
    (
        "listen_client = \"0.0.0.0:7401\"\ninsecure_allow_non_loopback = true",
        &["advertise_client", "is not set"],
    ),
    (
        "advertise_client = \"http://node\"",
        &["advertise_client", "not HOST:PORT"],
    ),
    (
        "tracing.otlp_endpoint = \"http://127.0.0.1:4317\"",
        &["tracing.otlp_endpoint", "not HOST:PORT"],
    ),
    (
        "tracing.otlp_endpoint = \"collector:4317\"",
        &["tracing.otlp_endpoint", "not a loopback", "set tracing.otlp_ca"],
    ),
    (
        "tracing.otlp_ca = \"ca.crt\"",
        &["tracing.otlp_endpoint", "it is not set, and tracing.otlp_ca is"],
    ),
    (
        "tracing.sample_per_million = 1000001",
        &["tracing.sample_per_million", "0 to 1000000 is allowed"],
    ),
    (
        "[[cluster.members]]\nid = 2\npeer = \"127.0.0.1:7503\"",
        &["cluster.members", "id 2 stands there twice"],
    ),
    (
        "[[cluster.members]]\nid = 3\npeer = \"127.0.0.1:7502\"",
        &["cluster.members", "stands there twice"],
    ),
    (
        "[[cluster.members]]\nid = 0\npeer = \"127.0.0.1:7503\"",
        &["cluster.members", "ids start at 1"],
    ),
    (
        "[[cluster.members]]\nid = 3\npeer = \"127.0.0.1\"",
        &["cluster.members", "peer of id 3", "not HOST:PORT"],
    ),
    (
        "[[cluster.members]]\nid = 3\npeer = \"node-3:7501\"",
        &["cluster.members", "node-3:7501 is not a loopback"],
    ),
    ("cluster.join = true", &["cluster.members", "leave the members out"]),
    (
        "=member_id = 3\ncluster.members = [{ id = 1, peer = \"127.0.0.1:1\" }]",
        &["member_id 3 is not among"],
    ),
    (
        "=cluster.members = [{ id = 1, peer = \"127.0.0.1:1\" }]",
        &["member_id", "it is not set"],
    ),
    (
        "=member_id = 1",
        &["cluster.members", "it is empty", "cluster.join = true"],
    ),
    ("data_directory = \"\"", &["data_directory", "it is empty"]),
];

#[test]
fn every_bad_value_is_refused_with_its_key_and_what_to_do() {
    for (text, expected) in BAD {
        let text = match text.strip_prefix('=') {
            Some(whole) => whole.to_owned(),
            // Before the tables, unless it opens one, and instead of a line that sets the same key.
            None if text.starts_with('[') => format!("{GOOD}{text}\n"),
            None => {
                let name = text.split(' ').next().unwrap();
                let kept: Vec<&str> = GOOD.lines().filter(|line| !line.starts_with(name)).collect();
                format!("{text}\n{}\n", kept.join("\n"))
            }
        };
        let message = load_file(&text).expect_err(&text).to_string();
        for part in *expected {
            assert!(message.contains(part), "{text}\n=> {message}\nlacks {part:?}");
        }
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = format!("raft.heartbeat_ms = 0\nlimits.tags_max = 1000\n{GOOD}");
    let Err(ConfigError::Invalid(problems)) = load_file(&text) else {
        panic!("accepted");
    };
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["raft.heartbeat_ms", "limits.tags_max"]);
}

#[test]
fn every_number_beyond_its_range_is_refused() {
    for setting in SETTINGS {
        let Kind::Integer { min, max } = setting.kind else {
            continue;
        };
        let outside = [
            min.checked_sub(1),
            max.checked_add(1).filter(|number| i64::try_from(*number).is_ok()),
        ];
        for number in outside.into_iter().flatten() {
            let mut flags = Layer::empty();
            flags.flag("--set", setting.key, &number.to_string());
            let Err(ConfigError::Invalid(problems)) = load(vec![file(GOOD), flags]) else {
                panic!("{} = {number} was accepted", setting.key);
            };
            assert!(
                problems.iter().any(|problem| problem.key == setting.key),
                "{problems:?}"
            );
        }
    }
}

#[test]
fn a_misspelt_variable_of_a_section_is_refused_and_a_foreign_one_is_left_alone() {
    let error = load(vec![file(GOOD), environment(&[("QUORATE_RAFT_HEARTBEAT", "40")])]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("QUORATE_RAFT_HEARTBEAT: unknown key; did you mean raft.heartbeat_ms?"),
        "{error}"
    );
    load(vec![
        file(GOOD),
        environment(&[("QUORATE_ENDPOINTS", "a:1"), ("QUORATE_SERVICE_HOST", "10.0.0.1")]),
    ])
    .unwrap();
}

#[test]
fn bad_flags_and_variables_are_refused_by_name() {
    for (key, text, expected) in [
        (
            "raft.heartbeat_ms",
            "soon",
            "raft.heartbeat_ms: \"soon\" is not a whole number from 5 to 10000 (flag --set)",
        ),
        (
            "raft.heartbeat",
            "40",
            "raft.heartbeat: unknown key; did you mean raft.heartbeat_ms?",
        ),
        (
            "cluster.members",
            "127.0.0.1:7501",
            "\"127.0.0.1:7501\" is not ID=HOST:PORT",
        ),
        ("cluster.join", "yes", "cluster.join: \"yes\" is not true or false"),
    ] {
        let mut flags = Layer::empty();
        flags.flag("--set", key, text);
        let message = load(vec![file(GOOD), flags]).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_frame_of_the_eventual_tier_holds_two_of_the_largest_values() {
    let text = format!("{GOOD}\n[eventual]\nframe_bytes_max = 1048576\n");
    let message = load_file(&text).unwrap_err().to_string();
    assert!(
        message.contains("eventual.frame_bytes_max: 1048576 does not hold two"),
        "{message}"
    );
}

#[test]
fn a_joining_member_lists_no_founders() {
    let loaded = load_file("member_id = 9\ncluster.join = true\n").unwrap();
    assert!(loaded.config.cluster.join && loaded.config.cluster.members.is_empty());
}

#[test]
fn addresses_beyond_loopback_are_accepted_when_the_network_is_said_to_be_trusted() {
    let text = "member_id = 1\nlisten_client = \"0.0.0.0:7401\"\nadvertise_client = \"node-1:7401\"\n\
                insecure_allow_non_loopback = true\ncluster.members = [{ id = 1, peer = \"node-1:7501\" }]\n";
    let loaded = load_file(text).unwrap();
    assert_eq!(loaded.config.client_address(), "node-1:7401");
}

#[test]
fn a_missing_and_an_endless_file_are_refused_by_name() {
    let missing = Layer::file(Path::new("/nonexistent/node.toml")).unwrap_err();
    assert!(missing.to_string().contains("/nonexistent/node.toml"), "{missing}");
    let endless = Layer::file(Path::new("/dev/zero")).unwrap_err();
    assert!(
        endless
            .to_string()
            .contains("/dev/zero: it is longer than 1048576 bytes"),
        "{endless}"
    );
}
