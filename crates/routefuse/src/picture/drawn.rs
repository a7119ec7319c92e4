//! A drawing that is laid out, as data: for programs that draw it themselves.

use super::drawing::{Carried, Drawing, Kind};
use super::layout::{Layout, Rectangle};
use super::svg::curve;

/// One half of a [`Picture`](super::Picture), laid out. Lengths are pixels, from the upper left corner.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Drawn {
    /// What it shows, in one line.
    pub title: String,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// Values, operations and memory.
    pub boxes: Vec<DrawnBox>,
    /// A frame around what each kernel computes, in the order in which kernels run; none where each operation is a kernel.
    pub frames: Vec<DrawnFrame>,
    /// From where a value is made to where it is used.
    pub arrows: Vec<DrawnArrow>,
}

/// A box of a [`Drawn`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DrawnBox {
    /// Left and upper edge, width and height.
    pub at: [f64; 4],
    /// One or two lines; what is too long is cut.
    pub lines: Vec<String>,
    /// The same in full.
    pub hint: String,
    /// `input`, `output` or `workspace` (memory), `constant`, `op` (inside a kernel) or `kernel` (an operation by itself).
    pub kind: &'static str,
    /// The value that it stands for, by its name in the graph that is drawn.
    pub value: String,
    /// The frame that it is in.
    pub frame: Option<usize>,
}

/// A frame of a [`Drawn`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DrawnFrame {
    /// Left and upper edge, width and height.
    pub at: [f64; 4],
    /// The kernel's name, made visible.
    pub name: String,
}

/// An arrow of a [`Drawn`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DrawnArrow {
    /// The line, as the attribute `d` of a path of SVG.
    pub path: String,
    /// The value that it carries, by its name in the graph that is drawn.
    pub value: String,
    /// The boxes that it leads from and to.
    pub ends: [usize; 2],
    /// It passes through memory; otherwise the value stays in registers.
    pub memory: bool,
    /// The dim of the value's rows.
    pub rows: Option<String>,
    /// Bytes of the value for each row.
    pub row_bytes: u64,
    /// Bytes of the value in all, where it has no rows.
    pub once_bytes: u64,
}

impl Drawn {
    pub(super) fn of(d: &Drawing, laid: &Layout) -> Drawn {
        let boxes = d.boxes.iter().zip(&laid.boxes).map(|(b, r)| DrawnBox {
            at: corner(*r),
            lines: b.lines.clone(),
            hint: b.hint.clone(),
            kind: match b.kind {
                Kind::Input => "input",
                Kind::Output => "output",
                Kind::Workspace => "workspace",
                Kind::Constant => "constant",
                Kind::Op => "op",
                Kind::Kernel => "kernel",
            },
            value: b.value.name.clone(),
            frame: b.kernel,
        });
        let frames = d.kernels.iter().zip(&laid.kernels);
        let arrows = d.arrows.iter().zip(&laid.arrows).map(|(arrow, points)| {
            let Carried { name, rows, row_bytes, once_bytes } = d.boxes[arrow.from].value.clone();
            DrawnArrow {
                path: curve(points),
                value: name,
                ends: [arrow.from, arrow.to],
                memory: arrow.memory,
                rows,
                row_bytes,
                once_bytes,
            }
        });
        Drawn {
            title: d.title.clone(),
            width: laid.width,
            height: laid.height,
            boxes: boxes.collect(),
            frames: frames.map(|(name, r)| DrawnFrame { at: corner(*r), name: name.clone() }).collect(),
            arrows: arrows.collect(),
        }
    }
}

fn corner(r: Rectangle) -> [f64; 4] {
    [r.x - r.width / 2.0, r.y - r.height / 2.0, r.width, r.height]
}
