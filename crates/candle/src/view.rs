//! Memory of candle's as arguments of a launch.

use crate::dtype;
use candle_core::{CpuStorage, DType as Candle, Layout};
use routefuse::diag::{Code, Diagnostic};
use routefuse::exec::Device;
use routefuse::ir::Port;
use routefuse::{DType, TensorMut, TensorRef};
use smallvec::SmallVec;

/// The most dims that are kept without allocating: graphs have no more.
const DIMS: usize = 6;

/// All memory of a storage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    /// The first byte.
    pub(crate) ptr: *mut u8,
    /// How many there are.
    pub(crate) bytes: u64,
}

impl Region {
    /// No memory.
    pub(crate) const NONE: Region = Region { ptr: std::ptr::null_mut(), bytes: 0 };

    fn of<T>(elements: &[T]) -> Region {
        Region { ptr: elements.as_ptr().cast_mut().cast(), bytes: size_of_val(elements) as u64 }
    }

    fn of_mut<T>(elements: &mut [T]) -> Region {
        Region { ptr: elements.as_mut_ptr().cast(), bytes: size_of_val(elements) as u64 }
    }

    /// The memory of a storage on the CPU, to be read.
    pub(crate) fn of_cpu(storage: &CpuStorage) -> Region {
        match storage {
            CpuStorage::U8(v) | CpuStorage::F6E2M3(v) | CpuStorage::F6E3M2(v) => Region::of(v),
            CpuStorage::F4(v) | CpuStorage::F8E8M0(v) => Region::of(v),
            CpuStorage::U32(v) => Region::of(v),
            CpuStorage::I16(v) => Region::of(v),
            CpuStorage::I32(v) => Region::of(v),
            CpuStorage::I64(v) => Region::of(v),
            CpuStorage::BF16(v) => Region::of(v),
            CpuStorage::F16(v) => Region::of(v),
            CpuStorage::F32(v) => Region::of(v),
            CpuStorage::F64(v) => Region::of(v),
            CpuStorage::F8E4M3(v) => Region::of(v),
        }
    }

    /// The memory of a storage on the CPU, to be written too.
    pub(crate) fn of_cpu_mut(storage: &mut CpuStorage) -> Region {
        match storage {
            CpuStorage::U8(v) | CpuStorage::F6E2M3(v) | CpuStorage::F6E3M2(v) => Region::of_mut(v),
            CpuStorage::F4(v) | CpuStorage::F8E8M0(v) => Region::of_mut(v),
            CpuStorage::U32(v) => Region::of_mut(v),
            CpuStorage::I16(v) => Region::of_mut(v),
            CpuStorage::I32(v) => Region::of_mut(v),
            CpuStorage::I64(v) => Region::of_mut(v),
            CpuStorage::BF16(v) => Region::of_mut(v),
            CpuStorage::F16(v) => Region::of_mut(v),
            CpuStorage::F32(v) => Region::of_mut(v),
            CpuStorage::F64(v) => Region::of_mut(v),
            CpuStorage::F8E4M3(v) => Region::of_mut(v),
        }
    }
}

/// A tensor of candle's: its storage's memory, and which part of that it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'l> {
    pub(crate) region: Region,
    pub(crate) dtype: Candle,
    pub(crate) layout: &'l Layout,
    pub(crate) device: Device,
}

/// Extents, or strides in elements.
type Dims<T> = SmallVec<[T; DIMS]>;
/// The dtype, the first byte and how many follow, extents, strides.
type Parts = (DType, *mut u8, u64, Dims<u64>, Dims<i64>);

impl<'l> View<'l> {
    /// The view as an input.
    ///
    /// # Errors
    /// `RF0603` for a dtype that graphs lack.
    ///
    /// # Safety
    /// The memory is as [`TensorRef::from_raw`] asks, for `'a`.
    #[inline]
    pub(crate) unsafe fn input<'a>(self, port: &Port) -> Result<TensorRef<'a>, Diagnostic> {
        let (dtype, ptr, bytes, shape, strides) = self.parts(port, "input")?;
        // SAFETY: the caller's promise.
        Ok(unsafe { TensorRef::from_raw(ptr, bytes, dtype, &shape, &strides) }.on(self.device))
    }

    /// The view as an output.
    ///
    /// # Errors
    /// `RF0603` for a dtype that graphs lack.
    ///
    /// # Safety
    /// The memory is as [`TensorMut::from_raw`] asks, for `'a`.
    #[inline]
    pub(crate) unsafe fn output<'a>(self, port: &Port) -> Result<TensorMut<'a>, Diagnostic> {
        let (dtype, ptr, bytes, shape, strides) = self.parts(port, "output")?;
        // SAFETY: the caller's promise.
        Ok(unsafe { TensorMut::from_raw(ptr, bytes, dtype, &shape, &strides) }.on(self.device))
    }

    #[inline]
    fn parts(self, port: &Port, role: &str) -> Result<Parts, Diagnostic> {
        let wanted = port.ty.dtype;
        // Another dtype that graphs have is refused by the launch.
        let dtype = match dtype::fits(self.dtype, wanted) {
            true => wanted,
            false => dtype::of_candle(self.dtype).ok_or_else(|| foreign(self.dtype, port, role))?,
        };
        let skip = (self.layout.start_offset() as u64).saturating_mul(wanted.size());
        let shape = self.layout.dims().iter().map(|n| *n as u64).collect();
        // candle's strides are indices of memory that there is.
        let strides = self.layout.stride().iter().map(|n| i64::try_from(*n).unwrap_or(i64::MAX)).collect();
        let ptr = self.region.ptr.wrapping_add(usize::try_from(skip).unwrap_or(usize::MAX));
        Ok((dtype, ptr, self.region.bytes.saturating_sub(skip), shape, strides))
    }
}

#[cold]
fn foreign(dtype: Candle, port: &Port, role: &str) -> Diagnostic {
    let message = format!("{role} `{}` is of candle's {dtype:?}, and the graph has {}", port.name, port.ty.dtype);
    let help = "graphs have no such dtype; convert the tensor by `to_dtype`";
    Diagnostic::new(Code::ArgumentDType, message).help(help)
}
