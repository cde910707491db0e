//! Whether a watch asks for an event: the definition, not the code of the server.

use super::events::{Event, KeyKind};
use super::record::{Asked, Names};

/// Whether `asked` asks for `event`.
pub fn asks_for(asked: &Asked, event: &Event) -> bool {
    let by_kind = match event {
        Event::Key(event) => match event.kind {
            KeyKind::Put => asked.puts,
            KeyKind::Delete | KeyKind::Expire => asked.deletes,
        },
        Event::Other(_) => true,
    };
    let space = event.space();
    by_kind
        && asked
            .wanted
            .iter()
            .any(|wanted| wanted.space == space && holds(&wanted.names, event.name()))
}

fn holds(names: &Names, name: &[u8]) -> bool {
    match names {
        Names::One(one) => one == name,
        Names::Prefix(prefix) => name.starts_with(prefix),
        Names::Interval { start, end } => name >= &start[..] && (end.is_empty() || name < &end[..]),
        Names::Pattern(pattern) => matches(pattern.as_bytes(), name),
    }
}

/// By trying everything: names and patterns of a run are short.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if let Some(rest) = pattern.strip_prefix(b"**") {
        return (0..=name.len()).any(|taken| matches(rest, &name[taken..]));
    }
    if let Some(rest) = pattern.strip_prefix(b"*") {
        let segment = name.iter().position(|byte| *byte == b'/').unwrap_or(name.len());
        return (0..=segment).any(|taken| matches(rest, &name[taken..]));
    }
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((want, pattern)), Some((have, name))) => want == have && matches(pattern, name),
        _ => false,
    }
}
