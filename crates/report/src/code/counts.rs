//! What is counted of machine code.

use super::instruction::{Instruction, Line};
use crate::model::{Mark, MarkKind};
use routefuse::ir::{Schedule, Scheduled, TargetKind, Variant};
use std::collections::HashMap;

/// Instructions in all, those with marks by kind, the most registers that hold something at once, and instructions a row where
/// they can be told.
pub(crate) fn counts(
    code: &[Line<'_>],
    marks: &[Mark],
    live: Option<&[Option<u32>]>,
    (kernel, variant): (&Scheduled, Variant),
) -> Vec<(String, f64)> {
    let instructions = code.iter().filter(|line| matches!(line, Line::Instruction(_))).count();
    let mut counts = vec![("instructions".to_owned(), instructions as f64)];
    let kinds = [
        (MarkKind::Load, "loads"),
        (MarkKind::Store, "stores"),
        (MarkKind::Wait, "waits"),
        (MarkKind::Barrier, "barriers"),
        (MarkKind::Exchange, "exchanges between lanes"),
        (MarkKind::Branch, "branches"),
    ];
    for (kind, name) in kinds {
        let n = marks.iter().filter(|m| m.kind == kind).count();
        if n > 0 {
            counts.push((name.to_owned(), n as f64));
        }
    }
    if let Some(most) = live.and_then(|live| live.iter().flatten().max()) {
        counts.push(("registers at most at once".to_owned(), f64::from(*most)));
    }
    if let Some(a_row) = instructions_a_row(code, instructions, kernel, variant) {
        counts.push(("instructions a row".to_owned(), (a_row * 10.0).round() / 10.0));
    }
    counts
}

/// On the host, those of the one loop there is, where an iteration is a row. On a GPU, those of a warp by the rows that it has,
/// where there is no loop: all of them, whichever branch is taken.
fn instructions_a_row(code: &[Line<'_>], all: usize, kernel: &Scheduled, variant: Variant) -> Option<f64> {
    kernel.kernel.rows?;
    let loops = loops(code);
    match (kernel.target.kind(), &loops[..]) {
        (TargetKind::Host, [one]) => {
            (kernel.schedule.block_rows() == 1 && is_by_row(&kernel.schedule)).then_some(*one as f64)
        }
        (TargetKind::Nvptx | TargetKind::Amdgpu, []) => Some(all as f64 / rows_of_a_warp(kernel, variant)?),
        _ => None,
    }
}

/// Whether the host's loop goes through rows one by one: pieces that have several rows would make it a loop over pieces.
fn is_by_row(schedule: &Schedule) -> bool {
    use routefuse::ir::Piece;
    schedule.domains().iter().all(|d| matches!(d.piece, Piece::InRow { .. }))
}

/// The rows that the lanes of a warp have together.
fn rows_of_a_warp(kernel: &Scheduled, variant: Variant) -> Option<f64> {
    let lanes = f64::from(kernel.target.info().warp);
    match kernel.schedule.shape(variant) {
        Some(shape) => Some(lanes / f64::from(shape.lanes)),
        None => {
            // Pieces of the domain with the most of them; a large number of rows, so that parts of pieces do not count.
            const ROWS: u64 = 1 << 20;
            let pieces = kernel.schedule.domains().iter().filter_map(|d| d.pieces(ROWS)).max()?;
            Some(lanes * ROWS as f64 / pieces as f64)
        }
    }
}

/// For each jump backwards, how many instructions lie between where it goes to and itself.
fn loops(code: &[Line<'_>]) -> Vec<usize> {
    let mut labels: HashMap<&str, usize> = HashMap::new();
    let mut number = 0;
    let mut found = Vec::new();
    for line in code {
        match line {
            Line::Label(label) => {
                labels.insert(label, number);
            }
            Line::Instruction(i) => {
                number += 1;
                found.extend(back_to(i, &labels).map(|from| number - from));
            }
        }
    }
    found
}

/// Where an instruction jumps back to.
fn back_to(i: &Instruction<'_>, labels: &HashMap<&str, usize>) -> Option<usize> {
    labels.get(i.operands.last()?).copied()
}
