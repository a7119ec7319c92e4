//! A GPU in a context.

use super::driver::{self, DriverVersion, failed};
use super::link;
use crate::args::Device;
use crate::gpu::residency::GpuKernel;
use cudarc::driver::{CudaContext, result, sys};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Code, Diagnostic};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The result of loading one piece of code.
type Slot = OnceLock<Result<Arc<GpuKernel>, Diagnostic>>;

/// A GPU, in a context of the caller's, with the code that is loaded there. Cloning makes another handle.
#[derive(Clone)]
pub struct Gpu(Arc<Inner>);

struct Inner {
    // Dropped in this order: code is unloaded while the context is there.
    /// Loaded code by its key, or where it has none, by the hash of it.
    kernels: papaya::HashMap<[u8; 32], Arc<Slot>>,
    context: Arc<CudaContext>,
    /// 64 bytes, to which empty tensors point: code may load from a clamped index and throw the value away.
    nothing: sys::CUdeviceptr,
    driver: DriverVersion,
    /// 90 for compute capability 9.0.
    sm: u32,
    multiprocessors: u32,
    /// "sm_90 CUDA 13.0 580.159.04".
    processor: String,
    linker_is_warm: AtomicBool,
}

/// What a GPU is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GpuInfo {
    /// The driver's number of it.
    pub ordinal: u32,
    /// The product's name.
    pub name: String,
    /// Compute capability without the point: 90 for 9.0.
    pub sm: u32,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// The CUDA version of the driver.
    pub driver: DriverVersion,
    /// The newest version of PTX that the driver takes.
    pub ptx: (u32, u32),
    /// What to compile for; none if it is older than all targets.
    pub target: Option<Target>,
}

impl Gpu {
    /// How many there are.
    ///
    /// # Errors
    /// `RF0809` without a driver; `RF0808` if it does not say.
    pub fn count() -> Result<u32, Diagnostic> {
        DriverVersion::installed()?;
        let count = CudaContext::device_count().map_err(|e| failed("cuDeviceGetCount", e, "the driver"))?;
        Ok(u32::try_from(count).unwrap_or(0))
    }

    /// The GPU of this number, in its primary context, which CUDA's runtime and most libraries use too.
    ///
    /// # Errors
    /// `RF0809` if there is none, or no driver; `RF0808` if the driver fails.
    pub fn open(ordinal: u32) -> Result<Gpu, Diagnostic> {
        let count = Gpu::count()?;
        if ordinal >= count {
            let message = format!("there is no GPU {ordinal}: the driver sees {count}");
            return Err(Diagnostic::new(Code::NoDevice, message).help("the first is `cuda:0`"));
        }
        let context = CudaContext::new(ordinal as usize);
        Gpu::of(&context.map_err(|e| failed("cuDevicePrimaryCtxRetain", e, &format!("GPU {ordinal}")))?)
    }

