//! Whether a schedule fits its kernel and its machine.

use crate::error::{CodegenError, Problem};
use crate::machine::{Machine, Threads};
use routefuse_ir::kernel::ValueId;
use routefuse_ir::kernel::schedule::{Piece, RowShape, Schedule, Scheduled, room};

/// Refuses a schedule that does not fit the kernel or the target.
pub(super) fn check(scheduled: &Scheduled, machine: &dyn Machine) -> Result<(), CodegenError> {
    let kernel = &scheduled.kernel;
    let host = matches!(machine.threads(), Threads::Alone(_));
    let wrong = |message: String| {
        Err(CodegenError::new(scheduled.target, Problem::Schedule { kernel: kernel.name.clone(), message }))
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
                (room::stack_bytes(kernel, held), room::MOST_STACK, "bytes of stack")
            } else {
                (room::columns_of_a_lane(kernel, few.lanes.min(many.lanes)), room::MOST_COLUMNS, "columns in a lane")
            };
            if needed > most {
                let kernel = kernel.name.clone();
                return Err(CodegenError::new(scheduled.target, Problem::RowTooWide { kernel, needed, most, unit }));
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
