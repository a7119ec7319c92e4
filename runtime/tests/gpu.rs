//! A second driver, beside CUDA's: one that this process plays by itself, by HIP's rules. Machine code comes from the
//! compiler as it is, a launch has a limit of threads, code stays where it was loaded from, and a thread has a current
//! context. Its kernels run on the host's memory, so that launches give numbers. Nothing outside of this file knows of it:
//! whatever plans bind, check, choose and load, they do for any driver.

mod fixture;

use fixture::*;
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::kernel::abi;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::program::Program;
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Alias, Code, Diagnostic, Verified};
use routefuse_passes::schedule::schedule_of;
use routefuse_runtime::gpu::{Driver, Gpu, GpuPlan, KernelLaunch, Launch, Suits};
use routefuse_runtime::{Args, Compiler, Device, DiskCache, DiskOptions, KernelCache, Plan, TensorMut, TensorRef};
use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// HIP's number of the GPU.
const ORDINAL: u32 = 3;
/// Fewer than 2³² threads: the limit of `hipModuleLaunchKernel`.
const MOST_THREADS: u64 = (1 << 32) - 1;

thread_local! {
    /// This thread's current context.
    static CURRENT: Cell<u32> = const { Cell::new(0) };
}

/// What happened, and what is to happen.
#[derive(Default)]
struct Log {
    loads: AtomicU64,
    unloads: AtomicU64,
    /// The variant, blocks and threads of each launch.
    launches: Mutex<Vec<(String, u32, u32)>>,
    /// The next launches are refused.
    refuses: AtomicU32,
}

/// A gfx942 of the tests.
struct Played {
    context: u32,
    nothing: Box<[u64; 8]>,
    log: Arc<Log>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    context: u32,
}

/// What code is made of: `kernel variant`, as text.
struct Module {
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
type Body = unsafe fn(&[u64]);

#[derive(Clone, Copy, Debug)]
struct Function {
    body: Body,
    slots: usize,
    variant: Variant,
}

/// What the played driver says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refusal {
    NoContext,
    Busy,
}

unsafe fn element<T>(address: u64, at: i64) -> *mut T {
    std::ptr::with_exposed_provenance_mut::<T>(address as usize).wrapping_offset(at as isize)
}

/// `out = map[ids]`, −1 outside; slots: ids, its row stride, map, out, its row stride, rows.
unsafe fn remap_body(s: &[u64]) {
    for t in 0..s[5] as i64 {
        for j in 0..K as i64 {
            // SAFETY: the launch checked that all of these elements are there.
            unsafe {
                let id = *element::<i32>(s[0], t * s[1] as i64 + j);
                let inside = (0..E as i32).contains(&id);
                let value = if inside { *element::<i32>(s[2], i64::from(id)) } else { -1 };
                *element::<i32>(s[3], t * s[4] as i64 + j) = value;
            }
        }
    }
}

