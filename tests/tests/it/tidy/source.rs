//! Rust source as the rules see it: line by line, without comments, literals and, on request, tests.
//!
//! This is no parser. It relies on rustfmt: an item ends at the indentation at which it began.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The text with comments and the contents of literals replaced by blanks; the lines stay where they were.
pub fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skipped_at(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// Where the comment or literal that begins at `at` ends; `at` itself if there is none.
fn skipped_at(chars: &[char], at: usize) -> usize {
    let starts = |text: &str| text.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let in_word = at > 0 && is_word(chars[at - 1]);
    if starts("//") {
        find(chars, at, "\n")
    } else if starts("/*") {
        end_of_block_comment(chars, at)
    } else if starts("\"") {
        end_of_quoted(chars, at, '"')
    } else if !in_word && (starts("r\"") || starts("r#") || starts("br\"") || starts("br#")) {
        end_of_raw_string(chars, at)
    } else if starts("'\\") || (starts("'") && chars.get(at + 2) == Some(&'\'')) {
        end_of_quoted(chars, at, '\'')
    } else {
        at
    }
}

fn find(chars: &[char], from: usize, text: &str) -> usize {
    let wanted: Vec<char> = text.chars().collect();
    let found = chars[from..].windows(wanted.len()).position(|window| window == wanted);
    found.map_or(chars.len(), |distance| from + distance)
}

fn end_of_block_comment(chars: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut at = at;
    while at < chars.len() {
        match chars.get(at..at + 2) {
            Some(['/', '*']) => depth += 1,
            Some(['*', '/']) if depth == 1 => return at + 2,
            Some(['*', '/']) => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    chars.len()
}

fn end_of_quoted(chars: &[char], at: usize, quote: char) -> usize {
    let mut at = at + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of `r"..."`, `r#"..."#` and their like; `at` itself for a raw identifier such as `r#type`.
fn end_of_raw_string(chars: &[char], at: usize) -> usize {
    let hashes_at = find(chars, at, "r") + 1;
    let hashes = chars[hashes_at..].iter().take_while(|c| **c == '#').count();
    if chars.get(hashes_at + hashes) != Some(&'"') {
        return at;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    (find(chars, hashes_at + hashes + 1, &end) + end.len()).min(chars.len())
}

/// Part of an identifier.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// For each line of `code`, whether it belongs to an item under `#[cfg(test)]`.
pub fn test_lines(code: &str) -> Vec<bool> {
    let mut tests = Vec::new();
    let mut inside: Option<usize> = None;
    for line in code.lines() {
        let indentation = line.len() - line.trim_start().len();
        let text = line.trim();
        if inside.is_none() && text == "#[cfg(test)]" {
            inside = Some(indentation);
            tests.push(true);
            continue;
        }
        tests.push(inside.is_some());
        let last_line = !text.starts_with("#[") && text.ends_with(['}', ';', ',']);
        if inside == Some(indentation) && last_line {
            inside = None;
        }
    }
    tests
}

/// The names in `#[cfg(test)] mod name;`.
fn test_module_names(code: &str) -> Vec<&str> {
    let tests = test_lines(code);
    let lines = code.lines().zip(tests).filter(|(_, test)| *test);
    lines
        .filter_map(|(line, _)| line.trim().strip_suffix(';')?.rsplit_once("mod "))
        .map(|(_, name)| name)
        .collect()
}

/// The paths, without `.rs`, of the modules that the file at `path` declares for tests only.
pub fn test_modules(path: &str, code: &str) -> BTreeSet<PathBuf> {
    let path = Path::new(path);
    let folder = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") => path.parent().map(Path::to_path_buf),
        _ => Some(path.with_extension("")),
    };
    let folder = folder.unwrap_or_default();
    test_module_names(code)
        .into_iter()
        .map(|name| folder.join(name))
        .collect()
}

/// Whether the file is, or lies under, one of the `modules`.
pub fn is_in(path: &str, modules: &BTreeSet<PathBuf>) -> bool {
    Path::new(path)
        .with_extension("")
        .ancestors()
        .any(|ancestor| modules.contains(ancestor))
}

#[test]
fn comments_and_literals_are_blank_and_lines_stay() {
    let text =
        "a; // x.unwrap()\n/* x /* y */\n z */ b(\"q\\\" x\", 'x', '\\'', r#\"x\"y\"#, br\"x\");\nfn c<'x>() {}\n";
    let code = code_of(text);
    assert_eq!(code.lines().count(), text.lines().count());
    assert_eq!(code.split_whitespace().collect::<String>(), "a;b(,,,,);fnc<'x>(){}");
    assert_eq!(code_of("r#type.bar"), "r#type.bar");
}

#[test]
fn items_under_cfg_test_end_where_their_indentation_ends() {
    let code = "a();\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n    b();\n}\nc();\n#[cfg(test)]\nuse d;\ne();\n";
    let kept: Vec<&str> = code
        .lines()
        .zip(test_lines(code))
        .filter(|l| !l.1)
        .map(|l| l.0)
        .collect();
    assert_eq!(kept, ["a();", "c();", "e();"]);
}

#[test]
fn modules_declared_for_tests_are_found_with_what_lies_under_them() {
    let declared = test_modules("a/src/mod.rs", "#[cfg(test)]\npub(crate) mod testing;\nmod real;\n");
    assert!(is_in("a/src/testing.rs", &declared) && is_in("a/src/testing/deep.rs", &declared));
    assert!(!is_in("a/src/real.rs", &declared) && !is_in("a/src/testing_more.rs", &declared));
    let declared = test_modules("a/src/b.rs", "#[cfg(test)]\nmod tests;\n");
    assert!(is_in("a/src/b/tests.rs", &declared));
}
