//! What the compiler does not check: which folder may name which dependency, what replicated code must not touch, and
//! how long a file may be.
//!
//! The rules look at code only: comments and literals are blanked first. A rule names where it holds and what breaks it;
//! a file that has to break one stands in [`EXCEPTIONS`], with the reason.

mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use source::{code_of, is_in, is_word, test_lines, test_modules};

const LINES_MAX: usize = 600;

const REPLICATED: &[&str] = &[
    "raft-node/src/state_machine/",
    "raft-node/src/coordination/",
    "raft-node/src/leases/",
    "raft-node/src/mvcc/",
    "raft-node/src/rows.rs",
];

/// Where a rule looks, as prefixes of paths.
enum Scope {
    Everywhere,
    Only(&'static [&'static str]),
    Except(&'static [&'static str]),
}

struct Rule {
    name: &'static str,
    scope: Scope,
    /// Any of these in a line breaks the rule.
    forbidden: &'static [&'static str],
    /// Tests may do it.
    not_in_tests: bool,
}

/// What the line must not hold is matched as words: `rand::` is not in `operand::x`. A trailing `*` takes every word that
/// begins so.
const RULES: &[Rule] = &[
    Rule {
        name: "RocksDB stays behind the engine trait",
        scope: Scope::Except(&["raft-node/src/storage/", "raft-node/src/storage.rs"]),
        forbidden: &["rocksdb", "librocksdb_sys"],
        not_in_tests: false,
    },
    Rule {
        name: "openraft stays in consensus, the log and the two doors of the state machine",
        scope: Scope::Except(&[
            "raft-node/src/consensus/",
            "raft-node/src/log_store/",
            "raft-node/src/state_machine/raft.rs",
            "raft-node/src/state_machine/snapshot.rs",
            "raft-node/src/grpc/cluster.rs",
            "raft-node/src/node/",
            "tests/",
        ]),
        forbidden: &["openraft*"],
        not_in_tests: true,
    },
    Rule {
        name: "tonic stays at the network's edge",
        scope: Scope::Except(&[
            "raft-node/src/grpc/",
            "raft-node/src/consensus/network/",
            "raft-node/src/consensus/read.rs",
            "raft-node/src/eventual/replication/",
            "raft-node/src/node/parts.rs",
            "raft-node/src/node/founding.rs",
            "proto/",
            "sdk/",
            "bench/",
            "tests/",
        ]),
        forbidden: &["tonic", "tonic_*"],
        not_in_tests: false,
    },
    Rule {
        name: "replicated code takes time and randomness from the log",
        scope: Scope::Only(REPLICATED),
        forbidden: &["Instant::now", "SystemTime::now", "rand::", "use rand"],
        not_in_tests: false,
    },
    Rule {
        name: "the algorithm of the eventual tier is handed time and randomness",
        scope: Scope::Only(&["raft-node/eventual/src/"]),
        forbidden: &[
            "Instant::now",
            "SystemTime::now",
            "rand::",
            "tokio::",
            "std::fs",
            "std::net",
        ],
        not_in_tests: true,
    },
    Rule {
        name: "replicated code has no order that differs between members",
        scope: Scope::Only(REPLICATED),
        forbidden: &["HashMap", "HashSet"],
        not_in_tests: false,
    },
    Rule {
        name: "a failure is an error or says why it cannot be",
        scope: Scope::Only(&["raft-node/src/", "raft-node/eventual/src/", "sdk/src/", "tls/src/"]),
        forbidden: &[".unwrap()"],
        not_in_tests: true,
    },
    Rule {
        name: "nothing is left to be written, and no test is switched off",
        scope: Scope::Everywhere,
        forbidden: &["todo!(", "unimplemented!(", "#[ignore"],
        not_in_tests: false,
    },
];

/// File, what it may hold, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "raft-node/src/state_machine/clients.rs",
    "HashMap",
    "clients are looked up by id for every mutation, and the table is never walked",
)];

