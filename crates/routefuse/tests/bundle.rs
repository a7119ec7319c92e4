//! Engines whose kernels were compiled by others.
#![cfg(feature = "compiler")]

use routefuse::cache::{Bundle, DiskCache, DiskOptions, KernelCache, SigningKey, Trust, TrustedBundle};
use routefuse::diag::Code;
use routefuse::exec::{Device, Executor};
use routefuse::inspect::processor_lacks;
use routefuse::ir::interp;
use routefuse::{Engine, Graph, HostPlan, Options, Plan, Target, Tensor, Verified, chains, models};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn inputs(graph: &Graph, rows: u64) -> Vec<Tensor> {
    let tensor = |i: usize| {
        let ty = graph.input_type(i);
        let shape: Vec<u64> = ty.shape.iter().map(|d| d.as_const().unwrap_or(rows)).collect();
        let bits = (0..shape.iter().product::<u64>()).map(|n| n * 7 % 11);
        Tensor::from_bits(ty.dtype, &shape, bits)
    };
    (0..graph.inputs.len()).map(tensor).collect()
}

fn launch(plan: &Arc<Plan>, inputs: &[Tensor], rows: u64) -> Vec<Tensor> {
    let given: Vec<(&str, u64)> = plan.program().symbols.iter().map(|s| (s.as_str(), rows)).collect();
    let outcome = Executor::on(Device::Host).unwrap().run(Arc::clone(plan), inputs, &given).unwrap();
    outcome.outputs.into_iter().map(|o| o.1).collect()
}

fn graphs() -> Vec<(String, Verified<Graph>)> {
    ["c_pack", "e_post_chain", "d_head_gate"]
        .into_iter()
        .map(|name| {
            let graph = chains::examples().into_iter().find(|(n, _)| *n == name).expect("a chain of this name").1;
            (name.to_owned(), graph.unwrap())
        })
        .collect()
}

