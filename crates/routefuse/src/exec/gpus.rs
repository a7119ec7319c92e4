//! The GPUs that a binding to another language runs plans on.

use super::no_device;
use routefuse_ir::Diagnostic;
use routefuse_ir::target::Target;
use routefuse_runtime::Device;
#[cfg(any(feature = "cuda", feature = "hip"))]
use std::sync::{Mutex, PoisonError};

/// The GPUs that were asked for, each opened at its first use and then shared by all plans: a driver has a context, and code that
/// is loaded there, once.
#[derive(Debug, Default)]
pub struct Gpus {
    #[cfg(feature = "cuda")]
    cuda: Opened<routefuse_runtime::cuda::Gpu>,
    #[cfg(feature = "hip")]
    hip: Opened<routefuse_runtime::hip::Gpu>,
}

impl Gpus {
    /// NVIDIA's GPU of this number.
    ///
    /// # Errors
    /// `RF0809` if there is no such GPU or no driver.
    #[cfg(feature = "cuda")]
    pub fn cuda(&self, ordinal: u32) -> Result<routefuse_runtime::cuda::Gpu, Diagnostic> {
        self.cuda.get(ordinal, routefuse_runtime::cuda::Gpu::open)
    }

    /// AMD's GPU of this number.
    ///
    /// # Errors
    /// `RF0809` if there is no such GPU or no HIP runtime.
    #[cfg(feature = "hip")]
    pub fn hip(&self, ordinal: u32) -> Result<routefuse_runtime::hip::Gpu, Diagnostic> {
        self.hip.get(ordinal, routefuse_runtime::hip::Gpu::open)
    }

    /// The target of a device.
    ///
    /// # Errors
    /// `RF0809` if there is no such GPU or no driver, or if this build does not run plans there.
    pub fn target(&self, device: Device) -> Result<Target, Diagnostic> {
        match device {
            Device::Host => Ok(Target::host()),
            #[cfg(feature = "cuda")]
            Device::Cuda(ordinal) => self.cuda(ordinal)?.target(),
            #[cfg(feature = "hip")]
            Device::Hip(ordinal) => self.hip(ordinal)?.target(),
            #[allow(unreachable_patterns)] // with both drivers
            other => Err(no_device(other)),
        }
    }
}

#[cfg(any(feature = "cuda", feature = "hip"))]
#[derive(Debug)]
struct Opened<G>(Mutex<Vec<(u32, G)>>);

#[cfg(any(feature = "cuda", feature = "hip"))]
impl<G> Default for Opened<G> {
    fn default() -> Opened<G> {
        Opened(Mutex::default())
    }
}

#[cfg(any(feature = "cuda", feature = "hip"))]
impl<G: Clone> Opened<G> {
    fn get(&self, ordinal: u32, open: impl FnOnce(u32) -> Result<G, Diagnostic>) -> Result<G, Diagnostic> {
        // Whoever panicked with it left a list of finished entries.
        let mut gpus = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, gpu)) = gpus.iter().find(|g| g.0 == ordinal) {
            return Ok(gpu.clone());
        }
        let gpu = open(ordinal)?;
        gpus.push((ordinal, gpu.clone()));
        Ok(gpu)
    }
}
