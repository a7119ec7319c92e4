//! Tensors of torch.
//!
//! From torch 2.10 on they come by [DLPack's C exchange](super::exchange), of which a tensor takes some 50 ns. Before, each
//! of a tensor's attributes is a call of Python's.

use super::exchange::{Exchange, too_large, too_many_dims, wrong_dtype};
use super::view::{MAX_RANK, View};
use crate::failure::{kind_of, wrong};
use ::routefuse::DType;
use ::routefuse::diag::Code;
use ::routefuse::exec::Device;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

static TORCH: PyOnceLock<Torch> = PyOnceLock::new();
static ATTRIBUTES: AtomicBool = AtomicBool::new(false);

/// Has tensors be read by their attributes, as with torch before 2.10: for tests. Gives what it was.
#[pyfunction]
pub fn use_attributes(yes: bool) -> bool {
    ATTRIBUTES.swap(yes, Ordering::Relaxed)
}

/// How tensors of torch are read: "exchange", "attributes", or None where torch is not imported.
#[pyfunction]
pub fn way(py: Python<'_>) -> PyResult<Option<&'static str>> {
    Ok(Torch::imported(py)?.map(|torch| if torch.exchange().is_some() { "exchange" } else { "attributes" }))
}

/// What is needed of the module.
pub struct Torch {
    tensor: Py<PyType>,
    /// A tensor that a module owns; of its memory it is a plain tensor.
    parameter: Py<PyType>,
    exchange: Option<Exchange>,
    is_grad_enabled: Py<PyAny>,
    empty: Py<PyAny>,
    dtypes: Vec<(Py<PyAny>, DType)>,
    current_raw_stream: Option<Py<PyAny>>,
    /// Built for AMD's GPUs, which it calls "cuda".
    for_amd: bool,
}

// SAFETY: the table of the exchange is constant; all else is Python's references.
unsafe impl Send for Torch {}
// SAFETY: as above.
unsafe impl Sync for Torch {}

/// torch's names of dtypes.
const NAMES: [(&str, DType); 12] = [
    ("float32", DType::F32),
    ("int32", DType::I32),
    ("bfloat16", DType::Bf16),
    ("int64", DType::I64),
    ("float16", DType::F16),
    ("bool", DType::Bool),
    ("uint8", DType::U8),
    ("int8", DType::I8),
    ("int16", DType::I16),
    ("uint16", DType::U16),
    ("uint32", DType::U32),
    ("uint64", DType::U64),
];

/// Whether torch is imported and was built for AMD's GPUs.
pub fn is_for_amd(py: Python<'_>) -> PyResult<bool> {
    Ok(Torch::imported(py)?.is_some_and(|torch| torch.for_amd))
}

impl Torch {
    /// The module, if it is imported.
    fn imported(py: Python<'_>) -> PyResult<Option<&'static Torch>> {
        if let Some(torch) = TORCH.get(py) {
            return Ok(Some(torch));
        }
        let modules = py.import("sys")?.getattr("modules")?;
        let Some(module) = modules.cast::<PyDict>()?.get_item("torch")? else { return Ok(None) };
        // While it is being imported, it has no tensors yet.
        if !module.hasattr("Tensor")? || !module.hasattr("nn")? {
            return Ok(None);
        }
        TORCH.get_or_try_init(py, || Torch::of_module(&module)).map(Some)
    }

    fn of_module(torch: &Bound<'_, PyAny>) -> PyResult<Torch> {
        let tensor = torch.getattr("Tensor")?.cast_into::<PyType>()?;
        let parameter = torch.getattr("nn")?.getattr("Parameter")?.cast_into::<PyType>()?;
        let exchange = Exchange::of(tensor.as_any());
        let dtypes = NAMES.iter().filter_map(|(name, dtype)| Some((torch.getattr(*name).ok()?.unbind(), *dtype)));
        let raw_stream = torch.getattr("_C").and_then(|c| c.getattr("_cuda_getCurrentRawStream")).ok();
        let for_amd = torch.getattr("version").and_then(|v| v.getattr("hip")).is_ok_and(|hip| !hip.is_none());
        Ok(Torch {
            exchange,
            for_amd,
            dtypes: dtypes.collect(),
            is_grad_enabled: torch.getattr("is_grad_enabled")?.unbind(),
            empty: torch.getattr("empty")?.unbind(),
            current_raw_stream: raw_stream.map(Bound::unbind),
            tensor: tensor.unbind(),
            parameter: parameter.unbind(),
        })
    }

    /// The module, if the object is a tensor of it.
    ///
    /// # Errors
    /// The object is of a class of tensors whose memory is not a plain tensor's: fake ones, and other subclasses.
    #[inline]
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Option<&'static Torch>> {
        let Some(torch) = Torch::imported(object.py())? else { return Ok(None) };
        if torch.is_plain(object) {
            return Ok(Some(torch));
        }
        torch.of_subclass(object)
    }

    /// Whether the object is a plain tensor.
    #[inline]
    pub fn is_plain(&self, object: &Bound<'_, PyAny>) -> bool {
        let kind = object.get_type_ptr();
        kind == self.tensor.as_ptr().cast() || kind == self.parameter.as_ptr().cast()
    }

    #[cold]
    fn of_subclass(&'static self, object: &Bound<'_, PyAny>) -> PyResult<Option<&'static Torch>> {
        let py = object.py();
        if !object.is_instance(self.tensor.bind(py))? {
            return Ok(None);
        }
        let message =
            format!("a {} is given, a subclass of torch.Tensor, whose memory need not be a tensor's", kind_of(object));
        let help = "give plain tensors; within torch.compile, call the kernel as an op (Kernel.as_op)";
        Err(wrong(py, Code::WrongDevice, message, help))
    }

    #[inline]
    pub fn exchange(&self) -> Option<Exchange> {
        self.exchange.filter(|_| !ATTRIBUTES.load(Ordering::Relaxed))
    }

    /// Whether results might need gradients.
    #[inline]
    pub fn grad_is_enabled(&self, py: Python<'_>) -> PyResult<bool> {
        self.is_grad_enabled.bind(py).call0()?.is_truthy()
    }

    /// Where a tensor's elements are.
    #[inline]
    pub fn read(&self, name: &str, tensor: &Bound<'_, PyAny>) -> PyResult<View> {
        match self.exchange() {
            Some(exchange) => {
                let view = exchange.read(name, tensor)?;
                if view.ptr.is_null() && view.bytes() > 0 {
                    return Err(without_memory(name, tensor));
                }
                Ok(view)
            }
            None => self.read_attributes(name, tensor),
        }
    }

    fn read_attributes(&self, name: &str, tensor: &Bound<'_, PyAny>) -> PyResult<View> {
        let py = tensor.py();
        let dtype = tensor.getattr(intern!(py, "dtype"))?;
        let Some((_, dtype)) = self.dtypes.iter().find(|d| d.0.is(&dtype)) else {
            return Err(wrong_dtype(name, py, &dtype.to_string()));
        };
        let device = tensor.getattr(intern!(py, "device"))?;
        let kind: String = device.getattr(intern!(py, "type"))?.extract()?;
        let index =
            || -> PyResult<u32> { Ok(device.getattr(intern!(py, "index"))?.extract::<Option<u32>>()?.unwrap_or(0)) };
        let device = match kind.as_str() {
            "cpu" => Device::Host,
            "cuda" if self.for_amd => Device::Hip(index()?),
            "cuda" => Device::Cuda(index()?),
            _ => return Err(without_memory(name, tensor)),
        };
        let shape = tensor.getattr(intern!(py, "shape"))?.cast_into::<PyTuple>()?;
        let strides = tensor.call_method0(intern!(py, "stride"))?.cast_into::<PyTuple>()?;
        let rank = shape.len();
        if rank > MAX_RANK {
            return Err(too_many_dims(name, tensor, rank));
        }
        let (mut extents, mut steps) = ([0u64; MAX_RANK], [0i64; MAX_RANK]);
        for (d, (n, stride)) in shape.iter().zip(strides.iter()).enumerate() {
            extents[d] = n.extract()?;
            steps[d] = stride.extract()?;
        }
        let ptr: usize = match tensor.call_method0(intern!(py, "data_ptr")) {
            Ok(address) => address.extract()?,
            Err(_) => return Err(without_memory(name, tensor)),
        };
        let ptr = std::ptr::with_exposed_provenance_mut(ptr);
        let view = View::of(ptr, *dtype, device, &extents[..rank], Some(&steps[..rank]));
        let view = view.ok_or_else(|| too_large(name, tensor))?;
        if view.ptr.is_null() && view.bytes() > 0 {
            return Err(without_memory(name, tensor));
        }
        Ok(view)
    }

    /// The current stream of a GPU.
    #[inline]
    pub fn stream(&self, py: Python<'_>, device: Device) -> PyResult<*mut c_void> {
        // The exchange of a torch for AMD's GPUs need not know their kind of device by its name in DLPack.
        if let Some(exchange) = self.exchange().filter(|_| !matches!(device, Device::Hip(_))) {
            return exchange.stream(py, device);
        }
        let (Some(current), Device::Cuda(ordinal) | Device::Hip(ordinal)) = (&self.current_raw_stream, device) else {
            return Ok(std::ptr::null_mut());
        };
        let stream: usize = current.bind(py).call1((ordinal,))?.extract()?;
        Ok(std::ptr::with_exposed_provenance_mut(stream))
    }

    /// A new tensor, by torch's own function.
    pub fn empty<'py>(
        &self,
        py: Python<'py>,
        device: Device,
        dtype: DType,
        shape: &[i64],
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some((dtype, _)) = self.dtypes.iter().find(|d| d.1 == dtype) else {
            return Err(wrong_dtype("an output", py, &format!("{dtype}, which this version of torch lacks")));
        };
        let options = PyDict::new(py);
        options.set_item("dtype", dtype)?;
        let device = match device {
            Device::Cuda(ordinal) | Device::Hip(ordinal) => format!("cuda:{ordinal}"),
            _ => "cpu".to_owned(),
        };
        options.set_item("device", device)?;
        self.empty.bind(py).call((PyTuple::new(py, shape)?,), Some(&options))
    }
}

/// The error of a tensor that wants gradients, if it does.
pub fn wants_grad(name: &str, tensor: &Bound<'_, PyAny>) -> Option<PyErr> {
    let wants = tensor.getattr(intern!(tensor.py(), "requires_grad")).and_then(|g| g.is_truthy()).unwrap_or(false);
    wants.then(|| {
        let message = format!("`{name}` requires grad, and a kernel has no gradient");
        wrong(tensor.py(), Code::ArgumentDType, message, "call it under torch.no_grad(), or give `.detach()`ed tensors")
    })
}

#[cold]
fn without_memory(name: &str, tensor: &Bound<'_, PyAny>) -> PyErr {
    let device = tensor.getattr("device").map_or_else(|_| "an unknown device".to_owned(), |d| d.to_string());
    let message = format!("`{name}` is a tensor on {device} without memory of its own");
    wrong(tensor.py(), Code::WrongDevice, message, "give a tensor with elements, no fake and no meta tensor")
}
