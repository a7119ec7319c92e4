//! `code`: the page of every code. Examples that are commands are run, in a folder of their own in which `examples` is the one
//! of the repository: each gives its code with the message on its page, and what is mended does not.

use crate::program::{command, examples, folder, routefuse};
use routefuse::diag::{Code, ExampleKind, Page};
use std::process::{Command, Stdio};

/// Runs commands in a fresh folder: whether the last one succeeded, and what they said on standard error.
fn shell(commands: &str) -> (bool, String) {
    let temporary = folder();
    std::os::unix::fs::symlink(examples(), temporary.path().join("examples")).expect("a link");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_routefuse"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    // What the program is given elsewhere: no cache of the user's.
    for (name, value) in command::<&str>(&[]).get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let ran = shell
        .args(["-e", "-c", commands])
        .env("PATH", path)
        .current_dir(temporary.path())
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    // Errors name files by their real paths, which are other ones in every checkout.
    let real = |path: &std::path::Path| format!("{}/", path.canonicalize().expect("a folder").display());
    let said = String::from_utf8(ran.stderr).expect("UTF-8");
    let said = said.replace(&real(&examples()), "examples/").replace(&real(temporary.path()), "");
    (ran.status.success(), said)
}

/// The words of what was said, without how they were broken into lines.
fn flat(text: &str) -> String {
    text.split_whitespace().filter(|w| !["│", "×", "help:", "╰─▶"].contains(w)).collect::<Vec<_>>().join(" ")
}

/// The message with a code that was said, and its help.
fn message(code: Code, said: &str) -> Option<String> {
    let (_, behind) = said.split_once(&format!("{code}\n"))?;
    let (mut message, mut help): (Vec<&str>, Vec<&str>) = (vec![], vec![]);
    let mut in_help = false;
    for line in behind.lines().skip_while(|l| l.trim().is_empty()) {
        let words = line.trim().trim_start_matches(['×', '│']).trim();
        if words.is_empty() || line.starts_with("RF") || words.starts_with("╭─") || line.starts_with("For more") {
            break;
        }
        match words.strip_prefix("help: ") {
            Some(first) => {
                in_help = true;
                help.push(first);
            }
            None if in_help => help.push(words),
            None => message.push(words),
        }
    }
    let help = if help.is_empty() { String::new() } else { format!("\n  help: {}", help.join(" ")) };
    Some(format!("{code}: {}{help}", message.join(" ")))
}

#[test]
fn commands_give_their_codes_and_mended_ones_do_not() {
    let (mut ran, mut wrong) = (0, vec![]);
    for code in Code::ALL {
        let page = Page::of(*code);
        if page.example.kind != ExampleKind::Commands {
            continue;
        }
        ran += 1;
        let (ok, said) = shell(page.example.text);
        match message(*code, &said) {
            Some(found) if !ok => written(*code, &found, &mut wrong),
            _ => wrong.push(format!("{code}: the example says\n{said}")),
        }
        let mended = page.mended.unwrap_or_else(|| panic!("{code}: nothing is mended"));
        assert_eq!(mended.kind, ExampleKind::Commands);
        let (ok, said) = shell(mended.text);
        if !ok {
            wrong.push(format!("{code}: what is mended says\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran > 15, "{ran}");
}

/// Holds the message of a page, or writes it.
fn written(code: Code, message: &str, wrong: &mut Vec<String>) {
    let path = examples().join(format!("../ir/src/diag/pages/{code}.md"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (before, rest) = text.split_once("## Message\n\n```text\n").expect("a message");
    let (found, behind) = rest.split_once("\n```").expect("a block");
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        std::fs::write(&path, format!("{before}## Message\n\n```text\n{message}\n```{behind}")).expect("written");
        return;
    }
    if flat(found) != flat(message) {
        wrong.push(format!(
            "{code}: the page (`make snapshots` writes its message) has\n{found}\nand said is\n{message}"
        ));
    }
}

#[test]
fn a_page_a_list_and_json() {
    insta::assert_snapshot!("code_rf0102", routefuse(&["code", "rf0102"]).ok());
    let list = routefuse(&["code"]).ok();
    for code in Code::ALL {
        assert!(list.contains(&format!("\n  {code}  ")), "{code}");
    }
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    let json = routefuse(&["code", "RF0601", "--json"]).json();
    assert_eq!((&json["code"], &json["example"]["kind"]), (&"RF0601".into(), &"sh".into()));
    let groups = routefuse(&["code", "--json"]).json();
    let all = groups["groups"].as_array().unwrap().iter().map(|g| g["codes"].as_array().unwrap().len()).sum::<usize>();
    assert_eq!(all, Code::ALL.len());
    routefuse(&["code", "RF0120"]).fails(2, &["no error has this code", "RF0102"]);
}

#[test]
fn errors_name_the_command_that_says_more() {
    let said = routefuse(&["check", "no/such.route"]).err;
    let line = "For more information about this error, try `routefuse code RF0701`.\n";
    assert!(said.ends_with(line) && said.matches("For more").count() == 1, "{said}");
}
