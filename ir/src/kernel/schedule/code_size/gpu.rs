//! GPUs: each thread has a piece, or the lanes of a team share a row. Every lane of a vector is code of its own.

use super::columns::{Columns, Step};
use super::walk::{ROW, Walk};
use super::{LIST, UNROLLED};
use crate::kernel::schedule::{Domain, Piece, RowShape, Schedule, Variant, sorted};
use crate::kernel::{RowOp, RowValue, ValueId};
use crate::op::{ReduceOp, TopKOrder};
use crate::target::Target;

/// Exchanges of a sorting network of [`LIST`] keys.
const EXCHANGES: u64 = 63;

/// Adds a store: its piece, and the row values that it needs.
pub(super) fn add_store(walk: &mut Walk, (schedule, variant): (&Schedule, Variant), target: Target, position: usize) {
    let Some(domain) = schedule.domains().iter().find(|d| d.stores.contains(&(position as u32))) else { return };
    let kernel = walk.kernel;
    let store = &kernel.stores[position];
    let team = schedule.shape(variant).map(|shape| Team {
        shape,
        lanes: u64::from(shape.lanes),
        warp: u64::from(target.info().warp),
        in_registers: target.abilities().keys_in_registers,
    });
    let (columns, rows) = match &team {
        None => piece(walk, domain),
        Some(team) => (team.spread(walk, 1, domain.cols).columns, 1),
    };
    let scope = match rows {
        1 => ROW,
        rows => super::walk::Scope { number: u32::MAX - domain.cols as u32, rows },
    };
    let lanes = columns.lanes().max(rows);
    for id in store.operands() {
        walk.ask(id, &columns, scope);
    }
    walk.count(store.value, if store.element().is_some() { 10 * lanes } else { 2 + lanes });
    let Some(team) = team else { return };
    while walk.goes_on()
        && let Some(id) = walk.to_compute.pop()
    {
        if let Some(row) = kernel.value(id).kind.row_value().copied() {
            team.row_value(walk, id, row);
        }
    }
}

/// The columns and the rows of a thread's piece of a domain.
fn piece(walk: &mut Walk, domain: &Domain) -> (Columns, u64) {
    let base = walk.numbering.base(None, Step::Root(domain.cols as u32));
    let lanes = u64::from(domain.piece.width());
    match domain.piece {
        Piece::InRow { .. } => (Columns::Dynamic { base, plus: 0, lanes, aligned: true }, 1),
        Piece::AcrossRows { .. } => (Columns::Dynamic { base, plus: 0, lanes, aligned: false }, lanes),
        Piece::Rows { .. } => (Columns::Known(vec![0]), lanes),
    }
}

/// The lanes of a row.
struct Team {
    shape: RowShape,
    lanes: u64,
    warp: u64,
    /// Keys of sorted lists stay in registers.
    in_registers: bool,
}

/// How segments lie over a team's lanes.
struct Spread {
    /// Columns of a lane in all.
    columns: Columns,
    /// Lanes of a segment.
    span: u64,
    /// Columns of a lane in each segment that it has a part of.
    registers: u64,
    /// Segments that a lane has parts of.
    turns: u64,
}

impl Team {
    fn spread(&self, walk: &mut Walk, segments: u64, width: u64) -> Spread {
        let span = (self.lanes / segments.next_power_of_two()).clamp(1, width.next_power_of_two());
        let registers = width.next_power_of_two().div_ceil(span);
        let turns = segments.div_ceil(self.lanes / span);
        let base = walk.numbering.base(None, Step::Root((segments << 32 | width) as u32 ^ (segments as u32) << 20));
        // With one column a lane, neighbours are in other lanes.
        let columns = Columns::Dynamic { base, plus: 0, lanes: registers * turns, aligned: true };
        Spread { columns, span, registers, turns }
    }

