//! What is loaded on a GPU, and what is not taken.

use crate::fixture::*;
use crate::played::*;
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::diag::Page;
use routefuse_ir::kernel::schedule::Variant;
use routefuse_ir::{Alias, Code};
use routefuse_runtime::gpu::GpuPlan;
use routefuse_runtime::{Args, DiskCache, DiskOptions, KernelCache, Plan, TensorMut, TensorRef};
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
        assert_eq!(refused, Page::of(Code::NotPrepared).message);
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
