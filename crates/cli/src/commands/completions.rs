//! `routefuse completions`.

use crate::args::Cli;
use crate::failure::Failure;
use clap::CommandFactory;
use std::io::Write;

pub fn run(shell: clap_complete::Shell) -> Result<(), Failure> {
    // Generated into memory first: a closed standard output is no panic then.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "routefuse", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(())
}
