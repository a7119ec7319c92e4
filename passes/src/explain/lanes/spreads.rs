//! Which lane has which columns.

use super::{LaneIs, SpreadLanes, count, label};
use routefuse_ir::kernel::analysis::reached;
use routefuse_ir::kernel::schedule::block_rows::{BLOCK_ROWS, Division};
use routefuse_ir::kernel::schedule::laid::{Asker, Laid, asked};
use routefuse_ir::kernel::schedule::{Domain, Piece, RowShape, Schedule};
use routefuse_ir::kernel::{Kernel, RowOp, RowValue, ValueId};
use routefuse_ir::target::{Target, TargetKind};

/// Lanes that are listed at most: a flat schedule has a thread for each piece, however many.
const MOST_LISTED: u64 = 1024;

/// Ranges of all lanes together that are listed at most.
const MOST_RANGES: u64 = 1 << 16;

/// Spreads by what they are, with values added to those that are known.
#[derive(Default)]
struct Found {
    spreads: Vec<SpreadLanes>,
}

impl Found {
    fn add(&mut self, values: Vec<String>, made: impl FnOnce() -> SpreadLanes, same: impl Fn(&SpreadLanes) -> bool) {
        let at = self.spreads.iter().position(same).unwrap_or_else(|| {
            self.spreads.push(made());
            self.spreads.len() - 1
        });
        let known = &mut self.spreads[at].values;
        for value in values {
            if !known.contains(&value) {
                known.push(value);
            }
        }
    }

    fn widest_first(mut self) -> Vec<SpreadLanes> {
        self.spreads.sort_by_key(|s| std::cmp::Reverse(s.columns));
        self.spreads
    }
}

/// What the stores of a domain ask for.
fn stored(kernel: &Kernel, domain: &Domain) -> Vec<String> {
    let stores = domain.stores.iter().map(|s| &kernel.stores[*s as usize]);
    let mut names: Vec<String> = stores.flat_map(|s| s.operands()).map(|id| label(kernel, id)).collect();
    names.dedup();
    names
}

/// A row schedule on a GPU.
pub(super) fn team(kernel: &Kernel, domains: &[Domain], shape: RowShape) -> Vec<SpreadLanes> {
    let (mut found, reached) = (Found::default(), reached(kernel));
    for (asker, segments, width) in asked(kernel, domains) {
        let values = match asker {
            Asker::Domain(i) => stored(kernel, &domains[i]),
            Asker::Operand(id) | Asker::Chosen(id) if !reached[id.0 as usize] => continue,
            Asker::Operand(id) => kernel.value(id).kind.operands().iter().map(|o| label(kernel, *o)).collect(),
            Asker::Chosen(id) => vec![label(kernel, id)],
        };
        let same = |s: &SpreadLanes| s.columns == segments * width && s.segment == width;
        found.add(values, || laid(kernel, shape, segments, width), same);
    }
    found.widest_first()
}

fn laid(kernel: &Kernel, shape: RowShape, segments: u64, width: u64) -> SpreadLanes {
    let laid = Laid::of(kernel, shape, segments, width);
    let lanes = u64::from(shape.lanes);
    let listed = lanes.min(MOST_LISTED).min((MOST_RANGES / laid.turns).max(1));
    let what = match segments {
        1 => count(width, "column"),
        _ => format!("{segments} segments of {}", count(width, "column")),
    };
    let owner: Vec<Vec<[u64; 2]>> = (0..listed).map(|lane| laid.ranges(lane)).collect();
    SpreadLanes {
        what,
        values: vec![],
        columns: segments * width,
        segment: width,
        rows: 1,
        lane: LaneIs::Thread,
        interleaved: laid.run < laid.registers || laid.turns > 1,
        owner,
        more_lanes: lanes - listed,
        times: laid.times(),
    }
}

/// A flat schedule: a thread of a GPU has a piece, the host's thread whole rows.
pub(super) fn flat(kernel: &Kernel, domains: &[Domain], target: Target) -> Vec<SpreadLanes> {
    let mut found = Found::default();
    for domain in domains {
        let is_host = target.kind() == TargetKind::Host;
        let spread = if is_host { host_piece(domain) } else { gpu_piece(domain) };
        let (columns, rows) = (spread.columns, spread.rows);
        found.add(stored(kernel, domain), || spread, |s| s.columns == columns && s.rows == rows);
    }
    found.widest_first()
}

