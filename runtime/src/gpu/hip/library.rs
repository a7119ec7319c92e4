//! The HIP runtime's library: where it is found, its calls, its version, its errors.

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use routefuse_ir::{Code, Diagnostic};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The names of the library, by the major version of HIP, newest first; the last is the one that is linked to.
const NAMES: [&str; 3] = ["libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so"];

/// What the runtime says of a call: 0 where it did what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Status(pub(super) c_uint);

impl Status {
    pub(super) const INVALID_DEVICE: Status = Status(101);
    pub(super) const INVALID_CONTEXT: Status = Status(201);
    pub(super) const NO_BINARY_FOR_GPU: Status = Status(209);
    pub(super) const INVALID_HANDLE: Status = Status(400);
    const NO_DEVICE: Status = Status(100);

    /// Nothing, or else the status itself.
    #[inline]
    pub(super) fn result(self) -> Result<(), Status> {
        if self.0 == 0 { Ok(()) } else { Err(self) }
    }
}

/// Declares the table of the runtime's calls, which is filled from a library.
macro_rules! calls {
    ($($call:ident($($argument:ty),*) -> $result:ty;)*) => {
        /// The calls of the runtime, as HIP documents them; each is unsafe.
        #[allow(non_snake_case, reason = "the names are HIP's")]
        pub(super) struct Calls { $(pub(super) $call: unsafe extern "C" fn($($argument),*) -> $result,)* }

        impl Calls {
            /// # Errors
            /// The first call that the library does not have.
            fn of(library: &Library) -> Result<Calls, &'static str> {
                Ok(Calls {$(
                    // SAFETY: the type is that of HIP's header, which has been the same since version 6.0.
                    $call: unsafe { library.get(concat!(stringify!($call), "\0").as_bytes()) }
                        .map(|symbol| *symbol)
                        .map_err(|_| stringify!($call))?,
                )*})
            }
        }
    };
}

type Pointer = *mut c_void;

calls! {
    hipInit(c_uint) -> Status;
    hipDriverGetVersion(*mut c_int) -> Status;
    hipGetErrorName(Status) -> *const c_char;
    hipGetErrorString(Status) -> *const c_char;
    hipGetDeviceCount(*mut c_int) -> Status;
    hipGetDevice(*mut c_int) -> Status;
    hipSetDevice(c_int) -> Status;
    hipDeviceSynchronize() -> Status;
    hipGetDevicePropertiesR0600(Pointer, c_int) -> Status;
    hipDeviceGetAttribute(*mut c_int, c_int, c_int) -> Status;
    hipDeviceGetName(*mut c_char, c_int, c_int) -> Status;
    hipDeviceTotalMem(*mut usize, c_int) -> Status;
    hipModuleLoadData(*mut Pointer, *const c_void) -> Status;
    hipModuleUnload(Pointer) -> Status;
    hipModuleGetFunction(*mut Pointer, Pointer, *const c_char) -> Status;
    hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(*mut c_int, Pointer, c_int, usize) -> Status;
    hipModuleLaunchKernel(
        Pointer, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Pointer, *mut Pointer, *mut Pointer
    ) -> Status;
    hipMalloc(*mut Pointer, usize) -> Status;
    hipFree(Pointer) -> Status;
    hipPointerGetAttributes(Pointer, *const c_void) -> Status;
    hipMemcpyAsync(Pointer, *const c_void, usize, c_int, Pointer) -> Status;
    hipStreamCreateWithFlags(*mut Pointer, c_uint) -> Status;
    hipStreamDestroy(Pointer) -> Status;
    hipStreamSynchronize(Pointer) -> Status;
    hipStreamGetDevice(Pointer, *mut c_int) -> Status;
    hipStreamBeginCapture(Pointer, c_uint) -> Status;
    hipStreamEndCapture(Pointer, *mut Pointer) -> Status;
    hipGraphInstantiate(*mut Pointer, Pointer, *mut Pointer, *mut c_char, usize) -> Status;
    hipGraphLaunch(Pointer, Pointer) -> Status;
    hipGraphDestroy(Pointer) -> Status;
    hipGraphExecDestroy(Pointer) -> Status;
    hipEventCreate(*mut Pointer) -> Status;
    hipEventRecord(Pointer, Pointer) -> Status;
    hipEventSynchronize(Pointer) -> Status;
    hipEventElapsedTime(*mut f32, Pointer, Pointer) -> Status;
    hipEventDestroy(Pointer) -> Status;
}

