//! The pages of codes: every example that is a graph gives its code with the message on the page, and what is mended does not.
//! Commands are run by the tests of the program, and parts of programs by the suite of `tests`.

use routefuse_ir::diag::{Example, ExampleKind, Page, reference};
use routefuse_ir::{Code, Diagnostics, json, text};
use std::path::{Path, PathBuf};

/// Codes whose examples are words, each with why no test runs it. The list may only become shorter.
const NOT_RUN: &[(&str, &str)] = &[
    ("RF0501", "a defect: no graph gives it"),
    ("RF0802", "a defect: no graph gives it"),
    ("RF0803", "a processor without a feature that code needs"),
    ("RF0804", "a defect: no graph gives it"),
    ("RF0807", "a GPU"),
    ("RF0808", "a GPU whose driver fails"),
    ("RF0815", "a defect: what verifies has kernels"),
    ("RF0901", "a defect: no graph gives it"),
    ("RF1101", "a program in C: crates/c/tests/c/refusals.c"),
    ("RF1102", "a program in C: crates/c/tests/c/refusals.c"),
];

fn checked(example: Example) -> Option<Result<(), Diagnostics>> {
    match example.kind {
        ExampleKind::Route => Some(text::parse_verified(example.text).map(|_| ())),
        ExampleKind::Json => Some(json::from_str(example.text).and_then(|g| g.verify()).map(|_| ())),
        _ => None,
    }
}

#[test]
fn examples_give_their_codes_and_mended_ones_do_not() {
    let mut ran = 0;
    for code in Code::ALL {
        let page = Page::of(*code);
        let Some(found) = checked(page.example) else { continue };
        ran += 1;
        let errors = found.expect_err(code.as_str());
        let error = errors.iter().find(|d| d.code == *code).unwrap_or_else(|| panic!("{code} is not among\n{errors}"));
        let help = error.help.as_ref().map_or(String::new(), |help| format!("\n  help: {help}"));
        said(*code, &format!("{code}: {}{help}", error.message));
        let mended = page.mended.and_then(checked).unwrap_or_else(|| panic!("{code}: no mended graph"));
        mended.unwrap_or_else(|d| panic!("{code}: what is mended is refused: {d}"));
    }
    assert!(ran >= 35, "{ran}");
}

/// Holds the message of a page, or writes it.
fn said(code: Code, message: &str) {
    let path = root().join(format!("ir/src/diag/pages/{code}.md"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (before, rest) = text.split_once("## Message\n\n```text\n").expect("a message");
    let (found, behind) = rest.split_once("\n```").expect("a block");
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        std::fs::write(&path, format!("{before}## Message\n\n```text\n{message}\n```{behind}")).expect("written");
        return;
    }
    assert_eq!(found, message, "the page of {code} (`make snapshots` writes its message)");
}

#[test]
fn what_is_not_run_is_listed() {
    let words: Vec<&str> =
        Code::ALL.iter().filter(|c| Page::of(**c).example.kind == ExampleKind::Words).map(|c| c.as_str()).collect();
    let listed: Vec<&str> = NOT_RUN.iter().map(|(code, _)| *code).collect();
    assert_eq!(words, listed);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_reference_of_codes_is_what_the_pages_say() {
    let (path, expected) = (root().join("docs/reference/errors.md"), reference());
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        std::fs::write(&path, &expected).expect("written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert!(found == expected, "docs/reference/errors.md is out of date (`make snapshots` writes it): {differs:?}");
}
