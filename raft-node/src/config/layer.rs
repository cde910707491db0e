//! One layer of settings: flat keys, each with its value, all of one provenance.

use std::io::Read;
use std::path::Path;

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use super::settings::VARIABLE_PREFIX;
use super::{ConfigError, Kind, Problem, SETTINGS, Setting};

/// A configuration is a few KiB; a longer file is some other file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Values by full key, with what to call the place they came from.
#[derive(Clone, Debug)]
pub struct Layer {
    values: Vec<(&'static Setting, Value)>,
    problems: Vec<Problem>,
}

impl Layer {
    /// An empty layer.
    pub fn empty() -> Self {
        Self {
            values: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// A TOML file.
    pub fn file(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |reason| ConfigError::Unreadable {
            path: path.to_owned(),
            reason,
        };
        let mut text = String::new();
        // Bounded while reading, since a device has no length to look at beforehand.
        std::fs::File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
            .map_err(unreadable)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(ConfigError::TooLong {
                path: path.to_owned(),
                bytes_max: FILE_BYTES_MAX,
            });
        }
        Self::toml(&text, path)
    }

    /// The text of a TOML file; `path` is for the messages.
    pub fn toml(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let tree = File::from_str(text, FileFormat::Toml)
            .collect()
            .map_err(|error| ConfigError::Malformed {
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
        let mut layer = Self::empty();
        layer.take_tree(tree, "", &format!("file {}", path.display()));
        Ok(layer)
    }

    /// Variables `QUORATE_...`. One that sets nothing is an error when it starts with the name of a section; others
    /// are left alone, since they may be the command line's or an orchestrator's.
    pub fn environment(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut layer = Self::empty();
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else {
                continue;
            };
            let origin = format!("environment {name}");
            if let Some(setting) = SETTINGS.iter().find(|setting| setting.variable() == name) {
                layer.set_text(setting, &text, &origin);
            } else if SETTINGS.iter().any(|setting| is_of_section(setting, rest)) {
                layer.unknown(&name, &origin);
            }
        }
        layer
    }

    /// Adds a flag of the command line. `flag` is for the messages.
    pub fn flag(&mut self, flag: &str, key: &str, text: &str) {
        let origin = format!("flag {flag}");
        match Setting::named(key) {
            Some(setting) => self.set_text(setting, text, &origin),
            None => self.unknown(key, &origin),
        }
    }

    /// What could not be read.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn take_tree(&mut self, tree: Map<String, Value>, section: &str, origin: &str) {
        for (name, value) in tree {
            let key = if section.is_empty() {
                name
            } else {
                format!("{section}.{name}")
            };
            let is_section = SETTINGS
                .iter()
                .any(|setting| setting.key.strip_prefix(&key).is_some_and(|rest| rest.starts_with('.')));
            match (Setting::named(&key), value.kind) {
                (Some(setting), kind) => match check_kind(setting, &kind) {
                    Ok(()) => self.values.push((setting, Value::new(Some(&origin.to_owned()), kind))),
                    Err(message) => self.problem(&key, message, origin),
                },
                (None, ValueKind::Table(table)) if is_section => self.take_tree(table, &key, origin),
                (None, _) if is_section => {
                    self.problem(&key, format!("must be a section: write [{key}]"), origin);
                }
                (None, _) => self.unknown(&key, origin),
            }
        }
    }

    fn set_text(&mut self, setting: &'static Setting, text: &str, origin: &str) {
        match from_text(setting, text) {
            Ok(kind) => self.values.push((setting, Value::new(Some(&origin.to_owned()), kind))),
            Err(message) => self.problem(setting.key, message, origin),
        }
    }

    fn unknown(&mut self, key: &str, origin: &str) {
        let message = match nearest(key) {
            Some(near) => format!("unknown key; did you mean {near}?"),
            None => "unknown key; `quorate config print` lists those there are".to_owned(),
        };
        self.problem(key, message, origin);
    }

    fn problem(&mut self, key: &str, message: String, origin: &str) {
        self.problems.push(Problem {
            key: key.to_owned(),
            message,
            origin: Some(origin.to_owned()),
        });
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self
            .values
            .iter()
            .map(|(setting, value)| (setting.key.to_owned(), value.clone()))
            .collect())
    }
}

/// Whether `rest`, a variable without its prefix, starts with the section of `setting`.
fn is_of_section(setting: &Setting, rest: &str) -> bool {
    setting
        .key
        .split_once('.')
        .is_some_and(|(section, _)| rest.starts_with(&format!("{}_", section.to_ascii_uppercase())))
}

/// What was probably meant: the key with the same last word in another section, or the one that differs least.
fn nearest(key: &str) -> Option<&'static str> {
    /// Beyond this many letters two words are different words.
    const EDITS_MAX: usize = 4;
    const KEY_BYTES_MAX: usize = 100;
    if key.len() > KEY_BYTES_MAX {
        return None;
    }
    let key = key.to_ascii_lowercase();
    let key = key.strip_prefix("quorate_").unwrap_or(&key).replace('.', "_");
    let plain = |known: &str| known.replace('.', "_");
    let last = |known: &'static str| known.rsplit('.').next().unwrap_or_default();
    let known = || SETTINGS.iter().map(|setting| setting.key);
    let moved = known().find(|known| key == last(known) || key.ends_with(&format!("_{}", last(known))));
    let misspelt = || {
        let (edits, known) = known().map(|known| (edits(&key, &plain(known)), known)).min()?;
        (edits <= EDITS_MAX).then_some(known)
    };
    moved.or_else(misspelt)
}

