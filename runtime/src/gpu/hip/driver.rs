//! The calls of the HIP runtime that plans make.

use super::device::Hip;
use super::library::{Runtime, Status};
use crate::args::Device;
use crate::gpu::{Driver, KernelLaunch, Suits};
use routefuse_ir::artifact::CodeFormat;
use routefuse_ir::kernel::schedule::most_threads;
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Code, Diagnostic};
use std::ffi::{CStr, c_int, c_void};

/// A stream as HIP has it (`hipStream_t`).
pub type RawStream = *mut c_void;

/// `hipStreamPerThread`. This one, and what is less (the null stream and `hipStreamLegacy`), are streams of whichever device
/// is current.
pub(super) const PER_THREAD: usize = 2;

/// Code that is loaded on a device; dropping it waits for the device to finish, and unloads.
pub struct Module {
    runtime: &'static Runtime,
    ordinal: u32,
    module: *mut c_void,
}

// SAFETY: a handle of the runtime's, which may be used from any thread; nothing changes it.
unsafe impl Send for Module {}
// SAFETY: a shared module does nothing but lie there.
unsafe impl Sync for Module {}

impl Drop for Module {
    fn drop(&mut self) {
        // A plan may go before its last launch has run.
        let Ok(_entered) = self.runtime.enter(self.ordinal, "the end of a module") else { return };
        // SAFETY: waits, and nothing else.
        let waited = unsafe { (self.runtime.hipDeviceSynchronize)() };
        // SAFETY: loaded by `Hip::load`, unloaded once, and nothing runs any more.
        let unloaded = unsafe { (self.runtime.hipModuleUnload)(self.module) };
        for (call, status) in [("hipDeviceSynchronize", waited), ("hipModuleUnload", unloaded)] {
            if let Err(e) = status.result() {
                self.runtime.log(call, e, "the end of a module");
            }
        }
    }
}

/// A kernel of loaded code.
#[derive(Clone, Copy, Debug)]
pub struct Function(*mut c_void);

// SAFETY: a handle of the runtime's, which may be used from any thread; nothing changes it.
unsafe impl Send for Function {}
// SAFETY: a shared handle is only copied.
unsafe impl Sync for Function {}

/// A device's number: HIP has one context a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context(pub(super) u32);

impl Hip {
    /// # Safety
    /// That of [`Driver::launch`].
    #[inline]
    unsafe fn call(&self, launch: &mut KernelLaunch<'_, Hip>) -> Result<(), Status> {
        let parameters = launch.parameters.as_mut_ptr();
        let none = std::ptr::null_mut();
        // SAFETY: the parameters live through the call, which copies what is behind them; the caller vouches for function,
        // stream and what the parameters point to.
        unsafe {
            (self.runtime.hipModuleLaunchKernel)(
                launch.function.0,
                launch.blocks,
                1,
                1,
                launch.threads,
                1,
                1,
                launch.shared_bytes,
                launch.stream,
                parameters,
                none,
            )
        }
        .result()
    }

    /// A launch by a thread whose current device may be another one.
    ///
    /// # Safety
    /// That of [`Driver::launch`].
    #[cold]
    unsafe fn call_entered(&self, launch: &mut KernelLaunch<'_, Hip>) -> Result<(), Status> {
        let Ok(_entered) = self.runtime.enter(self.ordinal, "a launch") else { return Err(Status::INVALID_DEVICE) };
        // SAFETY: the caller's promise.
        unsafe { self.call(launch) }
    }
}

// SAFETY: `nothing` was allocated when the GPU was opened; functions come from modules of the device; `launch` is one
// `hipModuleLaunchKernel`, which copies the arguments and runs in the stream's order.
unsafe impl Driver for Hip {
    const VENDOR: &'static str = "AMD";
    const TARGETS: TargetKind = TargetKind::Amdgpu;
    const MACHINE_CODE: CodeFormat = CodeFormat::Hsaco;
    const SOURCE: Option<CodeFormat> = None;
    const MOST_THREADS: u64 = most_threads(TargetKind::Amdgpu);

