//! Many small kernels, and a compiler of them that takes no time and tells how often it was called.

use crate::fixture::{self, artifact, schedules};
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::kernel::ValueKind;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::target::Target;
use routefuse_ir::{Alias, Diagnostic, Literal, Verified};
use routefuse_runtime::{Compiler, DiskCache, DiskOptions, KernelCache, KeyText};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Gives code that names its kernel.
#[derive(Default)]
pub struct Fake {
    pub calls: AtomicU64,
    /// How long a compile takes.
    pub delay: Duration,
    /// A line is added here for each compile.
    pub log: Option<PathBuf>,
}

pub const VARIANT: Variant = Variant::GPU[0];

// SAFETY: the code is text for a GPU; it is never run.
unsafe impl Compiler for Fake {
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.delay);
        if let Some(log) = &self.log {
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(log).unwrap();
            file.write_all(b"compiled\n").unwrap();
        }
        Ok(Artifact { format: CodeFormat::Ptx, ..artifact(kernel, variant, code(kernel)) })
    }

    fn version(&self) -> &str {
        "fake 1"
    }

    fn host_cpu(&self) -> &str {
        "none"
    }
}

/// What [`Fake`] makes of a kernel.
pub fn code(kernel: &Scheduled) -> Vec<u8> {
    kernel.kernel.canonical_text().repeat(3).into_bytes()
}

/// `y = x + n`: as many kernels as there are n.
pub fn kernel(n: i32) -> Verified<Scheduled> {
    let program = fixture::increment_program(Alias::None);
    let mut kernel = program.steps[0].kernel.clone().into_inner();
    kernel.values[1].kind = ValueKind::Const(Literal::i32(n));
    let (kernel, target) = (kernel.verify().unwrap(), Target::named("sm_90").unwrap());
    Scheduled { kernel, schedule: schedules(&program).remove(0), target }.verify().unwrap()
}

pub fn key(n: i32) -> KeyText {
    KeyText::of(&kernel(n), VARIANT, &Fake::default())
}

/// Kernel n, by way of the cache; whatever happens it is the right one.
pub fn get(cache: &KernelCache, compiler: &Fake, n: i32) {
    let kernel = kernel(n);
    let key = KeyText::of(&kernel, VARIANT, compiler);
    // SAFETY: the code is never run.
    let got = unsafe { cache.get_or_compile(&key, |_| Ok(()), || compiler.compile(&kernel, VARIANT)) };
    let got = got.unwrap();
    assert_eq!(got.artifact().code, code(&kernel));
    assert_eq!((&got.artifact().schedule, got.artifact().variant), (&kernel.schedule, VARIANT));
}

/// A cache of `dir/cache`, with its locks in `dir/locks`.
pub fn disk(dir: &Path) -> DiskCache {
    DiskCache::open(dir.join("cache"), options(dir))
}

pub fn options(dir: &Path) -> DiskOptions {
    DiskOptions::default().with(|o| o.locks = Some(dir.join("locks")))
}

/// Puts kernel n into the cache.
pub fn put(disk: &DiskCache, n: i32) {
    let artifact = Fake::default().compile(&kernel(n), VARIANT).unwrap();
    assert!(disk.publish(&key(n), &artifact), "{:?}", disk.last_trouble());
}

/// Whether kernel n is there, and right.
pub fn has(disk: &DiskCache, n: i32) -> bool {
    let found = disk.lookup(&key(n));
    if let Some(artifact) = &found {
        assert_eq!(artifact.code, code(&kernel(n)), "a wrong kernel");
    }
    found.is_some()
}
