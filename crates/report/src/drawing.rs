//! The two drawings, with positions of values and launches in the place of names.

use crate::model::{Drawing, DrawingBox, Drawings, Edge, Hull, Launches};
use crate::origin::Origin;
use routefuse::inspect::Drawn;

/// Both, as they were laid out.
pub(crate) fn drawings([before, after]: [Drawn; 2], origin: &Origin<'_>, launches: &Launches) -> Drawings {
    let launch_of = |value: Option<usize>| {
        launches.before.iter().position(|l| value.is_some_and(|value| l.values.contains(&value)))
    };
    let mut before = drawing(before, origin);
    for b in before.boxes.iter_mut().filter(|b| b.kind == "kernel") {
        b.launch = launch_of(b.value);
    }
    Drawings { before, after: drawing(after, origin) }
}

/// None, and why.
pub(crate) fn none(why: &str) -> Drawings {
    let empty = Drawing { title: why.to_owned(), ..Drawing::default() };
    Drawings { before: empty.clone(), after: empty }
}

fn drawing(drawn: Drawn, origin: &Origin<'_>) -> Drawing {
    let value = |name: &str| origin.find(name);
    let boxes = drawn.boxes.into_iter().map(|b| {
        let [x, y, w, h] = b.at.map(rounded);
        let kind = if b.kind == "workspace" { "memory" } else { b.kind };
        DrawingBox { x, y, w, h, lines: b.lines, hint: b.hint, value: value(&b.value), kind, launch: b.frame }
    });
    let hulls = drawn.frames.into_iter().enumerate().map(|(launch, frame)| {
        let [x, y, w, h] = frame.at.map(rounded);
        Hull { x, y, w, h, title: frame.name, launch }
    });
    let edges = drawn.arrows.into_iter().map(|a| {
        let [from, to] = a.ends;
        let (rows, row_bytes, once_bytes) = (a.rows, a.row_bytes, a.once_bytes);
        Edge { path: a.path, value: value(&a.value), from, to, memory: a.memory, rows, row_bytes, once_bytes }
    });
    Drawing {
        title: drawn.title,
        width: rounded(drawn.width),
        height: rounded(drawn.height),
        boxes: boxes.collect(),
        hulls: hulls.collect(),
        edges: edges.collect(),
    }
}

/// A tenth of a pixel is more than can be seen.
fn rounded(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}
