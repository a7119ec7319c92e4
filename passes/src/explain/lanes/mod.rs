//! A schedule as something that one can see: which lane has which columns, what is done one after the other, what crosses lanes,
//! and what each word of its notation means.

mod phases;
mod spreads;
mod words;

use routefuse_ir::kernel::schedule::{RowShape, Schedule, Variant};
use routefuse_ir::kernel::{Kernel, ValueId};
use routefuse_ir::target::Target;
use serde::Serialize;

/// A schedule on a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduleLanes {
    /// Every word of the notation that stands in this schedule, in the order in which they first stand there.
    pub words: Vec<Word>,
    /// The shapes, for more and more rows; a flat schedule has one.
    pub shapes: Vec<ShapeLanes>,
}

/// A word of the notation of schedules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Word {
    /// As it stands in the notation: `lanes=8`.
    pub term: String,
    /// A sentence.
    pub meaning: String,
}

/// How lanes share rows in one shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShapeLanes {
    /// The shape in the notation, without what it is for: `lanes=8 threads=128 sorted`, `flat threads=256`.
    pub notation: String,
    /// For which launches, in words: `up to 2048 rows`, `more than 2048 rows`, `any number of rows`.
    pub rows: String,
    /// The fewest rows of a launch that takes it.
    pub from: u64,
    /// The most; none for the last shape.
    pub to: Option<u64>,
    /// Lanes that share a row; 1 where one thread has whole rows, 0 where a row has no number of its own (a flat schedule).
    pub lanes: u32,
    /// Threads of a block; 1 on the host.
    pub threads: u32,
    /// Rows that a block has at a time; 0 for a flat schedule on a GPU, whose blocks are filled with pieces. On the host, rows
    /// that are done together.
    pub rows_a_block: u32,
    /// How columns lie over lanes, the widest first; what lies the same way is one entry.
    pub spreads: Vec<SpreadLanes>,
    /// What is done of a row, in order.
    pub phases: Vec<Phase>,
}

/// Columns of some values, and which lane has which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpreadLanes {
    /// What lies so, in words.
    pub what: String,
    /// The values, by the user's name (`%scores`) or by number in the kernel (`v7`).
    pub values: Vec<String>,
    /// Columns of a row.
    pub columns: u64,
    /// Neighbouring columns that are treated together; as many as there are columns, where all are.
    pub segment: u64,
    /// Rows that are drawn: 1 where lanes share a row; more where a lane has elements of several rows.
    pub rows: u64,
    /// What a lane is: a thread of a GPU, the one thread that has a row on the host, or a lane of a vector register there.
    pub lane: LaneIs,
    /// For each lane, ranges of elements, first and last; element `row × columns + column` of the rows that are drawn.
    pub owner: Vec<Vec<[u64; 2]>>,
    /// Lanes behind those of `owner` that go on in the same manner, with further columns.
    pub more_lanes: u64,
    /// So many times the elements lie over the lanes of a row, each time the same; only the first lanes store them.
    pub times: u64,
    /// A lane's columns are runs that lie apart, and not one run of neighbours.
    pub interleaved: bool,
}

/// What a lane of a drawing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneIs {
    /// A thread of a GPU.
    Thread,
    /// The host's one thread, which goes through the columns.
    Loop,
    /// A lane of a vector register of the host, which has a row.
    VectorLane,
}

/// What is done of a row before anything that needs it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// What it is for, in a few words.
    pub title: String,
    /// Inputs that are first read here.
    pub loads: Vec<String>,
    /// Values that are computed here for the first time, operands first.
    pub values: Vec<String>,
    /// Outputs that are written here.
    pub stores: Vec<String>,
    /// Whether a lane hears of what another has.
    pub crosses_lanes: bool,
    /// What crosses lanes, and by which way; empty if nothing does.
    pub crossing: String,
    /// Why it is a phase: what needs a whole row, or why work is divided here; empty if that is plain.
    pub why: String,
    /// What must be finished before the next phase begins, and for whom; empty if nothing waits.
    pub then: String,
}

impl ScheduleLanes {
    /// Of a schedule of this kernel for this target.
    pub fn of(kernel: &Kernel, schedule: &Schedule, target: Target) -> ScheduleLanes {
        let shapes = match schedule.shapes() {
            [] => vec![flat(kernel, schedule, target)],
            shapes => shapes.iter().enumerate().map(|(i, shape)| row(kernel, schedule, target, (i, *shape))).collect(),
        };
        ScheduleLanes { words: words::of(kernel, schedule, target), shapes }
    }
}

fn flat(kernel: &Kernel, schedule: &Schedule, target: Target) -> ShapeLanes {
    let threads = schedule.threads(Variant::HOST[0]);
    let is_host = target.info().warp == 1;
    ShapeLanes {
        notation: format!("flat threads={threads}"),
        rows: "any number of rows".to_owned(),
        from: 1,
        to: None,
        lanes: u32::from(is_host),
        threads,
        rows_a_block: u32::from(is_host),
        spreads: spreads::flat(kernel, schedule.domains(), target),
        phases: phases::flat(kernel, schedule.domains(), target),
    }
}

fn row(kernel: &Kernel, schedule: &Schedule, target: Target, (at, shape): (usize, RowShape)) -> ShapeLanes {
    let before = at.checked_sub(1).and_then(|i| schedule.shapes()[i].most_rows);
    let rows = match (before, shape.most_rows) {
        (None, None) => "any number of rows".to_owned(),
        (None, Some(most)) => format!("up to {most} rows"),
        (Some(fewer), None) => format!("more than {fewer} rows"),
        (Some(fewer), Some(most)) => format!("{} to {most} rows", fewer + 1),
    };
    let is_host = target.info().warp == 1;
    let rows_a_block = if is_host { schedule.block_rows() } else { shape.rows() };
    ShapeLanes {
        notation: shape.to_string(),
        rows,
        from: before.map_or(1, |fewer| fewer + 1),
        to: shape.most_rows,
        lanes: shape.lanes,
        threads: shape.threads,
        rows_a_block,
        spreads: if is_host {
            spreads::host(kernel, schedule)
        } else {
            spreads::team(kernel, schedule.domains(), shape)
        },
        phases: if is_host {
            phases::host(kernel, schedule)
        } else {
            phases::team(kernel, schedule.domains(), shape, target)
        },
    }
}

/// A value by the user's name, or by its number in the kernel's signature.
fn label(kernel: &Kernel, id: ValueId) -> String {
    let value = kernel.value(id);
    if value.name.is_empty() { format!("v{}", id.0) } else { format!("%{}", value.name) }
}

/// `1 row`, `2 rows`.
fn count(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}
