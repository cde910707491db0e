//! The one binary, `quorate`.

/// Values and messages are made by one thread and dropped by another all the time, which the allocator of the system takes
/// locks for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    quorate_node::cli::main()
}
