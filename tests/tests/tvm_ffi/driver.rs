//! The stand-in for NVIDIA's driver (`runtime/tests/stand_in/cuda.c`), and what it noted.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW, Symbol};
use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// As many launches as `notes.h` keeps.
const LAUNCHES: usize = 64;

/// `Launch` of `notes.h`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Noted {
    kernel: [c_char; 128],
    blocks: u32,
    threads: u32,
    parameters: u32,
    dependent: u32,
    device: u32,
    stream: *mut c_void,
    values: [u64; 128],
}

impl Noted {
    /// Code, blocks and threads, and where: device and stream.
    pub fn shape(&self) -> (String, u32, u32, (u32, usize)) {
        // SAFETY: the stand-in ends the text in a zero.
        let kernel = unsafe { CStr::from_ptr(self.kernel.as_ptr()) }.to_str().unwrap().to_owned();
        (kernel, self.blocks, self.threads, (self.device, self.stream.addr()))
    }

    /// Its parameters. A plan may set up a kernel behind its first one early, and a module does not: that is no part of it.
    pub fn values(&self) -> &[u64] {
        &self.values[..self.parameters as usize]
    }
}

/// Builds a C file of `sources` as a shared library of this name, and loads it for all that come after.
pub fn library(source: &Path, name: &str) -> Library {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join(name);
    let flags = ["-std=gnu11", "-O1", "-shared", "-fPIC", "-pthread"];
    let soname = format!("-Wl,-soname,{name}");
    let status = Command::new("cc").args(flags).arg(soname).arg("-o").arg(&library).arg(source).status();
    assert!(status.is_ok_and(|s| s.success()), "{} is built", source.display());
    // SAFETY: its initialisers do nothing.
    unsafe { Library::open(Some(&library), RTLD_NOW | RTLD_GLOBAL) }.unwrap()
}

/// The stand-in, for one test alone.
pub struct Notes(#[allow(dead_code)] MutexGuard<'static, ()>);

impl Notes {
    /// Loads it, before anything asks for the driver, and waits for other tests of this process.
    pub fn load() -> Notes {
        static ALONE: Mutex<()> = Mutex::new(());
        let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let notes = Notes(guard);
        notes.forget();
        notes
    }

    fn at<T>(name: &str) -> *mut T {
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        let library = LIBRARY.get_or_init(|| {
            let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../runtime/tests/stand_in/cuda.c");
            library(&source, "libcuda.so.1")
        });
        // SAFETY: a variable of the stand-in; the caller knows its type.
        let symbol: Symbol<*mut T> = unsafe { library.get(format!("stand_in_{name}\0").as_bytes()) }.unwrap();
        *symbol
    }

    /// The launches since they were last forgotten.
    pub fn all(&self) -> Vec<Noted> {
        // SAFETY: a count and an array of the stand-in; nobody launches now.
        unsafe {
            let launched = *Self::at::<u32>("launched") as usize;
            assert!(launched <= LAUNCHES);
            std::slice::from_raw_parts(Self::at::<Noted>("launches"), launched).to_vec()
        }
    }

    pub fn forget(&self) {
        // SAFETY: a count of the stand-in; nobody launches now.
        unsafe { *Self::at::<u32>("launched") = 0 }
    }

    /// Sets an `int`.
    pub fn set(&self, name: &str, value: i32) {
        // SAFETY: an `int` of the stand-in, which nobody else uses now.
        unsafe { *Self::at::<i32>(name) = value }
    }

    /// Makes a device one of this compute capability.
    pub fn set_processor(&self, device: usize, sm: i32) {
        // SAFETY: an array of an `int` for each of two devices, which nobody else uses now.
        unsafe { *Self::at::<i32>("sm").add(device) = sm }
    }

    /// A count of calls.
    pub fn count(&self, name: &str) -> u64 {
        // SAFETY: an atomic `unsigned long` of the stand-in.
        unsafe { &*Self::at::<AtomicU64>(name) }.load(Ordering::SeqCst)
    }
}
