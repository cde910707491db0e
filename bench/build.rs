//! Compiles the part of the etcd v3 API that the load generator speaks, with a compiler written in Rust, and notes what
//! decides how many instructions a piece of work takes.

use std::env;
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Instructions can be compared only where these are the same.
    println!("cargo::rustc-env=QUORATE_BENCH_OPT_LEVEL={}", env::var("OPT_LEVEL")?);
    let version = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    let version = String::from_utf8(version.stdout)?;
    println!("cargo::rustc-env=QUORATE_BENCH_RUSTC={}", version.trim());
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(["etcd.proto", "etcd_lock.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
