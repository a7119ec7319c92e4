//! What is counted of machine code.

use super::flow::NaturalLoop;
use super::live::Held;
use crate::model::{Mark, MarkKind};
use routefuse::ir::{Schedule, Scheduled, TargetKind, Variant};

/// What was found in a text.
pub(crate) struct Counted<'c> {
    /// Marked lines.
    pub marks: &'c [Mark],
    /// Registers that hold something after each instruction; empty if the text does not tell.
    pub held: &'c [(usize, Held)],
    /// Instructions in all.
    pub instructions: usize,
    /// The loops, each with how often it is gone through, where the code says it.
    pub loops: &'c [(NaturalLoop, Option<u64>)],
}

/// Instructions in all, those with marks by kind, the most registers that hold something at once, and instructions a row where
/// they can be told.
pub(crate) fn counts(
    &Counted { marks, held, instructions, loops }: &Counted<'_>,
    (kernel, variant): (&Scheduled, Variant),
) -> Vec<(String, f64)> {
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
    let mut most_of = |name: &str, of: &dyn Fn(&Held) -> u32| {
        if let Some(most) = held.iter().map(|(_, held)| of(held)).max().filter(|most| *most > 0) {
            counts.push((format!("{name} at most at once"), f64::from(most)));
        }
    };
    if kernel.target.kind() == TargetKind::Host {
        most_of("general registers", &|held| held.general);
        most_of("vector registers", &|held| held.vector);
    } else {
        most_of("registers", &|held| held.all());
    }
    if let Some(a_row) = instructions_a_row(instructions, loops, kernel, variant) {
        counts.push(("instructions a row".to_owned(), (a_row * 10.0).round() / 10.0));
    }
    counts
}

/// On the host, those of a trip of the one outermost loop there is, where a trip is a row. On a GPU, those of a warp by the rows that
/// it has: all of them, whichever branch is taken. Loops inside count as often as they are gone through; where the code does not say
/// how often, nothing is said here.
fn instructions_a_row(
    instructions: usize,
    loops: &[(NaturalLoop, Option<u64>)],
    kernel: &Scheduled,
    variant: Variant,
) -> Option<f64> {
    kernel.kernel.rows?;
    let passed = |at: usize, of_rows: Option<&NaturalLoop>| {
        let around = loops.iter().filter(|(l, _)| l.body.contains(&at) && Some(l) != of_rows);
        around.map(|(_, trips)| *trips).product::<Option<u64>>()
    };
    match kernel.target.kind() {
        TargetKind::Host => {
            let inner = |of: &NaturalLoop| loops.iter().any(|(l, _)| l != of && l.body.is_superset(&of.body));
            let mut outermost = loops.iter().map(|(l, _)| l).filter(|l| !inner(l));
            let (rows, None) = (outermost.next()?, outermost.next()) else { return None };
            let by_row = kernel.schedule.block_rows() == 1 && is_by_row(&kernel.schedule);
            let all = rows.body.iter().map(|at| passed(*at, Some(rows))).sum::<Option<u64>>()?;
            by_row.then_some(all as f64)
        }
        TargetKind::Nvptx | TargetKind::Amdgpu => {
            let all = (0..instructions).map(|at| passed(at, None)).sum::<Option<u64>>()?;
            Some(all as f64 / rows_of_a_warp(kernel, variant)?)
        }
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
