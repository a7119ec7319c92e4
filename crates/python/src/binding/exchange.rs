//! DLPack's C exchange: tensors to and from a library by functions of its own, without Python in between.
//!
//! A library puts the address of a table of functions on its tensor type, as the capsule `dlpack_exchange_api`. The table's
//! layout is that of `dlpack.h`, version 1.3 (Apache-2.0, by the DLPack contributors).

use super::view::{MAX_RANK, View};
use crate::failure::{refused, wrong};
use ::routefuse::DType;
use ::routefuse::diag::Code;
use ::routefuse::exec::Device;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use routefuse_dlpack::{DataType, DlDevice, DlTensor, Managed, Version};
use smallvec::SmallVec;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

type SetError = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char);

/// The table of functions. Those that give Python objects or take them need the GIL; each gives 0, or −1 with an exception set.
#[repr(C)]
struct Api {
    version: Version,
    previous: *const Api,
    allocate: unsafe extern "C" fn(*mut DlTensor, *mut *mut Managed, *mut c_void, SetError) -> i32,
    managed_from_object: unsafe extern "C" fn(*mut c_void, *mut *mut Managed) -> i32,
    object_from_managed: unsafe extern "C" fn(*mut Managed, *mut *mut c_void) -> i32,
    tensor_from_object: unsafe extern "C" fn(*mut c_void, *mut DlTensor) -> i32,
    current_stream: unsafe extern "C" fn(i32, i32, *mut *mut c_void) -> i32,
}

/// What a dtype that graphs lack is called.
fn foreign(data: DataType) -> String {
    let kind = match data.code {
        0 => "int",
        1 => "uint",
        2 => "float",
        5 => "complex",
        _ => "a dtype of code ",
    };
    if kind.ends_with(' ') { format!("{kind}{}", data.code) } else { format!("{kind}{}", data.bits) }
}

/// What the allocator says when it fails.
struct Said(String);

unsafe extern "C" fn hear(said: *mut c_void, kind: *const c_char, message: *const c_char) {
    let text = |s: *const c_char| {
        if s.is_null() {
            return String::new();
        }
        // SAFETY: a zero-terminated text that lives during this call.
        unsafe { CStr::from_ptr(s) }.to_string_lossy().into_owned()
    };
    // SAFETY: what `allocate` was given below: a `Said` that lives during the call.
    unsafe { (*said.cast::<Said>()).0 = format!("{}: {}", text(kind), text(message)) };
}

/// The functions of a tensor type.
#[derive(Clone, Copy)]
pub struct Exchange {
    api: &'static Api,
}

impl Exchange {
    /// Those of a type, if it has any of a version that is known here.
    pub fn of(tensor: &Bound<'_, PyAny>) -> Option<Exchange> {
        let capsule = tensor.getattr("__dlpack_c_exchange_api__").ok()?;
        let capsule = capsule.cast::<PyCapsule>().ok()?;
        let table = capsule.pointer_checked(Some(c"dlpack_exchange_api")).ok()?;
        let mut table: *const Api = table.as_ptr().cast();
        while !table.is_null() {
            // SAFETY: the capsule's table lives as long as the process, by DLPack's rules, and so do those before it. Every
            // version begins with its number and the address of the one before.
            let api = unsafe { &*table };
            if api.version.major == 1 {
                return Some(Exchange { api });
            }
            table = api.previous;
        }
        None
    }

    /// Where a tensor's elements are. `tensor` is of the type whose functions these are, or a plain subclass.
    #[inline]
    pub fn read(self, name: &str, tensor: &Bound<'_, PyAny>) -> PyResult<View> {
        let mut dl = DlTensor {
            data: ptr::null_mut(),
            device: DlDevice { kind: 0, id: 0 },
            ndim: 0,
            dtype: DataType { code: 0, bits: 0, lanes: 0 },
            shape: ptr::null_mut(),
            strides: ptr::null_mut(),
            byte_offset: 0,
        };
        // SAFETY: the object is a tensor of this type, and the GIL is held.
        if unsafe { (self.api.tensor_from_object)(tensor.as_ptr().cast(), &raw mut dl) } != 0 {
            return Err(unreadable(name, tensor));
        }
        let (Some(dtype), Some(device)) = (dl.dtype.dtype(), dl.device.device()) else {
            return Err(unknown(name, tensor, &dl));
        };
        let rank = dl.ndim.max(0) as usize;
        if rank > MAX_RANK {
            return Err(too_many_dims(name, tensor, rank));
        }
        let data = dl.data.cast::<u8>().wrapping_add(dl.byte_offset as usize);
        // SAFETY: `ndim` extents, which the tensor keeps.
        let extent = |d: usize| unsafe { *dl.shape.add(d) } as u64;
        let view = if dl.strides.is_null() {
            let shape: SmallVec<[u64; MAX_RANK]> = (0..rank).map(extent).collect();
            View::of(data, dtype, device, &shape, None)
        } else {
            // SAFETY: likewise strides, where there are any.
            View::of_dims(data, dtype, device, rank, |d| (extent(d), unsafe { *dl.strides.add(d) }))
        };
        view.ok_or_else(|| too_large(name, tensor))
    }

