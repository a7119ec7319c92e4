//! The meaning of row operations, over the raw bits of one segment of columns.
//!
//! # The order of keys
//! A top-k compares *rank keys*, `u32`; the larger is the better, and ties go to the lower column. [`rank_key`] maps −0.0
//! and 0.0 to one key, and every NaN to 1, below all numbers; 0 is no candidate. To leave it free, integers are one higher
//! than their order, and of 32 bits the two largest share a key.

use super::{Evaluator, ScalarFn};
use crate::dtype::DType;
use crate::literal::Literal;
use crate::math::{F32_NAN, native};
use crate::op::{BinaryOp, Candidates, ReduceOp, ScalarOp, TopKOrder};

/// The rank key of a NaN.
pub const NAN_KEY: u32 = 1;

/// The rank key of −∞.
pub const NEG_INF_KEY: u32 = !f32::NEG_INFINITY.to_bits();

/// Whether elements of this dtype can be compared by a top-k: floats, and integers of up to 32 bits.
pub fn is_key(dtype: DType) -> bool {
    dtype.is_float() || (dtype.is_int() && dtype.size() <= 4)
}

/// The rank key of an element; 0 if it is no candidate.
pub fn rank_key(dtype: DType, bits: u64, candidates: Candidates) -> u32 {
    if dtype.is_float() {
        let x = match dtype {
            DType::F16 => native::f16_to_f32(bits as u16),
            DType::Bf16 => native::bf16_to_f32(bits as u16),
            _ => f32::from_bits(bits as u32),
        };
        if x.is_nan() {
            return NAN_KEY;
        }
        if x == f32::NEG_INFINITY && candidates == Candidates::AboveNegInf {
            return 0;
        }
        let bits = (x + 0.0).to_bits();
        return if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    }
    let word = super::as_index(dtype, bits) as u32;
    let key = if dtype.is_signed() { word ^ 1 << 31 } else { word };
    key.saturating_add(1)
}

/// The float that a rank key stands for.
pub fn ranked_float(key: u32) -> f32 {
    match key {
        0 | NAN_KEY => F32_NAN,
        _ if key >> 31 == 1 => f32::from_bits(key & !(1 << 31)),
        _ => f32::from_bits(!key),
    }
}

/// The columns of the k best keys: `k` of them, −1 where candidates ran out.
pub fn topk(dtype: DType, segment: &[u64], k: usize, candidates: Candidates, order: TopKOrder) -> Vec<i32> {
    let mut ranked: Vec<(u32, usize)> =
        segment.iter().enumerate().map(|(i, b)| (rank_key(dtype, *b, candidates), i)).filter(|r| r.0 > 0).collect();
    ranked.sort_by_key(|(key, column)| (std::cmp::Reverse(*key), *column));
    ranked.truncate(k);
    if order == TopKOrder::Column {
        ranked.sort_by_key(|r| r.1);
    }
    let mut columns: Vec<i32> = ranked.into_iter().map(|(_, column)| column as i32).collect();
    columns.resize(k, -1);
    columns
}

/// Whether each column is among the k best.
pub fn topk_mask(dtype: DType, segment: &[u64], k: usize, candidates: Candidates) -> Vec<bool> {
    let mut mask = vec![false; segment.len()];
    for column in topk(dtype, segment, k, candidates, TopKOrder::Column) {
        if let Ok(column) = usize::try_from(column) {
            mask[column] = true;
        }
    }
    mask
}

/// One reduction of a segment that is not empty. `None` for a dtype that it does not take.
pub fn reduce(op: ReduceOp, dtype: DType, segment: &[u64]) -> Option<u64> {
    let [first, ..] = segment else { return None };
    match op {
        _ if segment.len() == 1 && op != ReduceOp::TopTwoSum => Some(*first),
        ReduceOp::Sum => Some(sum(binary(BinaryOp::Add, dtype)?, segment)),
        ReduceOp::Max | ReduceOp::Min => {
            let scalar = if op == ReduceOp::Max { BinaryOp::Max } else { BinaryOp::Min };
            let f = binary(scalar, dtype)?;
            Some(segment[1..].iter().fold(*first, |a, b| f(a, *b, 0)))
        }
        ReduceOp::TopTwoSum if dtype == DType::F32 => {
            let best = topk(dtype, segment, 2, Candidates::All, TopKOrder::Value);
            let float =
                |c: i32| u64::from(ranked_float(rank_key(dtype, segment[c as usize], Candidates::All)).to_bits());
            Some(match best[..] {
                [a, b] if b >= 0 => binary(BinaryOp::Add, dtype)?(float(a), float(b), 0),
                _ => float(best[0]),
            })
        }
        ReduceOp::TopTwoSum => None,
    }
}

fn binary(op: BinaryOp, dtype: DType) -> Option<ScalarFn> {
    Evaluator::resolve(ScalarOp::Binary(op), &[dtype, dtype]).map(|e| e.function())
}

/// The canonical tree: with n the next power of two, `x[i] + x[i + n/2]` for every i, and so on with n/2. What is past the
/// end is the identity, and is left out.
fn sum(add: ScalarFn, segment: &[u64]) -> u64 {
    let mut x = segment.to_vec();
    while x.len() > 1 {
        let half = x.len().next_power_of_two() / 2;
        for i in 0..x.len() - half {
            x[i] = add(x[i], x[i + half], 0);
        }
        x.truncate(half);
    }
    x[0]
}

/// Running sums by doubling: for d = 1, 2, 4, … all at once `y[i] = y[i − d] + y[i]` where `i ≥ d`. `None` for a dtype that
/// has no sum.
pub fn cumsum(dtype: DType, segment: &[u64]) -> Option<Vec<u64>> {
    let add = binary(BinaryOp::Add, dtype)?;
    let mut y = segment.to_vec();
    let mut d = 1;
    while d < y.len() {
        for i in (d..y.len()).rev() {
            y[i] = add(y[i - d], y[i], 0);
        }
        d *= 2;
    }
    Some(y)
}

/// Adds an amount where the index names an element; wraps.
pub fn add_at(dtype: DType, counts: &mut [u64], index: i128, amount: u64) {
    if let Some(count) = usize::try_from(index).ok().and_then(|i| counts.get_mut(i)) {
        *count = Literal::from_bits(dtype, count.wrapping_add(amount)).bits();
    }
}
