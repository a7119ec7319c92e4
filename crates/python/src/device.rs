//! Devices: what they are called in Python, and the GPUs that an engine has opened.

use crate::binding::torch::is_for_amd;
use crate::failure::wrong;
use crate::kernel::Place;
use ::routefuse::diag::{Code, Diagnostic};
use ::routefuse::exec::Device;
use ::routefuse::{HostPlan, Plan, Target, cuda, hip};
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// The GPUs that were asked for, each opened once.
#[derive(Default)]
pub struct Gpus {
    cuda: Mutex<Vec<(u32, cuda::Gpu)>>,
    hip: Mutex<Vec<(u32, hip::Gpu)>>,
}

/// The one of this ordinal, opened if it is not there.
fn opened<G: Clone>(
    gpus: &Mutex<Vec<(u32, G)>>,
    ordinal: u32,
    open: impl FnOnce(u32) -> Result<G, Diagnostic>,
) -> Result<G, Diagnostic> {
    // Whoever panicked with it left a list of finished entries.
    let mut gpus = gpus.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, gpu)) = gpus.iter().find(|g| g.0 == ordinal) {
        return Ok(gpu.clone());
    }
    let gpu = open(ordinal)?;
    gpus.push((ordinal, gpu.clone()));
    Ok(gpu)
}

impl Gpus {
    fn cuda(&self, ordinal: u32) -> Result<cuda::Gpu, Diagnostic> {
        opened(&self.cuda, ordinal, cuda::Gpu::open)
    }

    fn hip(&self, ordinal: u32) -> Result<hip::Gpu, Diagnostic> {
        opened(&self.hip, ordinal, hip::Gpu::open)
    }

    /// The target of a device.
    pub fn target(&self, device: Device) -> Result<Target, Diagnostic> {
        match device {
            Device::Host => Ok(Target::host()),
            Device::Cuda(ordinal) => self.cuda(ordinal)?.target(),
            Device::Hip(ordinal) => self.hip(ordinal)?.target(),
            other => Err(no_device(other)),
        }
    }

    /// A plan on its device, prepared.
    pub fn place(&self, plan: &Arc<Plan>, device: Device) -> Result<Place, Diagnostic> {
        match device {
            Device::Host => {
                let plan = HostPlan::new(Arc::clone(plan))?;
                plan.prepare()?;
                Ok(Place::Host(plan))
            }
            Device::Cuda(ordinal) => {
                let plan = cuda::CudaPlan::new(Arc::clone(plan), &self.cuda(ordinal)?)?;
                plan.prepare()?;
                Ok(Place::Cuda(Arc::new(plan)))
            }
            Device::Hip(ordinal) => {
                let plan = hip::HipPlan::new(Arc::clone(plan), &self.hip(ordinal)?)?;
                plan.prepare()?;
                Ok(Place::Hip(Arc::new(plan)))
            }
            other => Err(no_device(other)),
        }
    }
}

/// What devices are called, for errors.
const NAMES: &str = "the devices are \"cpu\" and, for GPUs of NVIDIA's and AMD's, as \"cuda:0\" and \"hip:0\"";

#[cold]
fn no_device(device: Device) -> Diagnostic {
    Diagnostic::new(Code::NoDevice, format!("this build of routefuse does not run on {device}")).help(NAMES)
}

/// A device of its name in Python: "cpu", "cuda", "cuda:1" or "hip:0", or an object that is printed so, as a `torch.device`.
///
/// A torch that was built for AMD's GPUs calls those "cuda": where that torch is imported, so are they here.
pub fn device(py: Python<'_>, device: Option<&Bound<'_, PyAny>>) -> PyResult<Device> {
    let Some(device) = device.filter(|d| !d.is_none()) else { return Ok(Device::Host) };
    let name = device.str()?.to_string();
    let (kind, ordinal) = name.split_once(':').map_or((name.as_str(), None), |(kind, n)| (kind, Some(n)));
    let gpu: fn(u32) -> Device = match kind {
        "cpu" | "host" => return Ok(Device::Host),
        "cuda" if is_for_amd(py)? => Device::Hip,
        "cuda" => Device::Cuda,
        "hip" => Device::Hip,
        _ => return Err(unknown(py, &name)),
    };
    match ordinal {
        Some(ordinal) => ordinal.parse().map(gpu).map_err(|_| unknown(py, &name)),
        // As in torch, without a number it is the current one.
        None => {
            let current = || -> PyResult<u32> {
                let modules = py.import("sys")?.getattr("modules")?;
                let Ok(torch) = modules.get_item("torch") else { return Ok(0) };
                torch.getattr("cuda")?.call_method0("current_device")?.extract()
            };
            Ok(gpu(current().unwrap_or(0)))
        }
    }
}

#[cold]
fn unknown(py: Python<'_>, name: &str) -> PyErr {
    wrong(py, Code::NoDevice, format!("no device is called {name:?}"), NAMES)
}
