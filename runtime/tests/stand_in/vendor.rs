//! What the tests of launches need of a vendor, and the control of its stand-in (`cuda.c`, `hip.c`): built by the system's C
//! compiler and loaded before anything asks for the driver. The loader takes a library that is there by its name.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW, Symbol};
use routefuse_ir::artifact::CodeFormat;
use routefuse_ir::kernel::schedule::Variant;
use routefuse_runtime::Device;
use routefuse_runtime::gpu::{self, Driver, Gpu, Whose};
use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// A vendor whose driver has a stand-in.
pub trait Vendor: Driver {
    /// A stream that the tests made, kept until it is dropped.
    type Own: Send + Sync;

    /// The stand-in: its source, and the name that the loader knows the library by.
    const SOURCE_TEXT: &'static str;
    const LIBRARY: &'static str;
    /// What its variables are at the start of a test.
    const AT_FIRST: &'static [(&'static str, i32)];
    /// The target that its devices run.
    const TARGET: &'static str;
    /// The form of what a compiler makes.
    const COMPILED: CodeFormat;
    /// The driver's call for a launch, and what it says for 1.
    const LAUNCH: &'static str;
    const INVALID_VALUE: &'static str;
    /// It knows programmatic dependent launches.
    const DEPENDENT: bool;
    /// The variable that has a load fail.
    const LOAD_FAILS: &'static str;

    fn open(ordinal: u32) -> Gpu<Self>;
    fn stream(gpu: &Gpu<Self>) -> Self::Own;
    fn on(stream: &Self::Own) -> gpu::Launch<'_, Self>;
    /// The stream, as a launch tells the driver.
    fn raw(stream: &Self::Own) -> *mut c_void;
    fn number(ordinal: u32) -> Device;
    fn whose(address: u64) -> Option<Whose>;
    /// What the stand-in takes for the code of a kernel.
    fn code(kernel: &str, variant: Variant, parameters: usize) -> Vec<u8>;
    /// The library, loaded once in a process.
    fn library() -> &'static OnceLock<Library>;
}

/// As many as `notes.h` keeps.
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

/// Builds a stand-in in this folder.
pub fn build(source: &str, name: &str, folder: &Path) -> std::path::PathBuf {
    let (text, library) = (folder.join("stand_in.c"), folder.join(name));
    std::fs::write(folder.join("notes.h"), include_str!("notes.h")).unwrap();
    std::fs::write(&text, source).unwrap();
    // Each stand-in has variables of the same names.
    let own = ["-Wl,-Bsymbolic".to_owned(), format!("-Wl,-soname,{name}")];
    let flags = ["-std=gnu11", "-O1", "-shared", "-fPIC", "-pthread"];
    let status = Command::new("cc").args(flags).args(own).arg("-o").arg(&library).arg(&text).status().unwrap();
    assert!(status.success());
    library
}

fn library<V: Vendor>() -> &'static Library {
    V::library().get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let library = build(V::SOURCE_TEXT, V::LIBRARY, folder.path());
        // SAFETY: its initialisers do nothing.
        unsafe { Library::open(Some(&library), RTLD_NOW | RTLD_GLOBAL) }.unwrap()
    })
}

/// One test of a process at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The stand-in, for one test alone.
pub struct StandIn<V>(#[allow(dead_code)] MutexGuard<'static, ()>, PhantomData<V>);

impl<V: Vendor> StandIn<V> {
    /// Waits for other tests of this process. Everything counted before counts no more.
    pub fn new() -> StandIn<V> {
        let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        library::<V>();
        let driver = StandIn(guard, PhantomData);
        driver.set("launch_fails", 0);
        driver.set("shared", 0);
        for (name, value) in V::AT_FIRST {
            driver.set(name, *value);
        }
        driver
    }

    fn at<T>(name: &str) -> *mut T {
        let name = format!("stand_in_{name}\0");
        // SAFETY: a variable of the stand-in; the caller knows its type.
        let symbol: Symbol<*mut T> = unsafe { library::<V>().get(name.as_bytes()) }.unwrap();
        *symbol
    }

    /// Sets an `int`.
    pub fn set(&self, name: &str, value: i32) {
        // SAFETY: an `int` of the stand-in, which nobody else uses now.
        unsafe { *StandIn::<V>::at::<i32>(name) = value }
    }

    /// A count: `calls`, `links`, `loads`, `unloads`.
    pub fn count(&self, name: &str) -> u64 {
        // SAFETY: an atomic `unsigned long` of the stand-in.
        unsafe { &*StandIn::<V>::at::<std::sync::atomic::AtomicU64>(name) }.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Launches so far.
    pub fn launched(&self) -> usize {
        // SAFETY: an `unsigned` of the stand-in; nobody launches now.
        unsafe { *StandIn::<V>::at::<u32>("launched") as usize }
    }

    /// The launch of this number.
    pub fn launch(&self, number: usize) -> Launch {
        assert!(number < self.launched() && number + LAUNCHES >= self.launched());
        // SAFETY: within the array, and nobody launches now.
        unsafe { *StandIn::<V>::at::<Launch>("launches").add(number % LAUNCHES) }
    }
}
