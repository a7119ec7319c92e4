//! Memory of burn's CPU backend as arguments of a launch.

use crate::dtype;
use burn_backend::{Bytes, DType as Burn, Shape};
use burn_flex::{FlexTensor, Layout as FlexLayout};
use half::{bf16, f16};
use routefuse::diag::{Code, Diagnostic};
use routefuse::ir::{Layout, Port};
use routefuse::{DType, TensorMut, TensorRef};
use smallvec::SmallVec;

/// Memory with extents, and strides in elements.
pub(crate) struct View {
    ptr: *mut u8,
    bytes: u64,
    dtype: DType,
    shape: SmallVec<[u64; 6]>,
    strides: SmallVec<[i64; 6]>,
}

impl View {
    /// Of a tensor whose storage is at `ptr`.
    ///
    /// # Errors
    /// `RF0603` for a dtype that graphs lack.
    pub(crate) fn of(ptr: *mut u8, tensor: &FlexTensor, port: &Port) -> Result<View, Diagnostic> {
        let Some(dtype) = dtype::of_burn(tensor.dtype()) else {
            let message =
                format!("input `{}` is of burn's {:?}, and the graph has {}", port.name, tensor.dtype(), port.ty.dtype);
            return Err(
                Diagnostic::new(Code::ArgumentDType, message).help("graphs have no such dtype; `cast` the tensor")
            );
        };
        let layout = tensor.layout();
        let skip = layout.start_offset().saturating_mul(dtype.size() as usize);
        Ok(View {
            ptr: ptr.wrapping_add(skip),
            bytes: tensor.bytes().len().saturating_sub(skip) as u64,
            dtype,
            shape: layout.shape().iter().map(|n| *n as u64).collect(),
            strides: layout.strides().iter().map(|n| *n as i64).collect(),
        })
    }

    /// # Safety
    /// As [`TensorRef::from_raw`].
    pub(crate) unsafe fn input<'a>(&self) -> TensorRef<'a> {
        // SAFETY: the caller's promise.
        unsafe { TensorRef::from_raw(self.ptr, self.bytes, self.dtype, &self.shape, &self.strides) }
    }

    /// # Safety
    /// As [`TensorMut::from_raw`].
    pub(crate) unsafe fn output<'a>(&self) -> TensorMut<'a> {
        // SAFETY: the caller's promise.
        unsafe { TensorMut::from_raw(self.ptr, self.bytes, self.dtype, &self.shape, &self.strides) }
    }
}

/// The tensor as a launch takes it: itself, or contiguous where the graph's input has no layout for its strides.
pub(crate) fn fitted(tensor: FlexTensor, layout: Layout) -> FlexTensor {
    if tensor.is_contiguous() {
        return tensor;
    }
    let (dims, strides) = (tensor.layout().shape(), tensor.layout().strides());
    let row_major = || {
        let mut stride = 1;
        (1..dims.num_dims()).rev().all(|d| {
            let fits = strides[d] == stride || dims[d] == 1;
            stride *= dims[d] as isize;
            fits
        })
    };
    let fits = match layout {
        Layout::Contiguous => false,
        Layout::Rows => strides.first().is_none_or(|s| *s >= 0) && row_major(),
        Layout::Strided => strides.iter().all(|s| *s >= 0),
    };
    if fits { tensor } else { tensor.to_contiguous() }
}

/// The address of a tensor's storage, which becomes this handle's alone: copied if others have it.
pub(crate) fn owned(tensor: &mut FlexTensor) -> *mut u8 {
    match tensor.dtype() {
        Burn::F32 => tensor.storage_mut::<f32>().as_mut_ptr().cast(),
        Burn::F16 => tensor.storage_mut::<f16>().as_mut_ptr().cast(),
        Burn::BF16 => tensor.storage_mut::<bf16>().as_mut_ptr().cast(),
        Burn::I64 => tensor.storage_mut::<i64>().as_mut_ptr().cast(),
        Burn::I32 => tensor.storage_mut::<i32>().as_mut_ptr().cast(),
        Burn::I16 => tensor.storage_mut::<i16>().as_mut_ptr().cast(),
        Burn::I8 => tensor.storage_mut::<i8>().as_mut_ptr().cast(),
        Burn::U64 => tensor.storage_mut::<u64>().as_mut_ptr().cast(),
        Burn::U32 => tensor.storage_mut::<u32>().as_mut_ptr().cast(),
        Burn::U16 => tensor.storage_mut::<u16>().as_mut_ptr().cast(),
        Burn::U8 | Burn::Bool(_) => tensor.storage_mut::<u8>().as_mut_ptr().cast(),
        // Graphs have none of these, so that the launch refuses the tensor before anything is written.
        Burn::F64 | Burn::Flex32 | Burn::QFloat(_) => std::ptr::null_mut(),
    }
}

/// Room for a result of so many elements.
pub(crate) enum Room {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
    Doubles(Vec<u32>),
    Quads(Vec<u64>),
}

impl Room {
    pub(crate) fn new(dtype: DType, elements: usize) -> Room {
        match dtype.size() {
            1 => Room::Bytes(Vec::with_capacity(elements)),
            2 => Room::Words(Vec::with_capacity(elements)),
            4 => Room::Doubles(Vec::with_capacity(elements)),
            _ => Room::Quads(Vec::with_capacity(elements)),
        }
    }

    /// The room as the memory of an output.
    pub(crate) fn view(&mut self, dtype: DType, shape: &[u64]) -> View {
        let (ptr, elements): (*mut u8, usize) = match self {
            Room::Bytes(v) => (v.as_mut_ptr(), v.capacity()),
            Room::Words(v) => (v.as_mut_ptr().cast(), v.capacity()),
            Room::Doubles(v) => (v.as_mut_ptr().cast(), v.capacity()),
            Room::Quads(v) => (v.as_mut_ptr().cast(), v.capacity()),
        };
        let mut strides: SmallVec<[i64; 6]> = SmallVec::from_elem(1, shape.len());
        for d in (1..shape.len()).rev() {
            strides[d - 1] = strides[d].wrapping_mul(shape[d] as i64);
        }
        View { ptr, bytes: elements as u64 * dtype.size(), dtype, shape: shape.into(), strides }
    }

    /// The result.
    ///
    /// # Safety
    /// All elements of the shape were written.
    pub(crate) unsafe fn filled(mut self, dtype: DType, shape: &[u64]) -> FlexTensor {
        let elements = shape.iter().product::<u64>() as usize;
        // SAFETY: the caller's promise; the room was made for so many.
        unsafe {
            match &mut self {
                Room::Bytes(v) => v.set_len(elements),
                Room::Words(v) => v.set_len(elements),
                Room::Doubles(v) => v.set_len(elements),
                Room::Quads(v) => v.set_len(elements),
            }
        }
        let bytes = match self {
            Room::Bytes(v) => Bytes::from_elems(v),
            Room::Words(v) => Bytes::from_elems(v),
            Room::Doubles(v) => Bytes::from_elems(v),
            Room::Quads(v) => Bytes::from_elems(v),
        };
        let dims: Vec<usize> = shape.iter().map(|n| *n as usize).collect();
        FlexTensor::new(bytes, FlexLayout::contiguous(Shape::from(dims)), dtype::to_burn(dtype))
    }
}
