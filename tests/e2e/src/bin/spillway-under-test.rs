//! The keeper, built with the crash points that the tests need.

fn main() -> std::process::ExitCode {
    spillway::cli::main()
}
