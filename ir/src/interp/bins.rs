//! Operations on bins: all rows, one item after the other in row-major order.

use super::value::Value;
use crate::eval::{self, bins};
use crate::op::Op;
use std::rc::Rc;

/// The bits of the result of this shape; `None` of another operation.
pub(super) fn evaluate(op: &Op, operands: &[Rc<Value>], shape: &[u64]) -> Option<Vec<u64>> {
    let x = &*operands[0];
    Some(match op {
        Op::BinCount { bins: n } => {
            let mut counts = operands.get(1).map_or_else(|| vec![0; *n as usize], |before| i32s(before));
            for bin in ids(x).filter_map(|id| bins::bin(id, *n)) {
                counts[bin] = counts[bin].wrapping_add(1);
            }
            bits(counts)
        }
        Op::BinAny { bins: n } => {
            let all: Vec<i128> = ids(x).collect();
            let row = |ids: &[i128]| (0..i128::from(*n)).map(|bin| u64::from(ids.contains(&bin))).collect::<Vec<_>>();
            all.chunks(x.inner()).flat_map(row).collect()
        }
        Op::CountRows => {
            let mut counts = vec![0i32; x.inner()];
            for (i, bit) in x.bits.iter().enumerate() {
                counts[i % x.inner()] += *bit as i32;
            }
            bits(counts)
        }
        Op::BinStarts { stride: Some(stride), .. } => bits(bins::strided(x.bits.len(), *stride)),
        Op::BinStarts { align, empty, stride: None } => bits(bins::starts(&i32s(x), *align, *empty)),
        Op::BinRank { bins: n } => bits(ranks(x, *n)),
        Op::BinScatter { .. } => scatter(operands, shape),
        Op::BinOf { step, .. } => {
            let starts = i32s(x);
            bits((0..shape[0]).map(|j| bins::bin_of(&starts, j.saturating_mul(*step))).collect())
        }
        _ => return None,
    })
}

fn scatter(operands: &[Rc<Value>], shape: &[u64]) -> Vec<u64> {
    let [values, id, starts, fill, before @ ..] = operands else { return vec![] };
    let starts = i32s(starts);
    let end = starts.last().map_or(0, |end| *end as usize);
    let mut places: Vec<u64> = (0..shape[0] as usize).map(|j| fill.bits[j * fill.step()]).collect();
    if let [before] = before {
        let from = end.min(places.len());
        places[from..].copy_from_slice(&before.bits[from..]);
    }
    let bins_of = starts.len() as u64 - 1;
    for (i, (id, rank)) in ids(id).zip(ranks(id, bins_of)).enumerate() {
        let Some(bin) = bins::bin(id, bins_of) else { continue };
        let place = i64::from(starts[bin]) + i64::from(rank);
        if place < i64::from(starts[bin + 1])
            && let Some(at) = places.get_mut(place as usize)
        {
            *at = values.bits[i * values.step()];
        }
    }
    places
}

fn ranks(x: &Value, bins: u64) -> Vec<i32> {
    let mut ranks = bins::Ranks::new(bins);
    ids(x).map(|id| ranks.next(id)).collect()
}

fn ids(x: &Value) -> impl Iterator<Item = i128> {
    x.bits.iter().map(|bits| eval::as_index(x.dtype, *bits))
}

fn i32s(x: &Value) -> Vec<i32> {
    x.bits.iter().map(|bits| *bits as i32).collect()
}

fn bits(numbers: Vec<i32>) -> Vec<u64> {
    numbers.into_iter().map(|n| u64::from(n as u32)).collect()
}
