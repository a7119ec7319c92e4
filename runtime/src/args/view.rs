//! Views of the caller's memory.

use super::element::Element;
use routefuse_ir::verify::MAX_RANK;
use routefuse_ir::{DType, Tensor};
use std::fmt;
use std::marker::PhantomData;

/// Where memory lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Device {
    /// This process's own memory.
    #[default]
    Host,
    /// The memory of an NVIDIA GPU, by the number that CUDA's driver gives it.
    Cuda(u32),
    /// The memory of an AMD GPU, by the number that the HIP runtime gives it.
    Hip(u32),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Host => f.write_str("the host"),
            Device::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            Device::Hip(ordinal) => write!(f, "hip:{ordinal}"),
        }
    }
}

/// A device in one word, which a launch compares at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location(u64);

impl Location {
    const HOST: Location = Location(0);

    #[inline]
    pub(crate) fn of(device: Device) -> Location {
        match device {
            Device::Host => Location::HOST,
            Device::Cuda(ordinal) => Location(1 << 32 | u64::from(ordinal)),
            Device::Hip(ordinal) => Location(2 << 32 | u64::from(ordinal)),
        }
    }

    pub(crate) fn device(self) -> Device {
        match (self.0 >> 32, self.0 as u32) {
            (1, ordinal) => Device::Cuda(ordinal),
            (2, ordinal) => Device::Hip(ordinal),
            _ => Device::Host,
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.device().fmt(f)
    }
}

/// An address with everything that a launch checks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// The first element.
    pub(crate) ptr: *mut u8,
    /// Bytes of the buffer from `ptr` on.
    pub(crate) bytes: u64,
    /// Extents; those past the rank are 0.
    pub(crate) shape: [u64; MAX_RANK],
    /// Strides in elements; those past the rank are 0.
    pub(crate) strides: [i64; MAX_RANK],
    /// May exceed [`MAX_RANK`]; a launch then refuses it. [`UNFIT_STRIDES`] if strides of another number than the dims were
    /// given.
    pub(crate) rank: u8,
    pub(crate) dtype: DType,
    pub(crate) location: Location,
}

// SAFETY: an address with numbers; only a launch follows the address, by the leave of the tensor it is of.
unsafe impl Send for View {}
// SAFETY: a shared view is only read, and its numbers do not change.
unsafe impl Sync for View {}

/// Stands where there is no argument.
pub(crate) static ABSENT: View = View {
    ptr: std::ptr::null_mut(),
    bytes: 0,
    shape: [0; MAX_RANK],
    strides: [0; MAX_RANK],
    rank: 0,
    dtype: DType::Bool,
    location: Location::HOST,
};

/// The rank of a view that was given strides of another number than its dims: no port's, so that every launch refuses it. What
/// was given stands in `strides`.
const UNFIT_STRIDES: u8 = u8::MAX;

impl View {
    #[inline]
    fn new(ptr: *mut u8, bytes: u64, dtype: DType, shape: &[u64]) -> View {
        let mut view = View {
            ptr,
            bytes,
            shape: [0; MAX_RANK],
            strides: [0; MAX_RANK],
            rank: shape.len().min(usize::from(UNFIT_STRIDES - 1)) as u8,
            dtype,
            location: Location::HOST,
        };
        let rank = shape.len().min(MAX_RANK);
        view.shape[..rank].copy_from_slice(&shape[..rank]);
        let mut stride = 1u64;
        for d in (0..rank).rev() {
            view.strides[d] = stride as i64;
            // A size that wraps here is refused by every launch, which multiplies with care.
            stride = stride.wrapping_mul(shape[d]);
        }
        view
    }

    /// Of an address that may be none: there, no byte is anyone's.
    #[inline]
    fn of_raw(ptr: *mut u8, bytes: u64, dtype: DType, shape: &[u64]) -> View {
        View::new(ptr, if ptr.is_null() { 0 } else { bytes }, dtype, shape)
    }

    /// Strides of another number than the dims are refused at launch.
    fn with_strides(mut self, strides: &[i64]) -> View {
        let dims = self.unfit_strides().map_or(usize::from(self.rank), |(dims, _)| dims as usize);
        let rank = dims.min(MAX_RANK);
        self.rank = dims as u8;
        self.strides = [0; MAX_RANK];
        if strides.len() == dims && rank == dims {
            self.strides[..rank].copy_from_slice(strides);
        } else if rank == dims {
            self.rank = UNFIT_STRIDES;
            self.strides[..2].copy_from_slice(&[dims as i64, i64::try_from(strides.len()).unwrap_or(i64::MAX)]);
        }
        self
    }

    /// The number of dims and the number of strides that were given, if they differ.
    pub(crate) fn unfit_strides(&self) -> Option<(u64, u64)> {
        (self.rank == UNFIT_STRIDES).then(|| (self.strides[0] as u64, self.strides[1] as u64))
    }

