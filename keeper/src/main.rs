//! `spillway`: see [`spillway::cli`].

fn main() -> std::process::ExitCode {
    spillway::cli::main()
}