/// `y = x + 1`; slots: x, y, rows.
unsafe fn increment_body(s: &[u64]) {
    for i in 0..(s[2] * K) as i64 {
        // SAFETY: the launch checked that all of these elements are there.
        unsafe { *element::<i32>(s[1], i) = (*element::<i32>(s[0], i)).wrapping_add(1) };
    }
}

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
            _ => return Err(refuse()),
        };
        let variant = *Variant::GPU.iter().find(|v| v.to_string() == variant).ok_or_else(refuse)?;
        self.log.loads.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller vouches that the bytes stay until the module is dropped, and drops the slice with it.
        let kept: &'static [u8] = unsafe { std::slice::from_raw_parts(code.as_ptr(), code.len()) };
        Ok((Module { code: kept, copy: code.to_vec(), log: Arc::clone(&self.log) }, Function { body, slots, variant }))
    }

    fn resident(&self, _: Function, threads: u32, _: &str) -> Result<u32, Diagnostic> {
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
struct Notes {
    calls: AtomicU64,
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

fn gpu() -> (Gpu<Played>, Arc<Log>) {
    static CONTEXTS: AtomicU32 = AtomicU32::new(1);
    let log = Arc::new(Log::default());
    let context = CONTEXTS.fetch_add(1, Ordering::SeqCst);
    (Gpu::new(Played { context, nothing: Box::default(), log: Arc::clone(&log) }), log)
}

/// A plan for this target, with the schedules that the compiler would give its kernels.
fn plan_of(program: Program, target: &str, compiler: &Arc<Notes>, cache: &Arc<KernelCache>) -> Arc<Plan> {
    let target = Target::named(target).unwrap();
    let schedules = program.steps.iter().map(|s| schedule_of(&s.kernel, target)).collect();
    Arc::new(Plan::new(program, schedules, target, Arc::clone(compiler) as _, Arc::clone(cache)).unwrap())
}

/// Prepared.
fn on_gpu(program: Program, gpu: &Gpu<Played>) -> GpuPlan<Played> {
    let plan = GpuPlan::new(plan_of(program, "gfx942", &Arc::default(), &Arc::default()), gpu).unwrap();
    plan.prepare().unwrap();
    plan
}

/// A launch on a stream of the GPU's context.
fn stream(gpu: &Gpu<Played>) -> Launch<'static, Played> {
    let context = gpu.driver().context;
    // SAFETY: streams of the played driver are numbers.
    unsafe { Launch::on_stream(Stream { context }, Some(context)) }
}

fn on<'a>(view: TensorRef<'a>) -> TensorRef<'a> {
    view.on(Device::Hip(ORDINAL))
}

fn out<'a>(view: TensorMut<'a>) -> TensorMut<'a> {
    view.on(Device::Hip(ORDINAL))
}

/// Numbers for every way a launch goes, with the variant and the grid that the schedule says.
#[test]
fn launches_are_right() {
    let (gpu, log) = gpu();
    let plan = on_gpu(remap_program(), &gpu);
    assert!(format!("{plan:?}").contains("gpu: Gpu(hip:3, gfx942)") && format!("{plan:?}").contains("quick: true"));
    let schedule = &plan.plan().kernels()[0].schedule;
    let mut variants = std::collections::BTreeSet::new();
    for rows in [0u64, 1, 2, 33, 513, 4097] {
        for (off, gap, named) in [(0, 0, true), (1, 0, true), (0, 4, false), (3, 1, false)] {
            let stride = K + gap;
            let values = ids((rows * stride) as usize);
            let mut padded = aligned(off, &values);
            let mut result = aligned(off, &vec![77; values.len()]);
            let map = squares();
            let (input, output) = (&mut padded[off..], &mut result[off..]);
            let mut args = Args::new();
            let views = (
                on(TensorRef::rows(input, &[rows, K], stride)),
                on(TensorRef::new(&map, &[E])),
                out(TensorMut::rows(output, &[rows, K], stride)),
            );
            if named {
                args.named_input("ids", views.0).named_input("map", views.1).named_output("out", views.2);
            } else {
                args.input(views.0).input(views.1).output(views.2);
            }
            let before = log.launches.lock().unwrap().len();
            plan.launch(stream(&gpu), &args).unwrap();
            drop(args);
            let launches = log.launches.lock().unwrap();
            assert_eq!(launches.len() - before, usize::from(rows > 0), "one call of the driver, or none for no rows");
            let expected = remapped(&padded[off..]);
            for (i, got) in result[off..].iter().enumerate() {
                let inside = (i as u64) < rows * stride && (i as u64) % stride < K;
                assert_eq!(*got, if inside { expected[i] } else { 77 }, "{rows} rows, off {off}, gap {gap}");
            }
            if let Some((variant, blocks, threads)) = launches.get(before) {
                let of = *Variant::GPU.iter().find(|v| v.to_string() == *variant).unwrap();
                assert_eq!((u64::from(*blocks), *threads), (schedule.blocks(rows, of).unwrap(), schedule.threads(of)));
                variants.insert(variant.clone());
            }
        }
    }
    assert!(variants.len() > 1, "{variants:?}");
}

