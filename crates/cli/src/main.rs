//! The `routefuse` program: see, check, compile, run and time routing graphs.

mod args;
mod atomic_file;
mod bundle_file;
mod commands;
mod difference;
mod entry_text;
mod excerpt;
mod failure;
mod file_name;
#[cfg(feature = "cuda")]
mod gpu;
#[cfg(not(feature = "cuda"))]
#[path = "gpu/absent.rs"]
mod gpu;
#[cfg(any(feature = "cuda", feature = "hip"))]
mod gpu_bench;
#[cfg(feature = "hip")]
mod hip;
#[cfg(not(feature = "hip"))]
#[path = "hip/absent.rs"]
mod hip;
mod input_file;
mod interrupt;
mod kernel_cache;
mod log;
mod output;
mod progress;
#[cfg(feature = "remote")]
mod remote;
#[cfg(not(feature = "remote"))]
#[path = "remote/absent.rs"]
mod remote;
mod render;
mod router_check;
mod signing;
mod source;
mod tensor_file;
mod timed_rows;
mod timing;
mod trace;

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Usage errors exit with 2, as clap does by itself; `--help` and `--version` with 0.
    let cli = Cli::parse();
    log::start(&cli.verbosity);
    progress::start(cli.verbosity.quiet);
    let result = match &cli.command {
        Command::Check(a) => commands::check::run(a),
        Command::Fmt(a) => commands::fmt::run(a),
        Command::Dump(a) => commands::dump::run(a, cli.colour),
        Command::Compile(a) => commands::compile::run(a),
        Command::Run(a) => commands::run::run(a, &cli.cache),
        Command::Explain(a) => commands::explain::run(a, &cli.cache),
        Command::Bench(a) => commands::bench::run(a, &cli.cache),
        Command::Tune(a) => commands::tune::run(a, &cli.cache),
        Command::Models(a) => commands::models::run(a),
        Command::Targets(a) => commands::targets::run(a),
        Command::Doctor(a) => commands::doctor::run(a, &cli.cache),
        Command::Demo(a) => commands::demo::run(a),
        Command::Code { code } => commands::code::run(*code),
        Command::Cache(a) => commands::cache::run(a, &cli.cache),
        Command::Bundle(a) => commands::bundle::run(a, &cli.cache),
        Command::Completions { shell } => commands::completions::run(*shell),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            render::failure(&failure, cli.colour);
            failure.exit_code()
        }
    }
}