    /// Instructions until every lane of `span` has what all of them together give.
    fn join(&self, span: u64) -> u64 {
        let steps = u64::from(span.min(self.warp).max(1).ilog2());
        // Several warps talk through shared memory.
        4 * steps + if span > self.warp { 40 } else { 0 }
    }

    fn row_value(&self, walk: &mut Walk, id: ValueId, row: RowValue) {
        let kernel = walk.kernel;
        let operand = kernel.value(row.value);
        let segments = operand.space.cols / row.width;
        let spread = self.spread(walk, segments, row.width);
        let scope = ROW;
        walk.ask(row.value, &spread.columns, scope);
        let Spread { span, registers, turns, .. } = spread;
        let words = u64::from(operand.dtype.bits().div_ceil(32));
        let join = self.join(span);
        let each_turn = match row.op {
            RowOp::Reduce(ReduceOp::Sum) => words * (4 * registers + join),
            RowOp::Reduce(ReduceOp::Max | ReduceOp::Min) => words * (6 * registers + join),
            RowOp::Reduce(ReduceOp::TopTwoSum) => 12 * registers + 2 * join,
            RowOp::CumSum => {
                let steps = u64::from(row.width.next_power_of_two().ilog2());
                words * steps * 8 * registers
            }
            // Every column of the row is compared with each of a lane's own, of the rows before and of this one.
            RowOp::Rank { .. } => {
                let written_out = if row.width > UNROLLED { 1 } else { row.width };
                2 * written_out * (4 + (2 + words) * registers) + 6 * registers
            }
            RowOp::TopK { k, .. } => self.rounds(&spread, k) + if k > UNROLLED { 8 } else { 4 * k },
            RowOp::TopKMask { k, .. } if k >= row.width => 2 * registers,
            RowOp::TopKMask { k, .. } => {
                self.rounds(&spread, k).min(if registers == 1 { 6 * span } else { u64::MAX }) + 6 * registers
            }
        };
        walk.count(id, turns * each_turn);
        if let RowOp::TopK { .. } = row.op {
            // The columns that were chosen come out of shared memory.
            let chosen = kernel.value(id).space.cols.div_ceil(self.lanes);
            walk.count(id, 8 * chosen);
            if let RowOp::TopK { k, order: TopKOrder::Column, .. } = row.op {
                // Each is compared with all others of its segment.
                walk.count(id, 7 * chosen * if k > UNROLLED { 1 } else { k });
            }
        }
    }

    /// A selection by sorted lists of keys: these, their merges, and the columns; all but the columns a second time where quick
    /// keys are doubtful.
    fn sorted_lists(&self, spread: &Spread, k: u64) -> u64 {
        let (registers, size) = (spread.registers, k.next_power_of_two());
        let steps = u64::from(size.ilog2());
        let (lists, exchanges) = (registers.div_ceil(size), size * steps * (steps + 1) / 4);
        let merge = size * (2 + steps);
        let sort = lists * 2 * exchanges + lists * merge + 2 * u64::from(spread.span.max(1).ilog2()) * merge;
        // Keys in registers are gone through once more, each on its own.
        let columns = if self.in_registers { 20 } else { 6 } * registers + 150 + k.div_ceil(spread.span) * (3 * k + 30);
        20 * registers + 2 * sort + columns
    }

    /// A selection of one segment: lists that are sorted, and a round for each of the chosen.
    fn rounds(&self, spread: &Spread, k: u64) -> u64 {
        let registers = spread.registers;
        if sorted::applies(self.shape, registers, k) {
            return self.sorted_lists(spread, k);
        }
        let lists = registers.div_ceil(LIST);
        let list = registers.min(LIST);
        let exchanges = EXCHANGES * list / LIST * u64::from(list > 1);
        let keys = 8 * registers;
        let round = 10 + self.join(spread.span) + lists * (4 + 2 * list.min(k));
        keys + lists * 6 * exchanges + if k > UNROLLED { round } else { k * round }
    }
}
