//! A driver by HIP's rules, whose GPU is this process. Machine code comes from the compiler as it is, a launch has a limit of
//! threads, code stays where it was loaded from, and a thread has a current context. Its kernels run on the host's memory, so
//! that launches give numbers.

use crate::fixture::*;
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::kernel::abi;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::program::Program;
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Code, Diagnostic, Verified};
use routefuse_passes::schedule::schedule_of;
use routefuse_runtime::gpu::{Driver, Gpu, GpuPlan, KernelLaunch, Launch, Suits};
use routefuse_runtime::{Compiler, Device, KernelCache, Plan, TensorMut, TensorRef};
use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// HIP's number of the GPU.
pub const ORDINAL: u32 = 3;
/// Fewer than 2³² threads: the limit of `hipModuleLaunchKernel`.
pub const MOST_THREADS: u64 = (1 << 32) - 1;

thread_local! {
    /// This thread's current context.
    static CURRENT: Cell<u32> = const { Cell::new(0) };
}

/// What happened, and what is to happen.
#[derive(Default)]
pub struct Log {
    pub loads: AtomicU64,
    pub unloads: AtomicU64,
    /// The variant, blocks and threads of each launch.
    pub launches: Mutex<Vec<(String, u32, u32)>>,
    /// The next launches are refused.
    pub refuses: AtomicU32,
}

/// A gfx942 of the tests.
pub struct Played {
    pub context: u32,
    nothing: Box<[u64; 8]>,
    log: Arc<Log>,
}

#[derive(Clone, Copy, Debug)]
pub struct Stream {
    pub context: u32,
}

/// What code is made of: `kernel variant`, as text.
pub struct Module {
    code: &'static [u8],
    copy: Vec<u8>,
    log: Arc<Log>,
}

impl Drop for Module {
    fn drop(&mut self) {
        // The promise of `Driver::load`: HIP reads the image as long as it is loaded.
        assert_eq!(self.code, self.copy);
        self.log.unloads.fetch_add(1, Ordering::SeqCst);
    }
}

/// A kernel over all of its slots.
pub type Body = unsafe fn(&[u64]);

#[derive(Clone, Copy, Debug)]
pub struct Function {
    body: Body,
    slots: usize,
    variant: Variant,
}

/// What the played driver says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refusal {
    NoContext,
    Busy,
}

unsafe fn element<T>(address: u64, at: i64) -> *mut T {
    std::ptr::with_exposed_provenance_mut::<T>(address as usize).wrapping_offset(at as isize)
}

/// `out = map[ids]`, −1 outside; slots, of which gfx942 has extents first: rows, ids, its row stride, map, out, its row stride.
unsafe fn remap_body(s: &[u64]) {
    for t in 0..s[0] as i64 {
        for j in 0..K as i64 {
            // SAFETY: the launch checked that all of these elements are there.
            unsafe {
                let id = *element::<i32>(s[1], t * s[2] as i64 + j);
                let inside = (0..E as i32).contains(&id);
                let value = if inside { *element::<i32>(s[3], i64::from(id)) } else { -1 };
                *element::<i32>(s[4], t * s[5] as i64 + j) = value;
            }
        }
    }
}

/// `y = x + 1`; slots: rows, x, y.
unsafe fn increment_body(s: &[u64]) {
    for i in 0..(s[0] * K) as i64 {
        // SAFETY: the launch checked that all of these elements are there.
        unsafe { *element::<i32>(s[2], i) = (*element::<i32>(s[1], i)).wrapping_add(1) };
    }
}

/// Touches nothing.
unsafe fn nothing(_: &[u64]) {}

// SAFETY: `nothing` is a box of 64 bytes; a launch runs the body that the code names, at once, with copies of the slots.
unsafe impl Driver for Played {
    const VENDOR: &'static str = "AMD";
    const TARGETS: TargetKind = TargetKind::Amdgpu;
    const MACHINE_CODE: CodeFormat = CodeFormat::Hsaco;
    const SOURCE: Option<CodeFormat> = None;
    const MOST_THREADS: u64 = MOST_THREADS;

    type Context = u32;
    type Stream = Stream;
    type Function = Function;
    type Module = Module;
    type Error = Refusal;

    fn device(&self) -> Device {
        Device::Hip(ORDINAL)
    }

    fn processor(&self) -> &str {
        "gfx942"
    }

    fn identity(&self) -> &str {
        "gfx942 played 1"
    }

    fn suits(&self, target: Target) -> Suits {
        if target.name() == "gfx942" { Suits::Own } else { Suits::Not }
    }

    fn multiprocessors(&self) -> u32 {
        304
    }

    fn nothing(&self) -> u64 {
        self.nothing.as_ptr().expose_provenance() as u64
    }

    fn context(&self) -> u32 {
        self.context
    }

    fn assemble(&self, _: &[u8], about: &str) -> Result<Vec<u8>, Diagnostic> {
        panic!("{about} has no source")
    }

