//! Engines: what compiles graphs, where compiled kernels are kept, and the GPUs that plans run on.

use crate::boundary::{self, Out, call, flags, reserved, size};
use crate::bundle;
use crate::device::routefuse_device;
use crate::error::{routefuse_error, routefuse_status};
use crate::handle::{Kind, Table, Used};
use crate::plan::Place;
use crate::text::{self, routefuse_text};
use crate::trust::{self, routefuse_trust};
use routefuse::cache::{DiskCache, DiskOptions};
use routefuse::diag::{Code, Diagnostic};
use routefuse::engine::{Cancel, EngineBuilder, Sealed};
use routefuse::exec::{Device, Gpus};
use routefuse::{Engine, Error, HostPlan, Plan, Target, cuda, hip};
use std::ffi::c_char;
use std::ptr;
use std::sync::{Arc, OnceLock};

/// An engine. Free it with `routefuse_engine_free`; its plans go on without it.
pub struct routefuse_engine {
    _opaque: [u8; 0],
}

/// A bundle's file, and whose code may be run.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct routefuse_bundle_file {
    /// The file.
    pub path: *const c_char,
    /// Whose code may be run.
    pub trust: routefuse_trust,
}

/// Compiled kernels are kept in the user's own directory: $ROUTEFUSE_CACHE_DIR, or else one in the user's cache directory.
pub const ROUTEFUSE_USER_CACHE: u32 = 1;

/// What an engine is made of. Zeros, but for `size`, are an engine that keeps its kernels in memory alone.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct routefuse_engine_options {
    /// sizeof(routefuse_engine_options)
    pub size: usize,
    /// `ROUTEFUSE_USER_CACHE` or 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// A directory where compiled kernels are kept for the next process; null for none.
    pub cache_directory: *const c_char,
    /// The most bytes of that directory; 0 for 1 GiB.
    pub cache_bytes: u64,
    /// Finished kernels, which are looked for before the directory.
    pub bundles: *const routefuse_bundle_file,
    /// How many.
    pub bundle_count: usize,
    /// Files of public keys: nothing is run but what was compiled here or is signed with one of them. Null if that is not required.
    pub require_signed: *const *const c_char,
    /// How many; with a `require_signed` that is not null, 0 lets nothing run that came from elsewhere.
    pub require_signed_count: usize,
}

/// An engine with the GPUs that its plans run on.
pub(crate) struct Shared {
    pub engine: Engine,
    cancel: Cancel,
    sealed: OnceLock<Sealed>,
    gpus: Gpus,
}

static ENGINES: Table<Shared> = Table::new(Kind::Engine);

/// The engine of a handle.
pub(crate) fn engine(engine: *const routefuse_engine) -> Result<Used<'static, Shared>, Error> {
    ENGINES.get(engine)
}

/// The engine of a handle for work that takes long: the handle may be freed meanwhile.
pub(crate) fn shared(engine: *const routefuse_engine) -> Result<Arc<Shared>, Error> {
    Ok(ENGINES.get(engine)?.shared())
}

impl Shared {
    fn new(engine: Engine, cancel: Cancel) -> Shared {
        Shared { engine, cancel, sealed: OnceLock::new(), gpus: Gpus::default() }
    }

    /// The target of a device.
    pub(crate) fn target(&self, device: Device) -> Result<Target, Error> {
        Ok(self.gpus.target(device)?)
    }

    /// A plan on its device. Nothing is loaded.
    pub(crate) fn place(&self, plan: &Arc<Plan>, device: Device) -> Result<Place, Error> {
        let plan = Arc::clone(plan);
        Ok(match device {
            Device::Cuda(ordinal) => Place::Cuda(cuda::CudaPlan::new(plan, &self.gpus.cuda(ordinal)?)?),
            Device::Hip(ordinal) => Place::Hip(hip::HipPlan::new(plan, &self.gpus.hip(ordinal)?)?),
            _ => Place::Host(HostPlan::new(plan)?),
        })
    }
}

