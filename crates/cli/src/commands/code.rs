//! `routefuse code`.

use crate::failure::Failure;
use crate::output;
use routefuse::diag::{Code, Group, Page};
use serde_json::{Value, json};
use std::io::Write;

pub fn run(code: Option<Code>, as_json: bool) -> Result<(), Failure> {
    let mut out = output::stdout(as_json);
    match (code, as_json) {
        (Some(code), false) => write!(out, "{}", page(&Page::of(code)))?,
        (Some(code), true) => writeln!(out, "{:#}", machine(&Page::of(code)))?,
        (None, false) => write!(out, "{}", list())?,
        (None, true) => {
            let groups: Vec<Value> = Group::ALL
                .iter()
                .map(|group| {
                    let pages: Vec<Value> = group.codes().map(|code| machine(&Page::of(code))).collect();
                    json!({ "prefix": group.prefix, "title": group.title, "codes": pages })
                })
                .collect();
            writeln!(out, "{:#}", json!({ "groups": groups }))?;
        }
    }
    Ok(())
}

/// Every code in its group, with one sentence.
fn list() -> String {
    let mut text = String::new();
    for group in Group::ALL {
        let gap = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{gap}{}  {}\n", group.prefix, group.title));
        for code in group.codes() {
            let first = format!("  {code}  ");
            text.push_str(&wrapped(&first, &" ".repeat(first.len()), code.summary()));
        }
    }
    text.push_str("\n`routefuse code RF0102` says more of one: an example, its message, and the cure.\n");
    text
}

/// What a code means, an example, its message, and the cure.
fn page(page: &Page) -> String {
    let Page { code, meaning, example, message, cure, mended } = page;
    let code_block =
        |text: &str| text.lines().map(|l| format!("    {l}").trim_end().to_owned() + "\n").collect::<String>();
    let mut text = wrapped(&format!("{code}  "), "        ", code.summary());
    text.push_str(&format!("\n{}", wrapped("", "", meaning)));
    text.push_str(&format!("\nExample\n{}", code_block(example.text)));
    text.push_str(&format!("\nMessage\n{}", code_block(message)));
    text.push_str(&format!("\nCure\n{}", wrapped("  ", "  ", cure)));
    if let Some(mended) = mended {
        text.push_str(&code_block(mended.text));
    }
    text
}

fn machine(page: &Page) -> Value {
    let Page { code, meaning, example, message, cure, mended } = page;
    json!({
        "code": code.as_str(), "summary": code.summary(), "meaning": meaning, "message": message, "cure": cure,
        "example": { "kind": example.kind.name(), "text": example.text },
        "mended": mended.map(|mended| json!({ "kind": mended.kind.name(), "text": mended.text })),
    })
}

/// Words in lines as wide as the terminal.
fn wrapped(first: &str, rest: &str, words: &str) -> String {
    let options = textwrap::Options::new(textwrap::termwidth())
        .initial_indent(first)
        .subsequent_indent(rest)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(words, options) + "\n"
}
