//! Refuses to build what must never be released.

use std::env;

/// Each breaks the member on purpose.
const NEVER_RELEASED: [&str; 2] = ["canaries", "failpoints"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    for feature in NEVER_RELEASED {
        let variable = format!("CARGO_FEATURE_{}", feature.to_uppercase());
        if is_release && env::var_os(variable).is_some() {
            println!(
                "cargo::error=the feature {feature:?} makes a member that breaks on purpose: it cannot be part of a \
                 release build"
            );
        }
    }
}
