//! An AMD GPU.

use super::library::{DriverVersion, Runtime, Status};
use super::target_id::TargetId;
use crate::args::Device;
use crate::gpu::Gpu;
use routefuse_ir::target::Target;
use routefuse_ir::{Code, Diagnostic};
use std::ffi::{CStr, c_int, c_void};
use std::fmt;

/// `hipDeviceAttributeMultiprocessorCount`.
const MULTIPROCESSORS: c_int = 63;
/// Where `hipDeviceProp_tR0600` has the text `gcnArchName`. The structure has 1,472 bytes in HIP 7.1; the call is given more.
const ARCHITECTURE: usize = 1160;
const PROPERTIES: usize = 4096;

/// AMD's HIP runtime, for one GPU.
pub struct Hip {
    pub(super) runtime: &'static Runtime,
    pub(super) ordinal: u32,
    /// 64 bytes of the GPU's memory.
    pub(super) nothing: u64,
    pub(super) id: TargetId,
    pub(super) compute_units: u32,
    /// "gfx942:sramecc+:xnack- HIP 7.1".
    pub(super) identity: String,
    architecture: String,
    version: DriverVersion,
}

/// What a GPU is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GpuInfo {
    /// The runtime's number of it.
    pub ordinal: u32,
    /// The product's name.
    pub name: String,
    /// Processor and the settings of its features: `gfx942:sramecc+:xnack-`.
    pub architecture: String,
    /// Compute units.
    pub compute_units: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// The version of the runtime.
    pub driver: DriverVersion,
    /// What to compile for; none if no target is for this processor.
    pub target: Option<Target>,
}

impl Gpu<Hip> {
    /// How many there are.
    ///
    /// # Errors
    /// `RF0809` without a HIP runtime; `RF0808` if it does not say.
    pub fn count() -> Result<u32, Diagnostic> {
        Runtime::installed()?.0.count()
    }

    /// The GPU of this number.
    ///
    /// # Errors
    /// `RF0809` if there is none, or no HIP runtime, or one that is too old; `RF0808` if the runtime fails.
    pub fn open(ordinal: u32) -> Result<Gpu<Hip>, Diagnostic> {
        let (runtime, version) = Runtime::installed()?;
        let count = runtime.count()?;
        if ordinal >= count {
            let message = format!("there is no AMD GPU {ordinal}: the HIP runtime sees {count}");
            return Err(Diagnostic::new(Code::NoDevice, message).help("the first is `hip:0`"));
        }
        Ok(Gpu::new(Hip::of(runtime, version, ordinal)?))
    }

    /// What it is.
    ///
    /// # Errors
    /// `RF0808` if the runtime does not say.
    pub fn info(&self) -> Result<GpuInfo, Diagnostic> {
        let Hip { runtime, ordinal, architecture, compute_units, version, .. } = self.driver();
        let about = self.device().to_string();
        let (mut name, mut memory) = ([0u8; 256], 0usize);
        // SAFETY: room for so many characters.
        let named = unsafe { (runtime.hipDeviceGetName)(name.as_mut_ptr().cast(), 255, *ordinal as c_int) };
        named.result().map_err(|e| runtime.failed("hipDeviceGetName", e, &about))?;
        // SAFETY: the pointer is to a live integer.
        let counted = unsafe { (runtime.hipDeviceTotalMem)(&raw mut memory, *ordinal as c_int) };
        counted.result().map_err(|e| runtime.failed("hipDeviceTotalMem", e, &about))?;
        Ok(GpuInfo {
            ordinal: *ordinal,
            name: text(&name),
            architecture: architecture.clone(),
            compute_units: *compute_units,
            memory: memory as u64,
            driver: *version,
            target: self.target().ok(),
        })
    }
}

impl Hip {
    fn of(runtime: &'static Runtime, version: DriverVersion, ordinal: u32) -> Result<Hip, Diagnostic> {
        let about = Device::Hip(ordinal).to_string();
        let failed = |call: &'static str| {
            let about = about.clone();
            move |e: Status| runtime.failed(call, e, &about)
        };
        let mut properties = [0u8; PROPERTIES];
        // SAFETY: the structure that this call writes is smaller.
        let asked = unsafe { (runtime.hipGetDevicePropertiesR0600)(properties.as_mut_ptr().cast(), ordinal as c_int) };
        asked.result().map_err(failed("hipGetDevicePropertiesR0600"))?;
        let architecture = text(&properties[ARCHITECTURE..ARCHITECTURE + 256]);
        let mut compute_units = 0;
        // SAFETY: the pointer is to a live integer.
        let asked =
            unsafe { (runtime.hipDeviceGetAttribute)(&raw mut compute_units, MULTIPROCESSORS, ordinal as c_int) };
        asked.result().map_err(failed("hipDeviceGetAttribute"))?;
        let _entered = runtime.enter(ordinal, &about)?;
        let mut nothing: *mut c_void = std::ptr::null_mut();
        // SAFETY: nothing reads what is in it for a result.
        unsafe { (runtime.hipMalloc)(&raw mut nothing, 64) }.result().map_err(failed("hipMalloc"))?;
        Ok(Hip {
            runtime,
            ordinal,
            nothing: nothing.expose_provenance() as u64,
            id: TargetId::parse(&architecture),
            compute_units: u32::try_from(compute_units).unwrap_or(0),
            identity: format!("{architecture} {version}"),
            architecture,
            version,
        })
    }
}

/// The text up to the first zero.
fn text(bytes: &[u8]) -> String {
    CStr::from_bytes_until_nul(bytes).map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Drop for Hip {
    fn drop(&mut self) {
        // Launches may still run; freeing memory waits for them.
        let Ok(_entered) = self.runtime.enter(self.ordinal, "the end of a GPU") else { return };
        let nothing = std::ptr::with_exposed_provenance_mut(self.nothing as usize);
        // SAFETY: allocated by `of`, freed once.
        if let Err(e) = unsafe { (self.runtime.hipFree)(nothing) }.result() {
            self.runtime.log("hipFree", e, &self.identity);
        }
    }
}

impl fmt::Debug for Hip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hip({}, {})", self.ordinal, self.identity)
    }
}
