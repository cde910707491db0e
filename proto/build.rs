//! Compiles the interface with a compiler written in Rust, so that no `protoc` is needed.

use std::path::Path;

const FILES: [&str; 16] = [
    "quorate/v1/common.proto",
    "quorate/v1/lease.proto",
    "quorate/v1/lock.proto",
    "quorate/v1/queue.proto",
    "quorate/v1/worker.proto",
    "quorate/v1/coordination.proto",
    "quorate/v1/kv.proto",
    "quorate/v1/session.proto",
    "quorate/v1/cluster.proto",
    "quorate/v1/stream.proto",
    "quorate/v1/watch.proto",
    "quorate/v1/eventual.proto",
    "quorate/v1/domain.proto",
    "quorate/internal/v1/raft.proto",
    "quorate/internal/v1/eventual.proto",
    "quorate/internal/v1/cache.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new("proto");
    for file in FILES {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }
    let descriptors = protox::compile(FILES, [root])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    use_descriptor_set(&descriptors, &out.join("quorate.descriptor.bin"))?;
    tonic_prost_build::configure()
        // Keys and values are slices of the message they came in, never copies.
        .bytes(".")
        .extern_path(".quorate.v1.WatchEvents", "crate::watch::WatchEvents")
        .extern_path(".quorate.v1.EventualCall", "crate::eventual::EventualCall")
        .compile_fds(descriptors)?;
    Ok(())
}

/// Keeps the descriptors beside the generated code: gRPC reflection serves them.
fn use_descriptor_set(descriptors: &(impl prost::Message + Sized), path: &Path) -> std::io::Result<()> {
    std::fs::write(path, descriptors.encode_to_vec())
}
