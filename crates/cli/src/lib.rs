//! The `routefuse` program as a library: its tree of commands, for what documents it, and its `main`.

mod args;
mod atomic_file;
mod bundle_file;
mod command_tree;
mod commands;
mod difference;
mod entry_text;
mod excerpt;
mod explore;
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
mod router_rows;
mod shell_word;
mod signing;
mod source;
mod table;
mod tensor_file;
mod tensor_place;
mod tensor_set;
mod timed_rows;
mod timing;
mod trace;
mod usage;
mod word_wrap;

pub use command_tree::command;

use args::{Cli, Command};
use clap::FromArgMatches;
use std::process::ExitCode;

/// Runs the program with the arguments of this process.
///
/// Errors of usage exit with 2, `--help` and `--version` with 0; what other codes mean stands below the program's help.
pub fn main() -> ExitCode {
    let cli = command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = cli.unwrap_or_else(|error| usage::exit(error));
    log::start(&cli.verbosity);
    progress::start(cli.verbosity.quiet);
    let result = match &cli.command {
        Command::New(a) => commands::new::run(a),
        Command::Models(a) => commands::models::run(a),
        Command::Check(a) => commands::check::run(a),
        Command::Fmt(a) => commands::fmt::run(a),
        Command::Explain(a) => commands::explain::run(a, &(&a.cache).into()),
        Command::Report(a) => commands::report::run(a, &(&a.cache).into()),
        Command::Explore(a) => commands::explore::run(a),
        Command::Dump(a) => commands::dump::run(a, cli.colour),
        Command::Targets(a) => commands::targets::run(a),
        Command::Compile(a) => commands::compile::run(a),
        Command::Run(a) => commands::run::run(a, &a.cache),
        Command::Diff(a) => commands::diff::run(a),
        Command::Bench(a) => commands::bench::run(a, &a.cache),
        Command::Tune(a) => commands::tune::run(a, &a.cache),
        Command::Demo(a) => commands::demo::run(a),
        Command::Cache(a) => commands::cache::run(a, &a.options()),
        Command::Bundle(a) => commands::bundle::run(a),
        Command::Doctor(a) => commands::doctor::run(a, &(&a.cache).into()),
        Command::Code { code, json } => commands::code::run(*code, *json),
        Command::Completions { shell } => commands::completions::run(*shell),
        Command::Man(a) => commands::man::run(a),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            render::failure(&failure, cli.colour);
            failure.exit_code()
        }
    }
}
