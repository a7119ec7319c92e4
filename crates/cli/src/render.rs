//! Diagnostics for people, with the source line and a caret, and for machines.

use crate::args::Colour;
use crate::excerpt::Excerpt;
use crate::failure::Failure;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, Severity};
use routefuse::diag::{Diagnostic, Diagnostics, visible, visible_lines};
use std::io::{IsTerminal, Write};

/// Whether standard error (or output) gets colours.
pub fn coloured(colour: Colour, terminal: bool) -> bool {
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
    }
}

/// Prints why a command failed to standard error.
pub fn failure(failure: &Failure, colour: Colour) {
    let theme = if coloured(colour, std::io::stderr().is_terminal()) {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    // Names such as `gfx12-generic` are copied out of a message: they stay whole.
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(100)
        .with_links(false)
        .with_word_splitter(textwrap::WordSplitter::NoHyphenation)
        .with_break_words(false);
    let mut text = String::new();
    match failure {
        Failure::InSource { name, source, diagnostics } => {
            for d in diagnostics.iter() {
                report(&handler, d, Some((name, source)), &mut text);
                text.push('\n');
            }
            let n = diagnostics.len();
            text.push_str(&format!("{}: {n} error{}\n", visible(name), if n == 1 { "" } else { "s" }));
        }
        Failure::Plain(diagnostics) => {
            for d in diagnostics.iter() {
                report(&handler, d, None, &mut text);
            }
        }
        Failure::Mismatch(what) | Failure::Unformatted(what) => {
            text.push_str(&visible_lines(what));
            text.push('\n');
        }
        Failure::ClosedOutput => {}
    }
    if let Failure::InSource { diagnostics, .. } | Failure::Plain(diagnostics) = failure {
        text.push_str(&hint(diagnostics));
    }
    // If standard error is closed there is nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Where more is said of what failed: one line a run.
fn hint(diagnostics: &Diagnostics) -> String {
    let Some(first) = diagnostics.iter().next() else { return String::new() };
    let which = if diagnostics.iter().all(|d| d.code == first.code) { "this error" } else { "an error" };
    format!("For more information about {which}, try `routefuse code {}`.\n", first.code)
}

/// Adds one diagnostic, with its place if it is one of this source.
fn report(handler: &GraphicalReportHandler, d: &Diagnostic, source: Option<(&str, &str)>, text: &mut String) {
    let mut m = MietteDiagnostic::new(short(&d.visible_message()));
    m = m.with_code(d.code.as_str()).with_severity(Severity::Error);
    m.help = match (&d.help, &d.span, &d.context) {
        (help, None, Some(context)) => {
            let context = short(&visible(context));
            Some(help.as_ref().map_or(format!("in {context}"), |h| format!("in {context}\n{h}")))
        }
        (help, _, _) => help.clone(),
    };
    m.help = m.help.map(|help| short(&visible_lines(&help)));
    let excerpt = match (source, d.span) {
        (Some((name, source)), Some(span)) if span.end <= source.len() => Some(Excerpt::of(name, source, span)),
        _ => None,
    };
    if let Some(excerpt) = &excerpt {
        m.labels = Some(vec![LabeledSpan::new_with_span(None, excerpt.label())]);
    }
    let report = miette::Report::new(m);
    let report = match excerpt {
        Some(excerpt) => report.with_source_code(excerpt),
        None => report,
    };
    // Writing to a String cannot fail.
    let _ = handler.render_report(text, report.as_ref());
}

/// A text that is not longer than anyone reads.
fn short(text: &str) -> String {
    const LONGEST: usize = 4000;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}… ({} bytes more)", &text[..at], text.len() - at),
        None => text.to_owned(),
    }
}

/// A diagnostic as JSON: code, message, help, context, and the place as bytes and as line and column, from 1.
pub fn json(d: &Diagnostic, source: &str) -> serde_json::Value {
    let place = d.span.map(|s| {
        let before = source.get(..s.start.min(source.len())).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        serde_json::json!({ "start": s.start, "end": s.end, "line": line, "column": column })
    });
    serde_json::json!({
        "code": d.code.as_str(), "message": d.message, "help": d.help, "context": d.context, "span": place,
    })
}