    unsafe fn load(&self, code: &[u8], entry: &CStr, about: &str) -> Result<(Module, Function), Diagnostic> {
        CURRENT.set(self.context);
        assert_eq!(entry.to_str(), Ok(abi::ENTRY));
        let refuse = || Diagnostic::new(Code::DriverFailed, format!("`load` failed for {about}"));
        let text = std::str::from_utf8(code).map_err(|_| refuse())?;
        let (name, variant) = text.split_once(' ').ok_or_else(refuse)?;
        let (body, slots): (Body, usize) = match name {
            "remap" => (remap_body, 6),
            "increment" => (increment_body, 3),
            _ if name.starts_with("align.") => (nothing, 6),
            // The router, both in one, both in two launches, and the phases.
            "behind.0" => (nothing, 3),
            _ if name.starts_with("behind.") && name.ends_with(".at_once") => (nothing, 4),
            _ if name.starts_with("behind.") && name.ends_with(".in_chunks") => (nothing, 6),
            _ if name.starts_with("behind.") => (nothing, 5),
            _ => return Err(refuse()),
        };
        let mut all = Variant::GPU.iter().chain(&Variant::GPU_ROW);
        let variant = *all.find(|v| v.to_string() == variant).ok_or_else(refuse)?;
        self.log.loads.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller vouches that the bytes stay until the module is dropped, and drops the slice with it.
        let kept: &'static [u8] = unsafe { std::slice::from_raw_parts(code.as_ptr(), code.len()) };
        Ok((Module { code: kept, copy: code.to_vec(), log: Arc::clone(&self.log) }, Function { body, slots, variant }))
    }

    fn resident(&self, _: Function, threads: u32, _: u32, _: &str) -> Result<u32, Diagnostic> {
        Ok(2048 / threads)
    }

    unsafe fn launch(&self, launch: &mut KernelLaunch<'_, Played>) -> Result<(), Refusal> {
        if CURRENT.get() != self.context {
            return Err(Refusal::NoContext);
        }
        if self.log.refuses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            return Err(Refusal::Busy);
        }
        assert_eq!(launch.stream.context, self.context);
        assert_eq!(launch.parameters.len(), launch.function.slots);
        assert!(!launch.dependent && u64::from(launch.blocks) * u64::from(launch.threads) <= MOST_THREADS);
        let read = |p: &*mut c_void| {
            // SAFETY: a parameter is the address of 8 bytes.
            unsafe { p.cast::<u64>().read() }
        };
        let slots: Vec<u64> = launch.parameters.iter().map(read).collect();
        let note = (launch.function.variant.to_string(), launch.blocks, launch.threads);
        self.log.launches.lock().unwrap().push(note);
        // SAFETY: the caller vouches that the slots are this kernel's, and for what is behind them.
        unsafe { (launch.function.body)(&slots) };
        Ok(())
    }

    fn enters(&self, error: Refusal, _: &str) -> Result<bool, Diagnostic> {
        if error == Refusal::NoContext {
            CURRENT.set(self.context);
        }
        Ok(error == Refusal::NoContext)
    }

    fn refused(&self, error: Refusal, about: &str) -> Diagnostic {
        Diagnostic::new(Code::DriverFailed, format!("`launch` failed for {about}: {error:?}"))
    }
}

/// Makes the code that the played driver understands.
#[derive(Default)]
pub struct Notes {
    pub calls: AtomicU64,
}

// SAFETY: the bodies above do what kernels of these names say.
unsafe impl Compiler for Notes {
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let code = format!("{} {variant}", kernel.kernel.name).into_bytes();
        Ok(Artifact { format: CodeFormat::Hsaco, ..artifact(kernel, variant, code) })
    }

    fn version(&self) -> &str {
        "notes"
    }

    fn host_cpu(&self) -> &str {
        ""
    }
}

pub fn gpu() -> (Gpu<Played>, Arc<Log>) {
    static CONTEXTS: AtomicU32 = AtomicU32::new(1);
    let log = Arc::new(Log::default());
    let context = CONTEXTS.fetch_add(1, Ordering::SeqCst);
    (Gpu::new(Played { context, nothing: Box::default(), log: Arc::clone(&log) }), log)
}

/// A plan for this target, with the schedules that the compiler would give its kernels.
pub fn plan_of(program: Program, target: &str, compiler: &Arc<Notes>, cache: &Arc<KernelCache>) -> Arc<Plan> {
    let target = Target::named(target).unwrap();
    let schedules = program.steps.iter().map(|s| schedule_of(&s.kernel, target)).collect();
    Arc::new(Plan::new(program, schedules, target, Arc::clone(compiler) as _, Arc::clone(cache)).unwrap())
}

/// Prepared.
pub fn on_gpu(program: Program, gpu: &Gpu<Played>) -> GpuPlan<Played> {
    let plan = GpuPlan::new(plan_of(program, "gfx942", &Arc::default(), &Arc::default()), gpu).unwrap();
    plan.prepare().unwrap();
    plan
}

/// A launch on a stream of the GPU's context.
pub fn stream(gpu: &Gpu<Played>) -> Launch<'static, Played> {
    let context = gpu.driver().context;
    // SAFETY: streams of the played driver are numbers.
    unsafe { Launch::on_stream(Stream { context }, Some(context)) }
}

pub fn on<'a>(view: TensorRef<'a>) -> TensorRef<'a> {
    view.on(Device::Hip(ORDINAL))
}

pub fn out<'a>(view: TensorMut<'a>) -> TensorMut<'a> {
    view.on(Device::Hip(ORDINAL))
}
