//! The help of every command, at 80 columns.

use crate::program::{command, ran};

/// What the program prints on a terminal of 80 columns.
fn at_80_columns(args: &[&str]) -> String {
    ran(command(args).env("COLUMNS", "80"), b"").ok()
}

/// The commands that a help lists before its options.
fn listed(help: &str) -> Vec<String> {
    let lines = help.lines().take_while(|l| *l != "Options:" && *l != "Arguments:");
    let names = lines.filter_map(|l| l.strip_prefix("  ")?.split("  ").next());
    let command = |n: &&str| n.starts_with(|c: char| c.is_ascii_lowercase()) && *n != "help" && !n.contains(' ');
    names.filter(command).map(str::to_owned).collect()
}

/// One snapshot a command: its short help, then its long one.
#[test]
fn every_help() {
    let mut waiting = vec![Vec::<String>::new()];
    let mut seen = 0;
    while let Some(path) = waiting.pop() {
        let with = |flag: &'static str| {
            let args: Vec<&str> = path.iter().map(String::as_str).chain([flag]).collect();
            at_80_columns(&args)
        };
        let (short, long) = (with("-h"), with("--help"));
        for line in short.lines().chain(long.lines()) {
            assert!(line.chars().count() <= 80, "{path:?}: {line}");
        }
        assert!(long.contains("Example: routefuse "), "{path:?}");
        let name = if path.is_empty() { "routefuse".to_owned() } else { path.join("_") };
        // Lines that clap leaves empty end in spaces.
        let trimmed = |help: &str| help.lines().map(|l| format!("{}\n", l.trim_end())).collect::<String>();
        let both = format!("{}\n{}\n{}", trimmed(&short), "=".repeat(80), trimmed(&long));
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, both);
        });
        waiting.extend(listed(&short).into_iter().map(|sub| [path.clone(), vec![sub]].concat()));
        seen += 1;
    }
    assert!(seen > 25, "{seen} commands");
}

/// What is about the compiler's cache stands where it acts, and an option elsewhere is told where it belongs.
#[test]
fn options_stand_where_they_act() {
    let help = |command: &str| at_80_columns(&[command, "-h"]);
    for without in ["check", "fmt", "dump", "compile", "models", "targets", "demo", "code", "completions"] {
        assert!(!help(without).contains("Cache options"), "{without}");
    }
    let of_caches = ["cache-dir", "no-cache", "remote-cache", "allow-http", "remote-write", "sign", "require-signed"];
    for with in ["run", "bench", "tune", "explain", "report", "doctor"] {
        let help = help(with);
        let (own, rest) = help.split_once("Cache options:").expect("options of caches");
        assert!(own.contains("\nOptions:"), "{help}");
        let (theirs, _) = rest.split_once("Output options:").expect("options of outputs");
        let names = theirs.lines().filter_map(|line| line.strip_prefix("      --")?.split(' ').next());
        let others: Vec<&str> = names.filter(|name| !of_caches.contains(name)).collect();
        assert!(others.is_empty(), "{with} has {others:?} among the options of caches");
    }
    let misplaced = ran(&mut command(&["check", "--cache-dir", "x", "y"]), b"");
    misplaced
        .fails(2, &["unexpected argument '--cache-dir'", "`--cache-dir` is an option: explain, report, run, bench,"]);
    let before = ran(&mut command(&["--no-cache", "run", "y"]), b"");
    before.fails(2, &["unexpected argument '--no-cache'", "after these commands"]);
}

/// Somebody who types the name alone is told what to type next.
#[test]
fn nothing_asked() {
    let ran = ran(&mut command::<&str>(&[]), b"");
    assert!(ran.err.lines().count() < 15 && ran.err.lines().all(|l| l.len() <= 80), "{}", ran.err);
    ran.fails(2, &["Try first:", "routefuse explain --model deepseek-v3", "routefuse --help"]);
}
