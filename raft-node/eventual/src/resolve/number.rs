//! The exact order of JSON numbers.

use std::cmp::Ordering;

use serde_json::Number;

/// What a number is, without loss: JSON has integers that no double holds.
enum Exact {
    Integer(i128),
    Double(f64),
}

/// Compares by what the numbers are: `1` and `1.0` are equal, 2^53 and 2^53 + 1 are not.
pub(super) fn compare(a: &Number, b: &Number) -> Ordering {
    match (exact(a), exact(b)) {
        (Exact::Integer(a), Exact::Integer(b)) => a.cmp(&b),
        (Exact::Double(a), Exact::Double(b)) => doubles(a, b),
        (Exact::Integer(a), Exact::Double(b)) => with_double(a, b),
        (Exact::Double(a), Exact::Integer(b)) => with_double(b, a).reverse(),
    }
}

/// One spelling for each number: a double that is a 64-bit integer becomes that integer.
pub(super) fn canonical(number: &Number) -> Number {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    match exact(number) {
        Exact::Double(double) if double.fract() == 0.0 && (-TWO_TO_63..2.0 * TWO_TO_63).contains(&double) => {
            if double < 0.0 {
                Number::from(double as i64)
            } else {
                Number::from(double as u64)
            }
        }
        _ => number.clone(),
    }
}

fn exact(number: &Number) -> Exact {
    if let Some(integer) = number.as_u64() {
        Exact::Integer(i128::from(integer))
    } else if let Some(integer) = number.as_i64() {
        Exact::Integer(i128::from(integer))
    } else {
        // The parser admits nothing that is not finite, so this is always there.
        Exact::Double(number.as_f64().unwrap_or(0.0))
    }
}

/// JSON has no NaN, and to compare -0.0 with 0.0 is to compare a number with itself.
fn doubles(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

fn with_double(integer: i128, double: f64) -> Ordering {
    // Far beyond every 64-bit integer, and within what an i128 holds.
    const BEYOND: f64 = 1e30;
    let whole = double.clamp(-BEYOND, BEYOND).trunc();
    integer.cmp(&(whole as i128)).then_with(|| doubles(0.0, double - whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_are_in_the_order_of_what_they_are() {
        // Neighbours that a cast to a double would make equal, or turn around.
        let ascending = [
            "-1e300",
            "-9223372036854775809",
            "-9223372036854775808",
            "-9223372036854775807",
            "-1.5",
            "-1",
            "-0.5",
            "0",
            "5e-324",
            "0.5",
            "1",
            "1.0000000000000002",
            "9007199254740992.0",
            "9007199254740993",
            "9007199254740994.0",
            "9223372036854775807",
            "9223372036854775808.0",
            "9223372036854775809",
            "18446744073709551615",
            "18446744073709551616",
            "1e300",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                let mut expected = i.cmp(&j);
                if [*a, *b]
                    .iter()
                    .all(|text| text.starts_with("-92233720368547758") && !text.ends_with('7'))
                {
                    // -2^63 - 1 is beyond the integers, and the nearest double is -2^63.
                    expected = Ordering::Equal;
                }
                assert_eq!(compare(&number(a), &number(b)), expected, "{a} and {b}");
            }
        }
    }

    #[test]
    fn a_number_has_one_spelling() {
        for (text, canonical_text) in [
            ("1.0", "1"),
            ("-0.0", "0"),
            ("-3e2", "-300"),
            ("1e19", "10000000000000000000"),
            ("-9223372036854775808.0", "-9223372036854775808"),
            ("1e20", "1e+20"),
            ("0.1", "0.1"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            let canonical = canonical(&number(text));
            assert_eq!(canonical.to_string(), canonical_text);
            assert_eq!(compare(&canonical, &number(text)), Ordering::Equal);
        }
    }
}
