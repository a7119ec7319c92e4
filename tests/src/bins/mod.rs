//! Operations across rows: ids that no router would give, graphs of what engines make of them, and the same by plain loops.

mod align;
mod behind;
pub mod loops;

pub use align::{Align, Size};
pub use behind::Behind;

use routefuse_generate::Choices;
use routefuse_ir::{DType, Tensor};

/// How many kinds of [`hostile`] ids there are.
pub const KINDS: usize = 6;

/// Ids of one kind: any bits, mostly in range, all in one bin, in none, each twice, all in the last.
pub fn hostile(kind: usize, n: usize, bins: i64, c: &mut Choices) -> Vec<i64> {
    let edges = [-1, 0, bins - 1, bins, bins + 1, i64::from(i32::MIN), i64::from(i32::MAX)];
    let one = |at: usize, c: &mut Choices| match kind % KINDS {
        0 => i64::from(c.bits() as i32),
        1 if c.one_in(8) => c.of(&edges),
        1 => c.below(bins as usize) as i64,
        2 => 0,
        3 => c.of(&[-1, bins, i64::from(i32::MIN), i64::from(i32::MAX)]),
        4 => at as i64 / 2 % bins,
        _ => bins - 1,
    };
    (0..n).map(|at| one(at, c)).collect()
}

/// Ids of t rows and k slots, i32 or i64.
pub fn ids(dtype: DType, t: u64, k: u64, ids: &[i64]) -> Tensor {
    let bits = |id: &i64| if dtype == DType::I32 { u64::from(*id as u32) } else { *id as u64 };
    Tensor::from_bits(dtype, &[t, k], ids.iter().map(bits))
}
