//! A kernel of rows and the phases of what it makes, in one block, for few rows.
//!
//! Where few rows make few items, one block does all of them, and then the phases find them in the block's memory.

use super::behind_rows::{New, can_be_first};
use crate::schedule::{at_once::most_rows, row::widest};
use routefuse_ir::Diagnostics;
use routefuse_ir::kernel::Role;
use routefuse_ir::kernel::analysis::is_sparse;
use routefuse_ir::kernel::phases::Phases;
use routefuse_ir::kernel::schedule::room::{MOST_ROWS_BESIDE, fits_at_once};
use routefuse_ir::program::{Buffer, Program, Step, Taken};

/// The step that is this one and the next one, and the most rows of it; none if they cannot be one.
pub(super) fn at_once(program: &Program, at: usize) -> Result<Option<(Step, u64)>, Diagnostics> {
    let (rows, behind) = (&program.steps[at], &program.steps[at + 1]);
    let Some(phases) = behind.kernel.phases.as_deref() else { return Ok(None) };
    let most = most_rows(phases.items(), widest(&rows.kernel));
    if most == 0 || !is_sparse(phases) || !can_be_first(program, rows, behind) {
        return Ok(None);
    }
    let stored =
        |b: &Buffer| rows.kernel.params.iter().zip(&rows.buffers).any(|(p, of)| p.role == Role::Output && of == b);
    let mut kept: Vec<Buffer> = behind.buffers.iter().copied().filter(stored).collect();
    kept.dedup();
    let needed = |b: &Buffer| {
        matches!(b, Buffer::Output(_)) || program.steps[at + 2..].iter().any(|step| step.buffers.contains(b))
    };
    let mut new = New::keeping(program, phases.shared.len(), kept);
    let mut list = vec![new.rows(rows, needed)];
    list.extend(phases.list.iter().map(|phase| new.phase(phase, behind)));
    let of_rows = new.kept.clone();
    let mut shared = phases.shared.clone();
    shared.extend(of_rows.into_iter().map(|b| new.named_type(&program.buffer_type(b))));
    let copied = phases.copied.iter().map(|(shared, p)| (*shared, new.param(*p, behind))).collect();
    let phases = Phases { shared, list, copied, chunks: None };
    if !fits_at_once(&phases, &rows.kernel, most, most + MOST_ROWS_BESIDE) {
        return Ok(None);
    }
    let Some(symbol) = rows.rows() else { return Ok(None) };
    let taken = Taken { symbol, least: 0, most: Some(most), except: None };
    Ok(Some((new.step(format!("{}.at_once", behind.kernel.name), phases, taken)?, most)))
}
