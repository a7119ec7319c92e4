//! The driver's library itself, for what is asked of it by name.
//!
//! `cudarc` calls the driver in one of two ways: it loads the library when it is first asked for, or the program was linked to it.
//! The second way is for programs whose other crates want it, as candle does. Here both are the same.

use libloading::os::unix::{Library, RTLD_LAZY, RTLD_LOCAL};
use std::ffi::c_int;
use std::sync::OnceLock;

/// The library, if there is one; it stays loaded.
///
/// One that the process has loaded already is taken, so that it is the one which `cudarc` calls. Else the names are tried in the
/// order of `cudarc`.
pub(super) fn library() -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    let open = |name: &str, flags: c_int| {
        // SAFETY: opens a library by its well-known name; the driver's initialisers are trusted.
        unsafe { Library::open(Some(name), flags | RTLD_LAZY | RTLD_LOCAL) }.ok()
    };
    let found = LIBRARY.get_or_init(|| {
        open("libcuda.so.1", libc::RTLD_NOLOAD).or_else(|| open("libcuda.so", 0)).or_else(|| open("libcuda.so.1", 0))
    });
    found.as_ref()
}
