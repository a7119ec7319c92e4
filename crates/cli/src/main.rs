//! The `routefuse` program: see, check, compile, run and time routing graphs.

use std::process::ExitCode;

fn main() -> ExitCode {
    routefuse_cli::main()
}
