//! Loading, caching, keys: what is refused, what is found again, what is compiled once.

mod fixture;

use fixture::*;
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::program::Taken;
use routefuse_ir::target::Target;
use routefuse_ir::{Alias, Layout, SymbolId, Verified};
use routefuse_runtime::{Args, Compiler, HostPlan, KernelCache, Key, Plan, TensorMut, TensorRef};
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn compiled() -> Artifact {
    let program = remap_program();
    let kernel = scheduled(&program);
    CCompiler::new().compile(&kernel, Variant::HOST[0]).unwrap()
}

fn scheduled(program: &routefuse_ir::program::Program) -> Verified<Scheduled> {
    let scheduled = Scheduled {
        kernel: program.steps[0].kernel.clone(),
        schedule: schedules(program).remove(0),
        target: Target::host(),
    };
    scheduled.verify().unwrap()
}

/// A plan of this artifact.
fn from_artifact(artifact: Artifact) -> Result<Plan, String> {
    // SAFETY: the tests' artifacts are the C compiler's, or are refused before anything of them runs.
    unsafe { Plan::from_artifacts(remap_program(), Target::host(), vec![artifact]) }.map_err(|e| e.to_string())
}

#[test]
fn artifacts_run_without_a_compiler() {
    let plan = HostPlan::new(from_artifact(compiled()).unwrap()).unwrap();
    plan.prepare().unwrap();
    let (ids, map) = (ids(9), squares());
    let mut out = vec![0; ids.len()];
    plan.launch(
        Args::new()
            .input(TensorRef::new(&ids, &[9, K]))
            .input(TensorRef::new(&map, &[E]))
            .output(TensorMut::new(&mut out, &[9, K])),
    )
    .unwrap();
    assert_eq!(out, remapped(&ids));
    assert_eq!(plan.plan().artifacts().unwrap(), [&compiled()]);
}

/// Two objects that were given one `/proc/self/fd/N` after another must not be taken for each other.
#[test]
fn each_object_is_loaded_anew() {
    let kernel = |n: i32| {
        let body =
            format!("for (u64 t = b; t < e; ++t) for (int j = 0; j < 4; ++j) ((int *)s[3])[t * (long)s[4] + j] = {n};");
        Artifact { code: shared_object(&body), ..compiled() }
    };
    let check = |plan: &HostPlan, n: i32| {
        let mut out = [0; 4];
        plan.launch(
            Args::new()
                .input(TensorRef::new(&[0; 4], &[1, K]))
                .input(TensorRef::new(&[0; 16], &[E]))
                .output(TensorMut::new(&mut out, &[1, K])),
        )
        .unwrap();
        assert_eq!(out, [n; 4]);
    };
    let plan = |n| HostPlan::new(from_artifact(kernel(n)).unwrap()).unwrap();
    let plans: Vec<HostPlan> = (0..5).map(plan).collect();
    plans.iter().zip(0..).for_each(|(p, n)| check(p, n));
    drop(plans);
    for n in 5..10 {
        check(&plan(n), n);
    }
}

#[test]
fn what_is_no_shared_object_for_this_machine() {
    let good = compiled();
    let refused = |change: &dyn Fn(&mut Artifact)| {
        let mut artifact = good.clone();
        change(&mut artifact);
        from_artifact(artifact).expect_err("the artifact was to be refused")
    };
    let cannot = "RF0805: the compiled code cannot be loaded: ";
    assert_eq!(refused(&|a| a.code = b"#!/bin/sh".to_vec()), format!("{cannot}it is no ELF file"));
    assert_eq!(refused(&|a| a.code.clear()), format!("{cannot}it is no ELF file"));
    assert_eq!(refused(&|a| a.code.truncate(200)), format!("{cannot}the file is cut short"));
    assert_eq!(refused(&|a| a.code[4] = 1), format!("{cannot}it is no little-endian ELF file of 64 bits"));
    assert_eq!(refused(&|a| a.code[16] = 1), format!("{cannot}it is an ELF file, but no shared object"));
    let other = if cfg!(target_arch = "x86_64") { ("aarch64", 183) } else { ("x86_64", 62) };
    assert_eq!(
        refused(&|a| a.code[18] = other.1),
        format!("{cannot}it is for a {} processor, and this one is {}", other.0, std::env::consts::ARCH)
    );
    assert_eq!(refused(&|a| a.format = CodeFormat::Ptx), format!("{cannot}it is Ptx, not a shared object"));
    assert_eq!(refused(&|a| a.entry = "main".to_owned()), format!("{cannot}it has no entry point `main`"));
    assert_eq!(
        refused(&|a| a.code = shared_object("extern void nowhere(void); nowhere();")).split(':').next(),
        Some("RF0805"),
        "an undefined symbol is found when loading"
    );
    assert_eq!(
        refused(&|a| a.slots.truncate(2)),
        "RF0805: an artifact's variant or arguments are not those of kernel `remap` align1/i64\n  \
         help: load artifacts with the graph they are of"
    );
    assert_eq!(
        refused(&|a| a.target = Target::named("gfx942").unwrap()),
        "RF0806: an artifact is for `gfx942`, and the plan is for `host`\n  help: compile the graph for the plan's target"
    );
    // SAFETY: refused before anything runs.
    let none = unsafe { Plan::from_artifacts(remap_program(), Target::host(), vec![]) };
    assert_eq!(
        none.unwrap_err().to_string(),
        "RF0805: 0 artifacts for the 1 kernels of `remap`: there is not one for each variant"
    );
}

