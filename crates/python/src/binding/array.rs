//! Arrays in this process's memory, by `__array_interface__`: numpy's, and those of whatever else has it.

use super::exchange::{too_large, too_many_dims, wrong_dtype};
use super::no_tensor;
use super::view::{MAX_RANK, View};
use crate::failure::wrong;
use ::routefuse::DType;
use ::routefuse::diag::Code;
use ::routefuse::exec::Device;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

/// Whether it has the interface, of memory that stays where it is. That of numpy's scalars, which have no elements to set, is
/// gone with the answer.
pub fn is_array(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = object.py();
    Ok(object.hasattr(intern!(py, "__array_interface__"))? && object.hasattr(intern!(py, "__setitem__"))?)
}

/// The dtype of a type string of the interface, as in "<f4". The bits of a `bf16` are a type of their own (`V2`), or `u16`.
fn dtype_of(text: &str) -> Option<DType> {
    let native = if cfg!(target_endian = "little") { '<' } else { '>' };
    let rest = text.strip_prefix(['|', '=', native])?;
    Some(match rest {
        "b1" => DType::Bool,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "u1" => DType::U8,
        "u2" => DType::U16,
        "u4" => DType::U32,
        "u8" => DType::U64,
        "f2" => DType::F16,
        "f4" => DType::F32,
        "V2" => DType::Bf16,
        _ => return None,
    })
}

/// Where an array's elements are. One that is written has to be writable.
pub fn read(name: &str, array: &Bound<'_, PyAny>, written: bool) -> PyResult<View> {
    let py = array.py();
    let Ok(interface) = array.getattr(intern!(py, "__array_interface__")) else { return Err(no_tensor(name, array)) };
    let item = |key: &str| interface.get_item(key);
    let text: String = item("typestr")?.extract()?;
    let Some(dtype) = dtype_of(&text) else { return Err(wrong_dtype(name, py, &format!("dtype `{text}`"))) };
    let (address, read_only): (usize, bool) = item("data")?.extract()?;
    if written && read_only {
        let message = format!("`{name}` is written, and the array is read-only");
        return Err(wrong(py, Code::NotInPlace, message, "give an array that may be written"));
    }
    let shape: Vec<u64> = item("shape")?.extract()?;
    if shape.len() > MAX_RANK {
        return Err(too_many_dims(name, array, shape.len()));
    }
    let size = dtype.size() as i64;
    let strides = match interface.cast::<PyDict>()?.get_item("strides")?.filter(|s| !s.is_none()) {
        None => None,
        Some(strides) => {
            let bytes: Vec<i64> = strides.extract()?;
            if bytes.iter().any(|b| b % size != 0) {
                let message = format!("`{name}` has strides of {bytes:?} bytes, and its elements are of {size}");
                return Err(wrong(py, Code::BadStride, message, "copy it: numpy.ascontiguousarray"));
            }
            Some(bytes.iter().map(|b| b / size).collect::<Vec<i64>>())
        }
    };
    let ptr = std::ptr::with_exposed_provenance_mut(address);
    View::of(ptr, dtype, Device::Host, &shape, strides.as_deref()).ok_or_else(|| too_large(name, array))
}

/// `numpy.empty` and its dtypes, in the order of [`DType::ALL`].
struct Numpy {
    empty: Py<PyAny>,
    dtypes: Vec<Py<PyAny>>,
}

static NUMPY: PyOnceLock<Numpy> = PyOnceLock::new();

/// A new array of numpy's. `bf16` is the dtype of the package `ml_dtypes` if that is installed, else its bits as `uint16`.
pub fn empty<'py>(py: Python<'py>, dtype: DType, shape: &[i64]) -> PyResult<Bound<'py, PyAny>> {
    let numpy = NUMPY.get_or_try_init(py, || -> PyResult<Numpy> {
        let numpy = py.import("numpy")?;
        let of = |dtype: &DType| {
            let name = match dtype {
                DType::Bool => "bool",
                DType::I8 => "int8",
                DType::I16 => "int16",
                DType::I32 => "int32",
                DType::I64 => "int64",
                DType::U8 => "uint8",
                DType::U16 => "uint16",
                DType::U32 => "uint32",
                DType::U64 => "uint64",
                DType::F16 => "float16",
                DType::F32 => "float32",
                DType::Bf16 => {
                    if let Ok(types) = py.import("ml_dtypes") {
                        return Ok(types.getattr("bfloat16")?.unbind());
                    }
                    "uint16"
                }
            };
            Ok(numpy.getattr("dtype")?.call1((name,))?.unbind())
        };
        let dtypes = DType::ALL.iter().map(of).collect::<PyResult<Vec<_>>>()?;
        Ok(Numpy { empty: numpy.getattr("empty")?.unbind(), dtypes })
    })?;
    let position = DType::ALL.iter().position(|d| *d == dtype).unwrap_or(0);
    numpy.empty.bind(py).call1((PyTuple::new(py, shape)?, &numpy.dtypes[position]))
}
