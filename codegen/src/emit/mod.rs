//! Kernel IR to MLIR: one emitter for every target.
//!
//! A kernel is read backwards from its stores, as its definition says. A *piece* of the schedule is a few lanes; the
//! emitter asks each stored value for these lanes at an [`Index`](pull::index::Index), and a value asks its operands, at the
//! same index or at a moved one ([`movement`](pull::movement), [`gather`](pull::gather)). Whatever was asked before at an equal index is not emitted
//! again, so everything that the stores of a piece share is computed once.
//!
//! Indices are scalars, one a lane, written as `base + constant` with a known divisor of the base ([`Ix`](pull::index::Ix)): this
//! is what finds out which lanes are neighbours in memory (vector loads and stores), which are in the same row, and
//! which comparisons have one answer for all lanes.
//!
//! Everything is branchless. An index that may be out of range is replaced by a safe one and the result by a selection;
//! only a table whose extent may be zero is read under a condition.

mod flat;
mod peephole;
mod pull;
mod row;

use crate::{CodegenError, mlir::builder::Builder};
use routefuse_ir::kernel::ValueId;
use routefuse_ir::kernel::schedule::{Piece, RowShape, Schedule, Scheduled, Variant};
use routefuse_ir::target::TargetKind;

/// Builds the function or GPU kernel of `scheduled` into `builder`'s module.
pub(crate) fn emit(builder: &Builder, scheduled: &Scheduled, variant: Variant) -> Result<(), CodegenError> {
    check(scheduled)?;
    let emitter = pull::Emitter::new(builder, scheduled, variant);
    match (scheduled.target.kind(), &scheduled.schedule) {
        (TargetKind::Host, schedule) => emitter.host(schedule),
        (_, schedule @ Schedule::Row { .. }) => emitter.device_rows(schedule),
        (_, schedule) => emitter.device(schedule),
    }
    Ok(())
}

/// Refuses a schedule that does not fit the kernel or the target.
fn check(scheduled: &Scheduled) -> Result<(), CodegenError> {
    let kernel = &scheduled.kernel;
    let host = scheduled.target.kind() == TargetKind::Host;
    let wrong = |message: String| {
        Err(CodegenError::Schedule { kernel: kernel.name.clone(), target: scheduled.target.name().to_owned(), message })
    };
    let most = scheduled.target.info().max_threads;
    let domains = match &scheduled.schedule {
        Schedule::Flat { .. } if kernel.has_row_values() => {
            return wrong("row values need a row schedule".to_owned());
        }
        Schedule::Flat { threads, domains } => {
            if *threads == 0 || *threads > most {
                return wrong(format!("{threads} threads a block, but the most are {most}"));
            }
            domains
        }
        Schedule::Row { few, many, held, domains, .. } => {
            for shape in [few, many] {
                let RowShape { lanes, threads, .. } = *shape;
                let whole = lanes.is_power_of_two() && threads > 0 && threads.is_multiple_of(lanes);
                if !whole || threads > most || (host && lanes != 1) {
                    return wrong(format!("{lanes} lanes a row and {threads} threads a block, of {most} at most"));
                }
            }
            let kept = |id: &ValueId| kernel.values.get(id.0 as usize).is_some_and(|v| !v.kind.is_row_value());
            if !held.is_sorted_by(|a, b| a < b) || !held.iter().all(kept) {
                return wrong("what it holds is not an ascending list of values other than row values".to_owned());
            }
            let (needed, most, unit) = if host {
                (row::host::room::stack_bytes(kernel, held), row::host::room::MOST_STACK, "bytes of stack")
            } else {
                (
                    row::gpu::columns_of_a_lane(kernel, few.lanes.min(many.lanes)),
                    row::gpu::MOST_COLUMNS,
                    "columns in a lane",
                )
            };
            if needed > most {
                let (kernel, target) = (kernel.name.clone(), scheduled.target.name().to_owned());
                return Err(CodegenError::RowTooWide { kernel, target, needed, most, unit });
            }
            if let Some(domain) = domains.iter().find(|d| !matches!(d.piece, Piece::InRow { .. })) {
                return wrong(format!("its pieces of {} columns are not in a row", domain.cols));
            }
            domains
        }
        other => return wrong(format!("`{other}` is no schedule that this version emits")),
    };
    let mut times = vec![0; kernel.stores.len()];
    for domain in domains {
        for store in &domain.stores {
            let Some(count) = times.get_mut(*store as usize) else {
                return wrong(format!("it names store {store}, but there are {}", kernel.stores.len()));
            };
            *count += 1;
            let cols = kernel.store_cols(&kernel.stores[*store as usize]);
            if cols != domain.cols {
                return wrong(format!("store {store} has {cols} columns, not {}", domain.cols));
            }
        }
        let (Piece::InRow { width } | Piece::Flat { width } | Piece::Rows { width }) = domain.piece;
        if !width.is_power_of_two() || width > 64 {
            return wrong(format!("a piece of {width} lanes; it must be a power of two up to 64"));
        }
        match domain.piece {
            Piece::InRow { width } if !host && domain.cols % u64::from(width) != 0 => {
                return wrong(format!("pieces of {width} columns do not divide rows of {}", domain.cols));
            }
            Piece::Flat { .. } if host => return wrong("flat pieces are for GPUs".to_owned()),
            Piece::Rows { .. } if domain.cols != 1 => {
                return wrong(format!("pieces of rows need one column, not {}", domain.cols));
            }
            _ => {}
        }
    }
    match times.iter().position(|&n| n != 1) {
        Some(store) => wrong(format!("store {store} is in {} domains, not in one", times[store])),
        None => Ok(()),
    }
}
