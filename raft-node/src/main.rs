//! The one binary, `quorate`.

fn main() {}