    /// The GPU of a context.
    ///
    /// # Errors
    /// `RF0809` if the driver is too old; `RF0808` if it fails.
    pub fn of(context: &Arc<CudaContext>) -> Result<Gpu, Diagnostic> {
        use sys::CUdevice_attribute_enum as A;
        let driver = DriverVersion::installed()?;
        let about = format!("GPU {}", context.ordinal());
        context.bind_to_thread().map_err(|e| failed("cuCtxSetCurrent", e, &about))?;
        let ask = |attribute| {
            let value = context.attribute(attribute).map_err(|e| failed("cuDeviceGetAttribute", e, &about))?;
            Ok::<u32, Diagnostic>(u32::try_from(value).unwrap_or(0))
        };
        let major = ask(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = ask(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let multiprocessors = ask(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        // SAFETY: nothing reads what is in it for a result.
        let nothing = unsafe { result::malloc_sync(64) }.map_err(|e| failed("cuMemAlloc", e, &about))?;
        let sm = major * 10 + minor;
        Ok(Gpu(Arc::new(Inner {
            kernels: papaya::HashMap::new(),
            context: Arc::clone(context),
            nothing,
            driver,
            sm,
            multiprocessors,
            processor: format!("sm_{sm} {driver} {}", driver::release()).trim_end().to_owned(),
            linker_is_warm: AtomicBool::new(false),
        })))
    }

    /// The context.
    pub fn context(&self) -> &Arc<CudaContext> {
        &self.0.context
    }

    /// Where its tensors are said to be.
    pub fn device(&self) -> Device {
        Device::Cuda(self.0.context.ordinal() as u32)
    }

    /// The best target for it: its own, or else the newest of those before it, whose PTX the driver takes as well.
    ///
    /// # Errors
    /// `RF0809` if it is older than every target.
    pub fn target(&self) -> Result<Target, Diagnostic> {
        best_target(self.0.sm).ok_or_else(|| {
            let names: Vec<&str> = Target::all().filter(|t| t.kind() == TargetKind::Nvptx).map(Target::name).collect();
            let message = format!("{} is an sm_{}, older than every target", self.device(), self.0.sm);
            Diagnostic::new(Code::NoDevice, message).help(format!("the targets are {}", names.join(", ")))
        })
    }

    /// What it is.
    ///
    /// # Errors
    /// `RF0808` if the driver does not say.
    pub fn info(&self) -> Result<GpuInfo, Diagnostic> {
        let Inner { context, driver, sm, multiprocessors, .. } = &*self.0;
        let about = self.device().to_string();
        Ok(GpuInfo {
            ordinal: context.ordinal() as u32,
            name: context.name().map_err(|e| failed("cuDeviceGetName", e, &about))?,
            sm: *sm,
            multiprocessors: *multiprocessors,
            memory: context.total_mem().map_err(|e| failed("cuDeviceTotalMem", e, &about))? as u64,
            driver: *driver,
            ptx: driver.ptx(),
            target: best_target(*sm),
        })
    }

    /// The code of this hash, as it is loaded, or else as `load` loads it.
    pub(crate) fn loaded(
        &self,
        key: [u8; 32],
        load: impl FnOnce() -> Result<GpuKernel, Diagnostic>,
    ) -> Result<Arc<GpuKernel>, Diagnostic> {
        let slot = Arc::clone(self.0.kernels.pin().get_or_insert_with(key, Arc::default));
        let result = slot.get_or_init(|| load().map(Arc::new));
        if result.is_err() {
            let _ = self.0.kernels.pin().remove_if(&key, |_, current| Arc::ptr_eq(current, &slot));
        }
        result.clone()
    }

    /// The processor and the driver, whose assembler makes machine code for it: a part of the key of such code.
    pub(crate) fn processor(&self) -> &str {
        &self.0.processor
    }

    /// Has the driver load its linker, which takes it some milliseconds at the first use. Only the first call does.
    pub(crate) fn warm_linker(&self) {
        if self.0.linker_is_warm.swap(true, Ordering::Relaxed) || self.context().bind_to_thread().is_err() {
            return;
        }
        let text = ".version 6.3\n.target sm_70\n.address_size 64\n.visible .entry empty() { ret; }\n";
        if let Err(e) = link::link(text.as_bytes(), "an empty kernel") {
            tracing::debug!(%e, "the driver's linker does not take an empty kernel");
        }
    }

    pub(crate) fn sm(&self) -> u32 {
        self.0.sm
    }

    pub(crate) fn driver(&self) -> DriverVersion {
        self.0.driver
    }

    #[inline]
    pub(crate) fn multiprocessors(&self) -> u32 {
        self.0.multiprocessors
    }

    #[inline]
    pub(crate) fn nothing(&self) -> u64 {
        self.0.nothing
    }
}

/// The newest target that a processor of this compute capability runs.
fn best_target(sm: u32) -> Option<Target> {
    let known = Target::all().filter_map(|t| Some((t.sm()?, t)));
    known.filter(|(n, _)| *n <= sm).max_by_key(|(n, _)| *n).map(|(_, t)| t)
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Launches may still run. What fails here, the context reports at its next use.
        let context = &self.context;
        context.record_err(context.bind_to_thread());
        context.record_err(context.synchronize());
        // SAFETY: allocated by `of`, freed once, and nothing runs any more.
        context.record_err(unsafe { result::free_sync(self.nothing) });
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gpu({}, sm_{})", self.0.context.ordinal(), self.0.sm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_runs_what_is_not_newer() {
        let name = |sm| best_target(sm).map(Target::name);
        assert_eq!([name(90), name(72), name(99), name(61)], [Some("sm_90"), Some("sm_70"), Some("sm_90"), None]);
    }
}
