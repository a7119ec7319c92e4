//! Do two views share a byte?

use crate::args::View;
use routefuse_ir::verify::MAX_RANK;

/// The bytes that a view's elements span: `begin..end`, both 0 for a view without elements.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

impl Bounds {
    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.begin == self.end
    }

    #[inline]
    pub(crate) fn meets(self, other: Bounds) -> bool {
        self.begin < other.end && other.begin < self.end
    }
}

/// Two views of one type are the same: every element of one is where the other has it.
#[inline]
pub(super) fn same_view(a: &View, b: &View) -> bool {
    a.ptr == b.ptr && (0..usize::from(a.rank).min(MAX_RANK)).all(|d| a.shape[d] <= 1 || a.strides[d] == b.strides[d])
}

/// Two views share a byte. Exact if one is gapless, or if both are rows with the same stride, so that column slices of one
/// wider buffer do not overlap; otherwise views that reach into each other's span count as overlapping.
#[inline]
pub(super) fn overlap(a: &View, a_bounds: Bounds, b: &View, b_bounds: Bounds) -> bool {
    a_bounds.meets(b_bounds) && !interleaved(a, b)
}

/// Rows of equal width at equal distances, in bytes.
#[derive(Clone, Copy)]
struct RowForm {
    begin: u64,
    width: u64,
    /// At least `width`; `None` for a single row.
    stride: Option<u64>,
}

/// Two views whose spans meet lie in each other's gaps.
#[cold]
fn interleaved(a: &View, b: &View) -> bool {
    let (Some(a), Some(b)) = (row_form(a), row_form(b)) else { return false };
    // One row has any stride: the other's.
    let stride = match (a.stride, b.stride) {
        (Some(a), Some(b)) if a != b => return false,
        (Some(stride), _) | (None, Some(stride)) => stride,
        (None, None) => return false,
    };
    // Columns modulo the stride: a's are 0..a.width, b's begin at `offset`.
    let offset = if b.begin >= a.begin {
        (b.begin - a.begin) % stride
    } else {
        (stride - (a.begin - b.begin) % stride) % stride
    };
    offset >= a.width && offset.checked_add(b.width).is_some_and(|end| end <= stride)
}

/// Dims of two or more elements with their strides, the smallest stride first.
fn sorted_dims(view: &View) -> ([(u64, u64); MAX_RANK], usize) {
    let mut dims = [(0, 0); MAX_RANK];
    let mut count = 0;
    for d in 0..usize::from(view.rank).min(MAX_RANK) {
        if view.shape[d] > 1 {
            // Not negative: checked before.
            dims[count] = (view.strides[d] as u64, view.shape[d]);
            count += 1;
        }
    }
    dims[..count].sort_unstable();
    (dims, count)
}

/// The view as rows, if it is that.
fn row_form(view: &View) -> Option<RowForm> {
    let size = view.dtype.size();
    let (dims, count) = sorted_dims(view);
    let (mut width, mut rows) = (1u64, None::<(u64, u64)>);
    for &(stride, extent) in &dims[..count] {
        match &mut rows {
            None if stride == width => width = width.checked_mul(extent)?,
            None if stride > width => rows = Some((stride, extent)),
            Some((row_stride, n)) if row_stride.checked_mul(*n)? == stride => *n = n.checked_mul(extent)?,
            _ => return None,
        }
    }
    let stride = match rows {
        Some((stride, _)) => Some(stride.checked_mul(size)?),
        None => None,
    };
    Some(RowForm { begin: view.ptr.addr() as u64, width: width.checked_mul(size)?, stride })
}

/// Two elements may lie at one address: each stride must step over all that the smaller ones reach.
pub(super) fn overlaps_itself(view: &View) -> bool {
    let (dims, count) = sorted_dims(view);
    let mut reach = 0u64;
    for &(stride, extent) in &dims[..count] {
        if stride <= reach {
            return true;
        }
        let Some(next) = (extent - 1).checked_mul(stride).and_then(|n| n.checked_add(reach)) else { return true };
        reach = next;
    }
    false
}
