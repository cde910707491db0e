//! What is written with a fence is written while exactly that hold lives, whoever was told what.

use super::super::history::History;
use super::super::record::{Call, Done};
use super::super::truth::Granted;
use crate::journal::Answer;
use crate::watch_check::{Event, KeyEvent, KeyKind};

pub(super) fn check(history: &History<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (revision, events) in history.truth.between(0, history.truth.last()) {
        for event in events {
            let Event::Key(event) = event else { continue };
            let Some(lock) = lock_of(history, event) else { continue };
            let Some(token) = token_of(event) else {
                found.push(format!(
                    "revision {revision} writes {lock:?} without a token: {event:?}"
                ));
                continue;
            };
            let mut holds = history.holds.of_token(lock, token);
            if !holds.any(|granted| granted.lives_at(revision)) {
                let holds: Vec<&Granted> = history.holds.of_token(lock, token).collect();
                found.push(format!(
                    "revision {revision} writes {lock:?} with a fence of {token}, which is over: {holds:?}"
                ));
            }
        }
    }
    for operation in history.operations {
        let (Call::Put { hold }, Answer::Done(Done::Put { revision })) = (&operation.call, &operation.answer) else {
            continue;
        };
        let mut events = history.truth.events(*revision).iter();
        let written = events.any(|event| match event {
            Event::Key(event) => {
                lock_of(history, event) == Some(hold.lock.as_str()) && token_of(event) == Some(hold.token)
            }
            Event::Other(_) => false,
        });
        if !written {
            found.push(format!("it was acknowledged and is not there: {operation:?}"));
        }
    }
    found
}

/// The lock that such a key is of.
fn lock_of<'a>(history: &History<'_>, event: &'a KeyEvent) -> Option<&'a str> {
    let key = std::str::from_utf8(&event.record.key).ok()?;
    key.strip_prefix(history.keys).filter(|_| event.kind == KeyKind::Put)
}

/// The value begins with the token.
fn token_of(event: &KeyEvent) -> Option<u64> {
    let value = std::str::from_utf8(&event.record.value).ok()?;
    value.split(' ').next()?.parse().ok()
}
