//! One compilation serves every T.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse::chains::AlignEngine;
use routefuse::models::{self, ModelOptions};
use routefuse::{Args, DType, Engine, Graph, HostPlan, Options, Target, TensorMut, TensorRef, Verified};
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::interp;
use routefuse_tests::corpus::examples;
use routefuse_tests::launch;
use std::collections::{BTreeMap, BTreeSet};

/// 40 values, from none to more than a block of rows, around every width of a piece.
const TOKENS: [u64; 40] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 17, 20, 24, 31, 32, 33, 48, 63, 64, 65, 96, 100, 127, 128, 129, 200,
    255, 256, 257, 300, 511, 512, 513, 1000, 1024, 2048,
];

#[test]
fn forty_values_of_t_compile_once_on_the_host() {
    for case in examples() {
        let graph = case.graph();
        let engine = Engine::builder().build().expect("an engine");
        let plan = engine.compile(&graph, &Target::host(), &Options::default());
        let plan = plan.unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!(engine.counters().compiles, 0, "{}: nothing is compiled before it is asked for", case.name);
        plan.prepare().unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let after = engine.counters();
        assert_eq!((after.compiles, after.loads), (1, 1), "{}: one kernel, one variant", case.name);
        for (i, t) in TOKENS.into_iter().enumerate() {
            let tensors = inputs(&graph, &[t], Rule::Hostile, i as u64);
            let expected = interp::run(&graph, &tensors, &[("T", t)]).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            let mut rng = SmallRng::seed_from_u64(i as u64);
            let agreed = launch::agree(&plan, &[t], &tensors, &expected.outputs, &mut rng);
            agreed.unwrap_or_else(|e| panic!("{}, T = {t}: {e}", case.name));
        }
        assert_eq!(engine.counters(), after, "{}: a launch compiles, finds and loads nothing", case.name);
    }
}

/// Rows are counted in 64 bits: 2³¹ elements and some more, each a byte, from an input whose rows all lie at one place.
#[test]
fn f13_more_than_two_to_the_31_elements() {
    let source = "route 1\ngraph @many {\n  dim T\n  input %x : i8[T] strided\n  \
                  %row = iota {dtype = i8, shape = [T], axis = 0}\n  %y = add %row, %x\n  output y = %y\n}\n";
    let graph = routefuse::text::parse_verified(source).expect("a graph");
    let engine = Engine::builder().build().expect("an engine");
    let plan = engine.compile(&graph, &Target::host(), &Options::default()).expect("a plan");
    let plan = HostPlan::new(plan).expect("a plan of the host");
    let rows = (1u64 << 31) + 77;
    let (x, mut y) = ([3i8], vec![0i8; rows as usize]);
    // SAFETY: with a stride of 0 every row is the one element that there is.
    let all = unsafe { TensorRef::from_raw(x.as_ptr().cast(), 1, DType::I8, &[rows], &[0]) };
    plan.launch(Args::new().input(all).output(TensorMut::new(&mut y, &[rows]))).expect("launched");
    let right = |at: usize| y[at] == (at as i8).wrapping_add(3);
    let near = |at: usize| at.saturating_sub(300)..(at + 300).min(y.len());
    let ends = [0, 1 << 30, 1 << 31, y.len()].into_iter().flat_map(near);
    assert!(ends.chain((0..y.len()).step_by(99_991)).all(right));
}

#[test]
fn devices_have_at_most_four_variants() {
    let case = examples().into_iter().find(|c| c.name == "e_post_chain").expect("the long chain");
    for target in ["sm_90", "gfx942"] {
        let engine = Engine::builder().build().expect("an engine");
        let target = Target::named(target).expect("a known target");
        let plan = engine.compile(&case.graph(), &target, &Options::default()).expect("a plan");
        plan.prepare().expect("compiled");
        assert_eq!(engine.counters().compiles, 4, "{target}: one kernel, four variants");
        // The same graph from text again, and again prepared: nothing new.
        let again = engine.compile(&case.graph(), &target, &Options::default()).expect("a plan");
        again.prepare().expect("compiled");
        assert_eq!(engine.counters().compiles, 4, "{target}");
        // Another graph with an equal kernel, under other names, finds the kernel.
        let renamed = case
            .source
            .replace("%ids ", "%expert_ids ")
            .replace("%ids,", "%expert_ids,")
            .replace("%ids}", "%expert_ids}");
        let renamed = renamed
            .replace("%ids\n", "%expert_ids\n")
            .replace("%map, %ids", "%map, %expert_ids")
            .replace("@post_chain", "@other");
        let renamed = routefuse::text::parse_verified(&renamed).expect("renamed");
        let other = engine.compile(&renamed, &target, &Options::default()).expect("a plan");
        other.prepare().expect("compiled");
        assert_eq!(engine.counters().compiles, 4, "{target}: names are not part of a kernel's identity");
    }
}