    type Context = Context;
    type Stream = RawStream;
    type Function = Function;
    type Module = Module;
    type Error = Status;

    fn device(&self) -> Device {
        Device::Hip(self.ordinal)
    }

    fn processor(&self) -> &str {
        &self.id.processor
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn suits(&self, target: Target) -> Suits {
        self.id.suits(target)
    }

    #[inline]
    fn multiprocessors(&self) -> u32 {
        self.compute_units
    }

    #[inline]
    fn nothing(&self) -> u64 {
        self.nothing
    }

    #[inline]
    fn context(&self) -> Context {
        Context(self.ordinal)
    }

    fn assemble(&self, _: &[u8], about: &str) -> Result<Vec<u8>, Diagnostic> {
        let message = format!("the code of {about} is source, of which no HIP runtime makes machine code");
        Err(Diagnostic::new(Code::CannotLoad, message))
    }

    /// The runtime reads the image as long as the module is loaded: it makes no copy.
    unsafe fn load(&self, code: &[u8], entry: &CStr, about: &str) -> Result<(Module, Function), Diagnostic> {
        let Hip { runtime, ordinal, .. } = *self;
        self.id.check(code, &self.device().to_string(), about)?;
        let _entered = runtime.enter(ordinal, about)?;
        let mut module = std::ptr::null_mut();
        // SAFETY: the image is a whole ELF file, whose size the runtime takes from its headers; the caller vouches that it
        // stays where it is.
        let loaded = unsafe { (runtime.hipModuleLoadData)(&raw mut module, code.as_ptr().cast()) };
        loaded.result().map_err(|e| {
            let mut failed = runtime.failed("hipModuleLoadData", e, about);
            if e == Status::NO_BINARY_FOR_GPU {
                failed.code = Code::TargetNotHere;
                failed = failed.help(format!("compile the graph for `{}`", self.id.to_compile_for()));
            }
            failed
        })?;
        let module = Module { runtime, ordinal, module };
        let mut function = std::ptr::null_mut();
        // SAFETY: a live module and a text that ends in a zero.
        let found = unsafe { (runtime.hipModuleGetFunction)(&raw mut function, module.module, entry.as_ptr()) };
        found.result().map_err(|e| runtime.failed("hipModuleGetFunction", e, about))?;
        Ok((module, Function(function)))
    }

    fn resident(&self, function: Function, threads: u32, shared_bytes: u32, about: &str) -> Result<u32, Diagnostic> {
        const CALL: &str = "hipModuleOccupancyMaxActiveBlocksPerMultiprocessor";
        let _entered = self.runtime.enter(self.ordinal, about)?;
        let mut blocks = 0;
        // SAFETY: a live function; the pointer is to a live integer.
        let asked = unsafe {
            (self.runtime.hipModuleOccupancyMaxActiveBlocksPerMultiprocessor)(
                &raw mut blocks,
                function.0,
                threads as c_int,
                shared_bytes as usize,
            )
        };
        asked.result().map_err(|e| self.runtime.failed(CALL, e, about))?;
        Ok(u32::try_from(blocks).unwrap_or(0))
    }

    /// HIP has no dependent launches.
    #[inline]
    unsafe fn launch(&self, launch: &mut KernelLaunch<'_, Hip>) -> Result<(), Status> {
        if launch.stream.addr() <= PER_THREAD {
            // SAFETY: the caller's promise.
            return unsafe { self.call_entered(launch) };
        }
        // SAFETY: the caller's promise.
        match unsafe { self.call(launch) } {
            // Not even that is needed with AMD's own runtime, which takes the stream's device.
            Err(Status::INVALID_DEVICE | Status::INVALID_CONTEXT | Status::INVALID_HANDLE) => {
                // SAFETY: the caller's promise; nothing was launched.
                unsafe { self.call_entered(launch) }
            }
            done => done,
        }
    }

    /// Every thread has a current device.
    fn enters(&self, _: Status, _: &str) -> Result<bool, Diagnostic> {
        Ok(false)
    }

    fn refused(&self, error: Status, about: &str) -> Diagnostic {
        self.runtime.failed("hipModuleLaunchKernel", error, about)
    }
}