impl Rule {
    fn holds_in(&self, path: &str) -> bool {
        let under = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        match self.scope {
            Scope::Everywhere => true,
            Scope::Only(prefixes) => under(prefixes),
            Scope::Except(prefixes) => !under(prefixes),
        }
    }

    /// What in the line breaks the rule.
    fn broken_by(&self, path: &str, line: &str) -> Option<&'static str> {
        let excused = |what: &str| EXCEPTIONS.iter().any(|(file, may, _)| *file == path && *may == what);
        let mut broken = self.forbidden.iter().filter(|what| holds_word(line, what));
        broken.find(|what| !excused(what)).copied()
    }
}

/// Whether `what` stands in the line as a word of its own.
fn holds_word(line: &str, what: &str) -> bool {
    let (what, prefix) = what.strip_suffix('*').map_or((what, false), |prefix| (prefix, true));
    let open_start = !what.starts_with(is_word);
    let open_end = prefix || !what.ends_with(is_word);
    line.match_indices(what).any(|(at, _)| {
        let starts = open_start || !line[..at].ends_with(is_word);
        let ends = open_end || !line[at + what.len()..].starts_with(is_word);
        starts && ends
    })
}

/// Every breach in a file, as `path:line: rule (what)`.
fn breaches(path: &str, text: &str, test_file: bool) -> Vec<String> {
    let code = code_of(text);
    let tests = test_lines(&code);
    let mut found = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.holds_in(path)) {
        for (index, (line, test)) in code.lines().zip(&tests).enumerate() {
            if rule.not_in_tests && (test_file || *test) {
                continue;
            }
            if let Some(what) = rule.broken_by(path, line) {
                found.push(format!("{path}:{}: {} ({what})", index + 1, rule.name));
            }
        }
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        found.push(format!("{path}:{lines}: a file has at most {LINES_MAX} lines"));
    }
    found
}

/// A file of tests by its name or its folder.
fn is_test_path(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.starts_with("tests/")
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Adds the `.rs` files below `folder`, with their text, under their path from the root of the repository.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() && !name.starts_with('.') && name != "target" {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() && name.ends_with(".rs") {
            files.push((path, std::fs::read_to_string(entry.path())?));
        }
    }
    Ok(())
}

