//! An address with its extents, as a launch takes it.

use super::Family;
use ::routefuse::exec::Device;
use ::routefuse::{DType, TensorMut, TensorRef};

/// The most dims that a port has.
pub const MAX_RANK: usize = 6;

/// A tensor's memory. Whoever has it keeps the object that it was read from.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub ptr: *mut u8,
    /// From the first element to behind the last.
    bytes: u64,
    pub dtype: DType,
    pub device: Device,
    rank: u8,
    shape: [u64; MAX_RANK],
    strides: [i64; MAX_RANK],
}

impl View {
    /// A scalar.
    pub fn scalar(ptr: *mut u8, dtype: DType) -> View {
        View {
            ptr,
            bytes: dtype.size(),
            dtype,
            device: Device::Host,
            rank: 0,
            shape: [0; MAX_RANK],
            strides: [0; MAX_RANK],
        }
    }

    /// Of extents and strides in elements, none of them negative, no more than [`MAX_RANK`]; without strides it is row-major.
    /// `None` where its size does not fit 63 bits.
    #[inline]
    pub fn of(ptr: *mut u8, dtype: DType, device: Device, shape: &[u64], strides: Option<&[i64]>) -> Option<View> {
        match strides {
            Some(strides) => View::of_dims(ptr, dtype, device, shape.len(), |d| (shape[d], strides[d])),
            None => {
                let mut view = View { ptr, device, rank: shape.len() as u8, ..View::scalar(ptr, dtype) };
                view.shape[..shape.len()].copy_from_slice(shape);
                let mut elements = 1u64;
                for d in (0..shape.len()).rev() {
                    view.strides[d] = i64::try_from(elements).ok()?;
                    elements = elements.checked_mul(shape[d])?;
                }
                view.sized(elements)
            }
        }
    }

    /// As [`View::of`], of dims that are asked for one by one: each an extent and a stride.
    #[inline]
    pub fn of_dims(
        ptr: *mut u8,
        dtype: DType,
        device: Device,
        rank: usize,
        dim: impl Fn(usize) -> (u64, i64),
    ) -> Option<View> {
        let mut view = View { ptr, device, rank: rank as u8, ..View::scalar(ptr, dtype) };
        let (mut elements, mut empty) = (1u64, false);
        for (d, (extent, step)) in view.shape.iter_mut().zip(&mut view.strides).enumerate().take(rank) {
            (*extent, *step) = dim(d);
            empty |= *extent == 0;
            let reach = extent.saturating_sub(1).checked_mul(u64::try_from(*step).ok()?)?;
            elements = elements.checked_add(reach)?;
        }
        view.sized(if empty { 0 } else { elements })
    }

    #[inline]
    fn sized(mut self, elements: u64) -> Option<View> {
        self.bytes = elements.checked_mul(self.dtype.size()).filter(|n| *n < 1 << 63)?;
        Some(self)
    }

    #[inline]
    pub fn shape(&self) -> &[u64] {
        &self.shape[..usize::from(self.rank)]
    }

    #[inline]
    fn strides(&self) -> &[i64] {
        &self.strides[..usize::from(self.rank)]
    }

    /// Bytes from the first element to behind the last.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The same elements of another dtype of the same size.
    pub fn as_dtype(mut self, dtype: DType) -> View {
        if dtype.size() == self.dtype.size() {
            self.dtype = dtype;
        }
        self
    }

    /// As a port of this dtype takes them: numpy has no dtype for bf16, whose bits come as u16.
    #[inline]
    pub fn as_bits_of(self, dtype: DType, family: Family) -> View {
        let bits = dtype == DType::Bf16 && self.dtype == DType::U16 && matches!(family, Family::Array);
        if bits { self.as_dtype(DType::Bf16) } else { self }
    }

    /// One row of a matrix, or of a tensor of more dims; none if it has not so many.
    pub fn matrix_row(&self, row: u64) -> Option<View> {
        let (extent, step) = (*self.shape().first()?, *self.strides().first()?);
        let bytes = row.checked_mul(u64::try_from(step).ok()?)?.checked_mul(self.dtype.size())?;
        if row >= extent {
            return None;
        }
        let ptr = self.ptr.wrapping_add(usize::try_from(bytes).ok()?);
        let dim = |d: usize| (self.shape[d + 1], self.strides[d + 1]);
        View::of_dims(ptr, self.dtype, self.device, usize::from(self.rank) - 1, dim)
    }

    /// Whether both are the same elements in the same order.
    #[inline]
    pub fn is_same(&self, other: &View) -> bool {
        self.ptr == other.ptr && self.shape() == other.shape() && self.strides() == other.strides()
    }

    /// To be read.
    ///
    /// # Safety
    /// The object that it was read from is kept for `'a`, and on a GPU until the stream has run the launch; nobody writes it
    /// meanwhile.
    #[inline]
    pub unsafe fn input<'a>(&self) -> TensorRef<'a> {
        // SAFETY: the caller keeps the object, whose memory this is.
        unsafe { TensorRef::from_raw(self.ptr, self.bytes, self.dtype, self.shape(), self.strides()) }.on(self.device)
    }

    /// To be written.
    ///
    /// # Safety
    /// As [`View::input`]; nobody else reads or writes it.
    #[inline]
    pub unsafe fn output<'a>(&self) -> TensorMut<'a> {
        // SAFETY: the caller keeps the object, whose memory this is.
        unsafe { TensorMut::from_raw(self.ptr, self.bytes, self.dtype, self.shape(), self.strides()) }.on(self.device)
    }
}
