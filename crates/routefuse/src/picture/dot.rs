//! The picture in the DOT language.

use super::Picture;
use super::drawing::{Drawing, Kind};
use std::fmt::Write;

/// The whole text.
pub(super) fn write(picture: &Picture) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = graph(picture, &mut out);
    out
}

/// Text inside a quoted string. Labels are read for `\n` and for entities like `&lt;`, so that a backslash and an ampersand of
/// the text's own are written as what means them.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

fn graph(picture: &Picture, out: &mut String) -> std::fmt::Result {
    writeln!(out, "digraph {} {{", quoted(&picture.name))?;
    writeln!(out, "  compound=true; newrank=true; fontname=\"monospace\";")?;
    writeln!(out, "  node [shape=box, fontname=\"monospace\", fontsize=11, style=filled, fillcolor=white];")?;
    drawing(&picture.before, "before", out)?;
    drawing(&picture.after, "after", out)?;
    writeln!(out, "}}")
}

fn drawing(d: &Drawing, side: &str, out: &mut String) -> std::fmt::Result {
    writeln!(out, "  subgraph cluster_{side} {{")?;
    writeln!(out, "    label={};", quoted(&d.title))?;
    for (i, _) in d.boxes.iter().enumerate().filter(|(_, b)| b.kernel.is_none()) {
        node(d, side, i, "    ", out)?;
    }
    for (k, name) in d.kernels.iter().enumerate() {
        writeln!(out, "    subgraph cluster_{side}_{k} {{")?;
        writeln!(out, "      label={}; style=\"filled,rounded\"; fillcolor=\"#fff3d6\";", quoted(name))?;
        for (i, _) in d.boxes.iter().enumerate().filter(|(_, b)| b.kernel == Some(k)) {
            node(d, side, i, "      ", out)?;
        }
        writeln!(out, "    }}")?;
    }
    for arrow in &d.arrows {
        let width = if arrow.memory { 2 } else { 1 };
        writeln!(out, "    {side}{} -> {side}{} [penwidth={width}];", arrow.from, arrow.to)?;
    }
    writeln!(out, "  }}")
}

fn node(d: &Drawing, side: &str, index: usize, indent: &str, out: &mut String) -> std::fmt::Result {
    let b = &d.boxes[index];
    let style = match b.kind {
        Kind::Input => ", fillcolor=\"#dbe9fb\"",
        Kind::Output => ", fillcolor=\"#dcf2e0\"",
        Kind::Workspace => ", fillcolor=\"#f6dccb\"",
        Kind::Constant => ", shape=plain",
        Kind::Op => "",
        Kind::Kernel => ", style=\"filled,rounded\", fillcolor=\"#fff3d6\"",
    };
    let lines: Vec<String> = b.lines.iter().map(|l| escaped(l)).collect();
    writeln!(out, "{indent}{side}{index} [label=\"{}\"{style}, tooltip={}];", lines.join("\\n"), quoted(&b.hint))
}