/// What the options say.
///
/// # Safety
/// Their pointers are what the header says.
unsafe fn builder(options: &routefuse_engine_options) -> Result<EngineBuilder, Error> {
    size::<routefuse_engine_options>("options", options.size)?;
    flags("options.flags", options.flags, ROUTEFUSE_USER_CACHE)?;
    reserved("options", options.reserved)?;
    let mut builder = Engine::builder();
    // SAFETY: the caller vouches for it.
    let given = unsafe { boundary::optional_text("options.cache_directory", options.cache_directory) }?;
    let directory = match given {
        Some(given) => Some(given.into()),
        None if options.flags & ROUTEFUSE_USER_CACHE != 0 => DiskCache::default_dir(),
        None => None,
    };
    if let Some(directory) = directory {
        let bytes = options.cache_bytes;
        let options = DiskOptions::default().with(|o| o.max_bytes = if bytes == 0 { o.max_bytes } else { bytes });
        builder = builder.disk_cache(DiskCache::open(directory, options));
    }
    // SAFETY: the caller vouches for it.
    for file in unsafe { boundary::array("options.bundles", options.bundles, options.bundle_count) }? {
        // SAFETY: the caller vouches for it.
        let (path, trust) =
            unsafe { (boundary::text("bundle.path", file.path)?, trust::trust(&raw const file.trust)?) };
        builder = builder.bundle(bundle::read(path, &trust)?);
    }
    if !options.require_signed.is_null() {
        let (files, count) = (options.require_signed, options.require_signed_count);
        // SAFETY: the caller vouches for it.
        let files = unsafe { boundary::texts("options.require_signed", files, count) }?;
        builder = builder.require_signed(trust::keys(&files)?);
    }
    Ok(builder)
}

/// An engine. `options` may be null, for one that keeps its kernels in memory alone.
///
/// RF0701, RF0811 or RF0814 if a bundle cannot be read, is none, or is not from one who is trusted. What is wrong with a cache's
/// directory is no error: the engine goes on without.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_create(
    options: *const routefuse_engine_options,
    engine: *mut *mut routefuse_engine,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("engine", engine) }?;
        let builder = match options.is_null() {
            true => Engine::builder(),
            // SAFETY: the caller's promise.
            false => unsafe { builder(boundary::thing("options", options)?) }?,
        };
        let cancel = Cancel::default();
        out.write(ENGINES.insert(Shared::new(builder.cancel(&cancel).build()?, cancel))?);
        Ok(())
    })
}

/// An engine of a bundle alone: it compiles nothing, and `routefuse_engine_plan` gives the plans of the bundle's graphs.
///
/// RF0701, RF0811 or RF0814 if the bundle cannot be read, is none, or is not from one who is trusted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_from_bundle(
    path: *const c_char,
    trust: *const routefuse_trust,
    engine: *mut *mut routefuse_engine,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let (out, path, trust) =
            unsafe { (Out::of("engine", engine)?, boundary::text("path", path)?, trust::trust(trust)?) };
        out.write(ENGINES.insert(Shared::new(Engine::from_bundle(path, &trust)?, Cancel::default()))?);
        Ok(())
    })
}

/// Frees an engine, once no call uses it. Its plans go on without it. Null is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_engine_free(engine: *mut routefuse_engine) -> routefuse_status {
    call(ptr::null_mut(), || ENGINES.remove(engine).map(drop))
}

/// Ends what the engine compiles in other threads, with RF0816 there, within seconds; and what it is asked to compile from now on,
/// until `routefuse_engine_resume`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_cancel(
    engine: *const routefuse_engine,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        self::engine(engine)?.cancel.cancel();
        Ok(())
    })
}

/// From here on the engine compiles again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_resume(
    engine: *const routefuse_engine,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        self::engine(engine)?.cancel.reset();
        Ok(())
    })
}

/// Ends compiling and loading, for good: what would compile or load from now on is RF0810. Plans that are prepared go on as before.
/// Sealing an engine again changes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_seal(
    engine: *const routefuse_engine,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        let engine = self::engine(engine)?;
        engine.sealed.get_or_init(|| engine.engine.sealed());
        Ok(())
    })
}

/// RF0810, with the counts, if anything was compiled or loaded since the engine was sealed, or would have had to be; or if it was
/// not sealed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_check_sealed(
    engine: *const routefuse_engine,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || match self::engine(engine)?.sealed.get() {
        Some(sealed) => sealed.check(),
        None => Err(Diagnostic::new(Code::Sealed, "the engine is not sealed")
            .help("call `routefuse_engine_seal` first")
            .into()),
    })
}

/// The name of the target of a device, as in "sm_90": what a bundle has to be built for. Free it with `routefuse_text_free`.
///
/// RF0809 without such a device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_target(
    engine: *const routefuse_engine,
    device: routefuse_device,
    target: *mut *mut routefuse_text,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("target", target) }?;
        let target = shared(engine)?.target(device.checked()?)?;
        out.write(text::handle(target.name())?);
        Ok(())
    })
}
