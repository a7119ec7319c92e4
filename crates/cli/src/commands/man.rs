//! `routefuse man`.

use crate::args::Man;
use crate::atomic_file::{self, Over};
use crate::command_tree::command;
use crate::failure::Failure;
use crate::output;
use clap::Command;
use std::io::Write;
use std::path::PathBuf;

pub fn run(a: &Man) -> Result<(), Failure> {
    let mut tree = command().disable_help_subcommand(true);
    tree.build();
    let mut pages = Vec::new();
    collect(&tree, &mut pages)?;
    match &a.out {
        Some(folder) => {
            atomic_file::make_folder(folder)?;
            let files: Vec<(PathBuf, Vec<u8>)> =
                pages.into_iter().map(|(name, page)| (folder.join(name), page)).collect();
            atomic_file::write_all(&files, Over::forced(a.force, Over::Nothing))?;
            writeln!(output::stdout(false), "{} pages in {}", files.len(), folder.display())?;
        }
        None => std::io::stdout().write_all(&pages.swap_remove(0).1)?,
    }
    Ok(())
}

/// The name and the text of a command's page, then those of the commands below it.
fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    let man = clap_mangen::Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    pages.push((man.get_filename(), page));
    command.get_subcommands().filter(|c| !c.is_hide_set()).try_for_each(|below| collect(below, pages))
}