#[test]
fn the_repository_keeps_its_rules() {
    let mut files = Vec::new();
    collect(&repository(), "", &mut files).expect("the repository can be read");
    files.sort();
    for package in [
        "raft-node/src/",
        "raft-node/eventual/src/",
        "sdk/src/",
        "proto/",
        "tls/src/",
        "tests/src/",
        "bench/src/",
    ] {
        let walked = files.iter().any(|(path, _)| path.starts_with(package));
        assert!(walked, "no file of {package} was found");
    }
    let modules: BTreeSet<PathBuf> = files
        .iter()
        .flat_map(|(path, text)| test_modules(path, &code_of(text)))
        .collect();
    let found: Vec<String> = files
        .iter()
        .flat_map(|(path, text)| breaches(path, text, is_test_path(path) || is_in(path, &modules)))
        .collect();
    assert!(found.is_empty(), "{} breaches:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_example_in_the_readme_is_the_one_that_is_compiled() {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).expect(path);
    let readme = read("README.md");
    assert_eq!(rust_block(&readme), Some(read("sdk/examples/quickstart.rs").as_str()));
}

/// The content of the first Rust block of a Markdown text.
fn rust_block(markdown: &str) -> Option<&str> {
    let (_, rest) = markdown.split_once("\n```rust\n")?;
    let end = rest.find("\n```\n")?;
    Some(&rest[..=end])
}

#[test]
fn the_rust_block_ends_with_its_last_line_break() {
    assert_eq!(
        rust_block("a\n```sh\nx\n```\n```rust\nfn b() {}\n```\nc\n"),
        Some("fn b() {}\n")
    );
    assert_eq!(rust_block("no block\n"), None);
}

#[test]
fn each_rule_finds_its_breach_and_names_file_and_line() {
    let cases = [
        ("raft-node/src/node/a.rs", "use rocksdb::DB;"),
        ("raft-node/src/grpc/a.rs", "type Db = rocksdb::DB;"),
        ("raft-node/src/grpc/a.rs", "use openraft::Vote;"),
        (
            "raft-node/src/state_machine/state.rs",
            "let id = openraft::LogId::default();",
        ),
        (
            "raft-node/src/state_machine/raft.rs",
            "Err(tonic::Status::internal(text))",
        ),
        ("raft-node/src/cli/a.rs", "use tonic_health::server;"),
        ("raft-node/src/mvcc/a.rs", "let now = Instant::now();"),
        ("raft-node/src/mvcc/a.rs", "let now = std::time::SystemTime::now();"),
        ("raft-node/src/state_machine/a.rs", "let id: u64 = rand::random();"),
        ("raft-node/src/state_machine/a.rs", "let seen = HashSet::new();"),
        ("raft-node/eventual/src/a.rs", "let now = Instant::now();"),
        ("raft-node/src/mvcc/a.rs", "use std::collections::HashMap;"),
        ("sdk/src/a.rs", "let value = value.unwrap();"),
        ("raft-node/src/grpc/a.rs", "let value = value.unwrap();"),
        ("bench/src/a.rs", "todo!()"),
        ("proto/src/a.rs", "unimplemented!(\"later\")"),
        ("tests/tests/it/a.rs", "#[ignore = \"slow\"]"),
    ];
    for (path, line) in cases {
        let found = breaches(path, &format!("//! What it is.\n\n{line}\n"), is_test_path(path));
        assert_eq!(found.len(), 1, "{path} {line}: {found:?}");
        assert!(found[0].starts_with(&format!("{path}:3: ")), "{found:?}");
    }
    for rule in RULES {
        let mut broken = cases
            .iter()
            .filter(|(path, line)| rule.holds_in(path) && rule.broken_by(path, line).is_some());
        assert!(broken.next().is_some(), "no case breaks the rule: {}", rule.name);
    }
}

#[test]
fn what_a_rule_allows_it_does_not_report() {
    let cases = [
        ("raft-node/src/storage/rocks.rs", "use rocksdb::DB;"),
        (
            "raft-node/src/consensus/read.rs",
            "use openraft::Vote; use tonic::Status;",
        ),
        ("raft-node/src/node/parts.rs", "use openraft::Vote; use tonic::Status;"),
        ("raft-node/src/environment/clock.rs", "Instant::now()"),
        ("raft-node/src/mvcc/a.rs", "let a = operand::of(MyHashMap::new());"),
        (
            "raft-node/src/state_machine/clients.rs",
            "use std::collections::HashMap;",
        ),
        (
            "raft-node/src/grpc/a.rs",
            "let value = value.unwrap_or_default(); // never .unwrap()",
        ),
        (
            "raft-node/src/grpc/a.rs",
            "/// `todo!()`, `value.unwrap()`, `rocksdb::DB`",
        ),
        ("raft-node/src/cli/a.rs", "let filter = \"warn,openraft=info\";"),
        ("raft-node/src/cli/tests.rs", "let value = value.unwrap();"),
        (
            "sdk/src/a.rs",
            "#[cfg(test)]\nmod tests {\n    fn a() {\n        b.unwrap();\n    }\n}",
        ),
    ];
    for (path, text) in cases {
        assert_eq!(breaches(path, text, is_test_path(path)), [""; 0], "{path} {text}");
    }
}

#[test]
fn an_exception_is_for_one_file_and_one_thing() {
    let clients = "raft-node/src/state_machine/clients.rs";
    assert_eq!(breaches(clients, "HashSet::new()", false).len(), 1);
    assert_eq!(
        breaches("raft-node/src/state_machine/other.rs", "HashMap::new()", false).len(),
        1
    );
}

#[test]
fn a_file_of_601_lines_is_too_long() {
    assert_eq!(breaches("sdk/src/a.rs", &"a();\n".repeat(LINES_MAX), false).len(), 0);
    let found = breaches("sdk/src/a.rs", &"a();\n".repeat(LINES_MAX + 1), false);
    assert_eq!(found, ["sdk/src/a.rs:601: a file has at most 600 lines"]);
}
