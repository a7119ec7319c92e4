//! The stand-in for NVIDIA's driver (`driver.c`), built by the system's C compiler and loaded before anything asks for the
//! driver: the loader takes a library that is there by its name.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW, Symbol};
use std::ffi::{CStr, c_char, c_void};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// As many as `driver.c` keeps.
const LAUNCHES: usize = 64;

/// What a launch said.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Launch {
    kernel: [c_char; 128],
    pub blocks: u32,
    pub threads: u32,
    pub parameters: u32,
    pub dependent: u32,
    pub device: u32,
    pub stream: *mut c_void,
    values: [u64; 128],
}

impl Launch {
    /// Name and variant of the kernel.
    pub fn kernel(&self) -> &str {
        // SAFETY: the stand-in ends the text in a zero.
        unsafe { CStr::from_ptr(self.kernel.as_ptr()) }.to_str().unwrap()
    }

    /// The parameters.
    pub fn values(&self) -> &[u64] {
        &self.values[..self.parameters as usize]
    }
}

/// The driver, for one test alone.
pub struct Driver(#[allow(dead_code)] MutexGuard<'static, ()>);

fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (folder.path().join("driver.c"), folder.path().join("libcuda.so"));
        std::fs::write(&source, include_str!("driver.c")).unwrap();
        let flags = ["-std=gnu11", "-O1", "-shared", "-fPIC", "-pthread", "-Wl,-soname,libcuda.so", "-o"];
        let status = Command::new("cc").args(flags).arg(&library).arg(&source).status().unwrap();
        assert!(status.success());
        // SAFETY: its initialisers do nothing.
        unsafe { Library::open(Some(&library), RTLD_NOW | RTLD_GLOBAL) }.unwrap()
    })
}

impl Driver {
    /// Waits for other tests of this process. Everything counted before counts no more.
    pub fn new() -> Driver {
        static ALONE: Mutex<()> = Mutex::new(());
        let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        library();
        let driver = Driver(guard);
        for (name, value) in [("launch_fails", 0), ("link_fails", 0), ("build", 1), ("version", 12_080)] {
            driver.set(name, value);
        }
        driver
    }

    fn at<T>(name: &str) -> *mut T {
        let name = format!("stand_in_{name}\0");
        // SAFETY: a variable of the stand-in; the caller knows its type.
        let symbol: Symbol<*mut T> = unsafe { library().get(name.as_bytes()) }.unwrap();
        *symbol
    }

    /// Sets an `int`.
    pub fn set(&self, name: &str, value: i32) {
        // SAFETY: an `int` of the stand-in, which nobody else uses now.
        unsafe { *Driver::at::<i32>(name) = value }
    }

    /// A count: `calls`, `links`, `loads`, `unloads`.
    pub fn count(&self, name: &str) -> u64 {
        // SAFETY: an atomic `unsigned long` of the stand-in.
        unsafe { &*Driver::at::<std::sync::atomic::AtomicU64>(name) }.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Launches so far.
    pub fn launched(&self) -> usize {
        // SAFETY: an `unsigned` of the stand-in; nobody launches now.
        unsafe { *Driver::at::<u32>("launched") as usize }
    }

    /// The launch of this number.
    pub fn launch(&self, number: usize) -> Launch {
        assert!(number < self.launched() && number + LAUNCHES >= self.launched());
        // SAFETY: within the array, and nobody launches now.
        unsafe { *Driver::at::<Launch>("launches").add(number % LAUNCHES) }
    }
}