    /// The stream that the library's work on this device goes to at present.
    #[inline]
    pub fn stream(self, py: Python<'_>, device: Device) -> PyResult<*mut c_void> {
        let (device, mut stream) = (DlDevice::of(device), ptr::null_mut());
        // SAFETY: the GIL is held; the result is written to a live variable.
        if unsafe { (self.api.current_stream)(device.kind, device.id, &raw mut stream) } != 0 {
            return Err(PyErr::fetch(py));
        }
        Ok(stream)
    }

    /// So many bytes of the library's allocator, for the work of the current stream.
    pub fn block(self, py: Python<'_>, device: Device, bytes: u64) -> PyResult<Arc<Block>> {
        let mut shape = [bytes as i64];
        let managed = self.allocate(py, device, DType::U8, &mut shape)?;
        Ok(Arc::new(Block { managed }))
    }

    fn allocate(self, py: Python<'_>, device: Device, dtype: DType, shape: &mut [i64]) -> PyResult<NonNull<Managed>> {
        let mut prototype = DlTensor {
            data: ptr::null_mut(),
            device: DlDevice::of(device),
            ndim: shape.len() as i32,
            dtype: DataType::of(dtype),
            shape: shape.as_mut_ptr(),
            strides: ptr::null_mut(),
            byte_offset: 0,
        };
        let (mut managed, mut said) = (ptr::null_mut(), Said(String::new()));
        // SAFETY: the prototype has its extents, and both results are written to live variables.
        let status = unsafe { (self.api.allocate)(&raw mut prototype, &raw mut managed, (&raw mut said).cast(), hear) };
        match NonNull::new(managed) {
            Some(managed) if status == 0 => Ok(managed),
            _ => Err(refused(py, format!("no memory for the outputs: {}", said.0))),
        }
    }

    /// A new tensor of the library's, with the address of its elements.
    #[inline]
    pub fn tensor<'py>(
        self,
        py: Python<'py>,
        device: Device,
        dtype: DType,
        shape: &mut [i64],
    ) -> PyResult<(Bound<'py, PyAny>, *mut u8)> {
        let managed = self.allocate(py, device, dtype, shape)?;
        // SAFETY: just allocated.
        let tensor = unsafe { &managed.as_ref().tensor };
        let data = tensor.data.cast::<u8>().wrapping_add(tensor.byte_offset as usize);
        // SAFETY: it is the library's own, and given away once.
        Ok((unsafe { self.object(py, managed)? }, data))
    }

    /// A tensor that lies in a block, and keeps it.
    #[inline]
    pub fn part<'py>(
        self,
        py: Python<'py>,
        (block, offset): (&Arc<Block>, u64),
        device: Device,
        dtype: DType,
        shape: &[i64],
    ) -> PyResult<(Bound<'py, PyAny>, *mut u8)> {
        let data = block.data().wrapping_add(offset as usize);
        let (mut extents, mut strides) = ([0i64; MAX_RANK], [0i64; MAX_RANK]);
        extents[..shape.len()].copy_from_slice(shape);
        let mut stride = 1;
        for d in (0..shape.len()).rev() {
            strides[d] = stride;
            stride *= shape[d].max(1);
        }
        let part = Box::into_raw(Box::new(Part {
            managed: Managed {
                version: Version { major: 1, minor: 0 },
                context: ptr::null_mut(),
                deleter: Some(let_go),
                flags: 0,
                tensor: DlTensor {
                    data: data.cast(),
                    device: DlDevice::of(device),
                    ndim: shape.len() as i32,
                    dtype: DataType::of(dtype),
                    shape: ptr::null_mut(),
                    strides: ptr::null_mut(),
                    byte_offset: 0,
                },
            },
            _block: Arc::clone(block),
            extents,
            strides,
        }));
        // SAFETY: just made, and nobody else has it; its extents and strides stay where they are as long as it does.
        let managed = unsafe {
            (*part).managed.context = part.cast();
            (*part).managed.tensor.shape = (&raw mut (*part).extents).cast();
            (*part).managed.tensor.strides = (&raw mut (*part).strides).cast();
            NonNull::new_unchecked(&raw mut (*part).managed)
        };
        // SAFETY: given away once; its deleter frees it.
        Ok((unsafe { self.object(py, managed)? }, data))
    }

    /// # Safety
    /// Nobody else has `managed`.
    #[inline]
    unsafe fn object<'py>(self, py: Python<'py>, managed: NonNull<Managed>) -> PyResult<Bound<'py, PyAny>> {
        let mut object: *mut c_void = ptr::null_mut();
        // SAFETY: the GIL is held. The library takes `managed` over.
        if unsafe { (self.api.object_from_managed)(managed.as_ptr(), &raw mut object) } != 0 {
            return Err(PyErr::fetch(py));
        }
        // SAFETY: a new reference.
        unsafe { Bound::from_owned_ptr_or_err(py, object.cast::<PyObject>()) }
    }
}

