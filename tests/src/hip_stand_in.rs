//! The stand-in for AMD's HIP runtime (`runtime/tests/stand_in/hip.c`), whose launches run in the emulator of AMD code.

use crate::emulator::python_and_folder;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use std::ffi::{CString, c_char};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The name that the loader knows the library by.
const NAME: &str = "libamdhip64.so.7";

/// Builds it in this folder.
///
/// # Panics
/// If there is no C compiler.
fn build(folder: &Path) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/tests/stand_in");
    let library = folder.join(NAME);
    let flags = ["-std=gnu11", "-O1", "-shared", "-fPIC", "-pthread", "-Wl,-Bsymbolic"];
    let status = Command::new("cc")
        .args(flags)
        .arg(format!("-Wl,-soname,{NAME}"))
        .arg("-o")
        .arg(&library)
        .arg(sources.join("hip.c"))
        .status();
    assert!(status.is_ok_and(|s| s.success()), "the stand-in for HIP is built");
    library
}

fn objdump() -> PathBuf {
    std::env::var_os("LLVM_OBJDUMP").map_or_else(|| "/usr/lib/llvm-22/bin/llvm-objdump".into(), PathBuf::from)
}

/// Loads it into this process, once, before anything asks for a GPU: its devices are these (`gfx942:sramecc+:xnack-,gfx1100`).
/// False if there is no emulator.
///
/// # Panics
/// If it cannot be built or loaded, or was loaded with other devices.
pub fn load(gpus: &str) -> bool {
    static LOADED: OnceLock<(String, Option<Library>)> = OnceLock::new();
    let (devices, library) = LOADED.get_or_init(|| (gpus.to_owned(), loaded(gpus)));
    assert_eq!(devices, gpus, "a process has one set of devices");
    library.is_some()
}

fn loaded(gpus: &str) -> Option<Library> {
    let (python, emulator) = python_and_folder()?;
    let serve = emulator.join("serve.py");
    if !serve.exists() {
        return None;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    // SAFETY: its initialisers do nothing.
    let library = unsafe { Library::open(Some(build(folder.path())), RTLD_NOW | RTLD_LOCAL) }.expect("it is loaded");
    let texts = [
        ("stand_in_gpus", PathBuf::from(gpus)),
        ("stand_in_emulator", serve),
        ("stand_in_python", python),
        ("stand_in_objdump", objdump()),
    ];
    for (name, text) in texts {
        let text = CString::new(text.into_os_string().into_encoded_bytes()).expect("a path");
        // SAFETY: a `const char *` of the stand-in, which nobody uses yet; the text is never freed.
        unsafe {
            let variable: Symbol<*mut *const c_char> = library.get(name.as_bytes()).expect("it has the variable");
            **variable = text.into_raw();
        }
    }
    Some(library)
}
