//! Calls of an exported module, as TVM-FFI makes them.

use crate::driver::library;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use routefuse::DType;
use routefuse_ir::program::{Port, Program};
use routefuse_ir::{Alias, Layout};
use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::sync::OnceLock;

/// A tensor that is nowhere.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub address: u64,
    pub bytes: u64,
    pub dtype: DType,
    pub shape: Vec<u64>,
    pub strides: Vec<i64>,
    pub written: bool,
    /// The output that lies in an input, which a call of a module does not give again.
    pub in_place: bool,
    /// As DLPack numbers kinds of devices.
    pub device_type: i32,
    /// Another device than the call's.
    pub device_id: Option<i32>,
}

/// The extents of a program's symbols: this many rows, each one more than the one before, or as few as a bound allows.
pub fn extents(program: &Program, rows: u64) -> Vec<u64> {
    let mut extents: Vec<u64> = (0..program.symbols.len() as u64).map(|dim| rows + dim).collect();
    for bound in &program.bounds {
        extents[bound.symbol().0 as usize] = bound.least_at(&extents);
    }
    extents
}

/// A tensor for each port of a program, inputs and then outputs: of this many rows; that of number `misaligned` at no multiple of 16,
/// and with so many elements between rows where a port allows it.
pub fn tensors(program: &Program, rows: u64, misaligned: Option<usize>, gap: u64) -> Vec<Tensor> {
    let ports = program.inputs.iter().map(|p| (p, false)).chain(program.outputs.iter().map(|p| (p, true)));
    let extents = extents(program, rows);
    let tensor = |(i, (port, written)): (usize, (&Port, bool))| {
        let shape: Vec<u64> = port.ty.shape.iter().map(|d| d.resolve(&extents)).collect();
        let mut strides = vec![1; shape.len()];
        for d in (1..shape.len()).rev() {
            strides[d - 1] = strides[d] * shape[d] as i64;
        }
        // The stride of a single row means nothing, and each passes what it likes.
        if port.layout == Layout::Rows && shape.first().is_some_and(|n| *n > 1) {
            strides[0] += gap as i64;
        }
        let size = port.ty.dtype.size();
        let elements = if shape.contains(&0) {
            0
        } else {
            shape.iter().zip(&strides).map(|(n, s)| (n - 1) * *s as u64).sum::<u64>() + 1
        };
        let (in_place, i) = match port.alias {
            Alias::InPlace(input) => (true, input),
            _ => (false, i),
        };
        let address = ((i as u64 + 1) << 42) + if misaligned == Some(i) { size } else { 0 };
        let (bytes, dtype) = (elements * size, port.ty.dtype);
        Tensor { address, bytes, dtype, shape, strides, written, in_place, device_type: 2, device_id: None }
    };
    ports.enumerate().map(tensor).collect()
}

/// `TVMFFIAny`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Any {
    type_index: i32,
    padding: u32,
    value: u64,
}

/// `DLTensor`.
#[repr(C)]
struct DlTensor {
    data: *mut c_void,
    device_type: i32,
    device_id: i32,
    rank: i32,
    code: u8,
    bits: u8,
    lanes: u16,
    shape: *const i64,
    strides: *const i64,
    byte_offset: u64,
}

type Function = unsafe extern "C" fn(*mut c_void, *const Any, i32, *mut Any) -> i32;

/// A loaded module.
pub struct Module(Library);

/// The library that loads modules, of which they want two functions.
fn tvm_ffi() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tvm_ffi/tvm_ffi.c");
        library(&source, "libstand_in_tvm_ffi.so")
    })
}

/// The stream that a caller works on, on this GPU.
pub fn stream(device: usize) -> *mut c_void {
    // SAFETY: an array of a pointer for each of two devices, of which only addresses are taken.
    unsafe { (*tvm_ffi().get::<*mut *mut c_void>(b"streams\0").unwrap()).add(device).cast() }
}

impl Module {
    pub fn load(code: &[u8]) -> Module {
        tvm_ffi();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), code).unwrap();
        // SAFETY: it has no initialisers.
        Module(unsafe { Library::open(Some(file.path()), RTLD_NOW | RTLD_LOCAL) }.unwrap())
    }

    fn invoke(&self, name: &str, args: &[Any]) -> Result<(), String> {
        // SAFETY: a function of a module has this type.
        let function: Symbol<Function> = unsafe { self.0.get(format!("__tvm_ffi_{name}\0").as_bytes()) }.unwrap();
        let mut result = Any { type_index: 99, padding: 99, value: 99 };
        // SAFETY: as many arguments as are said, each as its type index says.
        let status = unsafe { function(std::ptr::null_mut(), args.as_ptr(), args.len() as i32, &raw mut result) };
        if status == 0 {
            assert_eq!((result.type_index, result.padding, result.value), (0, 0, 0), "it returns None");
            return Ok(());
        }
        // SAFETY: text of the library that ends in a zero.
        let raised = unsafe { CStr::from_ptr(*tvm_ffi().get::<*const c_char>(b"raised\0").unwrap()) };
        Err(raised.to_str().unwrap().to_owned())
    }

    /// Calls a function with tensors on a GPU.
    pub fn call(&self, name: &str, tensors: &[Tensor], device: i32) -> Result<(), String> {
        let tensors: Vec<&Tensor> = tensors.iter().filter(|t| !t.in_place).collect();
        let shapes: Vec<Vec<i64>> = tensors.iter().map(|t| t.shape.iter().map(|n| *n as i64).collect()).collect();
        let code = |dtype: DType| match dtype {
            DType::Bool => 6,
            DType::Bf16 => 4,
            DType::F16 | DType::F32 => 2,
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => 0,
            _ => 1,
        };
        let tensors: Vec<DlTensor> = tensors
            .iter()
            .zip(&shapes)
            .map(|(t, shape)| DlTensor {
                data: std::ptr::with_exposed_provenance_mut(t.address as usize),
                device_type: t.device_type,
                device_id: t.device_id.unwrap_or(device),
                rank: shape.len() as i32,
                code: code(t.dtype),
                bits: 8 * t.dtype.size() as u8,
                lanes: 1,
                shape: shape.as_ptr(),
                strides: t.strides.as_ptr(),
                byte_offset: 0,
            })
            .collect();
        // kTVMFFIDLTensorPtr
        let any = |t: &DlTensor| Any { type_index: 7, padding: 0, value: std::ptr::from_ref(t).addr() as u64 };
        self.invoke(name, &tensors.iter().map(any).collect::<Vec<_>>())
    }

    /// Calls a function with the number of a GPU, or with nothing.
    pub fn prepare(&self, name: &str, device: Option<i64>) -> Result<(), String> {
        // kTVMFFIInt
        let any = device.map(|d| Any { type_index: 1, padding: 0, value: d as u64 });
        self.invoke(name, any.as_slice())
    }
}
