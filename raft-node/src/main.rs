//! The one binary, `quorate`.

fn main() -> std::process::ExitCode {
    quorate_node::cli::main()
}
