//! What the documents show of the program is what it prints: each block of `console` in `README.md` and `docs/` is run.
//!
//! A line that begins with `$ ` is given to a shell, in a folder of the page's own that has the repository's `examples/`, with an
//! empty cache; lines of `> ` continue it. What follows is what it prints, on either stream: there a line `...` stands for any
//! lines, `…` for anything within one, and a hash for any other. Every command ends well, but for the last one of a block of `console,fails`. A block of
//! `console,ignore` is not run: it needs a GPU, a network, or what a reader has. A block of another kind whose name ends the line
//! above it, as in "`my.route`:", is written to that file for the commands after it.
//!
//! `make snapshots` writes what is printed where it differs.

use snapbox::Assert;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The pages whose blocks are run: all but those that record what was measured.
fn pages() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    let mut waiting = vec![root().join("docs")];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("lab-notes") {
                waiting.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A folder for the commands of one page.
struct Room(tempfile::TempDir);

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(root().join("examples").canonicalize().unwrap(), folder.path().join("examples"))
            .unwrap();
        Room(folder)
    }

    /// A file that the page says to write.
    fn write(&self, name: &str, lines: &[&str]) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
    }

    /// What a line prints, and whether it ended well.
    fn run(&self, line: &str) -> (String, bool) {
        let program = Path::new(env!("CARGO_BIN_EXE_routefuse"));
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROUTEFUSE_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
        let output = command
            .args(["-c", &format!("exec 2>&1\n{line}")])
            .current_dir(self.0.path())
            .env("PATH", format!("{}:{path}", program.parent().unwrap().display()))
            .env("ROUTEFUSE_CACHE_DIR", self.0.path().join("cache"))
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let here = self.0.path().display().to_string();
        (out.replace(&here, "/home/you"), output.status.success())
    }
}

/// As it is compared: what differs from one build or machine to the next is the same.
fn comparable(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    let settle = |digits: &mut String, out: &mut String| {
        out.push_str(if digits.len() >= 16 { "HASH" } else { digits });
        digits.clear();
    };
    for c in text.chars() {
        if c.is_ascii_digit() || ('a'..='f').contains(&c) {
            digits.push(c);
        } else {
            settle(&mut digits, &mut out);
            out.push(c);
        }
    }
    settle(&mut digits, &mut out);
    out
}

/// The lines of a block after its commands were run: equal to what they were where all is as it says.
fn block(room: &Room, lines: &[&str], fails: bool, wrong: &mut Vec<String>) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = lines.iter().peekable();
    while let Some(line) = rest.next() {
        let Some(first) = line.strip_prefix("$ ") else {
            wrong.push(format!("`{line}` stands before any command"));
            out.push((*line).to_owned());
            continue;
        };
        out.push((*line).to_owned());
        let mut command = first.to_owned();
        while let Some(more) = rest.next_if(|l| l.starts_with("> ")) {
            command.push_str(&format!("\n{}", &more[2..]));
            out.push((*more).to_owned());
        }
        let mut expected = Vec::new();
        while let Some(more) = rest.next_if(|l| !l.starts_with("$ ")) {
            expected.push(*more);
        }
        let (printed, well) = room.run(&command);
        let is_last = rest.peek().is_none();
        if well == (fails && is_last) {
            wrong.push(format!("`{command}` ended {}:\n{printed}", if well { "well" } else { "with an error" }));
        }
        // Spaces at the end of a line are not seen.
        let printed: Vec<&str> = printed.trim_end().lines().map(str::trim_end).collect();
        let a = comparable(&printed.join("\n"));
        let b = comparable(expected.join("\n").trim_end()).replace('…', "[..]");
        match Assert::new().try_eq(None, a.into(), b.into()) {
            Ok(()) => out.extend(expected.iter().map(|l| (*l).to_owned())),
            Err(error) => {
                wrong.push(format!("`{command}`:{error}"));
                out.extend(printed.iter().map(|l| (*l).to_owned()));
            }
        }
    }
    out
}

/// The page's text with what its commands print today.
fn page(text: &str, wrong: &mut Vec<String>) -> String {
    let room = Room::new();
    let mut out: Vec<String> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let above = out.iter().rev().find(|l| !l.is_empty()).cloned().unwrap_or_default();
        out.push(line.to_owned());
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else { continue };
        let inside: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
        match info {
            "console" | "console,fails" => out.extend(block(&room, &inside, info.ends_with("fails"), wrong)),
            _ => {
                if let Some(name) = above.strip_suffix("`:").and_then(|l| l.rsplit('`').next()) {
                    room.write(name, &inside);
                }
                out.extend(inside.iter().map(|l| (*l).to_owned()));
            }
        }
        out.push("```".to_owned());
    }
    out.join("\n") + "\n"
}

#[test]
fn what_documents_show_is_what_the_program_prints() {
    let update = std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always");
    let mut wrong = Vec::new();
    for path in pages() {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut here = Vec::new();
        let written = page(&text, &mut here);
        let is_update = update && written != text;
        if is_update {
            std::fs::write(&path, written).unwrap();
        } else {
            wrong.extend(here.iter().map(|w| format!("{}: {w}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "`make snapshots` writes what is printed now.\n{}", wrong.join("\n\n"));
}

#[test]
fn blocks_are_run_and_compared() {
    let mut wrong = Vec::new();
    let good = "```console\n$ echo a; echo b >&2\na\nb\n$ printf '%s\\n' 1 2 3\n1\n...\n$ echo x12y\nx…y\n$ echo 0123456789abcdef\nfedcba9876543210\n```\n\
                ```console,fails\n$ false\n```\nThis is `a/b`:\n```text\n$ nonsense\n```\n```console\n$ wc -l < a/b\n1\n```\n";
    assert_eq!(page(good, &mut wrong), good);
    assert!(wrong.is_empty(), "{wrong:?}");
    let bad = "```console\n$ echo a\nb\n$ false\n```\n";
    assert_eq!(page(bad, &mut wrong), "```console\n$ echo a\na\n$ false\n```\n");
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].contains("echo a") && wrong[1].contains("`false` ended with an error"), "{wrong:?}");
}
