//! Code that is loaded on a GPU.

use super::cuda::driver::failed;
use super::cuda::{Gpu, link};
use cudarc::driver::{CudaContext, sys};
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::{Code, Diagnostic};
use std::ffi::CString;
use std::sync::Arc;

/// A loaded kernel; dropping it unloads the code.
pub(crate) struct GpuKernel {
    function: sys::CUfunction,
    module: sys::CUmodule,
    context: Arc<CudaContext>,
    /// The machine code.
    pub(super) artifact: Artifact,
    /// Blocks that are resident on the whole GPU at once.
    pub(crate) resident: u32,
}

// SAFETY: handles of the driver, which may be used from any thread whose context is theirs; nothing changes them.
unsafe impl Send for GpuKernel {}
// SAFETY: as above.
unsafe impl Sync for GpuKernel {}

impl GpuKernel {
    /// Loads machine code into the GPU's context, so that a launch has nothing more to load.
    pub(super) fn load(gpu: &Gpu, artifact: Artifact, about: &str) -> Result<GpuKernel, Diagnostic> {
        let Artifact { variant, schedule, entry, code, .. } = &artifact;
        let context = Arc::clone(gpu.context());
        context.bind_to_thread().map_err(|e| failed("cuCtxSetCurrent", e, about))?;
        let entry = CString::new(entry.as_str())
            .map_err(|_| Diagnostic::new(Code::CannotLoad, format!("the entry point of {about} is no name")))?;
        let mut module = std::ptr::null_mut();
        // SAFETY: the driver reads the image during the call; it checks that it is one.
        let loaded = unsafe { sys::cuModuleLoadData(&raw mut module, code.as_ptr().cast()) };
        loaded.result().map_err(|e| failed("cuModuleLoadData", e, about))?;
        let (function, threads) = (std::ptr::null_mut(), schedule.threads(*variant));
        let mut kernel = GpuKernel { function, module, context, artifact, resident: 0 };
        // SAFETY: a live module and a text that ends in a zero.
        let found = unsafe { sys::cuModuleGetFunction(&raw mut kernel.function, module, entry.as_ptr()) };
        found.result().map_err(|e| failed("cuModuleGetFunction", e, about))?;
        // Asked once, here; and with modules loaded lazily, the question loads the code.
        let mut blocks = 0;
        // SAFETY: a live function; the pointer is to a live integer.
        let asked = unsafe {
            sys::cuOccupancyMaxActiveBlocksPerMultiprocessor(&raw mut blocks, kernel.function, threads as i32, 0)
        };
        asked.result().map_err(|e| failed("cuOccupancyMaxActiveBlocksPerMultiprocessor", e, about))?;
        kernel.resident = u32::try_from(blocks).unwrap_or(0).max(1).saturating_mul(gpu.multiprocessors().max(1));
        Ok(kernel)
    }

    #[inline]
    pub(crate) fn function(&self) -> sys::CUfunction {
        self.function
    }
}

/// Machine code of an artifact for this GPU: the driver makes it of PTX.
///
/// # Errors
/// `RF0806` if the artifact is for another processor; `RF0805` if the driver is too old for it; `RF0808` if the driver
/// refuses it.
pub(super) fn assemble(gpu: &Gpu, artifact: &Artifact, about: &str) -> Result<Artifact, Diagnostic> {
    let Artifact { target, format, code, .. } = artifact;
    let newer = target.sm().is_none_or(|sm| sm > gpu.sm());
    // Machine code is for its own processor and later ones of the same generation.
    let foreign = *format == CodeFormat::Cubin && target.sm().is_none_or(|sm| sm / 10 != gpu.sm() / 10);
    if newer || foreign {
        let what = if foreign { "machine code" } else { "code" };
        let message = format!("{about} is {what} for `{target}`, and {} is an sm_{}", gpu.device(), gpu.sm());
        let help = match gpu.target() {
            Ok(best) => format!("compile the graph for `{best}`"),
            Err(_) => "compile the graph for another GPU".to_owned(),
        };
        return Err(Diagnostic::new(Code::TargetNotHere, message).help(help));
    }
    match format {
        CodeFormat::Cubin => Ok(artifact.clone()),
        CodeFormat::Ptx => {
            link::check_version(code, gpu.driver(), about)?;
            gpu.context().bind_to_thread().map_err(|e| failed("cuCtxSetCurrent", e, about))?;
            let code = link::link(code, about)?;
            Ok(Artifact { format: CodeFormat::Cubin, code, ..artifact.clone() })
        }
        CodeFormat::SharedObject | CodeFormat::Hsaco => {
            let message = format!("the code of {about} is {format:?}, which no NVIDIA GPU runs");
            Err(Diagnostic::new(Code::CannotLoad, message))
        }
    }
}

impl Drop for GpuKernel {
    fn drop(&mut self) {
        // A plan may go before its last launch has run. What fails, the context reports at its next use.
        let context = &self.context;
        context.record_err(context.bind_to_thread());
        context.record_err(context.synchronize());
        // SAFETY: loaded by `load`, unloaded once, and nothing runs any more.
        context.record_err(unsafe { sys::cuModuleUnload(self.module) }.result());
    }
}
