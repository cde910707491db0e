//! Half-open intervals.

use std::ops::Bound::{self, Excluded, Included, Unbounded};

use crate::storage::span::Span;

fn span(from: Bound<&[u8]>, to: Bound<&[u8]>) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    Span::new(from, to).map(|span| (span.from, span.to))
}

#[test]
fn an_excluded_lower_and_an_included_upper_bound_move_to_the_next_key() {
    assert_eq!(
        span(Excluded(b"a"), Included(b"b")),
        Some((b"a\0".to_vec(), Some(b"b\0".to_vec())))
    );
    assert_eq!(
        span(Included(b"a"), Included(b"a")),
        Some((b"a".to_vec(), Some(b"a\0".to_vec())))
    );
}

#[test]
fn an_empty_or_backward_range_is_none() {
    let ranges = [
        (Included(b"b".as_slice()), Excluded(b"a".as_slice())),
        (Included(b"a"), Excluded(b"a")),
        (Excluded(b"a"), Included(b"a")),
        (Excluded(b"a"), Excluded(b"a\0")),
        (Unbounded, Excluded(b"")),
    ];
    for (from, to) in ranges {
        assert_eq!(span(from, to), None, "{from:?} {to:?}");
    }
}