/// The preset with the layout behind it; none if the layout is not for it.
fn aligned(name: &str, engine: AlignEngine, post: bool) -> Option<Verified<Graph>> {
    let preset = models::named(name).expect("a preset");
    let mut options = ModelOptions::default();
    let more: &[(&str, &str)] = match engine {
        AlignEngine::Gshard => &[("align_capacity", "3")],
        AlignEngine::Deepep => &[("align_ranks", "1")],
        _ => &[],
    };
    let post = [("post", "true")].into_iter().filter(|_| post);
    for (option, value) in post.chain([("align", engine.name())]).chain(more.iter().copied()) {
        preset.set(&mut options, option, value).ok()?;
    }
    preset.graph(&options).ok()
}

/// What a plan of this graph compiles is different code, all of it; and how much that is.
fn compiles_nothing_twice(what: &str, graph: &Verified<Graph>, target: &Target) -> u64 {
    let engine = Engine::builder().build().expect("an engine");
    let plan = engine.compile(graph, target, &Options::default()).unwrap_or_else(|e| panic!("{what}: {e}"));
    plan.prepare().unwrap_or_else(|e| panic!("{what}: {e}"));
    let artifacts = plan.artifacts().expect("compiled");
    let codes: BTreeSet<&[u8]> = artifacts.iter().map(|artifact| &*artifact.code).collect();
    let compiles = engine.counters().compiles;
    assert_eq!(compiles, codes.len() as u64, "{what} for {target}: variants are compiled that have the same code");
    compiles
}

#[test]
fn chains_compile_nothing_twice() {
    let sm = Target::named("sm_90").expect("a known target");
    for case in examples() {
        compiles_nothing_twice(&case.name, &case.graph(), &sm);
    }
}

/// A router has kernels of its own for few rows and for some of many, and the same two between them and above.
#[test]
fn aligned_routers_compile_nothing_twice() {
    let sm = Target::named("sm_90").expect("a known target");
    let presets = [
        ("deepseek-v3", AlignEngine::Vllm, false),
        ("deepseek-v2", AlignEngine::Deepep, false),
        ("gpt-oss", AlignEngine::Aiter, true),
        ("mixtral", AlignEngine::Trtllm, false),
        ("qwen3-moe", AlignEngine::DeepgemmMasked, true),
    ];
    let compiles = presets.map(|(name, engine, post)| {
        let graph = aligned(name, engine, post).unwrap_or_else(|| panic!("{name} with {}", engine.name()));
        compiles_nothing_twice(&format!("{name} with {}", engine.name()), &graph, &sm)
    });
    assert_eq!(compiles[0], 16, "2 of few rows, 4 of the router, 6 of the phases, 4 in chunks");
}

/// Kernels of a plan that are equal have one schedule, and so one key for each variant: nothing tells them apart but what does not change
/// their code. No LLVM is needed to see that, so it is seen of every preset with every layout.
#[test]
fn equal_kernels_of_a_plan_have_one_schedule() {
    let engine = Engine::builder().build().expect("an engine");
    let targets = ["sm_90", "gfx942"].map(|name| Target::named(name).expect("a known target"));
    let mut plans = 0;
    for (n, name) in models::names().enumerate() {
        for (m, align) in AlignEngine::ALL.into_iter().enumerate() {
            let Some(graph) = aligned(name, align, (n + m) % 2 == 0) else { continue };
            let target = &targets[(n + m / 2) % targets.len()];
            let stages = engine.stages(&graph, target, &Options::default()).expect("it lowers");
            let mut known = BTreeMap::new();
            for kernel in &stages.kernels {
                let schedule = kernel.schedule.to_string();
                let first = known.entry(kernel.kernel.canonical_text()).or_insert_with(|| schedule.clone());
                assert_eq!(*first, schedule, "{name} with {} for {target}: {}", align.name(), kernel.kernel.name);
            }
            plans += 1;
        }
    }
    assert!(plans > 300, "{plans} plans");
}