    fn with_row_stride(mut self, stride: u64) -> View {
        if self.rank > 0 {
            self.strides[0] = i64::try_from(stride).unwrap_or(i64::MIN);
        }
        self
    }
}

/// A tensor that is read: a view of memory borrowed for `'a`.
#[derive(Clone, Copy, Debug)]
pub struct TensorRef<'a> {
    pub(crate) view: View,
    life: PhantomData<&'a [u8]>,
}

/// A tensor that is written: a view of memory borrowed for `'a`.
#[derive(Debug)]
pub struct TensorMut<'a> {
    pub(crate) view: View,
    life: PhantomData<&'a mut [u8]>,
}

impl<'a> TensorRef<'a> {
    fn of(view: View) -> TensorRef<'a> {
        TensorRef { view, life: PhantomData }
    }

    /// Row-major without gaps; `shape` in elements. The slice may be longer than the shape needs.
    #[inline]
    pub fn new<T: Element>(data: &'a [T], shape: &[u64]) -> TensorRef<'a> {
        TensorRef::of(View::new(data.as_ptr().cast_mut().cast(), size_of_val(data) as u64, T::DTYPE, shape))
    }

    /// Row-major, but rows are `row_stride` elements apart: a column slice of a wider buffer, from its first element on.
    #[inline]
    pub fn rows<T: Element>(data: &'a [T], shape: &[u64], row_stride: u64) -> TensorRef<'a> {
        TensorRef::of(TensorRef::new(data, shape).view.with_row_stride(row_stride))
    }

    /// One stride a dim, in elements.
    #[inline]
    pub fn strided<T: Element>(data: &'a [T], shape: &[u64], strides: &[i64]) -> TensorRef<'a> {
        TensorRef::of(TensorRef::new(data, shape).view.with_strides(strides))
    }

    /// Rank 0.
    #[inline]
    pub fn scalar<T: Element>(value: &'a T) -> TensorRef<'a> {
        TensorRef::new(std::slice::from_ref(value), &[])
    }

    /// Any memory: `bytes` from `ptr` on, with strides in elements, one a dim. A launch refuses strides of another number, and
    /// elements at a null address.
    ///
    /// # Safety
    /// If the memory is a GPU's: it stays allocated, and nobody else writes it, until the stream has run the launch.
    /// If the memory is the host's: it is readable and nobody else writes it during a launch, for `'a`, and the elements
    /// within shape and strides are valid (a `bool` is 0 or 1). Host memory that is written only by the same launch,
    /// through an output's view, is fine: the launch checks what may overlap.
    #[inline]
    pub unsafe fn from_raw(ptr: *const u8, bytes: u64, dtype: DType, shape: &[u64], strides: &[i64]) -> TensorRef<'a> {
        TensorRef::of(View::of_raw(ptr.cast_mut(), bytes, dtype, shape).with_strides(strides))
    }

    /// As [`TensorRef::from_raw`], row-major without gaps.
    ///
    /// # Safety
    /// That of [`TensorRef::from_raw`], for the elements of a row-major tensor.
    #[inline]
    pub unsafe fn contiguous(ptr: *const u8, bytes: u64, dtype: DType, shape: &[u64]) -> TensorRef<'a> {
        TensorRef::of(View::of_raw(ptr.cast_mut(), bytes, dtype, shape))
    }

    /// The same elements' memory with other strides, one a dim, in elements.
    #[must_use]
    #[inline]
    pub fn with_strides(mut self, strides: &[i64]) -> TensorRef<'a> {
        self.view = self.view.with_strides(strides);
        self
    }

    /// The same view, said to be in this device's memory.
    #[must_use]
    #[inline]
    pub fn on(mut self, device: Device) -> TensorRef<'a> {
        self.view.location = Location::of(device);
        self
    }
}

