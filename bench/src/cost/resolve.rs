//! What concurrent values become.

use std::hint::black_box;

use quorate_eventual::resolve::{Candidate, resolve};
use quorate_eventual::{Hlc, Strategy};

use super::Piece;

const EACH: u32 = 64;

/// Two numbers of ten digits.
pub(super) fn max() -> Piece {
    let values = [0, 1].map(|number| format!("{}", 1_700_000_000 + number));
    piece(Strategy::Max, values, |resolved| resolved == b"1700000001")
}

/// Two objects of five fields on two levels.
pub(super) fn merge() -> Piece {
    let values = [0, 1].map(|number| {
        format!(r#"{{"step":{number},"by":{{"worker":"w-{number}","host-{number}":true}},"done":0.{number}}}"#)
    });
    piece(Strategy::Merge, values, |resolved| {
        let has = |field: &str| resolved.windows(field.len()).any(|bytes| bytes == field.as_bytes());
        has("host-0") && has("host-1")
    })
}

fn piece(strategy: Strategy, values: [String; 2], is_right: fn(&[u8]) -> bool) -> Piece {
    let step = move || {
        let candidates = [0, 1].map(|place: usize| Candidate {
            value: values[place].as_bytes(),
            strategy,
            hlc: Hlc(place as u64 + 1),
            actor: 6 - place as u64,
            number: place as u64 + 1,
        });
        for _ in 0..EACH {
            let resolution = resolve(black_box(&candidates));
            if !resolution
                .as_ref()
                .is_some_and(|resolution| is_right(&resolution.value))
            {
                return Err(format!("{strategy:?} made {resolution:?}"));
            }
        }
        Ok(())
    };
    Piece {
        operations: EACH,
        warm: 8,
        steps: 32,
        step: Box::new(step),
    }
}
