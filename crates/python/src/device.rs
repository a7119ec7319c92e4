//! Devices: what they are called in Python, and plans there.

use crate::binding::torch::is_for_amd;
use crate::failure::wrong;
use crate::kernel::Place;
use ::routefuse::diag::{Code, Diagnostic};
use ::routefuse::exec::{Device, Gpus};
use ::routefuse::{HostPlan, Plan, cuda, hip};
use pyo3::prelude::*;
use std::sync::Arc;

/// A plan on its device, prepared.
pub fn place(gpus: &Gpus, plan: Arc<Plan>, device: Device) -> Result<Place, Diagnostic> {
    Ok(match device {
        Device::Cuda(ordinal) => {
            let plan = cuda::CudaPlan::new(plan, &gpus.cuda(ordinal)?)?;
            plan.prepare()?;
            Place::Cuda(Arc::new(plan))
        }
        Device::Hip(ordinal) => {
            let plan = hip::HipPlan::new(plan, &gpus.hip(ordinal)?)?;
            plan.prepare()?;
            Place::Hip(Arc::new(plan))
        }
        _ => {
            let plan = HostPlan::new(plan)?;
            plan.prepare()?;
            Place::Host(plan)
        }
    })
}

/// What devices are called, for errors.
const NAMES: &str = "the devices are \"cpu\" and, for GPUs of NVIDIA's and AMD's, as \"cuda:0\" and \"hip:0\"";

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
