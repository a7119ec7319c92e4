//! Operations that move elements and compute nothing.

use super::value::Value;
use crate::dtype::DType;
use crate::literal::Literal;
use std::rc::Rc;

/// The index along the axis.
pub(super) fn iota(dtype: DType, shape: &[u64], axis: usize) -> Vec<u64> {
    let inner = shape[axis + 1..].iter().product::<u64>() as usize;
    let mut bits = Vec::with_capacity(shape.iter().product::<u64>() as usize);
    for _ in 0..shape[..axis].iter().product() {
        for i in 0..shape[axis] {
            bits.extend(std::iter::repeat_n(Literal::from_bits(dtype, i).bits(), inner));
        }
    }
    bits
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
    // Where each element of the outer dims begins in x, one dim after the other.
    let mut offsets = vec![0];
    for (&extent, stride) in shape.iter().zip(strides) {
        let mut inner = Vec::with_capacity(offsets.len() * extent as usize);
        for o in offsets {
            inner.extend((0..extent as usize).map(|i| o + i * stride));
        }
        offsets = inner;
    }
    offsets.into_iter().map(|o| x.bits[o]).collect()
}

/// Elements `start..stop` of the inner dim.
pub(super) fn slice(x: &Value, start: usize, stop: usize) -> Vec<u64> {
    let mut bits = Vec::with_capacity(x.bits.len() / x.inner() * (stop - start));
    for row in x.bits.chunks_exact(x.inner()) {
        bits.extend_from_slice(&row[start..stop]);
    }
    bits
}

/// Joined along the inner dim; parts may have no columns.
pub(super) fn concat(parts: &[Rc<Value>]) -> Vec<u64> {
    let rows = parts.iter().map(|p| p.bits.len() / p.inner().max(1)).max().unwrap_or(0);
    let mut bits = Vec::with_capacity(parts.iter().map(|p| p.bits.len()).sum());
    for t in 0..rows {
        for p in parts {
            bits.extend_from_slice(&p.bits[t * p.inner()..(t + 1) * p.inner()]);
        }
    }
    bits
}