impl<'a> TensorMut<'a> {
    fn of(view: View) -> TensorMut<'a> {
        TensorMut { view, life: PhantomData }
    }

    /// Row-major without gaps; `shape` in elements. The slice may be longer than the shape needs.
    #[inline]
    pub fn new<T: Element>(data: &'a mut [T], shape: &[u64]) -> TensorMut<'a> {
        TensorMut::of(View::new(data.as_mut_ptr().cast(), size_of_val(data) as u64, T::DTYPE, shape))
    }

    /// Row-major, but rows are `row_stride` elements apart: a column slice of a wider buffer, from its first element on.
    #[inline]
    pub fn rows<T: Element>(data: &'a mut [T], shape: &[u64], row_stride: u64) -> TensorMut<'a> {
        TensorMut::of(TensorMut::new(data, shape).view.with_row_stride(row_stride))
    }

    /// One stride a dim, in elements.
    #[inline]
    pub fn strided<T: Element>(data: &'a mut [T], shape: &[u64], strides: &[i64]) -> TensorMut<'a> {
        TensorMut::of(TensorMut::new(data, shape).view.with_strides(strides))
    }

    /// Rank 0.
    #[inline]
    pub fn scalar<T: Element>(value: &'a mut T) -> TensorMut<'a> {
        TensorMut::new(std::slice::from_mut(value), &[])
    }

    /// Any memory: `bytes` from `ptr` on, with strides in elements, one a dim. A launch refuses strides of another number, and
    /// elements at a null address.
    ///
    /// # Safety
    /// If the memory is a GPU's: it stays allocated, and nobody else reads or writes it, until the stream has run the launch.
    /// If the memory is the host's: it is writable, and nobody else reads or writes it during a launch, for `'a`; a
    /// `bool` in it is 0 or 1. Other views of it in the same launch are fine: the launch checks what may overlap.
    #[inline]
    pub unsafe fn from_raw(ptr: *mut u8, bytes: u64, dtype: DType, shape: &[u64], strides: &[i64]) -> TensorMut<'a> {
        TensorMut::of(View::of_raw(ptr, bytes, dtype, shape).with_strides(strides))
    }

    /// As [`TensorMut::from_raw`], row-major without gaps.
    ///
    /// # Safety
    /// That of [`TensorMut::from_raw`], for the elements of a row-major tensor.
    #[inline]
    pub unsafe fn contiguous(ptr: *mut u8, bytes: u64, dtype: DType, shape: &[u64]) -> TensorMut<'a> {
        TensorMut::of(View::of_raw(ptr, bytes, dtype, shape))
    }

    /// The same elements' memory with other strides, one a dim, in elements.
    #[must_use]
    #[inline]
    pub fn with_strides(mut self, strides: &[i64]) -> TensorMut<'a> {
        self.view = self.view.with_strides(strides);
        self
    }

    /// The same view, said to be in this device's memory.
    #[must_use]
    #[inline]
    pub fn on(mut self, device: Device) -> TensorMut<'a> {
        self.view.location = Location::of(device);
        self
    }

    /// The same view for a shorter time.
    #[inline]
    pub fn reborrow(&mut self) -> TensorMut<'_> {
        TensorMut::of(self.view)
    }

    /// The columns before and from `column` on along the last dim, as two views of interleaved memory: outputs side by
    /// side in one wider buffer. `None` if the rank is 0 or more than 6, or the dim has fewer columns.
    pub fn split_columns(self, column: u64) -> Option<(TensorMut<'a>, TensorMut<'a>)> {
        let last = usize::from(self.view.rank).checked_sub(1).filter(|&d| d < MAX_RANK)?;
        let (mut left, mut right) = (self.view, self.view);
        right.shape[last] = self.view.shape[last].checked_sub(column)?;
        left.shape[last] = column;
        let skip =
            u64::try_from(self.view.strides[last]).ok()?.checked_mul(column)?.checked_mul(self.view.dtype.size())?;
        right.bytes = self.view.bytes.saturating_sub(skip);
        // Past the end only if the buffer is too small; then a launch refuses the view by its length.
        right.ptr = self.view.ptr.wrapping_add(usize::try_from(skip).ok()?);
        Some((TensorMut::of(left), TensorMut::of(right)))
    }

    /// A second view of the same memory, for the input whose view this output is (in place, donated, guarded).
    ///
    /// # Safety
    /// The two views are used together in one launch, and the result in none that runs while this one is written.
    pub unsafe fn share(&self) -> TensorRef<'a> {
        TensorRef::of(self.view)
    }
}

impl<'a> From<&'a Tensor> for TensorRef<'a> {
    fn from(t: &'a Tensor) -> TensorRef<'a> {
        let bytes = t.bytes();
        TensorRef::of(View::new(bytes.as_ptr().cast_mut(), bytes.len() as u64, t.dtype(), t.shape()))
    }
}

impl<'a> From<&'a mut Tensor> for TensorMut<'a> {
    fn from(t: &'a mut Tensor) -> TensorMut<'a> {
        let dtype = t.dtype();
        let shape: smallvec::SmallVec<[u64; MAX_RANK]> = t.shape().into();
        let bytes = t.bytes_mut();
        TensorMut::of(View::new(bytes.as_mut_ptr(), bytes.len() as u64, dtype, &shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_its_devices() {
        let devices = [0, 1, u32::MAX].map(|n| [Device::Cuda(n), Device::Hip(n)]).concat();
        let all: Vec<Device> = devices.into_iter().chain([Device::Host]).collect();
        for (i, a) in all.iter().enumerate() {
            assert_eq!(Location::of(*a).device(), *a);
            assert!(all.iter().enumerate().all(|(j, b)| (Location::of(*a) == Location::of(*b)) == (i == j)));
        }
    }
}
