//! What is shown on a terminal of 80 columns, and is not where there is none.

use crate::program::{command, example, folder};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Command, Stdio};

/// What a terminal got.
struct Shown {
    code: i32,
    text: String,
}

/// A terminal of 80 columns: its own end, and the program's.
fn terminal() -> (File, File) {
    let own = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&own).unwrap();
    unlockpt(&own).unwrap();
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let path = ptsname(&own, Vec::new()).unwrap().into_string().unwrap();
    let programs = OpenOptions::new().read(true).write(true).open(path).unwrap();
    tcsetwinsize(&programs, size).unwrap();
    (File::from(own), programs)
}

/// Runs a command whose standard error is a terminal, and whose standard output is one too or goes nowhere.
fn on_terminal(command: &mut Command, output_too: bool) -> Shown {
    let (mut own, programs) = terminal();
    let out = if output_too { Stdio::from(programs.try_clone().unwrap()) } else { Stdio::null() };
    let mut child = command.env("TERM", "xterm").stdout(out).stderr(Stdio::from(programs)).spawn().unwrap();
    // The command keeps ends of the terminal for a next run, without which this one ends in an error.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    // Linux reports the end of what a terminal shows as an error.
    while let Ok(n @ 1..) = own.read(&mut part) {
        bytes.extend_from_slice(&part[..n]);
    }
    let code = child.wait().unwrap().code().unwrap();
    Shown { code, text: String::from_utf8_lossy(&bytes).into_owned() }
}

/// What stands in lines, each bar one of its own: without what moves the cursor.
fn lines(shown: &str) -> Vec<String> {
    let pieces = shown.split(['\n', '\r']);
    let plain = |piece: &str| {
        let mut parts = piece.split("\u{1b}[");
        let first = parts.next().unwrap_or_default().to_owned();
        let rest = |part: &str| part.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |p| p.1).to_owned();
        // A cleared line begins anew.
        parts.map(|part| (part.starts_with("2K"), rest(part))).fold(vec![first], |mut all, (cleared, text)| {
            match all.last_mut() {
                Some(last) if !cleared => last.push_str(&text),
                _ => all.push(text),
            }
            all
        })
    };
    pieces.flat_map(plain).collect()
}

#[test]
fn tables_fit_80_columns() {
    let dir = folder();
    let cache = dir.path().join("cache");
    let bundle = dir.path().join("model.rfb").display().to_string();
    let graph = example("c_pack");
    let build = ["bundle", "build", &graph, "--target", "host,gfx11-generic", "-o", &bundle];
    let cases: [&[&str]; 10] = [
        &build,
        &["bundle", "inspect", &bundle],
        &["cache", "ls"],
        &["cache", "stat"],
        &["models"],
        &["models", "deepseek-v3"],
        &["models", "longcat-flash"],
        &["targets"],
        &["doctor"],
        &["bench", &graph, "--dim", "T=1,64"],
    ];
    for args in cases {
        let shown = on_terminal(command(args).env("ROUTEFUSE_CACHE_DIR", &cache), true);
        assert_eq!(shown.code, 0, "{args:?}: {}", shown.text);
        assert!(shown.text.lines().count() > 1 || args == build, "{args:?}: {}", shown.text);
        for line in lines(&shown.text) {
            // A path is not broken.
            let short = line.chars().count() <= 80 || line.split_whitespace().any(|word| word.contains(&bundle));
            assert!(short, "{args:?}: {line}");
        }
    }
}

/// A table of one row in two lines on a terminal is one line for a program that reads it.
#[test]
fn nothing_is_broken_for_programs() {
    let piped = crate::program::routefuse(&["models"]).ok();
    let shown = on_terminal(&mut command(&["models"]), true).text;
    assert!(shown.lines().count() > piped.lines().count(), "{shown}");
    assert!(piped.lines().any(|l| l.starts_with("qwen3-next ") && l.ends_with("Qwen3-Coder-Next")), "{piped}");
}

#[test]
fn progress_of_what_takes_long() {
    let dir = folder();
    let out = dir.path().join("out").display().to_string();
    let compile = [
        "compile",
        "--model",
        "deepseek-v3",
        "--option",
        "post=true",
        "--target",
        "host,sm_90,gfx942",
        "-o",
        &out,
        "--force",
    ];
    let shown = on_terminal(command(&compile).env("ROUTEFUSE_PROGRESS_AFTER_MS", "0"), false);
    assert_eq!(shown.code, 0, "{}", shown.text);
    assert!(shown.text.contains("/9 deepseek_v3"), "a bar with the number of variants: {}", shown.text);
    // It is taken away at the end.
    assert!(shown.text.ends_with("\u{1b}[2K") || shown.text.trim_end().ends_with("\u{1b}[2K"), "{:?}", shown.text);
    let quiet = on_terminal(&mut command(&[&compile[..], &["-q"]].concat()), false);
    assert_eq!((quiet.code, quiet.text.as_str()), (0, ""));
}

/// Lines of the table and the bar share a terminal.
#[test]
fn progress_of_the_demo() {
    let shown = on_terminal(command(&["demo"]).env("ROUTEFUSE_PROGRESS_AFTER_MS", "0"), true);
    assert_eq!(shown.code, 0, "{}", shown.text);
    let bars = shown.text.split('\r').filter(|part| part.contains("deepseek-v3 post") || part.contains("_post_chain"));
    assert!(bars.count() > 2 && shown.text.contains("every bit agrees"), "{}", shown.text);
    for line in lines(&shown.text) {
        assert!(line.chars().count() <= 80, "{line:?}");
    }
}
