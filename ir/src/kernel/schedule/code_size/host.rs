//! The host: one thread goes through the rows, with pieces of a row in vectors.

use super::columns::{Columns, Step};
use super::walk::{ROW, Scope, Walk};
use crate::kernel::schedule::block_rows::{BLOCK_ROWS, Division};
use crate::kernel::schedule::key_blocks::key_blocks;
use crate::kernel::schedule::{Domain, Piece, Schedule};
use crate::kernel::{RowOp, RowValue, ValueId};
use crate::op::{ReduceOp, TopKOrder};

/// Pieces of a domain's row that are written out; more are a loop.
const WRITTEN_OUT: u64 = 8;
/// Vectors of a segment that are reduced in straight code.
const VECTORS: u64 = 64;

/// Adds a store: its pieces, and the kept values that they need.
pub(super) fn add_store(walk: &mut Walk, schedule: &Schedule, division: Option<&Division<'_>>, position: usize) {
    walk.keep(schedule.held());
    let Some(domain) = schedule.domains().iter().find(|d| d.stores.contains(&(position as u32))) else { return };
    let kernel = walk.kernel;
    let store = &kernel.stores[position];
    let in_blocks = matches!(schedule, Schedule::Flat { .. }) && domain.cols > 1 && domain.cols % 2 == 1;
    let mut widest = 0;
    for (columns, scope) in pieces(walk, domain, in_blocks) {
        let lanes = columns.lanes().max(scope.rows);
        for id in store.operands() {
            walk.ask(id, &columns, scope);
        }
        let dtype = kernel.value(store.value).dtype;
        let one = walk.on_lanes(lanes, dtype.bits());
        // All that a piece stores is read before any of it is stored.
        if scope.rows == 1 && columns.lanes() > 1 {
            widest = widest.max(lanes * dtype.size());
        }
        walk.count(store.value, if store.element().is_some() { 8 * lanes } else { 2 + 2 * one });
    }
    walk.hold_for_stores(domain.cols, widest);
    let narrow = |cols: u64| division.is_some() && !Division::stores_by_row(cols);
    // Rows that are left over may be a block of their own.
    let blocks = match division {
        Some(division) if division.repeats_last_row() => &BLOCKS[..],
        Some(_) => &BLOCKS[..1],
        None => &[],
    };
    if narrow(domain.cols) {
        for block in blocks {
            for column in 0..domain.cols {
                store.operands().for_each(|id| walk.ask(id, &run(column, 1), *block));
            }
            // Columns become rows by shuffles.
            walk.count(store.value, if store.element().is_some() { 64 } else { 5 } * domain.cols);
        }
    }
    while walk.goes_on()
        && let Some(id) = walk.to_compute.pop()
    {
        let upright = division.is_some_and(|d| !d.is_by_row(id) && kernel.value(id).space.per_row);
        match kernel.value(id).kind.row_value().copied() {
            Some(row) => {
                row_value(walk, id, row);
                if upright {
                    blocks.iter().for_each(|block| upright_row_value(walk, id, row, *block));
                }
            }
            None => {
                // In a block it is not kept, but pulled wherever it is asked for.
                let cols = kernel.value(id).space.cols;
                for block in blocks.iter().filter(|_| upright) {
                    if narrow(cols) {
                        (0..cols).for_each(|column| walk.ask_for_kept(id, &run(column, 1), *block));
                        continue;
                    }
                    let gathered = looped(walk, u64::from(id.0) << 1, block.rows);
                    walk.ask_for_kept(id, &gathered, *block);
                }
                for (columns, scope) in columns(walk, kernel.value(id).space.cols) {
                    walk.ask_for_kept(id, &columns, scope);
                    walk.count(id, 1 + walk.on_lanes(columns.lanes(), kernel.value(id).dtype.bits()));
                }
            }
        }
    }
}

/// The scopes of a whole block of rows, with one in each lane, and of a block in which the last row is repeated.
const BLOCKS: [Scope; 2] =
    [Scope { number: u32::MAX, rows: BLOCK_ROWS as u64 }, Scope { number: u32::MAX - 1, rows: BLOCK_ROWS as u64 }];

/// A row value of a block of rows, with one in each lane.
fn upright_row_value(walk: &mut Walk, id: ValueId, row: RowValue, block: Scope) {
    let cols = walk.kernel.value(row.value).space.cols;
    for column in 0..cols {
        walk.ask(row.value, &run(column, 1), block);
    }
    let each = match row.op {
        RowOp::Reduce(ReduceOp::Sum) => 2,
        RowOp::Reduce(_) => 8,
        RowOp::CumSum => 3 * u64::from(row.width.next_power_of_two().ilog2()),
        RowOp::TopK { k, .. } | RowOp::TopKMask { k, .. } => 8 + 5 * k,
        RowOp::Rank { .. } => 8,
    };
    walk.count(id, each * cols);
}

fn run(from: u64, lanes: u64) -> Columns {
    Columns::Known((from..from + lanes).collect())
}

/// The columns of a loop, of which all stores of a domain share one.
fn looped(walk: &mut Walk, loop_number: u64, lanes: u64) -> Columns {
    let base = walk.numbering.base(None, Step::Root(loop_number as u32));
    Columns::Dynamic { base, plus: 0, lanes, aligned: true }
}

