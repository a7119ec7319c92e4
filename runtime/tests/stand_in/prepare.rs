//! What is compiled, assembled and loaded when a plan is prepared, and what a sealed cache refuses.

use crate::plans::*;
use crate::vendor::{StandIn, Vendor};
use routefuse_ir::Code;
use routefuse_runtime::cuda::Cuda;
use routefuse_runtime::gpu::{Gpu, GpuPlan};
use routefuse_runtime::{Bundle, BundleWriter, Compiler, DiskCache, DiskOptions, KernelCache, Trust, TrustedBundle};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A process of its own, as far as memory goes: a new compiler, a new cache, a new handle of the GPU.
struct Process<V: Vendor> {
    compiler: Arc<Notes<V>>,
    cache: Arc<KernelCache>,
    gpu: Gpu<V>,
}

impl<V: Vendor> Process<V> {
    fn of(cache: KernelCache) -> Process<V> {
        Process { compiler: Arc::default(), cache: Arc::new(cache), gpu: V::open(0) }
    }

    fn on_disk(folder: &Path) -> Process<V> {
        let options = DiskOptions::default().with(|o| o.locks = Some(folder.join("locks")));
        Process::<V>::of(KernelCache::on_disk(DiskCache::open(folder.join("cache"), options)))
    }

    fn plan(&self, name: &str) -> GpuPlan<V> {
        GpuPlan::new(plan(&example(name), &self.compiler, &self.cache), &self.gpu).unwrap()
    }

    /// A launch of it is right.
    fn launches(&self, driver: &StandIn<V>, plan: &GpuPlan<V>) {
        let stream = V::stream(&self.gpu);
        let tensors = tensors(plan.plan().program(), &[9], Manner::USUAL);
        plan.launch(V::on(&stream), &args(&tensors, Manner::USUAL, self.gpu.device())).unwrap();
        let launch = driver.launch(driver.launched() - 1);
        assert_eq!(launch.values(), expected(plan, 0, &tensors, &[9]));
    }

    /// What an assembler has to do: nothing where the compiler makes machine code.
    fn assembled(count: u64) -> u64 {
        if V::SOURCE.is_some() { count } else { 0 }
    }

    /// Compiled, assembled, loaded.
    fn counts(&self) -> (u64, u64, u64) {
        let counters = self.cache.counters();
        assert_eq!(counters.compiles, self.compiler.calls.load(Ordering::SeqCst));
        (counters.compiles, counters.assembled, counters.loads)
    }
}

/// Another process, as far as memory goes, prepares a plan out of this folder; so much is compiled, assembled and loaded.
fn prepared<V: Vendor>(driver: &StandIn<V>, folder: &Path, counts: (u64, u64, u64)) -> Process<V> {
    let process = Process::<V>::on_disk(folder);
    let links = driver.count("links");
    let plan = process.plan("e_post_chain");
    plan.prepare().unwrap();
    assert_eq!(process.counts(), counts);
    assert_eq!(driver.count("links") - links, counts.1);
    process.launches(driver, &plan);
    process
}

/// The second process neither compiles nor assembles.
pub fn machine_code_is_kept<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let folder = tempfile::tempdir().unwrap();
    prepared(&driver, folder.path(), (4, Process::<V>::assembled(4), 4));
    let second = prepared(&driver, folder.path(), (0, 0, 4));
    assert_eq!(second.cache.disk().unwrap().counters().hits, 4);
}

/// A process with another driver assembles PTX that is there; machine code that the driver refuses, though it is of the same
/// name, is made anew.
#[test]
fn machine_code_is_of_a_driver() {
    let driver = StandIn::<Cuda>::new();
    let folder = tempfile::tempdir().unwrap();
    let prepare = |counts| prepared(&driver, folder.path(), counts);
    prepare((4, 4, 4));
    driver.set("version", 13_010);
    prepare((0, 4, 4));
    prepare((0, 0, 4));
    driver.set("version", 12_080);
    prepare((0, 0, 4));
    // As if the driver had been changed without a change of its name.
    driver.set("build", 2);
    let refusing = prepare((0, 4, 4));
    let trouble = refusing.cache.disk().unwrap().last_trouble().unwrap();
    assert!(trouble.contains("cuModuleLoadData") && trouble.contains("CUDA_ERROR_INVALID_IMAGE"), "{trouble}");
    assert!(refusing.cache.disk().unwrap().counters().troubles >= 4);
    let after = prepare((0, 0, 4));
    assert_eq!(after.cache.disk().unwrap().counters().troubles, 0);
}