/// A bundle is all that another process needs: no compile, the interpreter's bits, and errors for what is not in it.
#[test]
fn an_engine_of_a_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.rfb");
    let targets = ["host", "sm_90"].map(|t| Target::named(t).unwrap());
    let ready = AtomicUsize::new(0);
    let progress = |_: routefuse::engine::Progress<'_>| {
        ready.fetch_add(1, Ordering::SeqCst);
    };
    let maker = Engine::builder().build().unwrap();
    let bundle = maker.bundle(&graphs(), &targets, &Options::default(), None, &progress).unwrap();
    assert_eq!((bundle.len(), ready.into_inner()), (3 + 3 * 4, 3 + 3 * 4));
    std::fs::write(&path, bundle.finish()).unwrap();

    let engine = Engine::from_bundle(&path, &Trust::anyone()).unwrap();
    let plans = engine.bundled_plans(&Target::host()).unwrap();
    for ((name, graph), (bundled, plan)) in graphs().iter().zip(&plans) {
        assert_eq!(name, bundled);
        let inputs = inputs(graph, 5);
        assert_eq!(launch(plan, &inputs, 5), interp::run(graph, &inputs, &[]).unwrap().outputs, "{name}");
        // The graph by other names has the same kernels.
        assert!(engine.compile(graph, &Target::host(), &Options::default()).unwrap().prepare().is_ok());
    }
    // By name: the same plan.
    assert!(Arc::ptr_eq(engine.plan("c_pack").unwrap().plan(), &plans[0].1));
    assert_eq!(engine.plan_for("d_head_gate", &targets[1]).unwrap().target(), targets[1]);
    for (asked, target, text) in [
        (
            "pack",
            "host",
            "RF0812: the bundle has no graph called `pack`\n  help: for `host` it has c_pack, e_post_chain, d_head_gate",
        ),
        (
            "c_pack",
            "gfx942",
            "RF0812: the graph `c_pack` of the bundle is not compiled for `gfx942`\n  help: it is compiled for host, sm_90",
        ),
    ] {
        let error = engine.plan_for(asked, &Target::named(target).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
    let none = Engine::builder().build().unwrap().plan("c_pack").unwrap_err().to_string();
    assert!(none.starts_with("RF0812: there is no plan called `c_pack`: the engine has no bundle"), "{none}");
    let sealed = engine.sealed();
    assert_eq!((engine.counters().compiles, engine.counters().loads, plans.len()), (0, 3, 3));
    sealed.check().unwrap();
    let gpu = engine.artifacts(&graphs()[0].1, &targets[1], &Options::default());
    assert_eq!(gpu.unwrap_err().code(), Code::Sealed);
    assert_eq!(sealed.refused(), 1);
    let text = sealed.check().unwrap_err().to_string();
    assert!(text.starts_with("RF0810: since the engine was sealed: 0 compiled, 0 loaded, 1 refused"), "{text}");

    let engine = Engine::from_bundle(&path, &Trust::anyone()).unwrap();
    assert_eq!(engine.artifacts(&graphs()[0].1, &targets[1], &Options::default()).unwrap().len(), 4);
    let amd = engine.artifacts(&graphs()[0].1, &Target::named("gfx942").unwrap(), &Options::default()).unwrap_err();
    assert!(amd.to_string().starts_with("RF0812: kernel `"), "{amd}");
    assert!(engine.bundled_plans(&Target::named("gfx942").unwrap()).unwrap().is_empty());
    assert_eq!(
        Engine::from_bundle(dir.path().join("none.rfb"), &Trust::anyone()).unwrap_err().code(),
        Code::CannotRead
    );
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let spoilt = Engine::from_bundle(&path, &Trust::anyone()).unwrap_err().to_string();
    assert!(
        spoilt.starts_with("RF0811: the bundle cannot be used: ") && spoilt.contains("its hash is not"),
        "{spoilt}"
    );
}

/// A bundle for several hosts gives each its own: the most able of those that this processor runs, with the interpreter's bits.
#[test]
fn bundles_for_several_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let named = |names: &[&str]| names.iter().map(|t| Target::named(t).unwrap()).collect::<Vec<_>>();
    let own = if cfg!(target_arch = "x86_64") { ["x86-64-v2", "x86-64-v3"] } else { ["aarch64", "apple-m1"] };
    let other = if cfg!(target_arch = "x86_64") { ["aarch64", "neoverse-v1"] } else { ["x86-64-v2", "x86-64-v4"] };
    let maker = Engine::builder().build().unwrap();
    let engine_of = |targets: &[Target]| {
        let path = dir.path().join("model.rfb");
        let bundle = maker.bundle(&graphs(), targets, &Options::default(), None, &|_| ()).unwrap();
        std::fs::write(&path, bundle.finish()).unwrap();
        Engine::from_bundle(&path, &Trust::anyone()).unwrap()
    };
    let all = named(&[own[0], other[0], own[1], other[1]]);
    let engine = engine_of(&all);
    let best = all.iter().copied().rfind(|t| processor_lacks(*t).is_empty()).unwrap();
    for (name, graph) in graphs() {
        let plan = engine.plan(&name).unwrap();
        assert_eq!(plan.plan().target(), best);
        let inputs = inputs(&graph, 17);
        let expected = interp::run(&graph, &inputs, &[("T", 17)]).unwrap().outputs;
        assert_eq!(launch(plan.plan(), &inputs, 17), expected, "{name}");
        assert_eq!(engine.bundled_plan(&name, &all[1]).unwrap().target(), all[1]);
    }
    let plans = engine.bundled_plans(&Target::host()).unwrap();
    assert!(plans.len() == 3 && plans.iter().all(|(_, plan)| plan.target() == best));
    assert_eq!(engine.counters().compiles, 0);
    // The own processor's code comes first.
    let both = engine_of(&[Target::host(), best]);
    assert_eq!(both.plan("c_pack").unwrap().plan().target(), Target::host());

    let foreign = engine_of(&named(&other));
    let text = foreign.plan("c_pack").unwrap_err().to_string();
    let lacks = format!("for `{}` this processor lacks the instructions of ", other[1]);
    assert!(text.starts_with("RF0803: no host code of the bundle's graph `c_pack` runs here: "), "{text}");
    assert!(text.contains(&lacks) && text.contains(&format!("\n  help: build the bundle for {}", own[0])), "{text}");
    assert!(foreign.bundled_plans(&Target::host()).unwrap().is_empty());
    // Code for other processors is made, kept and looked at, and not launched.
    let plan = foreign.plan_for("c_pack", &named(&other)[0]).unwrap();
    assert!(plan.artifacts().unwrap()[0].code.starts_with(b"\x7fELF"));
    let text = HostPlan::new(plan).unwrap_err().to_string();
    let start =
        format!("RF0803: the plan of `pack` is for `{}`, and this processor lacks the instructions of ", other[0]);
    assert!(text.starts_with(&start), "{text}");
}

