//! The tree of commands, in groups.

use crate::args::Cli;
use clap::CommandFactory;
use clap::builder::StyledStr;
use std::fmt::Write;

/// What the commands are for, in the order of the help.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Write and look at graphs", &["new", "models", "check", "fmt", "explain", "report", "explore", "dump"]),
    ("Compile", &["targets", "compile"]),
    ("Run and measure", &["run", "diff", "bench", "tune", "demo"]),
    ("Keep", &["cache", "bundle"]),
    ("About the program", &["doctor", "code", "completions", "man", "help"]),
];

/// The command line of the program, as clap knows it: every command, argument and option with its help.
#[must_use]
pub fn command() -> clap::Command {
    let command = Cli::command();
    let template = template(&command);
    command.help_template(template)
}

/// The help of the program itself: clap lists commands, but not in groups.
fn template(command: &clap::Command) -> StyledStr {
    let (header, literal) = (command.get_styles().get_header(), command.get_styles().get_literal());
    let about = |name: &str| {
        let found = command.find_subcommand(name).and_then(|c| c.get_about());
        // Clap adds this one when it reads the command line.
        let help = (name == "help").then(|| "Print the help of a command".to_owned());
        found.map(ToString::to_string).or(help)
    };
    let width = command.get_subcommands().map(|c| c.get_name().len()).max().unwrap_or(0);
    let mut text = StyledStr::new();
    let mut put = |line: std::fmt::Arguments| text.write_fmt(line).expect("text in memory takes every line");
    put(format_args!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n"));
    for (group, names) in GROUPS {
        put(format_args!("\n{header}{group}:{header:#}\n"));
        for name in names {
            if let Some(about) = about(name) {
                put(format_args!("  {literal}{name:<width$}{literal:#}  {about}\n"));
            }
        }
    }
    put(format_args!("\n{header}Options:{header:#}\n{{options}}{{after-help}}"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        for command in command().get_subcommands() {
            let name = command.get_name();
            let times = GROUPS.iter().flat_map(|g| g.1).filter(|n| **n == name).count();
            assert_eq!(times, usize::from(!command.is_hide_set()), "how often `{name}` stands in GROUPS");
        }
    }
}
