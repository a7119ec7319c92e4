//! Where things go, by `dagre`: layers from top to bottom, kernels as compound nodes around their boxes.

use super::drawing::{Drawing, Figure};
use dagre::graph::{Graph, GraphOptions};
use dagre::{EdgeLabel, LayoutOptions, NodeLabel};

/// Width of a character of the monospaced font at 12 pixels.
pub(super) const CHARACTER: f64 = 7.2;
/// From one line of a box to the next.
pub(super) const LINE: f64 = 16.0;
/// Above a kernel's boxes, for its name.
const NAME: f64 = 18.0;

/// A rectangle by its centre.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rectangle {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// A drawing, laid out in pixels.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub width: f64,
    pub height: f64,
    /// One for each box.
    pub boxes: Vec<Rectangle>,
    /// One for each kernel.
    pub kernels: Vec<Rectangle>,
    /// The points of each arrow, from its beginning to its head.
    pub arrows: Vec<Vec<(f64, f64)>>,
}

/// The width of a line in pixels.
pub(super) fn line_width(line: &str) -> f64 {
    cells(line) as f64 * CHARACTER
}

/// What a layout is a function of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    boxes: Vec<BoxSize>,
    kernels: usize,
    /// From which box to which.
    arrows: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BoxSize {
    /// Characters of the longest line.
    cells: usize,
    lines: usize,
    kernel: Option<usize>,
}

impl Geometry {
    /// Of a drawing. Lines count as a multiple of `step` characters: then a longer name seldom changes the layout.
    pub(super) fn of(d: &Drawing, step: usize) -> Geometry {
        let size = |b: &Figure| BoxSize {
            cells: b.lines.iter().map(|l| cells(l)).max().unwrap_or(0).next_multiple_of(step),
            lines: b.lines.len(),
            kernel: b.kernel,
        };
        Geometry {
            boxes: d.boxes.iter().map(size).collect(),
            kernels: d.kernels.len(),
            arrows: d.arrows.iter().map(|a| (a.from, a.to)).collect(),
        }
    }
}

/// The width of a line in characters. Wide scripts take two.
fn cells(line: &str) -> usize {
    line.chars().map(|c| if u32::from(c) >= 0x1100 && c != '…' && c != '→' { 2 } else { 1 }).sum()
}

/// Lays a drawing out.
pub(super) fn layout(d: &Geometry) -> Layout {
    let mut g: Graph<NodeLabel, EdgeLabel> =
        Graph::with_options(GraphOptions { directed: true, multigraph: true, compound: true });
    for k in 0..d.kernels {
        g.set_node(kernel(k), Some(NodeLabel::default()));
    }
    for (i, b) in d.boxes.iter().enumerate() {
        let width = b.cells as f64 * CHARACTER + 16.0;
        let height = b.lines as f64 * LINE + 10.0;
        g.set_node(node(i), Some(NodeLabel { width, height, ..NodeLabel::default() }));
        if let Some(k) = b.kernel {
            g.set_parent(&node(i), Some(&kernel(k)));
        }
    }
    for (i, (from, to)) in d.arrows.iter().enumerate() {
        g.set_edge(node(*from), node(*to), Some(EdgeLabel::default()), Some(&i.to_string()));
    }
    for k in 0..d.kernels {
        read_above_and_written_below(&mut g, d, k);
    }
    let options = LayoutOptions { nodesep: 18.0, edgesep: 10.0, ranksep: 26.0, ..LayoutOptions::default() };
    dagre::layout(&mut g, Some(options));

    let rectangle = |name: String| {
        let label = g.node(&name);
        label.map_or_else(Rectangle::default, |l| Rectangle {
            x: l.x.unwrap_or(0.0),
            y: l.y.unwrap_or(0.0),
            width: l.width,
            height: l.height,
        })
    };
    let mut laid = Layout {
        boxes: (0..d.boxes.len()).map(|i| rectangle(node(i))).collect(),
        kernels: (0..d.kernels).map(|k| rectangle(kernel(k))).map(with_name).collect(),
        ..Layout::default()
    };
    for (i, (from, to)) in d.arrows.iter().enumerate() {
        let label = g.edge(&node(*from), &node(*to), Some(&i.to_string()));
        laid.arrows.push(label.map_or_else(Vec::new, |l| l.points.iter().map(|p| (p.x, p.y)).collect()));
    }
    laid.move_to_origin();
    laid
}

/// What a kernel reads lies above its frame, what it writes below: an invisible node between all that it reads and all that
/// begins in it, and another between all that ends in it and all that it writes.
fn read_above_and_written_below(g: &mut Graph<NodeLabel, EdgeLabel>, d: &Geometry, k: usize) {
    let inside = |i: usize| d.boxes[i].kernel == Some(k);
    let members: Vec<usize> = (0..d.boxes.len()).filter(|i| inside(*i)).collect();
    let arrows = || d.arrows.iter().copied();
    let first = members.iter().filter(|m| !arrows().any(|(from, to)| to == **m && inside(from)));
    let last = members.iter().filter(|m| !arrows().any(|(from, to)| from == **m && inside(to)));
    let read = arrows().filter(|(from, to)| inside(*to) && !inside(*from)).map(|(from, _)| from);
    let written = arrows().filter(|(from, to)| inside(*from) && !inside(*to)).map(|(_, to)| to);
    let (above, below) = (format!("above{k}"), format!("below{k}"));
    for name in [&above, &below] {
        g.set_node(name.clone(), Some(NodeLabel { width: 1.0, height: 1.0, ..NodeLabel::default() }));
    }
    let mut order = |from: String, to: String| {
        g.set_edge(from, to, Some(EdgeLabel::default()), Some("order"));
    };
    read.for_each(|i| order(node(i), above.clone()));
    first.for_each(|i| order(above.clone(), node(*i)));
    last.for_each(|i| order(node(*i), below.clone()));
    written.for_each(|i| order(below.clone(), node(i)));
}

fn node(index: usize) -> String {
    format!("box{index}")
}

fn kernel(index: usize) -> String {
    format!("kernel{index}")
}

/// A kernel's frame, higher by the line of its name.
fn with_name(r: Rectangle) -> Rectangle {
    Rectangle { y: r.y - NAME / 2.0, height: r.height + NAME, ..r }
}

impl Layout {
    /// Moves everything so that the drawing begins at (0, 0), and takes its size.
    fn move_to_origin(&mut self) {
        let rectangles = || self.boxes.iter().chain(&self.kernels);
        let points = || self.arrows.iter().flatten();
        let left = rectangles().map(|r| r.x - r.width / 2.0).chain(points().map(|p| p.0)).fold(f64::MAX, f64::min);
        let top = rectangles().map(|r| r.y - r.height / 2.0).chain(points().map(|p| p.1)).fold(f64::MAX, f64::min);
        let right = rectangles().map(|r| r.x + r.width / 2.0).chain(points().map(|p| p.0)).fold(f64::MIN, f64::max);
        let bottom = rectangles().map(|r| r.y + r.height / 2.0).chain(points().map(|p| p.1)).fold(f64::MIN, f64::max);
        for r in self.boxes.iter_mut().chain(&mut self.kernels) {
            r.x -= left;
            r.y -= top;
        }
        for point in self.arrows.iter_mut().flatten() {
            *point = (point.0 - left, point.1 - top);
        }
        (self.width, self.height) = (right - left, bottom - top);
    }
}
