//! The calls of NVIDIA's driver that plans make.

use super::device::Cuda;
use super::link;
use super::version::failed;
use crate::args::Device;
use crate::gpu::{Driver, KernelLaunch, Suits};
use cudarc::driver::sys::{self, CUfunction_attribute_enum, CUlaunchAttributeID_enum, CUresult};
use cudarc::driver::{CudaContext, DriverError};
use routefuse_ir::Diagnostic;
use routefuse_ir::artifact::CodeFormat;
use routefuse_ir::kernel::schedule::most_threads;
use routefuse_ir::target::{Target, TargetKind};
use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Code that is loaded in a context; dropping it waits for the context to finish, and unloads.
pub struct Module {
    module: sys::CUmodule,
    context: Arc<CudaContext>,
}

// SAFETY: a handle of the driver, which may be used from any thread whose context is the module's; nothing changes it.
unsafe impl Send for Module {}
// SAFETY: a shared module does nothing but lie there.
unsafe impl Sync for Module {}

impl Drop for Module {
    fn drop(&mut self) {
        // A plan may go before its last launch has run. What fails, the context reports at its next use.
        let context = &self.context;
        context.record_err(context.bind_to_thread());
        context.record_err(context.synchronize());
        // SAFETY: loaded by `Cuda::load`, unloaded once, and nothing runs any more.
        context.record_err(unsafe { sys::cuModuleUnload(self.module) }.result());
    }
}

/// A kernel of loaded code.
#[derive(Clone, Copy, Debug)]
pub struct Function(sys::CUfunction);

// SAFETY: a handle of the driver, which may be used from any thread whose context is the function's; nothing changes it.
unsafe impl Send for Function {}
// SAFETY: a shared handle is only copied.
unsafe impl Sync for Function {}

/// A context of the driver's, to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context(usize);

impl Context {
    #[inline]
    pub(super) fn of(context: &CudaContext) -> Context {
        Context(context.cu_ctx().addr())
    }
}

impl Cuda {
    fn make_current(&self, about: &str) -> Result<(), Diagnostic> {
        self.context.bind_to_thread().map_err(|e| failed("cuCtxSetCurrent", e, about))
    }
}

// SAFETY: `nothing` was allocated when the GPU was opened; functions come from modules of the context; `launch` is one
// `cuLaunchKernelEx`, which copies the arguments and runs in the stream's order.
unsafe impl Driver for Cuda {
    const VENDOR: &'static str = "NVIDIA";
    const TARGETS: TargetKind = TargetKind::Nvptx;
    const MACHINE_CODE: CodeFormat = CodeFormat::Cubin;
    const SOURCE: Option<CodeFormat> = Some(CodeFormat::Ptx);
    const MOST_THREADS: u64 = most_threads(TargetKind::Nvptx);

    type Context = Context;
    type Stream = sys::CUstream;
    type Function = Function;
    type Module = Module;
    type Error = DriverError;

    fn device(&self) -> Device {
        Device::Cuda(self.context.ordinal() as u32)
    }

