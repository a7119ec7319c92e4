//! `docs/reference/cli.md` says what the program's own help says: it is written from the tree of commands.

use clap::{Arg, Command};
use std::fmt::Write;
use std::path::Path;

/// Lines as they stand in the help, but for what Markdown would take for markup of its own.
fn prose(text: &str) -> String {
    let mut out = String::new();
    for (i, part) in text.split('`').enumerate() {
        if i > 0 {
            out.push('`');
        }
        // Within backticks nothing is markup.
        let plain = if i % 2 == 1 { part.to_owned() } else { part.replace('<', "\\<").replace('*', "\\*") };
        out.push_str(&plain);
    }
    out
}

/// A help text on one line, ended as a sentence is: clap takes the stop away.
fn sentence(help: &str) -> String {
    let text = prose(&help.replace("\n\n", " ").replace('\n', " "));
    if text.is_empty() || text.ends_with(['.', '?', '!', ':']) { text } else { text + "." }
}

/// The names of an argument and what it takes: `-o, --out <DIR>`.
fn names(arg: &Arg) -> String {
    let mut names: Vec<String> = Vec::new();
    names.extend(arg.get_short().map(|short| format!("-{short}")));
    names.extend(arg.get_long_and_visible_aliases().unwrap_or_default().iter().map(|long| format!("--{long}")));
    let values: Vec<String> = arg.get_value_names().unwrap_or_default().iter().map(|v| format!("<{v}>")).collect();
    let takes = arg.get_action().takes_values();
    match (names.is_empty(), takes) {
        (true, _) => values.join(" "),
        (false, true) => format!("{} {}", names.join(", "), values.join(" ")),
        (false, false) => names.join(", "),
    }
}

fn argument(out: &mut String, arg: &Arg) {
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    write!(out, "- `{}`: {}", names(arg), sentence(&help)).unwrap();
    if !arg.is_hide_default_value_set() && arg.get_action().takes_values() {
        let defaults: Vec<String> = arg.get_default_values().iter().map(|v| v.to_string_lossy().into_owned()).collect();
        if !defaults.is_empty() {
            write!(out, " Default: `{}`.", defaults.join(",")).unwrap();
        }
    }
    out.push('\n');
    if arg.is_hide_possible_values_set() || !arg.get_action().takes_values() {
        return;
    }
    for value in arg.get_possible_values().iter().filter(|v| !v.is_hide_set()) {
        match value.get_help() {
            Some(help) => writeln!(out, "  - `{}`: {}", value.get_name(), sentence(&help.to_string())).unwrap(),
            None => writeln!(out, "  - `{}`", value.get_name()).unwrap(),
        }
    }
}

fn section(out: &mut String, path: &str, command: &Command, is_root: bool) {
    if !is_root {
        let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
        write!(out, "\n## {path}\n{}\n", sentence(&about)).unwrap();
    }
    let usage = command.clone().bin_name(path).render_usage().to_string();
    write!(out, "\n```text\n{}\n```\n", usage.replace("\n       ", "\n")).unwrap();
    // Options that all commands have stand with the program's.
    let shown = |arg: &&Arg| {
        let own = is_root || !arg.is_global_set();
        own && !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version"
    };
    let mut headings: Vec<&str> = Vec::new();
    let heading = |arg: &Arg| match (arg.get_help_heading(), arg.is_positional()) {
        (Some(heading), _) => heading.to_owned(),
        (None, true) => "Arguments".to_owned(),
        (None, false) => "Options".to_owned(),
    };
    let all: Vec<(String, &Arg)> = command.get_arguments().filter(shown).map(|a| (heading(a), a)).collect();
    for (name, _) in all.iter().filter(|(_, a)| a.is_positional()).chain(all.iter().filter(|(_, a)| !a.is_positional()))
    {
        if !headings.contains(&name.as_str()) {
            headings.push(name);
        }
    }
    for name in headings {
        write!(out, "\n{name}:\n\n").unwrap();
        for (_, arg) in all.iter().filter(|(of, _)| of == name) {
            argument(out, arg);
        }
    }
    if let Some(after) = command.get_after_long_help().or(command.get_after_help()) {
        write!(out, "\n```text\n{}\n```\n", after.to_string().trim_end()).unwrap();
    }
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        section(out, &format!("{path} {}", sub.get_name()), sub, false);
    }
}

fn reference() -> String {
    let mut command = routefuse_cli::command();
    command.build();
    let mut out =
        "# The command line\nEvery command, argument and option of the program, as `routefuse COMMAND --help` prints \
                   them. A test writes this page from the program.\n"
            .to_owned();
    section(&mut out, "routefuse", &command, true);
    out
}

#[test]
fn the_reference_is_what_the_program_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    let expected = reference();
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert!(found == expected, "docs/reference/cli.md is out of date (`make snapshots` writes it): {differs:?}");
}
