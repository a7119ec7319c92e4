//! What may trap.

use crate::kernel::{Bounds, Kernel};

/// Of every value, whether an element of it may come by way of a gather that traps.
pub fn may_trap(kernel: &Kernel) -> Vec<bool> {
    let mut traps: Vec<bool> = Vec::with_capacity(kernel.values.len());
    for value in &kernel.values {
        let itself = value.kind.bounds().is_some_and(Bounds::may_trap);
        let before = value.kind.operands().iter().any(|o| traps[o.0 as usize]);
        traps.push(itself || before);
    }
    traps
}
