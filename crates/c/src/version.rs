//! Which library this is.

use std::ffi::{CStr, c_char};

/// The version of the interface that the header describes: programs and libraries of one number fit together.
pub const ROUTEFUSE_ABI_VERSION: u32 = 1;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(text) => text,
    Err(_) => panic!("a version has no zero byte"),
};

/// The version of the library that is loaded, as in "0.1.0". It is there as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The version of the interface of the library that is loaded: compare it with `ROUTEFUSE_ABI_VERSION`.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_abi_version() -> u32 {
    ROUTEFUSE_ABI_VERSION
}

/// Whether the library compiles graphs. One without the compiler loads bundles, and has the same functions: those that need the
/// compiler are the error RF0802.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_has_compiler() -> bool {
    cfg!(feature = "compiler")
}
