//! Operations that move elements and compute nothing.

use super::value::Value;
use crate::dtype::DType;
use crate::literal::Literal;
use std::rc::Rc;

/// The index along the axis.
pub(super) fn iota(dtype: DType, shape: &[u64], axis: usize) -> Vec<u64> {
    let outer: u64 = shape[..axis].iter().product();
    let inner = shape[axis + 1..].iter().product::<u64>() as usize;
    let along = || (0..shape[axis]).flat_map(|i| std::iter::repeat_n(Literal::from_bits(dtype, i).bits(), inner));
    (0..outer).flat_map(|_| along()).collect()
}

/// Dims aligned to the right; a dim of extent 1 is repeated.
pub(super) fn broadcast(x: &Value, shape: &[u64]) -> Vec<u64> {
    let lead = shape.len() - x.shape.len();
    let mut strides = vec![0; shape.len()];
    let mut stride = 1;
    for (axis, &extent) in x.shape.iter().enumerate().rev() {
        strides[lead + axis] = if extent == 1 { 0 } else { stride };
        stride *= extent as usize;
    }
    let mut offsets = vec![0];
    for (&extent, stride) in shape.iter().zip(strides) {
        offsets = offsets.iter().flat_map(|o| (0..extent as usize).map(move |i| o + i * stride)).collect();
    }
    offsets.into_iter().map(|o| x.bits[o]).collect()
}

/// Elements `start..stop` of the inner dim.
pub(super) fn slice(x: &Value, start: usize, stop: usize) -> Vec<u64> {
    x.bits.chunks_exact(x.inner()).flat_map(|row| &row[start..stop]).copied().collect()
}

/// Joined along the inner dim; parts may have no columns.
pub(super) fn concat(parts: &[Rc<Value>]) -> Vec<u64> {
    let rows = parts.iter().map(|p| p.bits.len() / p.inner().max(1)).max().unwrap_or(0);
    let row = |t: usize| parts.iter().flat_map(move |p| &p.bits[t * p.inner()..(t + 1) * p.inner()]);
    (0..rows).flat_map(row).copied().collect()
}
