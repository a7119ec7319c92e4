//! Diagnostics for people, with the source line and a caret, and for machines.

use crate::args::Colour;
use crate::failure::Failure;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Severity};
use routefuse::diag::{Diagnostic, Span};
use std::io::{IsTerminal, Write};
use std::sync::Arc;

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
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false);
    let mut text = String::new();
    match failure {
        Failure::InSource { name, source, diagnostics } => {
            let named = Arc::new(NamedSource::new(name, source.clone()));
            for d in diagnostics.iter() {
                let report = miette::Report::new(labelled(d, source.len())).with_source_code(Arc::clone(&named));
                // Writing to a String cannot fail.
                let _ = handler.render_report(&mut text, report.as_ref());
                text.push('\n');
            }
            let n = diagnostics.len();
            text.push_str(&format!("{name}: {n} error{}\n", if n == 1 { "" } else { "s" }));
        }
        Failure::Plain(diagnostics) => {
            for d in diagnostics.iter() {
                let _ = handler.render_report(&mut text, &labelled(d, 0));
            }
        }
        Failure::Mismatch(what) | Failure::Unformatted(what) => {
            text.push_str(what);
            text.push('\n');
        }
        Failure::ClosedOutput => {}
    }
    // If standard error is closed there is nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn labelled(d: &Diagnostic, source_len: usize) -> MietteDiagnostic {
    let mut m = MietteDiagnostic::new(d.message.clone()).with_code(d.code.as_str()).with_severity(Severity::Error);
    m.help = match (&d.help, &d.span, &d.context) {
        (help, None, Some(context)) => {
            Some(help.as_ref().map_or(format!("in {context}"), |h| format!("in {context}\n{h}")))
        }
        (help, _, _) => help.clone(),
    };
    if let Some(Span { start, end }) = d.span.filter(|s| s.end <= source_len) {
        m.labels = Some(vec![LabeledSpan::new_with_span(None, (start, end.max(start) - start))]);
    }
    m
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