/// However the bytes are cut or changed in the headers, loading refuses or loads; it never crashes.
#[test]
fn every_cut_is_refused() {
    let code = compiled().code;
    for end in (0..code.len()).step_by(97) {
        // The section headers at the end are not needed to run.
        if let Ok(plan) = from_artifact(Artifact { code: code[..end].to_vec(), ..compiled_like() }) {
            plan.prepare().unwrap();
        }
    }
}

fn compiled_like() -> Artifact {
    let kernel = scheduled(&remap_program());
    artifact(&kernel, Variant::HOST[0], vec![])
}

#[test]
fn equal_kernels_are_compiled_once() {
    let (compiler, cache) = (CCompiler::new(), Arc::new(KernelCache::new()));
    let make = |p| plan_for(p, Target::host(), Arc::clone(&compiler), Arc::clone(&cache));
    make(remap_program()).prepare().unwrap();
    make(remap_program()).prepare().unwrap();
    // The same kernel for both of its steps, and under other names.
    make(two_outputs_program()).prepare().unwrap();
    let counters = cache.counters();
    assert_eq!((counters.compiles, counters.loads, counters.hits), (1, 1, 3));
    make(increment_program(Alias::None)).prepare().unwrap();
    assert_eq!((cache.counters().compiles, cache.len()), (2, 2));
    cache.clear();
    assert!(cache.is_empty());
    make(remap_program()).prepare().unwrap();
    assert_eq!(cache.counters().compiles, 3);
}

#[test]
fn threads_that_want_one_kernel_compile_it_once() {
    let (compiler, cache) = (CCompiler::new(), Arc::new(KernelCache::new()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                plan_for(remap_program(), Target::host(), Arc::clone(&compiler), Arc::clone(&cache)).prepare().unwrap();
            });
        }
    });
    assert_eq!(compiler.calls.load(Ordering::SeqCst), 1);
    assert_eq!(cache.counters().hits, 7);
}

#[test]
fn a_failure_is_not_kept() {
    let (compiler, cache) = (CCompiler::new(), Arc::new(KernelCache::new()));
    compiler.failures.store(1, Ordering::SeqCst);
    let plan = plan_for(remap_program(), Target::host(), compiler, Arc::clone(&cache));
    assert_eq!(plan.prepare().unwrap_err().to_string(), "RF0802: the compiler is out of order");
    assert!(cache.is_empty());
    plan.prepare().unwrap();
    assert_eq!(cache.counters().compiles, 2);
}

/// Each thing that changes the code changes the key, and nothing else does.
#[test]
fn keys() {
    let compiler = CCompiler::new();
    let base = scheduled(&remap_program()).into_inner();
    let host = Variant::HOST[0];
    let key = |s: &Scheduled| Key::of(s, host, &*compiler);
    let first = key(&base);
    assert_eq!(first.to_string().len(), 64);

    let mut named = base.clone();
    let mut kernel = named.kernel.into_inner();
    kernel.name = "another".to_owned();
    kernel.params[0].name = "expert_ids".to_owned();
    kernel.symbols[0] = "tokens".to_owned();
    named.kernel = kernel.verify().unwrap();
    assert_eq!(key(&named), first, "names are for people");

    let mut keys = vec![first];
    keys.push(Key::of(&base, Variant { aligned: true, narrow: false, shape: 0 }, &*compiler));
    keys.push(Key::of(&base, Variant { aligned: false, narrow: true, shape: 0 }, &*compiler));
    let newer = CCompiler { version: "newer".to_owned(), ..Arc::into_inner(CCompiler::new()).unwrap() };
    keys.push(Key::of(&base, host, &newer));
    keys.push(key(&Scheduled { target: Target::named("sm_90").unwrap(), ..base.clone() }));
    keys.push(key(&Scheduled { target: Target::named("sm_100").unwrap(), ..base.clone() }));
    keys.push(key(&Scheduled { kernel: remap(Layout::Contiguous).verify().unwrap(), ..base.clone() }));
    keys.push(key(&Scheduled { kernel: copy().verify().unwrap(), ..base.clone() }));
    let mut wider = base.clone();
    let routefuse_ir::kernel::schedule::Schedule::Flat { domains, .. } = &mut wider.schedule else { unreachable!() };
    domains[0].piece = routefuse_ir::kernel::schedule::Piece::InRow { width: 8 };
    keys.push(key(&wider));
    let distinct: std::collections::HashSet<Key> = keys.iter().copied().collect();
    assert_eq!(distinct.len(), keys.len());
}

#[test]
fn plans_are_shared_by_threads() {
    fn is_shared<S: Send + Sync>() {}
    is_shared::<Plan>();
    is_shared::<HostPlan>();
    is_shared::<KernelCache>();
}

/// A kernel is chosen by a dim that no argument has: it would always be chosen as for an extent of 0.
#[test]
fn what_is_chosen_by_no_argument_is_refused() {
    let mut program = remap_program();
    program.symbols.push("P".to_owned());
    program.steps[0].taken = Some(Taken { symbol: SymbolId(1), least: 0, most: Some(7), except: None });
    // SAFETY: the artifact is the compiler's, for this kernel.
    let refused = unsafe { Plan::from_artifacts(program, Target::host(), vec![compiled()]) }.unwrap_err().to_string();
    assert!(refused.contains("RF0901") && refused.contains("uses a dim that no argument has"), "{refused}");
}
