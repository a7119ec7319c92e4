//! The one file: template, style, script and document.

use crate::model::Document;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The document as JSON in which no text can end an HTML element: every `<` is written by its number.
pub fn json(document: &Document) -> String {
    // The document is structs, lists, texts and numbers: all of that has a JSON form.
    serde_json::to_string(document).unwrap_or_default().replace('<', "\\u003c")
}

/// The page as one file. In the template, `{{title}}`, `{{style}}`, `{{document}}` and `{{script}}` stand for their contents; what
/// is put in is not looked through again.
pub fn html(document: &Document) -> String {
    let mut page = String::new();
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let (word, after) = after.split_once("}}").unwrap_or((after, ""));
        match word {
            "title" => page.push_str(&escaped(&document.title)),
            "style" => page.push_str(STYLE),
            "document" => page.push_str(&json(document)),
            "script" => page.push_str(SCRIPT),
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