/// Memory of a library's allocator, given back with the last tensor that lies in it.
#[derive(Debug)]
pub struct Block {
    managed: NonNull<Managed>,
}

// SAFETY: an address with a deleter, which DLPack has be called from any thread.
unsafe impl Send for Block {}
// SAFETY: nothing changes through it but by its one drop.
unsafe impl Sync for Block {}

impl Block {
    /// Its first byte.
    #[inline]
    pub fn data(&self) -> *mut u8 {
        // SAFETY: allocated, and alive as long as this block.
        let tensor = unsafe { &self.managed.as_ref().tensor };
        tensor.data.cast::<u8>().wrapping_add(tensor.byte_offset as usize)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the allocator's own deleter, called once.
        unsafe {
            if let Some(deleter) = self.managed.as_ref().deleter {
                deleter(self.managed.as_ptr());
            }
        }
    }
}

/// A tensor in a block: what its library keeps of it.
#[repr(C)]
struct Part {
    managed: Managed,
    _block: Arc<Block>,
    extents: [i64; MAX_RANK],
    strides: [i64; MAX_RANK],
}

unsafe extern "C" fn let_go(managed: *mut Managed) {
    // SAFETY: the context is the `Part` that `Exchange::part` made of a box, and a deleter is called once.
    drop(unsafe { Box::from_raw((*managed).context.cast::<Part>()) });
}

#[cold]
fn unreadable(name: &str, tensor: &Bound<'_, PyAny>) -> PyErr {
    let py = tensor.py();
    // SAFETY: asks whether an exception is set, with the GIL held.
    let said = if unsafe { ffi::PyErr_Occurred() }.is_null() { None } else { Some(PyErr::fetch(py)) };
    super::torch::wants_grad(name, tensor).unwrap_or_else(|| {
        let device = tensor.getattr("device").map_or_else(|_| "an unknown device".to_owned(), |d| d.to_string());
        let dtype = tensor.getattr("dtype").map_or_else(|_| "an unknown dtype".to_owned(), |d| d.to_string());
        // What follows the first line is a list of torch's own functions.
        let reason = said.map(|e| e.value(py).to_string()).unwrap_or_default();
        let reason = reason.lines().next().map(|line| format!(": {line}")).unwrap_or_default();
        let message = format!("`{name}` is a tensor of {dtype} on {device}, whose memory cannot be read{reason}");
        wrong(py, Code::WrongDevice, message, "give a dense tensor in the memory of the kernel's device")
    })
}

#[cold]
fn unknown(name: &str, tensor: &Bound<'_, PyAny>, dl: &DlTensor) -> PyErr {
    if dl.device.device().is_none() {
        let device = tensor.getattr("device").map_or_else(|_| "an unknown device".to_owned(), |d| d.to_string());
        let message = format!("`{name}` is on {device}, where routefuse runs nothing");
        return wrong(tensor.py(), Code::WrongDevice, message, "give a tensor on the kernel's device");
    }
    wrong_dtype(name, tensor.py(), &foreign(dl.dtype))
}

/// The error of a dtype that graphs lack.
#[cold]
pub fn wrong_dtype(name: &str, py: Python<'_>, dtype: &str) -> PyErr {
    let known: Vec<&str> = DType::ALL.iter().map(|d| d.name()).collect();
    let help = format!("graphs have {}", known.join(", "));
    wrong(py, Code::ArgumentDType, format!("`{name}` is of {dtype}"), help)
}

#[cold]
pub fn too_many_dims(name: &str, tensor: &Bound<'_, PyAny>, rank: usize) -> PyErr {
    let help = format!("a tensor of a graph has at most {MAX_RANK} dims");
    wrong(tensor.py(), Code::ArgumentRank, format!("`{name}` has {rank} dims"), help)
}

#[cold]
pub fn too_large(name: &str, tensor: &Bound<'_, PyAny>) -> PyErr {
    let message = format!("`{name}` has strides below zero, or more bytes than 63 bits count");
    wrong(tensor.py(), Code::BadStride, message, "give a tensor whose strides are not negative")
}
