//! The picture as an SVG document.

use super::Picture;
use super::drawing::{Arrow, Carried, Drawing, Figure, Kind};
use super::layout::{Geometry, LINE, Layout, Rectangle, layout, line_width};
use std::fmt::Write;

/// Around and between the drawings.
const MARGIN: f64 = 24.0;
/// Drawings that are wider together stand below each other.
const WIDEST: f64 = 1200.0;
/// Above a drawing, for its title.
const TITLE: f64 = 30.0;
/// Below the drawings, for what colours and arrows mean.
const LEGEND: f64 = 34.0;

const STYLE: &str = "\
text{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}\
.title{font-size:14px;font-weight:bold}.name{fill:#8a6100}.sub{fill:#59636e}\
rect{stroke:#59636e;fill:#fff}.page{stroke:none}.input{fill:#dbe9fb;stroke:#5b8bc9}.output{fill:#dcf2e0;stroke:#4f9a61}\
.workspace{fill:#f6dccb;stroke:#b9754a}.frame{fill:#fff3d6;stroke:#c9962b}.constant{fill:none;stroke:none}\
path{fill:none;stroke:#8c959f;stroke-dasharray:3 3}.memory{stroke:#6e7781;stroke-dasharray:none}";

/// The number of rows at which arrows are as wide as their bytes: that at which a report begins.
const ROWS: u64 = 64;

/// The document.
pub(super) fn write(picture: &Picture) -> String {
    let [before, after] = picture.of_both(|d| layout(&Geometry::of(d, 1)));
    let title = |d: &Drawing, l: &Layout| l.width.max(line_width(&d.title) * 14.0 / 12.0);
    let (left, right) = (title(&picture.before, &before), title(&picture.after, &after));
    let legend = &format!(
        "A yellow frame is a kernel. Thick arrows pass through memory, as wide as the bytes of {ROWS} rows; thin ones stay in registers."
    );
    let (width, height, second);
    if left + right + 3.0 * MARGIN <= WIDEST {
        width = left + right + 3.0 * MARGIN;
        height = before.height.max(after.height) + TITLE;
        second = (2.0 * MARGIN + left, MARGIN);
    } else {
        width = left.max(right) + 2.0 * MARGIN;
        height = before.height + after.height + 2.0 * TITLE + MARGIN;
        second = (MARGIN, before.height + TITLE + 2.0 * MARGIN);
    }
    let size = (width.max(line_width(legend) + 2.0 * MARGIN), height + 2.0 * MARGIN + LEGEND);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = document(picture, [(&before, (MARGIN, MARGIN)), (&after, second)], size, legend, &mut out);
    out
}

/// Text between tags, or in a quoted attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn document(
    picture: &Picture,
    layouts: [(&Layout, (f64, f64)); 2],
    (width, height): (f64, f64),
    legend: &str,
    out: &mut String,
) -> std::fmt::Result {
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">"
    )?;
    writeln!(out, "<title>{} before and after fusion</title>", escaped(&picture.name))?;
    writeln!(out, "<style>{STYLE}</style>")?;
    writeln!(
        out,
        "<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" style=\"fill:#1f2328;stroke:none\"/>\
         </marker></defs>"
    )?;
    writeln!(out, "<rect class=\"page\" width=\"100%\" height=\"100%\"/>")?;
    for (d, (l, corner)) in [&picture.before, &picture.after].into_iter().zip(layouts) {
        drawing(d, l, corner, out)?;
    }
    writeln!(out, "<text class=\"sub\" x=\"{MARGIN}\" y=\"{:.1}\">{legend}</text>", height - MARGIN / 2.0)?;
    writeln!(out, "</svg>")
}

fn drawing(d: &Drawing, l: &Layout, (x, y): (f64, f64), out: &mut String) -> std::fmt::Result {
    writeln!(out, "<text class=\"title\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>", y + 6.0, escaped(&d.title))?;
    writeln!(out, "<g transform=\"translate({x:.1} {:.1})\">", y + TITLE)?;
    for (name, r) in d.kernels.iter().zip(&l.kernels) {
        rectangle("frame", *r, 10.0, out)?;
        let (x, y) = (r.x - r.width / 2.0 + 8.0, r.y - r.height / 2.0 + 15.0);
        writeln!(out, "<text class=\"name\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(name))?;
    }
    let bytes = |arrow: &Arrow| {
        let Carried { row_bytes, once_bytes, .. } = d.boxes[arrow.from].value;
        (ROWS as f64).mul_add(row_bytes as f64, once_bytes as f64)
    };
    let most = d.arrows.iter().filter(|a| a.memory).map(bytes).fold(1.0, f64::max);
    for (arrow, points) in d.arrows.iter().zip(&l.arrows) {
        let memory = match arrow.memory {
            // As the page of a report draws it.
            true => {
                format!(" class=\"memory\" stroke-width=\"{:.1}\"", 7.0f64.mul_add((bytes(arrow) / most).sqrt(), 1.5))
            }
            false => String::new(),
        };
        writeln!(out, "<path{memory} d=\"{}\" marker-end=\"url(#head)\"/>", curve(points))?;
    }
    for (b, r) in d.boxes.iter().zip(&l.boxes) {
        one_box(b, *r, out)?;
    }
    writeln!(out, "</g>")
}

fn rectangle(class: &str, r: Rectangle, round: f64, out: &mut String) -> std::fmt::Result {
    let (x, y) = (r.x - r.width / 2.0, r.y - r.height / 2.0);
    let Rectangle { width, height, .. } = r;
    writeln!(
        out,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round}\"/>"
    )
}

fn one_box(b: &Figure, r: Rectangle, out: &mut String) -> std::fmt::Result {
    let (class, round) = match b.kind {
        Kind::Input => ("input", 0.0),
        Kind::Output => ("output", 0.0),
        Kind::Workspace => ("workspace", 0.0),
        Kind::Constant => ("constant", 0.0),
        Kind::Op => ("op", 4.0),
        Kind::Kernel => ("frame", 10.0),
    };
    writeln!(out, "<g><title>{}</title>", escaped(&b.hint))?;
    rectangle(class, r, round, out)?;
    for (i, line) in b.lines.iter().enumerate() {
        let y = r.y + (i as f64 - (b.lines.len() as f64 - 1.0) / 2.0) * LINE + 4.0;
        let class = if i == 0 { "" } else { " class=\"sub\"" };
        // Whatever font there is, the line takes the width that was laid out for it.
        let width = line_width(line);
        writeln!(
            out,
            "<text{class} x=\"{:.1}\" y=\"{y:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
             xml:space=\"preserve\">{}</text>",
            r.x - width / 2.0,
            escaped(line)
        )?;
    }
    writeln!(out, "</g>")
}

/// A smooth line through the points: straight at both ends, bent at each point between.
pub(super) fn curve(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = match points.get(i + 1) {
            _ if i == 0 => write!(path, "M{x:.1} {y:.1}"),
            Some((nx, ny)) if i + 2 < points.len() => {
                write!(path, "Q{x:.1} {y:.1} {:.1} {:.1}", (x + nx) / 2.0, (y + ny) / 2.0)
            }
            Some((nx, ny)) => write!(path, "Q{x:.1} {y:.1} {nx:.1} {ny:.1}"),
            None if points.len() == 2 => write!(path, "L{x:.1} {y:.1}"),
            None => Ok(()),
        };
    }
    path
}