/// The pieces of a domain, each with the region that it is in.
fn pieces(walk: &mut Walk, domain: &Domain, in_blocks: bool) -> Vec<(Columns, Scope)> {
    let number = domain.cols as u32;
    if let Piece::Rows { width } = domain.piece {
        let rows = |rows: u64, number: u32| (Columns::Known(vec![0]), Scope { number, rows });
        return vec![rows(u64::from(width), u32::MAX - 2 * number), rows(1, u32::MAX - 2 * number - 1)];
    }
    let width = u64::from(domain.piece.width());
    let mut all = vec![];
    if in_blocks {
        all.push((Columns::Known(vec![domain.cols - 1]), Scope { number: u32::MAX - 2 * number, rows: walk.vector() }));
    }
    let mut from = 0;
    if domain.cols / width > WRITTEN_OUT {
        let columns = looped(walk, domain.cols, width);
        all.push((columns, Scope { number: u32::MAX - 2 * number - 1, rows: 1 }));
        from = domain.cols / width * width;
    }
    while from < domain.cols {
        let lanes = width.min(1 << (domain.cols - from).ilog2());
        all.push((run(from, lanes), ROW));
        from += lanes;
    }
    if in_blocks {
        // Rows that are no whole block are code of their own.
        let again: Vec<_> =
            all[1..].iter().map(|(c, s)| (c.clone(), Scope { number: s.number ^ 1 << 31, ..*s })).collect();
        all.extend(again);
    }
    all
}

/// The pieces in which all columns of a kept value are gone through.
fn columns(walk: &mut Walk, cols: u64) -> Vec<(Columns, Scope)> {
    let piece = walk.kept_piece();
    let mut all = vec![];
    let mut from = 0;
    if cols / piece > 1 {
        let scope = walk.scope(1);
        all.push((looped(walk, u64::from(scope.number) << 1 | 1, piece), scope));
        from = cols / piece * piece;
    }
    while from < cols {
        let lanes = piece.min(1 << (cols - from).ilog2());
        all.push((run(from, lanes), ROW));
        from += lanes;
    }
    all
}

/// A row value, by the algorithm that code generation has for it.
fn row_value(walk: &mut Walk, id: ValueId, row: RowValue) {
    let kernel = walk.kernel;
    let cols = kernel.value(row.value).space.cols;
    let segments = cols / row.width;
    match row.op {
        RowOp::Reduce(op) => reduce(walk, id, (row.value, op), (segments, row.width)),
        RowOp::CumSum => {
            let steps = u64::from(row.width.next_power_of_two().ilog2());
            let each = if row.width <= walk.kept_piece() { 3 * walk.on_lanes(row.width, 32) } else { 40 };
            segment(walk, row.value, segments, row.width);
            walk.count(id, steps * each);
        }
        RowOp::Rank { .. } => {
            segment(walk, row.value, segments, row.width);
            walk.count(id, 8 * if row.width <= walk.kept_piece() { row.width } else { 1 });
        }
        RowOp::TopK { k, .. } | RowOp::TopKMask { k, .. } => {
            let times = if segments <= 2 { segments } else { 1 };
            let ids = walk.on_lanes(k.next_power_of_two(), 32);
            let once = if key_blocks(row.width).is_none() { row.width * 8 + k * 6 } else { 160 + 6 * ids };
            let sorted = match row.op {
                RowOp::TopK { order: TopKOrder::Column, .. } if key_blocks(row.width).is_some() => 5 * k,
                _ => 0,
            };
            segment(walk, row.value, segments, row.width);
            walk.count(id, times * (once + sorted + k));
        }
    }
}

/// Asks for a segment's columns in pieces, as its keys are made.
fn segment(walk: &mut Walk, operand: ValueId, segments: u64, width: u64) {
    let (times, piece) = (if segments <= 2 { segments } else { 1 }, walk.kept_piece());
    for number in 0..times {
        let scope = walk.scope(1);
        if segments > 2 {
            // The segment's first column is the loop's.
            let lanes = width.next_power_of_two().min(piece);
            let base = walk.numbering.base(None, Step::Root(scope.number << 1 | 1));
            walk.ask(operand, &Columns::Dynamic { base, plus: 0, lanes, aligned: width.is_multiple_of(lanes) }, scope);
        } else if width / piece > 1 {
            let columns = looped(walk, u64::from(scope.number) << 1 | 1, piece);
            walk.ask(operand, &columns, scope);
        } else {
            let lanes = width.min(piece);
            walk.ask(operand, &run(number * width, lanes), ROW);
        }
    }
}

fn reduce(walk: &mut Walk, id: ValueId, (operand, op): (ValueId, ReduceOp), (segments, width): (u64, u64)) {
    let vector = walk.vector();
    let lanes = vector.min(width.next_power_of_two());
    let vectors = width.div_ceil(lanes);
    let each = match op {
        ReduceOp::Sum => 2,
        ReduceOp::Max | ReduceOp::Min => 6,
        ReduceOp::TopTwoSum => 12,
    };
    if segments * vectors <= VECTORS {
        // All in straight code.
        for vector in 0..segments * vectors {
            let (segment, vector) = (vector / vectors, vector % vectors);
            let count = lanes.min(width - vector * lanes);
            walk.ask(operand, &run(segment * width + vector * lanes, count), ROW);
            walk.count(id, each + if count < lanes { 2 * count } else { 0 });
        }
        walk.count(id, 6 * segments);
        return;
    }
    let scope = walk.scope(1);
    let base = walk.numbering.base(None, Step::Root(scope.number << 1 | 1));
    let together = if segments.is_multiple_of(vector) && vectors <= VECTORS { vector } else { 1 };
    // A long segment is a loop over vectors.
    let written = if vectors <= VECTORS { vectors } else { 4 };
    for number in 0..together * written {
        let (segment, vector) = (number / written, number % written);
        let aligned = width.is_multiple_of(lanes);
        let plus = segment * width + vector * lanes;
        walk.ask(operand, &Columns::Dynamic { base, plus, lanes, aligned }, scope);
        walk.count(id, each);
    }
    // Lengths that are halved until vectors are few.
    walk.count(id, 6 * together + if vectors > VECTORS { 60 } else { 0 });
}
