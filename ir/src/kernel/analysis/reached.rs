//! What a store depends on.

use crate::kernel::{Kernel, Store, Value, ValueId};

/// Of every value, whether a store depends on it.
pub fn reached(kernel: &Kernel) -> Vec<bool> {
    reached_from(&kernel.values, kernel.stores.iter().flat_map(Store::operands))
}

/// Of every value, whether it is one of the roots or one of these depends on it.
pub fn reached_from(values: &[Value], roots: impl IntoIterator<Item = ValueId>) -> Vec<bool> {
    let mut reached = vec![false; values.len()];
    for root in roots {
        reached[root.0 as usize] = true;
    }
    for (at, value) in values.iter().enumerate().rev() {
        if reached[at] {
            value.kind.operands().iter().for_each(|o| reached[o.0 as usize] = true);
        }
    }
    reached
}