/// Elements that begin so many past a multiple of 16 bytes.
fn aligned(off: usize, values: &[i32]) -> AlignedVec {
    let mut lines =
        AlignedVec { lines: vec![Line([0; 4]); (off + values.len()).div_ceil(4)], length: off + values.len() };
    lines[off..].copy_from_slice(values);
    lines
}

#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Line([i32; 4]);

struct AlignedVec {
    lines: Vec<Line>,
    length: usize,
}

impl std::ops::Deref for AlignedVec {
    type Target = [i32];

    fn deref(&self) -> &[i32] {
        // SAFETY: a line is four numbers without padding, and there are no fewer than `length`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl std::ops::DerefMut for AlignedVec {
    fn deref_mut(&mut self) -> &mut [i32] {
        // SAFETY: a line is four numbers without padding, there are no fewer than `length`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

/// Kernels one after the other, through the workspace; and an output that lies in its input's memory.
#[test]
fn workspaces_and_aliases() {
    let (gpu, log) = gpu();
    let plan = on_gpu(two_step_program(), &gpu);
    let x: Vec<i32> = (0..400).collect();
    let mut y = vec![0; 400];
    let mut workspace = routefuse_runtime::Workspace::new(plan.plan().workspace_size(&[100]).unwrap() as usize);
    let (begin, bytes) = (workspace.as_mut_ptr().expose_provenance() as u64, workspace.len() as u64);
    let mut args = Args::new();
    args.input(on(TensorRef::new(&x, &[100, K]))).output(out(TensorMut::new(&mut y, &[100, K])));
    let e = plan.launch(stream(&gpu), &args).unwrap_err();
    assert_eq!((e.code, log.launches.lock().unwrap().len()), (Code::WorkspaceTooSmall, 0));
    // SAFETY: the memory is there and nobody else's.
    plan.launch(unsafe { stream(&gpu).workspace(begin, bytes) }, &args).unwrap();
    assert_eq!(log.launches.lock().unwrap().len(), 2);
    assert!(y.iter().zip(&x).all(|(y, x)| *y == x + 2));

    let plan = on_gpu(increment_program(Alias::InPlace(0)), &gpu);
    let mut x = vec![1, 2, 3, i32::MAX];
    plan.launch(stream(&gpu), Args::new().output(out(TensorMut::new(&mut x, &[1, K])))).unwrap();
    assert_eq!(x, [2, 3, 4, i32::MIN]);
}

/// The host's checks, with this GPU's name; nothing is launched.
#[test]
fn what_is_wrong_is_refused() {
    let (gpu, log) = gpu();
    let plan = on_gpu(remap_program(), &gpu);
    let (ids, map) = (ids(2), squares());
    let mut result = [77; 8];
    let refused = |ids: TensorRef<'_>, into: TensorMut<'_>, launch: Launch<'_, Played>| {
        let mut args = Args::new();
        args.input(ids).input(on(TensorRef::new(&map, &[E]))).output(into);
        plan.launch(launch, &args).expect_err("the launch was to fail").to_string()
    };
    let good = on(TensorRef::new(&ids, &[2, K]));
    let usual = stream(&gpu);
    let text = refused(TensorRef::new(&ids, &[2, K]), out(TensorMut::new(&mut result, &[2, K])), usual);
    assert_eq!(
        text,
        "RF0611: input `ids` is in the memory of the host, and the plan runs on hip:3\n  \
         help: copy it to hip:3, or compile the graph for where it is"
    );
    // The same ordinal, of another vendor's driver.
    let text = refused(good.on(Device::Cuda(ORDINAL)), out(TensorMut::new(&mut result, &[2, K])), usual);
    assert!(text.starts_with("RF0611: input `ids` is in the memory of cuda:3, and the plan runs on hip:3"), "{text}");
    for (ids, code) in [
        (on(TensorRef::new(&[0i64; 8], &[2, K])), "RF0603"),
        (on(TensorRef::new(&ids, &[8])), "RF0604"),
        (on(TensorRef::new(&ids, &[2, 3])), "RF0605"),
        (on(TensorRef::new(&ids, &[1, K])), "RF0606"),
        (on(TensorRef::new(&ids, &[1 << 40, K])), "RF0607"),
        (on(TensorRef::rows(&ids, &[2, K], 5)), "RF0607"),
        (on(TensorRef::strided(&ids, &[2, K], &[4, 2])), "RF0610"),
    ] {
        let text = refused(ids, out(TensorMut::new(&mut result, &[2, K])), usual);
        assert!(text.starts_with(code), "{code}: {text}");
    }
    // SAFETY: refused before anything is touched.
    let inside = unsafe { TensorMut::from_raw(ids.as_ptr().cast_mut().cast(), 32, good_dtype(), &[2, K], &[4, 1]) };
    assert!(refused(good, out(inside), usual).starts_with("RF0608"));
    let foreign = gpu.driver().context + 1000;
    // SAFETY: streams of the played driver are numbers.
    let foreign = unsafe { Launch::on_stream(Stream { context: foreign }, Some(foreign)) };
    let text = refused(good, out(TensorMut::new(&mut result, &[2, K])), foreign);
    assert!(text.starts_with("RF0611: the stream is of another context than the plan of `remap`"), "{text}");
    assert!(text.contains("the context of hip:3"), "{text}");
    assert!(log.launches.lock().unwrap().is_empty());
    assert_eq!(result, [77; 8]);
}

fn good_dtype() -> routefuse_ir::DType {
    routefuse_ir::DType::I32
}

/// More threads than the driver's launch takes, which CUDA's would: refused by every way to a launch.
#[test]
fn too_many_threads() {
    let (gpu, log) = gpu();
    let plan = on_gpu(increment_program(Alias::None), &gpu);
    let launch = |rows: u64, named: bool| {
        let at = |n: u64| std::ptr::with_exposed_provenance_mut::<u8>((n << 46) as usize);
        let (bytes, shape, strides) = (rows * K * 4, [rows, K], [K as i64, 1]);
        // SAFETY: refused before anything is touched.
        let (x, y) = unsafe {
            (
                TensorRef::from_raw(at(1), bytes, good_dtype(), &shape, &strides),
                TensorMut::from_raw(at(2), bytes, good_dtype(), &shape, &strides),
            )
        };
        let mut args = Args::new();
        if named {
            args.named_output("y", out(y)).named_input("x", on(x));
        } else {
            args.input(on(x)).output(out(y));
        }
        plan.launch(stream(&gpu), &args).unwrap_err().to_string()
    };
    let rows = 1 << 34;
    for named in [false, true] {
        assert_eq!(
            launch(rows, named),
            format!(
                "RF0614: kernel `increment` over {rows} rows takes more than {MOST_THREADS} threads\n  \
                 help: give smaller extents"
            )
        );
    }
    assert!(launch(1 << 40, false).contains("takes more than 2^31 - 1 blocks"));
    assert!(log.launches.lock().unwrap().is_empty());
}

#[test]
fn plans_and_code_for_others() {
    let (gpu, _) = gpu();
    let new = |target| GpuPlan::new(plan_of(remap_program(), target, &Arc::default(), &Arc::default()), &gpu);
    for target in ["sm_90", "gfx1100", "host"] {
        assert_eq!(
            new(target).unwrap_err().to_string(),
            format!(
                "RF0806: the plan of `remap` is for `{target}`, and the processor of hip:3 is gfx942\n  \
                 help: compile the graph for `gfx942`"
            )
        );
    }
    assert_eq!(gpu.target().unwrap().name(), "gfx942");
    // Code of another form under this target's name.
    let plan = plan_of(remap_program(), "gfx942", &Arc::default(), &Arc::default());
    let mut artifacts: Vec<Artifact> = plan.artifacts().unwrap().into_iter().cloned().collect();
    artifacts.iter_mut().for_each(|a| a.format = CodeFormat::Ptx);
    // SAFETY: refused before anything runs.
    let wrong = unsafe { Plan::from_artifacts(remap_program(), plan.target(), artifacts) }.unwrap();
    let text = GpuPlan::new(wrong, &gpu).unwrap().prepare().unwrap_err().to_string();
    assert!(
        text.starts_with("RF0805: the code of kernel `remap` ") && text.contains("Ptx, which no AMD GPU"),
        "{text}"
    );
}

/// A thread without a context gets the plan's, and the launch is tried again; another failure is an error.
#[test]
fn what_the_driver_refuses() {
    let (gpu, log) = gpu();
    let plan = on_gpu(increment_program(Alias::InPlace(0)), &gpu);
    let launch = || {
        let mut x = vec![1; 4];
        plan.launch(stream(&gpu), Args::new().output(out(TensorMut::new(&mut x, &[1, K])))).map(|()| x)
    };
    std::thread::scope(|scope| assert_eq!(scope.spawn(launch).join().unwrap().unwrap(), [2; 4]));
    assert_eq!(log.launches.lock().unwrap().len(), 1);
    log.refuses.store(1, Ordering::SeqCst);
    let e = launch().unwrap_err();
    assert_eq!(e.code, Code::DriverFailed);
    assert!(e.to_string().contains("`launch` failed for kernel `increment` ") && e.to_string().contains("Busy"), "{e}");
    assert_eq!(launch().unwrap(), [2; 4]);
}

/// Loaded once for plans that share it, kept on disk as the compiler gave it, refused once the cache is sealed, unloaded at
/// the end; a launch that is not prepared loads nothing.
#[test]
fn what_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let cache = || {
        let options = DiskOptions::default().with(|o| o.locks = Some(folder.path().join("locks")));
        Arc::new(KernelCache::on_disk(DiskCache::open(folder.path().join("cache"), options)))
    };
    for compiles in [4, 0] {
        let ((gpu, log), compiler, cache) = (gpu(), Arc::default(), cache());
        let plan = |program| GpuPlan::new(plan_of(program, "gfx942", &compiler, &cache), &gpu).unwrap();
        let first = plan(remap_program());
        first.prepare_where(|_, v| !v.aligned).unwrap();
        let mut x = [0; 8];
        let map = squares();
        let mut launch = |plan: &GpuPlan<Played>| {
            let mut args = Args::new();
            args.input(on(TensorRef::new(&map[..8], &[2, K]))).input(on(TensorRef::new(&map, &[E])));
            args.output(out(TensorMut::new(&mut x, &[2, K])));
            plan.launch(stream(&gpu).variant(Variant::GPU[0]), &args).map_err(|e| e.to_string())
        };
        let refused = launch(&first).unwrap_err();
        assert!(refused.starts_with("RF0807: kernel `remap` align16/i32 is not loaded on hip:3"), "{refused}");
        first.prepare_on(&rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap()).unwrap();
        plan(two_outputs_program()).prepare().unwrap();
        let counters = cache.counters();
        assert_eq!((counters.compiles, counters.assembled), (compiles, 0));
        assert_eq!((compiler.calls.load(Ordering::SeqCst), log.loads.load(Ordering::SeqCst)), (compiles, 4));
        assert_eq!(counters.loads, 4);
        assert!(first.machine_code().is_empty(), "the compiler's artifacts are machine code already");
        assert_eq!(first.artifacts().unwrap().len(), 4);
        cache.seal();
        let e = plan(increment_program(Alias::None)).prepare().unwrap_err();
        assert_eq!(e.code, Code::Sealed);
        assert_eq!(log.unloads.load(Ordering::SeqCst), 0);
        drop((first, gpu));
        assert_eq!(log.unloads.load(Ordering::SeqCst), 4);
    }
}