/// Where a signature is required, an engine takes bundles with it and no others.
#[test]
fn signed_bundles() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.rfb");
    let (ours, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let maker = Engine::builder().build().unwrap();
    let bundle = maker.bundle(&graphs()[..1], &[Target::host()], &Options::default(), None, &|_| ()).unwrap();
    std::fs::write(&path, bundle.finish_signed(&ours)).unwrap();
    let engine = Engine::from_bundle(&path, &Trust::signed_by([other.public(), ours.public()])).unwrap();
    assert!(engine.bundled_plans(&Target::host()).unwrap().iter().all(|(_, plan)| plan.prepare().is_ok()));
    assert_eq!(engine.counters().compiles, 0);
    assert!(Engine::from_bundle(&path, &Trust::anyone()).is_ok(), "where none is required, one is no harm");
    let text = Engine::from_bundle(&path, &Trust::signed_by([other.public()])).unwrap_err().to_string();
    assert!(text.starts_with(&format!("RF0814: {} cannot be used: it is signed by ", path.display())), "{text}");
    let unsigned = TrustedBundle::new(Bundle::decode(bundle.finish()).unwrap(), &Trust::anyone()).unwrap();
    let builder = || Engine::builder().require_signed([ours.public()]);
    assert_eq!(builder().bundle(unsigned.clone()).build().unwrap_err().code(), Code::Untrusted);
    let shared = Arc::new(KernelCache::new().with_bundles(vec![unsigned]));
    assert_eq!(builder().cache(shared).build().unwrap_err().code(), Code::Untrusted);
    assert!(builder().build().is_ok());
    // Every tier of a shared cache requires what the engine requires.
    let shared = |keys: &[&SigningKey]| {
        let disk = DiskCache::open(dir.path().join("cache"), DiskOptions::default());
        let keys: Vec<_> = keys.iter().map(|k| k.public()).collect();
        let disk = if keys.is_empty() { disk } else { disk.require_signed(keys) };
        builder().cache(Arc::new(KernelCache::on_disk(disk))).build()
    };
    assert!(shared(&[&ours]).is_ok());
    for keys in [&[][..], &[&other], &[&ours, &other]] {
        let text = shared(keys).unwrap_err().to_string();
        assert!(text.starts_with("RF0813: signatures are required, and the shared cache"), "{text}");
    }
    let mut bytes = bundle.finish_signed(&ours);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(Engine::from_bundle(&path, &Trust::anyone()).unwrap_err().code(), Code::BadBundle);
}

/// Every preset's bundle starts again without a compile, and names no kernel twice.
#[test]
fn equal_layers_cost_one() {
    let dir = tempfile::tempdir().unwrap();
    let engine = |_| {
        let disk = DiskCache::open(
            dir.path().join("cache"),
            DiskOptions::default().with(|o| o.locks = Some(dir.path().join("locks"))),
        );
        Engine::builder().disk_cache(disk).build().unwrap()
    };
    let graph = models::named("deepseek-v3").unwrap().graph(&models::ModelOptions::post(false)).unwrap();
    let layers = vec![graph; 58];
    for turn in 0..2 {
        let engine = engine(turn);
        let plans = engine.compile_all(&layers, &Target::host(), &Options::default(), None, &|_| ()).unwrap();
        assert!(plans.iter().all(|p| Arc::ptr_eq(p, &plans[0])));
        let kernels = plans[0].kernels().len() as u64;
        assert_eq!(engine.counters().compiles, if turn == 0 { kernels } else { 0 });
        engine.sealed().check().unwrap();
    }
}

#[test]
fn one_cache_or_another() {
    let shared = Arc::new(KernelCache::new());
    let disk = DiskCache::open("/proc/routefuse", DiskOptions::default());
    let error = Engine::builder().cache(shared).disk_cache(disk).build().unwrap_err();
    assert!(error.to_string().starts_with("RF0813: an engine with a shared cache of kernels"), "{error}");
}
