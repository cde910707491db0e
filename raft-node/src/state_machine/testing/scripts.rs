//! Golden scripts: a sentence, commands, `---`, and what they print. A line that begins with `*` is what watchers are told.
//!
//! They run against a whole state machine. `UPDATE_SCRIPTS=1` rewrites what is expected; read the difference before
//! committing it.

use std::fmt::Write as _;

use super::events::{Told, shown};
use super::{Store, check_rules};

/// Runs the script at `path` below `src`; `command` does a line and says what it prints.
pub fn run(path: &str, command: impl Fn(&mut Store, &str) -> String) {
    let path = format!("{}/src/{path}", env!("CARGO_MANIFEST_DIR"));
    let script = std::fs::read_to_string(&path).unwrap();
    let mut store = Store::new();
    let mut told = Told::new(&store);
    let mut actual = String::new();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        writeln!(actual, "{line}").unwrap();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut commands = vec![line];
        for line in lines.by_ref().take_while(|line| *line != "---") {
            writeln!(actual, "{line}").unwrap();
            commands.push(line);
        }
        writeln!(actual, "---").unwrap();
        for line in commands {
            actual.push_str(&command(&mut store, line));
            for (_, event) in told.read(&store) {
                writeln!(actual, "* {}", shown(&event)).unwrap();
            }
        }
        check_rules(&store);
        if lines.by_ref().any(str::is_empty) {
            actual.push('\n');
        }
    }
    if std::env::var_os("UPDATE_SCRIPTS").is_some() {
        return std::fs::write(&path, &actual).unwrap();
    }
    assert_eq!(actual, script, "{path}");
}