fn host_piece(domain: &Domain) -> SpreadLanes {
    let width = u64::from(domain.piece.width());
    match domain.piece {
        Piece::Rows { .. } if width > 1 => upright(domain.cols, width),
        _ => whole_rows(domain.cols, width),
    }
}

/// One thread has all columns of a row, so many at a time.
fn whole_rows(columns: u64, at_a_time: u64) -> SpreadLanes {
    SpreadLanes {
        what: format!("{}, up to {at_a_time} at a time", count(columns, "column")),
        values: vec![],
        columns,
        segment: columns,
        rows: 1,
        lane: LaneIs::Loop,
        owner: vec![vec![[0, columns - 1]]],
        more_lanes: 0,
        times: 1,
        interleaved: false,
    }
}

/// Each lane of a vector has a row.
fn upright(columns: u64, rows: u64) -> SpreadLanes {
    SpreadLanes {
        what: format!("{} of {rows} rows, a row in each lane of a vector", count(columns, "column")),
        values: vec![],
        columns,
        segment: columns,
        rows,
        lane: LaneIs::VectorLane,
        owner: (0..rows).map(|row| vec![[row * columns, (row + 1) * columns - 1]]).collect(),
        more_lanes: 0,
        times: 1,
        interleaved: false,
    }
}

/// Threads have pieces in row-major order: of as many rows as it takes until a thread begins with a row again.
fn gpu_piece(domain: &Domain) -> SpreadLanes {
    let (columns, width) = (domain.cols, u64::from(domain.piece.width()));
    let (what, rows) = match domain.piece {
        Piece::InRow { .. } => (format!("{}, {width} neighbours a thread", count(columns, "column")), 1),
        Piece::AcrossRows { width: 1 } => (format!("{}, one a thread", count(columns, "column")), 1),
        Piece::AcrossRows { .. } => (
            format!("{}, {} a thread in row-major order", count(columns, "column"), count(width, "neighbour")),
            width / gcd(columns, width),
        ),
        Piece::Rows { .. } => (format!("1 column, {} a thread", count(width, "row")), width),
    };
    let lanes = (rows * columns).div_ceil(width);
    let listed = lanes.min(MOST_LISTED);
    SpreadLanes {
        what,
        values: vec![],
        columns,
        segment: columns,
        rows,
        lane: LaneIs::Thread,
        owner: (0..listed).map(|lane| vec![[lane * width, (lane + 1) * width - 1]]).collect(),
        more_lanes: lanes - listed,
        times: 1,
        interleaved: false,
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A row schedule on the host: one lane has a row, or a lane of a vector has one.
pub(super) fn host(kernel: &Kernel, schedule: &Schedule) -> Vec<SpreadLanes> {
    let division = (schedule.block_rows() > 1).then(|| Division::of(kernel, schedule.held())).flatten();
    let is_by_row = |id: ValueId| division.as_ref().is_none_or(|d| d.is_by_row(id));
    let (mut found, reached) = (Found::default(), reached(kernel));
    let mut add = |by_row: bool, columns: u64, width: u64, values: Vec<String>| {
        let lane = if by_row { LaneIs::Loop } else { LaneIs::VectorLane };
        let made = || if by_row { whole_rows(columns, width) } else { upright(columns, u64::from(BLOCK_ROWS)) };
        found.add(values, made, |s| s.columns == columns && s.lane == lane);
    };
    let at_a_time = schedule.domains().iter().map(|d| u64::from(d.piece.width())).max().unwrap_or(1);
    for (id, value) in kernel.values().filter(|(id, _)| reached[id.0 as usize]) {
        let Some(RowValue { op, value: operand, .. }) = value.kind.row_value() else { continue };
        let columns = kernel.value(*operand).space.cols;
        add(is_by_row(id), columns, at_a_time, vec![label(kernel, *operand)]);
        if matches!(op, RowOp::TopK { .. }) {
            add(is_by_row(id), value.space.cols, at_a_time, vec![label(kernel, id)]);
        }
    }
    for domain in schedule.domains() {
        let by_row = division.is_none() || Division::stores_by_row(domain.cols);
        add(by_row, domain.cols, at_a_time, stored(kernel, domain));
    }
    found.widest_first()
}
