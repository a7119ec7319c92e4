//! The driver's library: whether it is there, its version, its errors.

use super::library::library;
use cudarc::driver::{DriverError, sys};
use routefuse_ir::{Code, Diagnostic};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// The oldest driver that this build works with.
const OLDEST: DriverVersion = DriverVersion(12_000);

/// The newest CUDA that a driver knows: 13020 is CUDA 13.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriverVersion(u32);

impl DriverVersion {
    /// The driver's own, if there is a driver.
    ///
    /// # Errors
    /// `RF0809` if no driver is installed, or one older than CUDA 12.0.
    pub fn installed() -> Result<DriverVersion, Diagnostic> {
        if library().is_none() {
            return Err(Diagnostic::new(Code::NoDevice, "there is no NVIDIA driver: `libcuda.so.1` cannot be loaded")
                .help("install NVIDIA's driver, or run on the host"));
        }
        let mut version = 0;
        // SAFETY: the pointer is to a live integer.
        let result = unsafe { sys::cuDriverGetVersion(&raw mut version) };
        result.result().map_err(|e| failed("cuDriverGetVersion", e, "the driver"))?;
        let version = DriverVersion(u32::try_from(version).unwrap_or(0));
        if version < OLDEST {
            let message = format!("the NVIDIA driver is for {version}, and this build needs {OLDEST}");
            return Err(Diagnostic::new(Code::NoDevice, message).help("update the driver"));
        }
        Ok(version)
    }

    #[cfg(test)]
    pub(super) fn of(version: u32) -> DriverVersion {
        DriverVersion(version)
    }

    /// Major and minor.
    pub fn parts(self) -> (u32, u32) {
        (self.0 / 1000, self.0 % 1000 / 10)
    }

    /// The newest version of PTX that it takes, by the release notes of PTX in its manual.
    pub fn ptx(self) -> (u32, u32) {
        match self.parts() {
            (12, minor @ 0..=5) => (8, minor),
            (12, minor) => (8, minor - 1),
            // CUDA 13 began PTX 9; a later driver takes at least what that one does.
            (13, minor) => (9, minor),
            (major, _) => (major - 4, 0),
        }
    }
}

impl fmt::Display for DriverVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.parts();
        write!(f, "CUDA {major}.{minor}")
    }
}

/// Which release of the driver is loaded, by the name of its library's file: "580.159.04". Empty if that does not say.
///
/// The assembler is of the driver's release; releases for one version of CUDA may have different ones.
pub(super) fn release() -> String {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: the symbol is only looked at.
    let call = library().and_then(|l| unsafe { l.get::<unsafe extern "C" fn(u32) -> u32>(b"cuInit\0") }.ok());
    let Some(call) = call else { return String::new() };
    let address = *call as *const std::ffi::c_void;
    // SAFETY: an address of loaded code, and room for the answer, whose name lives as long as the library.
    let path = unsafe {
        if libc::dladdr(address, &raw mut info) == 0 || info.dli_fname.is_null() {
            return String::new();
        }
        std::ffi::CStr::from_ptr(info.dli_fname)
    };
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()));
    let file = path.canonicalize().ok().and_then(|p| Some(p.file_name()?.to_str()?.to_owned()));
    file.and_then(|f| f.strip_prefix("libcuda.so.").map(str::to_owned)).unwrap_or_default()
}

/// A failed call of the driver: which, what it said, and what it was about ("kernel `post_chain` align16/i32").
#[cold]
pub(super) fn failed(call: &str, e: DriverError, about: &str) -> Diagnostic {
    let text =
        |s: Result<&std::ffi::CStr, DriverError>| s.map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let (name, meaning) = (text(e.error_name()), text(e.error_string()));
    let message = format!("`{call}` failed for {about}: {name} ({}): {meaning}", e.0 as u32);
    Diagnostic::new(Code::DriverFailed, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_know_their_ptx() {
        // From the table "Release notes" of the PTX ISA manual.
        let known = [(12_000, (8, 0)), (12_030, (8, 3)), (12_060, (8, 5)), (12_080, (8, 7)), (13_000, (9, 0))];
        for (version, ptx) in known {
            assert_eq!(DriverVersion(version).ptx(), ptx, "{}", DriverVersion(version));
        }
        assert_eq!(DriverVersion(12_080).to_string(), "CUDA 12.8");
    }

    #[test]
    fn without_a_driver_it_says_so() {
        if library().is_some() {
            return assert!(DriverVersion::installed().is_ok());
        }
        let e = DriverVersion::installed().expect_err("there is none");
        assert_eq!(e.code, Code::NoDevice);
        assert!(e.to_string().contains("libcuda"), "{e}");
    }
}
