//! Errors of usage: what to write instead.

use crate::command_tree::command;
use crate::word_wrap::wrapped;
use clap::Error;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::fmt::Write;
use std::process::exit as exit_with;

/// What the program says when it is asked for nothing.
const NOTHING_ASKED: &str = "\
routefuse makes one kernel of the operations behind a Mixture-of-Experts router.

Usage: routefuse <COMMAND>

Try first:
  routefuse explain --model deepseek-v3   what becomes of a model's router
  routefuse demo                          the speed and the bits, on real tokens
  routefuse --help                        all commands
";

/// Says what is wrong with the command line, or the help that was asked for, and ends the process.
pub fn exit(mut error: Error) -> ! {
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if std::env::args_os().len() == 1 => {
            eprint!("{NOTHING_ASKED}");
            exit_with(error.exit_code())
        }
        ErrorKind::UnknownArgument => suggest(&mut error),
        _ => {}
    }
    error.exit()
}

/// An option that this command has not, but others have: says which.
fn suggest(error: &mut Error) {
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else { return };
    let Some(name) = given.strip_prefix("--").map(|n| n.split('=').next().unwrap_or(n).to_owned()) else { return };
    let takers = takers(&command(), &name);
    if takers.is_empty() {
        return;
    }
    let mut tip = StyledStr::new();
    let (last, first) = takers.split_last().map_or((String::new(), &[][..]), |(last, first)| (last.clone(), first));
    let list: Vec<String> = first.iter().map(|t| format!("{t},")).chain([last]).collect();
    // Clap breaks no lines of a tip.
    let lines = wrapped(&list, 70).join("\n    ");
    let written = write!(tip, "after these commands, `--{name}` is an option:\n    {lines}");
    if written.is_ok() {
        // In the place of what clap takes for meant.
        error.remove(ContextKind::SuggestedArg);
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
}

/// The commands with this long option, each with the commands above it: `cache push`.
fn takers(command: &clap::Command, option: &str) -> Vec<String> {
    let has = |c: &clap::Command| {
        c.get_arguments().any(|a| a.get_long_and_visible_aliases().is_some_and(|all| all.contains(&option)))
    };
    let mut found = Vec::new();
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        if has(sub) {
            found.push(sub.get_name().to_owned());
        }
        found.extend(takers(sub, option).into_iter().map(|below| format!("{} {below}", sub.get_name())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_know_their_commands() {
        let command = command();
        assert_eq!(takers(&command, "export"), ["compile"]);
        assert_eq!(
            takers(&command, "allow-http"),
            ["run", "bench", "tune", "cache stat", "cache push", "cache why-miss", "bundle build"]
        );
        assert!(takers(&command, "public-key").contains(&"bundle verify".to_owned()));
        assert!(takers(&command, "nonsense").is_empty());
    }
}