/// The runtime that this process has loaded. It stays loaded until the process ends.
pub(super) struct Runtime {
    calls: Calls,
    _library: Library,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime")
    }
}

impl std::ops::Deref for Runtime {
    type Target = Calls;

    #[inline]
    fn deref(&self) -> &Calls {
        &self.calls
    }
}

impl Runtime {
    /// The runtime, and the version that it says it is.
    ///
    /// # Errors
    /// `RF0809` if there is none, or one older than HIP 6.0.
    pub(super) fn installed() -> Result<(&'static Runtime, DriverVersion), Diagnostic> {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        let runtime = match RUNTIME.get() {
            Some(runtime) => runtime,
            // Of two threads that come first, one throws its handle of the same library away.
            None => {
                let found = Runtime::find()?;
                RUNTIME.get_or_init(|| found)
            }
        };
        let mut version = 0;
        // SAFETY: the pointer is to a live integer.
        let result = unsafe { (runtime.hipDriverGetVersion)(&raw mut version) };
        result.result().map_err(|e| runtime.failed("hipDriverGetVersion", e, "the runtime"))?;
        let version = DriverVersion(u32::try_from(version).unwrap_or(0));
        if version < OLDEST {
            return Err(too_old(&version.to_string()));
        }
        Ok((runtime, version))
    }

    fn find() -> Result<Runtime, Diagnostic> {
        let library = open()?;
        let calls = Calls::of(&library).map_err(|call| too_old(&format!("a version without `{call}`")))?;
        Ok(Runtime { calls, _library: library })
    }

    /// How many devices there are.
    ///
    /// # Errors
    /// `RF0808` if the runtime does not say.
    pub(super) fn count(&self) -> Result<u32, Diagnostic> {
        let mut count = 0;
        // SAFETY: no flags are known, and none are given.
        let begun = unsafe { (self.hipInit)(0) };
        // SAFETY: the pointer is to a live integer.
        let counted = if begun == Status(0) { unsafe { (self.hipGetDeviceCount)(&raw mut count) } } else { begun };
        match counted.result() {
            Err(e) if e == Status::NO_DEVICE || e == Status::INVALID_DEVICE => Ok(0),
            Err(e) => Err(self.failed("hipGetDeviceCount", e, "the runtime")),
            Ok(()) => Ok(u32::try_from(count).unwrap_or(0)),
        }
    }

    /// Makes a device the thread's current one, until what is given back is dropped.
    ///
    /// # Errors
    /// `RF0808` if the runtime refuses it.
    pub(super) fn enter(&'static self, ordinal: u32, about: &str) -> Result<Entered, Diagnostic> {
        let (mut before, wanted) = (0, ordinal as c_int);
        // SAFETY: the pointer is to a live integer.
        let asked = unsafe { (self.hipGetDevice)(&raw mut before) };
        asked.result().map_err(|e| self.failed("hipGetDevice", e, about))?;
        if before == wanted {
            return Ok(Entered { runtime: self, before: None });
        }
        // SAFETY: any number may be given.
        let set = unsafe { (self.hipSetDevice)(wanted) };
        set.result().map_err(|e| self.failed("hipSetDevice", e, about))?;
        Ok(Entered { runtime: self, before: Some(before) })
    }

    /// A failed call: which, what the runtime said, and what it was about ("kernel `post_chain` align16/i32").
    #[cold]
    pub(super) fn failed(&self, call: &str, e: Status, about: &str) -> Diagnostic {
        let text = |s: *const c_char| {
            if s.is_null() {
                return String::new();
            }
            // SAFETY: a text of the runtime's, which lives as long as its library.
            unsafe { CStr::from_ptr(s) }.to_string_lossy().into_owned()
        };
        // SAFETY: any number may be asked for.
        let (name, meaning) = unsafe { ((self.hipGetErrorName)(e), (self.hipGetErrorString)(e)) };
        let message = format!("`{call}` failed for {about}: {} ({}): {}", text(name), e.0, text(meaning));
        Diagnostic::new(Code::DriverFailed, message)
    }

    /// Says in the log what failed where nobody can be told.
    pub(super) fn log(&self, call: &str, e: Status, about: &str) {
        tracing::warn!("{}", self.failed(call, e, about));
    }
}

