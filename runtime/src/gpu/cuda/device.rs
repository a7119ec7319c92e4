//! An NVIDIA GPU in a context of the caller's.

use super::library::library;
use super::version::{self, DriverVersion, failed};
use crate::args::Device;
use crate::gpu::Gpu;
use cudarc::driver::{CudaContext, result, sys};
use routefuse_ir::target::Target;
use routefuse_ir::{Code, Diagnostic};
use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// NVIDIA's driver, for one GPU in one context.
pub struct Cuda {
    pub(super) context: Arc<CudaContext>,
    /// 64 bytes of the GPU's memory.
    pub(super) nothing: sys::CUdeviceptr,
    pub(super) version: DriverVersion,
    /// 90 for compute capability 9.0.
    pub(super) sm: u32,
    pub(super) multiprocessors: u32,
    /// "sm_90".
    pub(super) processor: String,
    /// "sm_90 CUDA 13.0 580.159.04".
    pub(super) identity: String,
    pub(super) linker_is_warm: AtomicBool,
    pub(super) launch_kernel: LaunchKernel,
}

/// `cuLaunchKernelEx`.
pub(super) type LaunchKernel = unsafe extern "C" fn(
    config: *const sys::CUlaunchConfig,
    function: sys::CUfunction,
    parameters: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> sys::CUresult;

/// The driver's call for a launch. `cudarc` looks for a call where it is first made, which allocates and takes the lock of whoever
/// loads libraries: a launch does neither.
fn launch_kernel() -> Result<LaunchKernel, Diagnostic> {
    // SAFETY: the call has had these parameters since it came, with CUDA 11.8.
    let found = library().and_then(|l| unsafe { l.get::<LaunchKernel>(b"cuLaunchKernelEx\0") }.ok());
    found.map(|call| *call).ok_or_else(|| {
        Diagnostic::new(Code::NoDevice, "the NVIDIA driver has no `cuLaunchKernelEx`").help("update the driver")
    })
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

impl Gpu<Cuda> {
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
    pub fn open(ordinal: u32) -> Result<Gpu<Cuda>, Diagnostic> {
        let count = Gpu::<Cuda>::count()?;
        if ordinal >= count {
            let message = format!("there is no GPU {ordinal}: the driver sees {count}");
            return Err(Diagnostic::new(Code::NoDevice, message).help("the first is `cuda:0`"));
        }
        let context = CudaContext::new(ordinal as usize);
        let about = Device::Cuda(ordinal).to_string();
        Gpu::of(&context.map_err(|e| failed("cuDevicePrimaryCtxRetain", e, &about))?)
    }

    /// The GPU of a context.
    ///
    /// # Errors
    /// `RF0809` if the driver is too old; `RF0808` if it fails.
    pub fn of(context: &Arc<CudaContext>) -> Result<Gpu<Cuda>, Diagnostic> {
        Ok(Gpu::new(Cuda::of(context)?))
    }

    /// The context.
    pub fn context(&self) -> &Arc<CudaContext> {
        &self.driver().context
    }

    /// What it is.
    ///
    /// # Errors
    /// `RF0808` if the driver does not say.
    pub fn info(&self) -> Result<GpuInfo, Diagnostic> {
        let Cuda { context, version, sm, multiprocessors, .. } = self.driver();
        let about = self.device().to_string();
        Ok(GpuInfo {
            ordinal: context.ordinal() as u32,
            name: context.name().map_err(|e| failed("cuDeviceGetName", e, &about))?,
            sm: *sm,
            multiprocessors: *multiprocessors,
            memory: context.total_mem().map_err(|e| failed("cuDeviceTotalMem", e, &about))? as u64,
            driver: *version,
            ptx: version.ptx(),
            target: self.target().ok(),
        })
    }
}

impl Cuda {
    fn of(context: &Arc<CudaContext>) -> Result<Cuda, Diagnostic> {
        use sys::CUdevice_attribute_enum as A;
        let version = DriverVersion::installed()?;
        let about = Device::Cuda(context.ordinal() as u32).to_string();
        context.bind_to_thread().map_err(|e| failed("cuCtxSetCurrent", e, &about))?;
        let ask = |attribute| {
            let value = context.attribute(attribute).map_err(|e| failed("cuDeviceGetAttribute", e, &about))?;
            Ok::<u32, Diagnostic>(u32::try_from(value).unwrap_or(0))
        };
        let major = ask(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = ask(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let multiprocessors = ask(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let launch_kernel = launch_kernel()?;
        // SAFETY: nothing reads what is in it for a result.
        let nothing = unsafe { result::malloc_sync(64) }.map_err(|e| failed("cuMemAlloc", e, &about))?;
        let sm = major * 10 + minor;
        let processor = format!("sm_{sm}");
        Ok(Cuda {
            context: Arc::clone(context),
            nothing,
            version,
            sm,
            multiprocessors,
            identity: format!("{processor} {version} {}", version::release()).trim_end().to_owned(),
            processor,
            linker_is_warm: AtomicBool::new(false),
            launch_kernel,
        })
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        // Launches may still run. What fails here, the context reports at its next use.
        let context = &self.context;
        context.record_err(context.bind_to_thread());
        context.record_err(context.synchronize());
        // SAFETY: allocated by `of`, freed once, and nothing runs any more.
        context.record_err(unsafe { result::free_sync(self.nothing) });
    }
}

impl fmt::Debug for Cuda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cuda({}, {})", self.context.ordinal(), self.identity)
    }
}
