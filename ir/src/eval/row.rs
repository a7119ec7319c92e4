//! The meaning of row operations, over the raw bits of one segment of columns.
//!
//! A top-k compares the rank keys of [`crate::math::order`].

use super::{Evaluator, ScalarFn};
use crate::dtype::DType;
use crate::literal::Literal;
use crate::math::native::{self, Native};
use crate::math::order;
use crate::op::info::DTypes;
use crate::op::{BinaryOp, Candidates, NanOrder, NanRule, ReduceOp, ScalarOp, TopKOrder};

pub use order::{NAN_KEY, NEG_INF_KEY};

/// Whether elements of this dtype can be compared by a top-k: floats, and integers of up to 32 bits.
pub fn is_key(dtype: DType) -> bool {
    DTypes::KEYS.holds(dtype)
}

/// The rank key of an element; 0 if it is no candidate.
pub fn rank_key(dtype: DType, bits: u64, candidates: Candidates) -> u32 {
    let m = &mut Native;
    if dtype.is_float() {
        let x = match dtype {
            DType::F16 => native::f16_to_f32(bits as u16),
            DType::Bf16 => native::bf16_to_f32(bits as u16),
            _ => f32::from_bits(bits as u32),
        };
        return order::float_key(m, x, order::Known::default(), candidates).cast_unsigned();
    }
    let word = super::as_index(dtype, bits) as u32;
    order::integer_key(m, word.cast_signed(), dtype.is_signed()).cast_unsigned()
}

/// The float that a rank key stands for.
pub fn ranked_float(key: u32) -> f32 {
    order::float_of_key(&mut Native, key.cast_signed())
}

/// The columns of the k best keys: `k` of them, −1 where candidates ran out.
pub fn topk(
    dtype: DType,
    segment: &[u64],
    k: usize,
    candidates: Candidates,
    order: TopKOrder,
    nan: NanOrder,
) -> Vec<i32> {
    let key = |bits: u64| match rank_key(dtype, bits, candidates) {
        NAN_KEY if nan == NanOrder::First && dtype.is_float() => u32::MAX,
        key => key,
    };
    let mut ranked: Vec<(u32, usize)> =
        segment.iter().enumerate().map(|(i, b)| (key(*b), i)).filter(|r| r.0 > 0).collect();
    // No two have a rank in common, so that those before the k-th are the same however they are found.
    let rank = |(key, column): &(u32, usize)| (std::cmp::Reverse(*key), *column);
    if k < ranked.len() {
        ranked.select_nth_unstable_by_key(k, rank);
        ranked.truncate(k);
    }
    ranked.sort_unstable_by_key(rank);
    if order == TopKOrder::Column {
        ranked.sort_by_key(|r| r.1);
    }
    let mut columns: Vec<i32> = ranked.into_iter().map(|(_, column)| column as i32).collect();
    columns.resize(k, -1);
    columns
}

/// Whether each column is among the k best.
pub fn topk_mask(dtype: DType, segment: &[u64], k: usize, candidates: Candidates, nan: NanOrder) -> Vec<bool> {
    let mut mask = vec![false; segment.len()];
    for column in topk(dtype, segment, k, candidates, TopKOrder::Column, nan) {
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
            let number = NanRule::Number;
            let scalar = if op == ReduceOp::Max { BinaryOp::Max(number) } else { BinaryOp::Min(number) };
            let f = binary(scalar, dtype)?;
            Some(segment[1..].iter().fold(*first, |a, b| f(a, *b, 0)))
        }
        ReduceOp::TopTwoSum if dtype == DType::F32 => {
            let best = topk(dtype, segment, 2, Candidates::All, TopKOrder::Value, NanOrder::Last);
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