    fn processor(&self) -> &str {
        &self.processor
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn suits(&self, target: Target) -> Suits {
        suits(self.sm, target)
    }

    #[inline]
    fn multiprocessors(&self) -> u32 {
        self.multiprocessors
    }

    #[inline]
    fn nothing(&self) -> u64 {
        self.nothing
    }

    #[inline]
    fn context(&self) -> Context {
        Context::of(&self.context)
    }

    fn assemble(&self, code: &[u8], about: &str) -> Result<Vec<u8>, Diagnostic> {
        link::check_version(code, self.version, about)?;
        self.make_current(about)?;
        link::link(code, about)
    }

    unsafe fn load(&self, code: &[u8], entry: &CStr, about: &str) -> Result<(Module, Function), Diagnostic> {
        self.make_current(about)?;
        let mut module = std::ptr::null_mut();
        // SAFETY: the driver reads the image during the call; it checks that it is one.
        let loaded = unsafe { sys::cuModuleLoadData(&raw mut module, code.as_ptr().cast()) };
        loaded.result().map_err(|e| failed("cuModuleLoadData", e, about))?;
        let module = Module { module, context: Arc::clone(&self.context) };
        let mut function = std::ptr::null_mut();
        // SAFETY: a live module and a text that ends in a zero.
        let found = unsafe { sys::cuModuleGetFunction(&raw mut function, module.module, entry.as_ptr()) };
        found.result().map_err(|e| failed("cuModuleGetFunction", e, about))?;
        Ok((module, Function(function)))
    }

    /// With modules loaded lazily, the question loads the code.
    fn resident(&self, function: Function, threads: u32, shared_bytes: u32, about: &str) -> Result<u32, Diagnostic> {
        if shared_bytes > 0 {
            let attribute = CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: a live function; the rest are numbers.
            let set = unsafe { sys::cuFuncSetAttribute(function.0, attribute, shared_bytes as i32) };
            set.result().map_err(|e| failed("cuFuncSetAttribute", e, about))?;
        }
        let mut blocks = 0;
        // SAFETY: a live function; the pointer is to a live integer.
        let asked = unsafe {
            sys::cuOccupancyMaxActiveBlocksPerMultiprocessor(
                &raw mut blocks,
                function.0,
                threads as i32,
                shared_bytes as usize,
            )
        };
        asked.result().map_err(|e| failed("cuOccupancyMaxActiveBlocksPerMultiprocessor", e, about))?;
        Ok(u32::try_from(blocks).unwrap_or(0))
    }

    /// The driver loads its linker, which takes it some milliseconds at the first use. Only the first call does anything.
    fn warm_up(&self) {
        if self.linker_is_warm.swap(true, Ordering::Relaxed) || self.context.bind_to_thread().is_err() {
            return;
        }
        let text = ".version 6.3\n.target sm_70\n.address_size 64\n.visible .entry empty() { ret; }\n";
        if let Err(e) = link::link(text.as_bytes(), "an empty kernel") {
            tracing::debug!(%e, "the driver's linker does not take an empty kernel");
        }
    }

    #[inline]
    unsafe fn launch(&self, launch: &mut KernelLaunch<'_, Cuda>) -> Result<(), DriverError> {
        let mut attribute = MaybeUninit::<sys::CUlaunchAttribute>::uninit();
        if launch.dependent {
            let mut value = sys::CUlaunchAttributeValue { pad: [0; 64] };
            value.programmaticStreamSerializationAllowed = 1;
            let id = CUlaunchAttributeID_enum::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
            attribute.write(sys::CUlaunchAttribute { id, pad: [0; 4], value });
        }
        let config = sys::CUlaunchConfig {
            gridDimX: launch.blocks,
            gridDimY: 1,
            gridDimZ: 1,
            blockDimX: launch.threads,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: launch.shared_bytes,
            hStream: launch.stream,
            attrs: attribute.as_mut_ptr(),
            numAttrs: u32::from(launch.dependent),
        };
        let parameters: *mut *mut c_void = launch.parameters.as_mut_ptr();
        // SAFETY: configuration, attribute (read only if it was written) and parameters live through the call, which copies
        // them; the caller vouches for function, stream and what is behind the parameters.
        unsafe { (self.launch_kernel)(&raw const config, launch.function.0, parameters, std::ptr::null_mut()) }.result()
    }

    fn enters(&self, error: DriverError, about: &str) -> Result<bool, Diagnostic> {
        let outside = error.0 == CUresult::CUDA_ERROR_INVALID_CONTEXT;
        if outside {
            self.make_current(about)?;
        }
        Ok(outside)
    }

    fn refused(&self, error: DriverError, about: &str) -> Diagnostic {
        failed("cuLaunchKernelEx", error, about)
    }
}

/// How a processor of this compute capability takes code for a target: PTX runs on that processor and on every later one,
/// machine code on later ones of the same generation.
fn suits(sm: u32, target: Target) -> Suits {
    match target.sm() {
        Some(of) if of == sm => Suits::Own,
        Some(of) if of < sm && of / 10 == sm / 10 => Suits::AsMachineCode,
        Some(of) if of < sm => Suits::AsSource,
        _ => Suits::Not,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::best_target;

    #[test]
    fn a_gpu_runs_what_is_not_newer() {
        let best = |sm| best_target(|t| suits(sm, t)).map(Target::name);
        assert_eq!([best(90), best(72), best(99), best(61)], [Some("sm_90"), Some("sm_70"), Some("sm_90"), None]);
        assert_eq!([best(110), best(87), best(88)], [Some("sm_110"), Some("sm_87"), Some("sm_88")]);
        // Of a generation that the table does not have, the newest before it.
        assert_eq!([best(107), best(130)], [Some("sm_103"), Some("sm_121")]);
    }

    #[test]
    fn machine_code_stays_in_its_generation() {
        let target = |name| Target::named(name).expect("a target of the table");
        assert_eq!(suits(89, target("sm_89")), Suits::Own);
        assert_eq!(suits(89, target("sm_86")), Suits::AsMachineCode);
        assert_eq!(suits(89, target("sm_75")), Suits::AsSource);
        assert_eq!(suits(89, target("sm_90")), Suits::Not);
        assert_eq!(suits(89, target("gfx942")), Suits::Not);
        assert_eq!(suits(89, target("host")), Suits::Not);
    }
}