/// How many letters must be put in, taken out or exchanged to make `b` of `a`.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let exchanged = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn check_kind(setting: &Setting, value: &ValueKind) -> Result<(), String> {
    let (fits, wanted) = match setting.kind {
        Kind::Integer { min, max } => (
            matches!(
                value,
                ValueKind::I64(_) | ValueKind::U64(_) | ValueKind::I128(_) | ValueKind::U128(_)
            ),
            format!("a whole number from {min} to {max}, without quotes"),
        ),
        Kind::Boolean => (
            matches!(value, ValueKind::Boolean(_)),
            "true or false, without quotes".to_owned(),
        ),
        Kind::Members => return check_members(value),
        Kind::Path | Kind::File | Kind::ListenAddress | Kind::ListenAddressOrOff | Kind::Address | Kind::Word(_) => {
            (matches!(value, ValueKind::String(_)), "a string in quotes".to_owned())
        }
    };
    if !fits {
        return Err(format!("{} is not {wanted}", shown(value)));
    }
    if let (Kind::Integer { min, max }, ValueKind::I64(number)) = (setting.kind, value)
        && *number < 0
    {
        return Err(format!("{number} is out of range: {min} to {max} is allowed"));
    }
    Ok(())
}

/// Each element is a table with exactly `id` and `peer`.
fn check_members(value: &ValueKind) -> Result<(), String> {
    const SHAPE: &str = "write one [[cluster.members]] section a member, with id = NUMBER and peer = \"HOST:PORT\"";
    let ValueKind::Array(members) = value else {
        return Err(format!("{} is not a list of members: {SHAPE}", shown(value)));
    };
    for (place, member) in members.iter().enumerate() {
        let number = place + 1;
        let ValueKind::Table(table) = &member.kind else {
            return Err(format!("member number {number} is not a section: {SHAPE}"));
        };
        if let Some(name) = table.keys().find(|name| !matches!(name.as_str(), "id" | "peer")) {
            return Err(format!("unknown key {name} in member number {number}: {SHAPE}"));
        }
        let has_id = matches!(table.get("id").map(|id| &id.kind), Some(ValueKind::I64(id)) if *id >= 0);
        let has_peer = matches!(table.get("peer").map(|peer| &peer.kind), Some(ValueKind::String(_)));
        if !has_id || !has_peer {
            return Err(format!("member number {number} lacks an id or a peer: {SHAPE}"));
        }
    }
    Ok(())
}

fn shown(value: &ValueKind) -> String {
    match value {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Table(_) => "a section".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        scalar => scalar.to_string(),
    }
}

/// A value as flags and the environment write it.
fn from_text(setting: &Setting, text: &str) -> Result<ValueKind, String> {
    match setting.kind {
        Kind::Integer { min, max } => text
            .parse::<i64>()
            .ok()
            .filter(|number| *number >= 0)
            .map(ValueKind::I64)
            .ok_or_else(|| format!("{text:?} is not a whole number from {min} to {max}")),
        Kind::Boolean => match text {
            "true" => Ok(ValueKind::Boolean(true)),
            "false" => Ok(ValueKind::Boolean(false)),
            _ => Err(format!("{text:?} is not true or false")),
        },
        Kind::Members => parse_members(text).map(|members| {
            let tables = members.into_iter().map(|(id, peer)| {
                let mut table = Map::new();
                table.insert("id".to_owned(), Value::new(None, ValueKind::U64(id)));
                table.insert("peer".to_owned(), Value::new(None, ValueKind::String(peer)));
                Value::new(None, ValueKind::Table(table))
            });
            ValueKind::Array(tables.collect())
        }),
        Kind::Path | Kind::File | Kind::ListenAddress | Kind::ListenAddressOrOff | Kind::Address | Kind::Word(_) => {
            Ok(ValueKind::String(text.to_owned()))
        }
    }
}

/// `1=HOST:PORT,2=HOST:PORT,...`, as flags and the environment write the founding members.
pub fn parse_members(text: &str) -> Result<Vec<(u64, String)>, String> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| {
            part.split_once('=')
                .and_then(|(id, peer)| Some((id.trim().parse().ok()?, peer.trim().to_owned())))
                .ok_or_else(|| format!("{part:?} is not ID=HOST:PORT; write 1=HOST:PORT,2=HOST:PORT,3=HOST:PORT"))
        })
        .collect()
}
