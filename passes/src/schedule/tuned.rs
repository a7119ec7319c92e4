//! Shapes that were measured instead of built in: which there are to measure, and how a record of them is followed.

use super::{candidate_shapes, schedule_in};
use routefuse_ir::kernel::Kernel;
use routefuse_ir::kernel::schedule::tuning::Tuning;
use routefuse_ir::kernel::schedule::{RowShape, Scheduled};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Code, Diagnostic, Verified};

/// Threads of the blocks that a shape is tried with.
const BLOCKS: [u32; 4] = [32, 64, 128, 256];

/// Every shape that a tuning may choose for the kernel on the target, each for any number of rows: those of
/// [`candidate_shapes`], and the same lanes in [other blocks](other_blocks).
pub fn tunable_shapes(kernel: &Verified<Kernel>, target: Target) -> Vec<RowShape> {
    let mut shapes = candidate_shapes(kernel, target);
    for shape in shapes.clone() {
        for other in other_blocks(kernel, target, shape) {
            if !shapes.contains(&other) {
                shapes.push(other);
            }
        }
    }
    shapes
}

/// The shape in blocks of other sizes, as far as they fit the kernel and the target. None where a whole block has a row.
pub fn other_blocks(kernel: &Verified<Kernel>, target: Target, shape: RowShape) -> Vec<RowShape> {
    if target.kind() == TargetKind::Host || shape.lanes > target.info().warp {
        return vec![];
    }
    let others = BLOCKS.into_iter().filter(|threads| *threads != shape.threads && *threads >= target.info().warp);
    let shapes = others.map(|threads| RowShape { threads, ..shape });
    shapes.filter(|shape| schedule_in(kernel.clone(), target, Some(*shape)).is_ok()).collect()
}

/// The kernel with the shapes of a record in the place of its own.
///
/// # Errors
/// `RF0312` for a shape that no tuning of this kernel on this target would choose, or that does not fit it.
pub fn follow(scheduled: &Verified<Scheduled>, tuning: &Tuning) -> Result<Verified<Scheduled>, Diagnostic> {
    let Scheduled { kernel, schedule, target } = &**scheduled;
    let tunable = tunable_shapes(kernel, *target);
    for shape in &tuning.shapes {
        let any = RowShape { most_rows: None, ..*shape };
        if !tunable.contains(&any) && !schedule.shapes().iter().any(|s| RowShape { most_rows: None, ..*s } == any) {
            let message = format!("the shape `{shape}` is none that kernel `{}` may have on `{target}`", kernel.name);
            return Err(Diagnostic::new(Code::CountOutOfRange, message).help("tune the card anew"));
        }
    }
    let schedule = schedule.clone().with_shapes(tuning.shapes.clone());
    let tuned = Scheduled { kernel: kernel.clone(), schedule, target: *target }.verify()?;
    tuned.check_code_size()?;
    Ok(tuned)
}
