//! The one file: template, style, script and document.
//!
//! The script is files of one concept each, put after each other inside one function; the style likewise. Both are in the page
//! itself, and the page's Content-Security-Policy allows exactly these two, by their hashes: a script that got into the page with
//! a name would not run, and nothing is asked of a network.

use crate::fit::MOST_BYTES;
use crate::model::{Document, Drawings};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use routefuse::Error;
use routefuse::diag::{Code, Diagnostic};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const TEMPLATE: &str = include_str!("page.html");

const STYLES: [&str; 6] = [
    include_str!("style.css"),
    include_str!("graph.css"),
    include_str!("stages.css"),
    include_str!("figures.css"),
    include_str!("editor.css"),
    include_str!("print.css"),
];

const SCRIPTS: [&str; 15] = [
    include_str!("element.js"),
    include_str!("figures.js"),
    include_str!("state.js"),
    include_str!("traffic.js"),
    include_str!("rows.js"),
    include_str!("graph.js"),
    include_str!("value.js"),
    include_str!("code.js"),
    include_str!("stages.js"),
    include_str!("search.js"),
    include_str!("schedule.js"),
    include_str!("launches.js"),
    include_str!("numbers.js"),
    include_str!("editor.js"),
    include_str!("frame.js"),
];

static STYLE: LazyLock<String> = LazyLock::new(|| STYLES.join("\n"));

/// All of the script's names are of one function, and none is the window's.
static SCRIPT: LazyLock<String> =
    LazyLock::new(|| format!("\"use strict\";\n(() => {{\n{}\nstart();\n}})();\n", SCRIPTS.join("\n")));

/// What the page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// A file that is looked at.
    Report,
    /// A page with an editor, which asks its own server for documents.
    Explore,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Report => "report",
            Mode::Explore => "explore",
        }
    }

    /// Whom the page may ask.
    fn connect(self) -> &'static str {
        match self {
            Mode::Report => "'none'",
            Mode::Explore => "'self'",
        }
    }
}

/// The document as JSON in which no text can end an HTML element: every `<` is written by its number.
pub fn json(document: &Document) -> String {
    inert_json(document)
}

/// The drawing of a document, as [`json`] has it in [`Document::graph`].
pub fn drawing_json(drawings: &Option<Drawings>) -> String {
    inert_json(drawings)
}

/// A part of a document as [`json`] has it.
pub(crate) fn inert_json(part: &impl Serialize) -> String {
    // Documents are structs, lists, texts and numbers: all of that has a JSON form.
    inert(&serde_json::to_string(part).unwrap_or_default())
}

/// The page as one file with the document in it, of [`MOST_BYTES`] at most: [what is too much](Document::fitted) is left out.
///
/// # Errors
/// `RF0112` if what cannot be left out is too large.
pub fn html(document: &Document) -> Result<String, Error> {
    // Beside these there are a title and two hashes.
    let room = MOST_BYTES - TEMPLATE.len() - STYLE.len() - SCRIPT.len() - 4096;
    let page = fill(Mode::Report, &document.title, &json(&document.fitted(room)));
    if page.len() > MOST_BYTES {
        let message = format!(
            "the page of {} would have {} bytes, and at most {MOST_BYTES} are written",
            document.title,
            page.len()
        );
        let help = "`dump` prints the stages of a graph of any size, and `explain` says what becomes of it";
        return Err(Diagnostic::new(Code::TooLarge, message).help(help).into());
    }
    Ok(page)
}

/// The page with an editor, for a server on this machine. `settings` is JSON for `editor.js`, which says what it has.
pub fn explore_html(settings: &serde_json::Value) -> String {
    fill(Mode::Explore, "routefuse explore", &inert(&settings.to_string()))
}

/// The Content-Security-Policy of [`explore_html`], for the server to send as a header: there it can also forbid frames.
pub fn explore_policy() -> String {
    format!("{}; frame-ancestors 'none'", policy(Mode::Explore))
}

/// JSON has no `<` but in strings, where a number may stand for it.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// Only this style and this script; no images but the empty icon; no base address, no forms that go anywhere.
fn policy(mode: Mode) -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; connect-src {}; base-uri 'none'; form-action 'none'",
        hash(&SCRIPT),
        hash(&STYLE),
        mode.connect()
    )
}

/// The template with its words, as in `{{title}}`, replaced; what is put in is not looked through again.
fn fill(mode: Mode, title: &str, document: &str) -> String {
    let mut page = String::with_capacity(TEMPLATE.len() + STYLE.len() + SCRIPT.len() + document.len() + 1024);
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let (word, after) = after.split_once("}}").unwrap_or((after, ""));
        match word {
            "mode" => page.push_str(mode.name()),
            "policy" => page.push_str(&policy(mode)),
            "title" => page.push_str(&escaped(title)),
            "style" => page.push_str(&STYLE),
            "document" => page.push_str(document),
            "script" => page.push_str(&SCRIPT),
            _ => {}
        }
        rest = after;
    }
    page.push_str(rest);
    page
}

/// Text between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script or style that could end its own element would let the rest of it be markup.
    #[test]
    fn nothing_ends_its_element_early() {
        assert!(!SCRIPT.to_lowercase().contains("</script") && !SCRIPT.contains("<!--"));
        assert!(!STYLE.to_lowercase().contains("</style"));
    }

    /// What data says becomes text nodes; the ways to make markup of it are not used.
    #[test]
    fn the_script_makes_no_markup_of_text() {
        for way in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser"]
        {
            assert!(!SCRIPT.contains(way), "{way}");
        }
    }

    /// Every word of the template is known: one that is not would leave a hole.
    #[test]
    fn every_word_of_the_template_is_filled() {
        let words = TEMPLATE.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0));
        let known = ["mode", "policy", "title", "style", "document", "script"];
        assert_eq!(words.filter(|w| known.contains(w)).count(), TEMPLATE.matches("{{").count());
        let page = fill(Mode::Report, "a <b> & {{script}}", "{\"x\": \"{{style}}\"}");
        assert!(
            page.contains("<title>a &lt;b&gt; &amp; {{script}}</title>") && page.contains("{\"x\": \"{{style}}\"}")
        );
    }

    /// A file asks nobody; the page of a server may ask that server.
    #[test]
    fn only_the_editor_may_ask_its_server() {
        assert!(policy(Mode::Report).contains("connect-src 'none'"));
        assert!(policy(Mode::Explore).contains("connect-src 'self'"));
        assert!(!policy(Mode::Report).contains("unsafe"));
    }
}
