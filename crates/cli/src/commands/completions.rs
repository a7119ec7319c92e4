//! `routefuse completions`.

use crate::command_tree::command;
use crate::failure::Failure;
use std::io::Write;

pub fn run(shell: clap_complete::Shell) -> Result<(), Failure> {
    // Generated into memory first: a closed standard output is no panic then.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "routefuse", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(())
}
