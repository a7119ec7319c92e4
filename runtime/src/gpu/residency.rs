//! What is loaded on a GPU.

use super::{Driver, Suits, best_target, no_target};
use crate::args::Device;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::target::Target;
use routefuse_ir::{Code, Diagnostic};
use std::ffi::CString;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The result of loading one piece of code, once it is there.
type Cell<D> = OnceLock<Result<Arc<GpuKernel<D>>, Diagnostic>>;

/// A GPU in a context, with the code that is loaded there. Cloning makes another handle.
pub struct Gpu<D: Driver>(Arc<Inner<D>>);

struct Inner<D: Driver> {
    // Dropped in this order: code is unloaded while the driver's context is there.
    /// Loaded code by its key, or where it has none, by the hash of it.
    kernels: papaya::HashMap<[u8; 32], Arc<Cell<D>>>,
    driver: D,
}

impl<D: Driver> Gpu<D> {
    /// The GPU of this driver; nothing is loaded there yet.
    pub fn new(driver: D) -> Gpu<D> {
        Gpu(Arc::new(Inner { kernels: papaya::HashMap::new(), driver }))
    }

    /// Its driver.
    #[inline]
    pub fn driver(&self) -> &D {
        &self.0.driver
    }

    /// Where its tensors are said to be.
    #[inline]
    pub fn device(&self) -> Device {
        self.0.driver.device()
    }

    /// The best target for it: its own, or else the newest of those that it runs.
    ///
    /// # Errors
    /// `RF0809` if it runs no target's code.
    pub fn target(&self) -> Result<Target, Diagnostic> {
        best_target(|t| self.driver().suits(t)).ok_or_else(|| no_target(self.driver()))
    }

    /// The code of this hash, as it is loaded, or else as `load` loads it.
    pub(super) fn loaded(
        &self,
        key: [u8; 32],
        load: impl FnOnce() -> Result<GpuKernel<D>, Diagnostic>,
    ) -> Result<Arc<GpuKernel<D>>, Diagnostic> {
        let cell = Arc::clone(self.0.kernels.pin().get_or_insert_with(key, Arc::default));
        let result = cell.get_or_init(|| load().map(Arc::new));
        if result.is_err() {
            let _ = self.0.kernels.pin().remove_if(&key, |_, current| Arc::ptr_eq(current, &cell));
        }
        result.clone()
    }

    /// Machine code of an artifact for this GPU; the driver makes it of source.
    ///
    /// # Errors
    /// `RF0806` if the artifact is for another processor; `RF0805` if its form is another vendor's; those of
    /// [`Driver::assemble`].
    pub(super) fn assemble(&self, artifact: &Artifact, about: &str) -> Result<Artifact, Diagnostic> {
        let Artifact { target, format, code, .. } = artifact;
        let suits = self.driver().suits(*target);
        let is_machine_code = *format == D::MACHINE_CODE;
        if suits == Suits::Not || is_machine_code && suits == Suits::AsSource {
            let what = if is_machine_code { "machine code" } else { "code" };
            return Err(self.runs_not(&format!("{about} is {what}"), *target));
        }
        if is_machine_code {
            return Ok(artifact.clone());
        }
        if D::SOURCE != Some(*format) {
            let message = format!("the code of {about} is {format:?}, which no {} GPU runs", D::VENDOR);
            return Err(Diagnostic::new(Code::CannotLoad, message));
        }
        let code = self.driver().assemble(code, about)?;
        Ok(Artifact { format: D::MACHINE_CODE, code, ..artifact.clone() })
    }

    /// `what` is for a target that this GPU does not run: "the plan of `pack` is".
    #[cold]
    pub(super) fn runs_not(&self, what: &str, target: Target) -> Diagnostic {
        let (device, processor) = (self.device(), self.driver().processor());
        let message = format!("{what} for `{target}`, and the processor of {device} is {processor}");
        let help = match self.target() {
            Ok(best) => format!("compile the graph for `{best}`"),
            Err(_) => "compile the graph for another GPU".to_owned(),
        };
        Diagnostic::new(Code::TargetNotHere, message).help(help)
    }
}

impl<D: Driver> Clone for Gpu<D> {
    fn clone(&self) -> Gpu<D> {
        Gpu(Arc::clone(&self.0))
    }
}

impl<D: Driver> fmt::Debug for Gpu<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gpu({}, {})", self.device(), self.driver().processor())
    }
}

/// A loaded kernel; dropping it unloads the code.
pub(super) struct GpuKernel<D: Driver> {
    function: D::Function,
    /// Blocks that are resident on the whole GPU at once.
    pub(super) resident: u32,
    /// Shared memory that its launches ask for.
    pub(super) shared_bytes: u32,
    // Dropped in this order: a driver may use the code as long as the module is there.
    _module: D::Module,
    /// The machine code.
    pub(super) artifact: Artifact,
}

impl<D: Driver> GpuKernel<D> {
    /// Loads machine code, so that a launch has nothing more to load.
    pub(super) fn load(gpu: &Gpu<D>, artifact: Artifact, about: &str) -> Result<GpuKernel<D>, Diagnostic> {
        let driver = gpu.driver();
        let entry = CString::new(artifact.entry.as_str())
            .map_err(|_| Diagnostic::new(Code::CannotLoad, format!("the entry point of {about} is no name")))?;
        // SAFETY: the artifact is kept beside the module, and dropped after it; moving it leaves its bytes where they are.
        let (module, function) = unsafe { driver.load(&artifact.code, &entry, about)? };
        let (schedule, variant) = (&artifact.schedule, artifact.variant);
        let (threads, shared_bytes) = (schedule.threads(variant), schedule.dynamic_shared_bytes(variant));
        // Asked once, here.
        let blocks = driver.resident(function, threads, shared_bytes, about)?;
        let resident = blocks.max(1).saturating_mul(driver.multiprocessors().max(1));
        Ok(GpuKernel { function, resident, shared_bytes, _module: module, artifact })
    }

    #[inline]
    pub(super) fn function(&self) -> D::Function {
        self.function
    }
}