/// The thread's current device is another one until this is dropped.
pub(super) struct Entered {
    runtime: &'static Runtime,
    /// The device before, if it was another one.
    before: Option<c_int>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // SAFETY: a device that was current.
            let set = unsafe { (self.runtime.hipSetDevice)(before) };
            if let Err(e) = set.result() {
                self.runtime.log("hipSetDevice", e, "the thread's device before");
            }
        }
    }
}

/// A copy that the process has already (PyTorch brings its own, and two of them share neither streams nor memory); or else the
/// newest that the system finds; or else that of `ROCM_PATH`, or of `/opt/rocm`.
fn open() -> Result<Library, Diagnostic> {
    // SAFETY: nothing is loaded that is not loaded already.
    let there = |name: &&str| unsafe { Library::open(Some(*name), RTLD_NOW | libc::RTLD_NOLOAD) }.ok();
    if let Some(library) = NAMES.iter().find_map(there) {
        return Ok(library);
    }
    let folders = std::env::var_os("ROCM_PATH").map(PathBuf::from).into_iter().chain([PathBuf::from("/opt/rocm")]);
    let in_folders = folders.flat_map(|folder| NAMES.map(|name| folder.join("lib").join(name)));
    for path in NAMES.iter().map(PathBuf::from).chain(in_folders) {
        // SAFETY: opens a library by its well-known name; the runtime's initialisers are trusted.
        match unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) } {
            Ok(library) => return Ok(library),
            Err(e) => tracing::debug!("{}: {e}", path.display()),
        }
    }
    let message = "there is no HIP runtime: `libamdhip64.so.7` and `libamdhip64.so.6` cannot be loaded";
    Err(Diagnostic::new(Code::NoDevice, message)
        .help("install ROCm 6.0 or later, name its folder in ROCM_PATH, or run on the host"))
}

/// The oldest runtime that this build works with.
const OLDEST: DriverVersion = DriverVersion(60_000_000);

#[cold]
fn too_old(version: &str) -> Diagnostic {
    let message = format!("the HIP runtime is {version}, and this build needs {OLDEST}");
    Diagnostic::new(Code::NoDevice, message).help("update ROCm")
}

/// The version of a HIP runtime: 70152802 is HIP 7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriverVersion(u32);

impl DriverVersion {
    /// The runtime's own, if there is a runtime.
    ///
    /// # Errors
    /// `RF0809` if no HIP runtime is installed, or one older than HIP 6.0.
    pub fn installed() -> Result<DriverVersion, Diagnostic> {
        Ok(Runtime::installed()?.1)
    }

    /// Major and minor.
    pub fn parts(self) -> (u32, u32) {
        (self.0 / 10_000_000, self.0 / 100_000 % 100)
    }
}

impl fmt::Display for DriverVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.parts();
        write!(f, "HIP {major}.{minor}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_named() {
        assert_eq!(DriverVersion(70_152_802).to_string(), "HIP 7.1");
        assert_eq!(OLDEST.to_string(), "HIP 6.0");
    }

    #[test]
    fn without_a_runtime_it_says_so() {
        // SAFETY: opens a library by its well-known name; the runtime's initialisers are trusted.
        if unsafe { Library::open(Some(NAMES[2]), RTLD_NOW | RTLD_LOCAL) }.is_ok() {
            return;
        }
        match DriverVersion::installed() {
            Ok(version) => assert!(version >= OLDEST),
            Err(e) => {
                assert_eq!(e.code, Code::NoDevice);
                assert!(e.to_string().contains("libamdhip64.so.7"), "{e}");
            }
        }
    }
}
