//! `spillway`: see [`spillway::cli`].

/// Orders are many small pieces of text that come and go: the system's allocator is a tenth of their cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    spillway::cli::main()
}
