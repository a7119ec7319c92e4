//! LLD in process: one relocatable object becomes one shared object, without a subprocess.

use crate::{
    error::{CodegenError, Problem},
    ffi,
};
use object::{Object, ObjectSymbol};
use routefuse_ir::target::Target;
use std::{
    ffi::{CString, c_char, c_void},
    path::{Path, PathBuf},
    sync::Mutex,
};

/// Links `object` into a small ELF shared object and checks that it needs nothing but the symbols in `allowed`.
///
/// `target` only names the target in errors.
pub fn link(target: Target, object: &[u8], allowed: &[&'static str]) -> Result<Vec<u8>, CodegenError> {
    link_all(target, &[object.to_vec()], allowed)
}

/// As [`link`], of several objects.
pub fn link_all(target: Target, objects: &[Vec<u8>], allowed: &[&'static str]) -> Result<Vec<u8>, CodegenError> {
    let failed = |message: String| CodegenError::new(target, Problem::Link(message));
    // LLD reads and writes files by name and renames its output into place, so that it needs a directory of its own.
    let directory = tempfile::tempdir().map_err(|error| failed(format!("no temporary directory: {error}")))?;
    let output = directory.path().join("kernel.so");
    let mut inputs = vec![];
    for (i, object) in objects.iter().enumerate() {
        let input = directory.path().join(format!("kernel{i}.o"));
        std::fs::write(&input, object).map_err(|error| failed(format!("cannot write {}: {error}", input.display())))?;
        inputs.push(input);
    }
    run_lld(&inputs, &output).map_err(&failed)?;
    let linked =
        std::fs::read(&output).map_err(|error| failed(format!("cannot read {}: {error}", output.display())))?;
    check_symbols(target, &linked, allowed)?;
    Ok(linked)
}

/// Runs LLD with the options of every target; the error is LLD's own text.
fn run_lld(inputs: &[PathBuf], output: &Path) -> Result<(), String> {
    // LLD keeps its state in globals.
    static LOCK: Mutex<()> = Mutex::new(());
    let path = |path: &Path| {
        CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| format!("{} holds a NUL byte", path.display()))
    };
    let inputs = inputs.iter().map(|input| path(input)).collect::<Result<Vec<CString>, String>>()?;
    let output = path(output)?;
    let mut arguments = vec![
        c"ld.lld".as_ptr(),
        c"-shared".as_ptr(),
        // Undefined symbols are found by `check_symbols`, which knows what the loader provides.
        c"--unresolved-symbols=ignore-all".as_ptr(),
        c"--threads=1".as_ptr(),
        c"--strip-all".as_ptr(),
        c"--gc-sections".as_ptr(),
        c"--hash-style=gnu".as_ptr(),
        c"--build-id=none".as_ptr(),
        c"-znorelro".as_ptr(),
        c"-znoseparate-code".as_ptr(),
        c"-o".as_ptr(),
        output.as_ptr(),
    ];
    arguments.extend(inputs.iter().map(|input| input.as_ptr()));
    let mut messages: Vec<u8> = Vec::new();
    let code = {
        // A panic cannot happen while the lock is held, and LLD starts afresh each time.
        let _guard = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // SAFETY: the arguments are NUL-terminated and outlive the call, the lock keeps it alone, and `messages` is
        // what `collect` expects.
        unsafe { ffi::routefuse_lld(arguments.as_ptr(), arguments.len(), (&raw mut messages).cast(), collect) }
    };
    if code == 0 {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&messages).trim().to_owned();
    Err(if text.is_empty() { "LLD gave no message".to_owned() } else { text })
}

/// Appends LLD's messages to the `Vec<u8>` behind `user`.
unsafe extern "C" fn collect(user: *mut c_void, text: *const c_char, length: usize) {
    // SAFETY: `run_lld` passes a live `Vec<u8>` that nothing else borrows, and LLD's text is `length` bytes long.
    unsafe { (*user.cast::<Vec<u8>>()).extend_from_slice(std::slice::from_raw_parts(text.cast(), length)) };
}

/// Refuses a shared object whose dynamic symbol table needs a symbol that is not in `allowed`.
fn check_symbols(target: Target, linked: &[u8], allowed: &[&'static str]) -> Result<(), CodegenError> {
    let file = object::File::parse(linked)
        .map_err(|error| CodegenError::new(target, Problem::Link(format!("LLD's output is no ELF file: {error}"))))?;
    let mut symbols: Vec<String> = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_undefined())
        .map(|symbol| String::from_utf8_lossy(symbol.name_bytes().unwrap_or_default()).into_owned())
        .filter(|name| !name.is_empty() && !allowed.contains(&name.as_str()))
        .collect();
    if symbols.is_empty() {
        return Ok(());
    }
    symbols.sort();
    Err(CodegenError::new(target, Problem::UndefinedSymbols { symbols, allowed: allowed.to_vec() }))
}