/// Machine code in a bundle, and compiled code in another.
pub fn bundles<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let first = Process::<V>::of(KernelCache::new());
    let made = first.plan("deepseek-v3-post");
    assert!(made.machine_code().is_empty());
    made.prepare().unwrap();
    assert_eq!(made.machine_code().len() as u64, Process::<V>::assembled(4));
    let compiler = Notes::<V>::default();
    let write = |machine_code: bool| {
        let mut writer = BundleWriter::new(compiler.version(), compiler.host_cpu());
        for (kernel, variant) in made.plan().kernels().iter().flat_map(|k| k.variants().iter().map(move |v| (k, *v))) {
            let key = routefuse_runtime::KeyText::of(kernel, variant, &compiler);
            assert!(writer.kernel(&key, &compiler.compile(kernel, variant).unwrap()));
        }
        for (key, artifact) in made.machine_code().into_iter().filter(|_| machine_code) {
            assert!(writer.kernel(&key, artifact));
        }
        TrustedBundle::new(Bundle::decode(writer.finish()).unwrap(), &Trust::anyone()).unwrap()
    };
    for (machine_code, counts) in [(true, (0, 0, 4)), (false, (0, Process::<V>::assembled(4), 4))] {
        let process = Process::<V>::of(KernelCache::new().with_bundles(vec![write(machine_code)]));
        let plan = process.plan("deepseek-v3-post");
        plan.prepare().unwrap();
        assert_eq!(process.counts(), counts);
        process.launches(&driver, &plan);
        // And out of what the plan has, without keys.
        let artifacts = plan.artifacts().unwrap();
        let links = driver.count("links");
        let program = plan.plan().program().clone();
        // SAFETY: nothing runs.
        let again = unsafe { routefuse_runtime::Plan::from_artifacts(program, plan.plan().target(), artifacts) };
        let again = GpuPlan::new(Arc::new(again.unwrap()), &process.gpu).unwrap();
        again.prepare().unwrap();
        assert_eq!(driver.count("links"), links);
        process.launches(&driver, &again);
    }
    // Another driver's assembler: the machine code of the bundle is not for it, the compiled code is.
    driver.set("version", V::AT_FIRST.iter().find(|v| v.0 == "version").unwrap().1 - 80);
    let process = Process::<V>::of(KernelCache::new().with_bundles(vec![write(true)]));
    process.plan("deepseek-v3-post").prepare().unwrap();
    assert_eq!(process.counts(), (0, Process::<V>::assembled(4), 4));
}

/// After sealing, what is loaded goes on, equal kernels are found, and whatever is missing is an error that names it: nothing
/// is compiled, assembled or loaded.
pub fn sealed<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let folder = tempfile::tempdir().unwrap();
    let other = Process::<V>::on_disk(folder.path());
    other.plan("c_pack").prepare().unwrap();

    let process = Process::<V>::on_disk(folder.path());
    let (ready, part) = (process.plan("e_post_chain"), process.plan("a_remap_static"));
    ready.prepare().unwrap();
    part.prepare_where(|_, v| !v.aligned).unwrap();
    process.cache.seal();
    let (before, loads) = (process.cache.counters(), driver.count("loads"));
    ready.prepare().unwrap();
    process.plan("e_post_chain").prepare().unwrap();
    process.launches(&driver, &ready);
    // On disk, compiled in part, and not compiled at all.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let packed = process.plan("c_pack");
    let refusals = [
        (packed.prepare(), "`pack` align16/i32"),
        (part.prepare(), "`eplb_remap_static` align16/i32"),
        (process.plan("d_head_gate").prepare_on(&pool), "`head_gate` align16/i32"),
    ];
    for (refusal, name) in refusals {
        let e = refusal.unwrap_err();
        assert_eq!(e.code, Code::Sealed);
        assert!(e.to_string().contains(&format!("the engine is sealed, and kernel {name} is not loaded")), "{e}");
    }
    let stream = V::stream(&process.gpu);
    let tensors = tensors(packed.plan().program(), &[9], Manner::USUAL);
    let e = packed.launch(V::on(&stream), &args(&tensors, Manner::USUAL, process.gpu.device())).unwrap_err();
    assert!(e.code == Code::NotPrepared && e.to_string().contains("`pack` align16/i32"), "{e}");
    let after = process.cache.counters();
    assert_eq!((after.compiles, after.assembled, after.loads), (before.compiles, before.assembled, before.loads));
    assert_eq!(driver.count("loads"), loads);
    // One for each of the first two, and at least one of the threads' four.
    assert!(before.refused == 0 && (3..=6).contains(&after.refused), "{}", after.refused);
}

/// With a pool, too; equal kernels of many plans are loaded once; what fails is told and not kept.
pub fn on_a_pool<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let process = Process::<V>::of(KernelCache::new());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(6).build().unwrap();
    let unloads = driver.count("unloads");
    for _ in 0..5 {
        let plan = process.plan("deepseek-v3-post");
        plan.prepare_on(&pool).unwrap();
        process.launches(&driver, &plan);
    }
    assert_eq!(process.counts(), (4, Process::<V>::assembled(4), 4));
    driver.set(V::LOAD_FAILS, 1);
    let plan = process.plan("c_pack");
    let e = plan.prepare_on(&pool).unwrap_err();
    assert!(e.code == Code::DriverFailed && e.to_string().contains("`pack` align16/i32"), "{e}");
    driver.set(V::LOAD_FAILS, 0);
    plan.prepare_on(&pool).unwrap();
    assert_eq!(process.counts(), (8, Process::<V>::assembled(8), 8));
    drop(plan);
    drop(process);
    assert_eq!(driver.count("unloads") - unloads, 8);
}
