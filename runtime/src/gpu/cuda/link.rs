//! PTX to machine code, by the driver's linker.

use super::version::{DriverVersion, failed};
use cudarc::driver::sys::{self, CUjit_option_enum as Opt, CUjitInputType_enum};
use routefuse_ir::{Code, Diagnostic};
use std::ffi::c_void;

/// Bytes for what the linker complains of.
const LOG: usize = 8192;

/// Refuses PTX of a version that the driver does not know.
///
/// # Errors
/// `RF0805`, with both versions.
pub(super) fn check_version(ptx: &[u8], driver: DriverVersion, about: &str) -> Result<(), Diagnostic> {
    let text = String::from_utf8_lossy(ptx);
    let version = text.lines().find_map(|l| l.trim().strip_prefix(".version "));
    let version = version.and_then(|v| v.trim().split_once('.'));
    let Some((major, minor)) = version.and_then(|(a, b)| Some((a.parse::<u32>().ok()?, b.parse::<u32>().ok()?))) else {
        return Err(Diagnostic::new(Code::CannotLoad, format!("the code of {about} is no PTX: it names no version")));
    };
    let known = driver.ptx();
    if (major, minor) > known {
        let message = format!(
            "{about} is PTX {major}.{minor}, and the driver ({driver}) takes PTX up to {}.{}",
            known.0, known.1
        );
        return Err(
            Diagnostic::new(Code::CannotLoad, message).help("update the driver, or compile for an older target")
        );
    }
    Ok(())
}

/// Machine code for the processor of the current context.
///
/// # Errors
/// `RF0808` with the linker's own words.
pub(super) fn link(ptx: &[u8], about: &str) -> Result<Vec<u8>, Diagnostic> {
    let mut log = vec![0u8; LOG];
    let mut options = [Opt::CU_JIT_ERROR_LOG_BUFFER, Opt::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
    let mut values = [log.as_mut_ptr().cast::<c_void>(), std::ptr::without_provenance_mut(LOG)];
    let mut state = std::ptr::null_mut();
    // SAFETY: two options with their values; the log outlives the linker, which is destroyed below on every path.
    let created = unsafe { sys::cuLinkCreate_v2(2, options.as_mut_ptr(), values.as_mut_ptr(), &raw mut state) };
    created.result().map_err(|e| failed("cuLinkCreate", e, about))?;
    // The linker wants text that ends in a zero.
    let mut text = Vec::with_capacity(ptx.len() + 1);
    text.extend_from_slice(ptx);
    text.push(0);
    let mut add = || {
        // SAFETY: the linker reads `text` during the call only; no options.
        unsafe {
            let kind = CUjitInputType_enum::CU_JIT_INPUT_PTX;
            let (none, values) = (std::ptr::null_mut(), std::ptr::null_mut());
            sys::cuLinkAddData_v2(
                state,
                kind,
                text.as_mut_ptr().cast(),
                text.len(),
                c"kernel.ptx".as_ptr(),
                0,
                none,
                values,
            )
        }
        .result()
        .map_err(|e| ("cuLinkAddData", e))
    };
    let complete = || {
        let (mut code, mut size) = (std::ptr::null_mut(), 0);
        // SAFETY: both pointers are to live variables; the code belongs to the linker and is copied while it lives.
        unsafe {
            sys::cuLinkComplete(state, &raw mut code, &raw mut size).result().map_err(|e| ("cuLinkComplete", e))?;
            Ok(std::slice::from_raw_parts(code.cast::<u8>(), size).to_vec())
        }
    };
    let linked = add().and_then(|()| complete());
    // SAFETY: created above and destroyed once.
    let destroyed = unsafe { sys::cuLinkDestroy(state) };
    let linked = linked.map_err(|(call, e)| {
        let end = log.iter().position(|b| *b == 0).unwrap_or(LOG);
        let said = String::from_utf8_lossy(&log[..end]).trim().to_owned();
        let diagnostic = failed(call, e, about);
        if said.is_empty() { diagnostic } else { diagnostic.help(said) }
    })?;
    destroyed.result().map_err(|e| failed("cuLinkDestroy", e, about))?;
    Ok(linked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_ptx_than_the_driver_is_refused() {
        let ptx = |v: &str| format!("//\n\n.version {v}\n.target sm_100\n").into_bytes();
        let check =
            |v: &str, driver| check_version(&ptx(v), driver, "kernel `k` align16/i32").map_err(|e| e.to_string());
        let old = DriverVersion::of(12_020);
        assert_eq!(check("8.2", old), Ok(()));
        let e = check("8.6", old).expect_err("8.6 is newer than CUDA 12.2");
        assert!(e.contains("`k`") && e.contains("PTX 8.6") && e.contains("CUDA 12.2") && e.contains("8.2"), "{e}");
        assert_eq!(check("8.6", DriverVersion::of(13_000)), Ok(()));
        assert!(check_version(b"\x7fELF", old, "kernel `k`").is_err());
    }
}
