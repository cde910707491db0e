//! Keys and values: from the command line, files and standard input, and back into text.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value};

use super::exit::Failure;

/// No member can be configured to take a larger value, so more need not be read.
const VALUE_BYTES_MAX: u64 = 32 << 20;

/// A table shows this much of a value.
const SHOWN_CHARS_MAX: usize = 120;

/// Where the value of a `put` comes from: exactly one of the two.
#[derive(Args, Debug)]
#[group(id = "value_source", required = true, multiple = false)]
pub struct ValueArguments {
    /// The value; `-` reads it from standard input
    value: Option<OsString>,
    /// Read the value from this file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
}

impl ValueArguments {
    /// The value. `hex` concerns what stands on the command line, never a file.
    pub fn read(self, hex: bool) -> Result<Vec<u8>, Failure> {
        match (self.value, self.value_file) {
            (Some(dash), _) if dash == "-" => stdin(),
            (Some(value), _) => argument(value, hex),
            (None, Some(path)) => file_or_stdin(&path, VALUE_BYTES_MAX),
            (None, None) => Err(Failure::usage("a value is missing: give VALUE or --value-file")),
        }
    }
}

/// The bytes of an argument.
pub fn argument(text: OsString, hex: bool) -> Result<Vec<u8>, Failure> {
    let bytes = text.into_vec();
    if hex { from_hex(&bytes) } else { Ok(bytes) }
}

/// What a file holds, or standard input for `-`; refused beyond `bytes_max`.
pub fn file_or_stdin(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    if path.as_os_str() == "-" {
        return bounded(io::stdin().lock(), "standard input", bytes_max);
    }
    let file = std::fs::File::open(path).map_err(|error| Failure::file(path, &error))?;
    bounded(file, &path.display().to_string(), bytes_max)
}

fn stdin() -> Result<Vec<u8>, Failure> {
    file_or_stdin(Path::new("-"), VALUE_BYTES_MAX)
}

fn bounded(reader: impl Read, name: &str, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    reader
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::local(format!("{name}: {error}")))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Failure::usage(format!(
            "{name} is longer than {bytes_max} bytes, which is the limit"
        )));
    }
    Ok(bytes)
}

/// Pairs of hexadecimal digits.
pub fn from_hex(text: &[u8]) -> Result<Vec<u8>, Failure> {
    let digit = |c: u8| char::from(c).to_digit(16);
    let pairs = text.chunks_exact(2);
    let bytes: Option<Vec<u8>> = if pairs.remainder().is_empty() {
        // Two digits of four bits each fit a byte.
        pairs
            .map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8))
            .collect()
    } else {
        None
    };
    bytes.ok_or_else(|| {
        let text = String::from_utf8_lossy(text);
        Failure::usage(format!(
            "{text:?} is not hexadecimal: write two digits 0-9 a-f for each byte"
        ))
    })
}

/// Two digits a byte.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Adds bytes to a JSON object: as `name` when they are UTF-8, else (or if asked) as `name_hex`.
pub fn put_json(object: &mut Map<String, Value>, name: &str, bytes: &[u8], hex: bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !hex => object.insert(name.to_owned(), text.into()),
        _ => object.insert(format!("{name}_hex"), to_hex(bytes).into()),
    };
}

/// Text where bytes are UTF-8, else (or if asked) two digits a byte.
pub fn shown_whole(bytes: &[u8], hex: bool) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !hex => text.to_owned(),
        _ => to_hex(bytes),
    }
}

/// For a cell of a table: control characters and what is not UTF-8 are escaped, and a long value is cut.
pub fn shown(bytes: &[u8], hex: bool) -> String {
    let text = if hex {
        to_hex(bytes)
    } else {
        let escape = |chunk: std::str::Utf8Chunk<'_>| {
            let valid: String = chunk
                .valid()
                .chars()
                .map(|c| {
                    if c.is_control() {
                        c.escape_default().to_string()
                    } else {
                        c.to_string()
                    }
                })
                .collect();
            let invalid: String = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")).collect();
            valid + &invalid
        };
        bytes.utf8_chunks().map(escape).collect()
    };
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((cut, _)) => format!("{}... ({} bytes)", &text[..cut], bytes.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_and_written() {
        assert_eq!(from_hex(b"00fFa5").unwrap(), [0, 0xff, 0xa5]);
        assert_eq!(to_hex(&[0, 0xff, 0xa5]), "00ffa5");
        for bad in ["0", "0g", "é"] {
            let failure = from_hex(bad.as_bytes()).unwrap_err();
            assert!(failure.message.contains("is not hexadecimal"), "{failure}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_go_to_json_under_another_name() {
        let mut object = Map::new();
        put_json(&mut object, "key", b"a/b", false);
        put_json(&mut object, "value", &[0xff, 1], false);
        assert_eq!(
            Value::Object(object),
            serde_json::json!({"key": "a/b", "value_hex": "ff01"})
        );
    }

    #[test]
    fn a_cell_escapes_control_characters_and_cuts_long_values() {
        assert_eq!(shown(b"a\nb\xff\x1b[0m", false), "a\\nb\\xff\\u{1b}[0m");
        let long = "é".repeat(300);
        let cut = shown(long.as_bytes(), false);
        assert_eq!(cut, format!("{}... (600 bytes)", "é".repeat(120)));
    }

    #[test]
    fn an_endless_input_is_refused() {
        let failure = bounded(io::repeat(b'x'), "standard input", 1000).unwrap_err();
        assert_eq!(
            failure.message,
            "standard input is longer than 1000 bytes, which is the limit"
        );
    }
}
