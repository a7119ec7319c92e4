//! Graph to plan to numbers, through the facade.
#![cfg(feature = "compiler")]

use routefuse::cache::{Bundle, DiskCache, DiskOptions, Trust, TrustedBundle, Tuning};
use routefuse::diag::Code;
use routefuse::engine::{Cancel, Progress, TuneOptions};
use routefuse::exec::{Device, HostExecution, Workspace};
use routefuse::inspect;
use routefuse::ir::{Alias, CodeFormat, Layout, RowShape, interp};
use routefuse::models::{self, ModelOptions};
use routefuse::{
    Args, DType, Engine, Graph, HostPlan, Options, Plan, Target, Tensor, TensorMut, TensorRef, Verified, chains, text,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Values of a small generator: ids of which some are out of range, weights of every sign and class.
fn tensor(dtype: DType, shape: &[u64], seed: &mut u64) -> Tensor {
    let n = shape.iter().product::<u64>();
    let bits = (0..n).map(|_| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let r = *seed >> 33;
        match dtype {
            DType::Bool => r & 1,
            _ if dtype.is_float() => r ^ (r << 13),
            _ => (r % 300).wrapping_sub(20),
        }
    });
    Tensor::from_bits(dtype, shape, bits)
}

fn inputs(graph: &Graph, rows: u64, seed: u64) -> Vec<Tensor> {
    let mut seed = seed;
    (0..graph.inputs.len())
        .map(|i| {
            let ty = graph.input_type(i);
            let shape: Vec<u64> = ty.shape.iter().map(|d| d.as_const().unwrap_or(rows)).collect();
            tensor(ty.dtype, &shape, &mut seed)
        })
        .collect()
}

/// Launches into poisoned outputs; one in place of an input starts as that input.
fn launch(plan: &Arc<Plan>, inputs: &[Tensor], rows: u64) -> Vec<Tensor> {
    let program = plan.program();
    let mut outputs: Vec<Tensor> = program
        .outputs
        .iter()
        .map(|o| {
            if let Alias::InPlace(input) = o.alias {
                return inputs[input].clone();
            }
            let shape: Vec<u64> = o.ty.shape.iter().map(|d| d.as_const().unwrap_or(rows)).collect();
            let poison = if o.ty.dtype == DType::Bool { 1 } else { 0xa5a5_a5a5_a5a5_a5a5 };
            Tensor::from_bits(o.ty.dtype, &shape, (0..shape.iter().product()).map(|_| poison))
        })
        .collect();
    let mut word = 0u32;
    let mut args = Args::new();
    for (i, (input, port)) in inputs.iter().zip(&program.inputs).enumerate() {
        if program.outputs.iter().all(|o| o.alias != Alias::InPlace(i)) {
            args.named_input(&port.name, input.into());
        }
    }
    for (output, port) in outputs.iter_mut().zip(&program.outputs) {
        args.named_output(&port.name, output.into());
    }
    if program.has_trap {
        args.named_output("error_word", TensorMut::scalar(&mut word));
    }
    let extents = vec![rows; program.symbols.len()];
    let mut workspace = Workspace::new(plan.workspace_size(&extents).unwrap() as usize);
    HostPlan::new(Arc::clone(plan)).unwrap().launch_with(&args, &mut workspace).unwrap();
    outputs
}

fn graphs() -> Vec<(&'static str, Verified<Graph>)> {
    chains::examples().into_iter().map(|(name, g)| (name, g.unwrap())).collect()
}

#[test]
fn every_chain_has_the_interpreters_bits() {
    let engine = Engine::builder().build().unwrap();
    for (name, graph) in graphs() {
        let plan = engine.compile(&graph, &Target::host(), &Options::default()).unwrap();
        let unfused = engine.compile_unfused(&graph, &Target::host()).unwrap();
        for rows in [0u64, 1, 2, 17, 100] {
            let inputs = inputs(&graph, rows, 7 + rows);
            let expected = interp::run(&graph, &inputs, &[]).unwrap().outputs;
            assert_eq!(launch(&plan, &inputs, rows), expected, "{name}, T = {rows}");
            assert_eq!(launch(&unfused, &inputs, rows), expected, "{name} unfused, T = {rows}");
        }
    }
}

/// The transform by its definition, in f64, against the chain's: of a rotation by no angle, so that it alone is seen.
#[test]
fn a_hadamard_transform_follows_the_rotation() {
    let (heads, d, rows) = (2u64, 16u64, 3u64);
    let rope = chains::Rope {
        heads,
        head_dim: d,
        rotary_dim: 8,
        positions: 4,
        dtype: DType::F32,
        hadamard: true,
        ..chains::Rope::default()
    };
    let graph = rope.graph().unwrap();
    let x: Vec<f32> = (0..rows * heads * d).map(|i| ((i * 37 % 101) as f32 - 50.0) / 8.0).collect();
    // Cosines of 1, then sines of 0.
    let cos_sin = (0..4 * 8).map(|i| u64::from(if i % 8 < 4 { 1f32 } else { 0f32 }.to_bits()));
    let inputs = [
        Tensor::from_bits(DType::F32, &[rows, heads, d], x.iter().map(|x| u64::from(x.to_bits()))),
        Tensor::from_bits(DType::I32, &[rows], 0..rows),
        Tensor::from_bits(DType::F32, &[4, 8], cos_sin),
    ];
    let expected = interp::run(&graph, &inputs, &[]).unwrap().outputs;
    for (h, head) in x.chunks_exact(d as usize).enumerate() {
        for j in 0..d as usize {
            let signed = head
                .iter()
                .enumerate()
                .map(|(i, x)| if (i & j).count_ones() % 2 == 1 { -f64::from(*x) } else { f64::from(*x) });
            let (naive, ours) = (signed.sum::<f64>() / 4.0, expected[0].bits(h * d as usize + j));
            let ours = f64::from(f32::from_bits(ours as u32));
            assert!((naive - ours).abs() < 1e-5, "head {h}, column {j}: {ours}, not {naive}");
        }
    }
    let plan = Engine::builder().build().unwrap().compile(&graph, &Target::host(), &Options::default()).unwrap();
    assert_eq!(launch(&plan, &inputs, rows), expected);
}

/// The leading dim is constant, and so a part of the one row that there is: as many kernels as it takes, or a graph that does
/// not verify.
#[test]
fn r8_rows_that_no_kernel_can_keep_are_several_or_refused_by_the_verifier() {
    let source = "route 1\ngraph @wide {\n  input %x : f32[8192, 512]\n  %p = softmax %x\n  output p = %p\n}\n";
    let graph = text::parse_verified(source).unwrap();
    let engine = Engine::builder().build().unwrap();
    for target in ["host", "sm_90", "gfx942"] {
        let target = Target::named(target).unwrap();
        for options in [Options::default(), Options::unfused()] {
            engine.compile(&graph, &target, &options).unwrap_or_else(|e| panic!("{e}"));
        }
    }
    let chosen = source.replace("softmax %x", "topk %x {k = 2}");
    let refused = text::parse_verified(&chosen).unwrap_err().to_string();
    assert!(refused.contains("RF0312") && refused.contains("symbolic (`dim T`)"), "{refused}");
    // With a symbol in its place, it is a graph like any other.
    let rows = text::parse_verified(&chosen.replace("8192", "T").replace("{\n", "{\n  dim T\n")).unwrap();
    engine.compile(&rows, &Target::named("sm_90").unwrap(), &Options::default()).unwrap().prepare().unwrap();
}

/// As many softmaxes of 4,096 columns alive at once, added up.
fn softmaxes(count: usize) -> Verified<Graph> {
    let mut source = "route 1\ngraph @softmaxes {\n  dim T\n  input %x : f32[T, 4096]\n".to_owned();
    for i in 0..count {
        source += &format!("  %c{i} = const {{value = {i}.5, dtype = f32}}\n  %a{i} = mul %x, %c{i}\n");
        source += &format!("  %t{i} = softmax %a{i}\n");
    }
    let mut sum = "t0".to_owned();
    for i in 1..count {
        source += &format!("  %s{i} = add %{sum}, %t{i}\n");
        sum = format!("s{i}");
    }
    text::parse_verified(&format!("{source}  output y = %{sum}\n}}\n")).unwrap()
}

/// A frame is small whatever a kernel keeps: the rest lies in memory that is made when the plan is prepared.
#[test]
fn r8_launches_need_little_stack() {
    let engine = Engine::builder().build().unwrap();
    let top = "route 1\ngraph @top {\n  dim T\n  input %x : f32[T, 4096]\n  %p = softmax %x\n  \
               %k = topk %p {k = 64, order = column}\n  %s = cumsum %p\n  output k_out = %k\n  output s_out = %s\n}\n";
    for graph in [softmaxes(1), softmaxes(16), softmaxes(20), text::parse_verified(top).unwrap()] {
        let plan = HostPlan::new(engine.compile(&graph, &Target::host(), &Options::default()).unwrap()).unwrap();
        plan.prepare().unwrap();
        let values = (0..3 * 4096u32).map(|i| ((i.wrapping_mul(2_654_435_761) >> 20) as f32 / 512.0 - 4.0).to_bits());
        let x = Tensor::from_bits(DType::F32, &[3, 4096], values.map(u64::from));
        let expected = interp::run(&graph, std::slice::from_ref(&x), &[]).unwrap().outputs;
        // Eight threads at once, each with a stack of 256 KiB: what a launch itself takes of it, and one frame.
        let small = || std::thread::Builder::new().stack_size(256 << 10);
        std::thread::scope(|scope| {
            let run = || {
                let mut execution = HostExecution::new(plan.clone(), std::slice::from_ref(&x), &[]).unwrap();
                execution.launch(1).unwrap();
                let outputs = execution.outcome().outputs.into_iter();
                let outputs: Vec<Tensor> = outputs.map(|(_, tensor)| tensor).collect();
                assert_eq!(outputs, expected);
            };
            let threads: Vec<_> = (0..8).map(|_| small().spawn_scoped(scope, run).unwrap()).collect();
            threads.into_iter().for_each(|t| t.join().unwrap());
        });
    }
}

/// From before the first pass to between two variants, and not a moment after it was taken back.
#[test]
fn r9_compiling_can_be_cancelled() {
    let cancel = Cancel::default();
    let engine = Engine::builder().cancel(&cancel).build().unwrap();
    let graphs: Vec<Verified<Graph>> = [1, 2, 3].map(softmaxes).into();
    let (host, options) = (Target::host(), Options::default());
    cancel.cancel();
    let refused = engine.compile(&graphs[0], &host, &options).unwrap_err();
    assert_eq!((refused.code(), engine.counters().compiles), (Code::Cancelled, 0));
    cancel.reset();
    // A plan that is there already gives up between its variants.
    let plan = engine.compile(&graphs[0], &Target::named("sm_90").unwrap(), &options).unwrap();
    cancel.cancel();
    assert_eq!(plan.prepare().unwrap_err().code, Code::Cancelled);
    cancel.reset();
    // The first kernel that is ready is the last.
    let ready = AtomicUsize::new(0);
    let one_more = |p: Progress<'_>| {
        ready.fetch_add(1, Ordering::Relaxed);
        assert_eq!(p.total, 3);
        cancel.cancel();
    };
    let refused = engine.compile_all(&graphs, &host, &options, None, &one_more).unwrap_err();
    assert_eq!((refused.code(), ready.load(Ordering::Relaxed)), (Code::Cancelled, 1));
    assert!(refused.to_string().starts_with("RF0816: compiling for `host` was cancelled"), "{refused}");
    cancel.reset();
    engine.compile_all(&graphs, &host, &options, None, &|_| ()).unwrap();
}

#[test]
fn every_chain_is_one_kernel() {
    let engine = Engine::builder().build().unwrap();
    for (name, graph) in graphs() {
        let plan = engine.compile(&graph, &Target::host(), &Options::default()).unwrap();
        assert_eq!(plan.kernels().len(), 1, "{name}");
        let unfused = engine.compile_unfused(&graph, &Target::host()).unwrap();
        assert!(unfused.kernels().len() <= graph.op_count(), "{name}");
    }
}

#[test]
fn forty_batch_sizes_compile_once() {
    let engine = Engine::builder().build().unwrap();
    let graph = chains::PostChain::default().graph().unwrap();
    let plan = engine.compile(&graph, &Target::host(), &Options::default()).unwrap();
    plan.prepare().unwrap();
    for rows in 0..40u64 {
        launch(&plan, &inputs(&graph, rows * rows, rows), rows * rows);
    }
    let counters = engine.counters();
    assert_eq!((counters.compiles, counters.loads), (1, 1));
    let four = engine.artifacts(&graph, &Target::named("sm_90").unwrap(), &Options::default()).unwrap();
    assert_eq!(four.len(), 4, "no more variants than four");
}

#[test]
fn equal_graphs_are_one_plan() {
    let engine = Engine::builder().build().unwrap();
    let source = include_str!("../../../examples/e_post_chain.route");
    let graph = text::parse_verified(source).unwrap();
    // Other spans, and another name of an inner value.
    let again = text::parse_verified(&format!("{}\n# the end\n", source.replace("%physical", "%slots"))).unwrap();
    let plan = |g, target: &str, options| engine.compile(g, &Target::named(target).unwrap(), &options).unwrap();
    let first = plan(&graph, "host", Options::default());
    assert!(Arc::ptr_eq(&first, &plan(&graph, "host", Options::default())));
    assert!(Arc::ptr_eq(&first, &plan(&again, "host", Options::default())));
    assert!(!Arc::ptr_eq(&first, &plan(&graph, "host", Options::unfused())));
    assert!(!Arc::ptr_eq(&first, &plan(&graph, "gfx942", Options::default())));
    engine.clear();
    assert!(!Arc::ptr_eq(&first, &plan(&graph, "host", Options::default())));
}

#[test]
fn threads_compile_one_graph_at_once() {
    let engine = Engine::builder().build().unwrap();
    let graph = chains::Pack::default().graph().unwrap();
    let inputs = inputs(&graph, 5, 3);
    let expected = interp::run(&graph, &inputs, &[]).unwrap().outputs;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let plan = engine.compile(&graph, &Target::host(), &Options::default()).unwrap();
                assert_eq!(launch(&plan, &inputs, 5), expected);
            });
        }
    });
    assert_eq!(engine.counters().compiles, 1);
}

#[test]
fn other_targets_give_artifacts_and_no_launch() {
    let engine = Engine::builder().build().unwrap();
    let graph = chains::PostChain::default().graph().unwrap();
    for (target, format) in
        [("sm_90", CodeFormat::Ptx), ("gfx942", CodeFormat::Hsaco), ("host", CodeFormat::SharedObject)]
    {
        let target = Target::named(target).unwrap();
        let artifacts = engine.artifacts(&graph, &target, &Options::default()).unwrap();
        assert!(artifacts.iter().all(|a| a.format == format && a.target == target && !a.code.is_empty()));
    }
    let plan = engine.compile(&graph, &Target::named("sm_90").unwrap(), &Options::default()).unwrap();
    assert_eq!(HostPlan::new(plan).unwrap_err().code, Code::TargetNotHere);
}

/// P13: the routed columns of a wider buffer.
#[test]
fn a_column_slice_of_a_wider_buffer() {
    let graph = chains::WriteWider::default().graph().unwrap();
    let engine = Engine::builder().build().unwrap();
    let plan = engine.compile(&graph, &Target::host(), &Options::default()).unwrap();
    assert!(plan.program().outputs.iter().any(|o| o.layout == Layout::Rows));
    let rows = 5u64;
    let inputs = inputs(&graph, rows, 1);
    let expected = interp::run(&graph, &inputs, &[]).unwrap().outputs;
    // Every output into columns 2.. of a buffer three columns wider.
    let cols: Vec<u64> = expected.iter().map(|e| e.shape()[1]).collect();
    let mut wide: Vec<Tensor> =
        expected.iter().zip(&cols).map(|(e, c)| Tensor::zeros(e.dtype(), &[rows, c + 3])).collect();
    let mut args = Args::new();
    for input in &inputs {
        args.input(input.into());
    }
    for (wide, c) in wide.iter_mut().zip(&cols) {
        let (_, rest) = TensorMut::from(wide).split_columns(2).unwrap();
        args.output(rest.split_columns(*c).unwrap().0);
    }
    HostPlan::new(plan).unwrap().launch(&args).unwrap();
    for ((wide, expected), c) in wide.iter().zip(&expected).zip(&cols) {
        for row in 0..rows {
            for j in 0..c + 3 {
                let bits = wide.bits((row * (c + 3) + j) as usize);
                let inside = (2..c + 2).contains(&j);
                assert_eq!(bits, if inside { expected.bits((row * c + j - 2) as usize) } else { 0 });
            }
        }
    }
}

#[test]
fn stages_are_texts() {
    let engine = Engine::builder().build().unwrap();
    let graph = chains::PostChain::default().graph().unwrap();
    for target in ["host", "sm_90", "gfx942"] {
        let target = Target::named(target).unwrap();
        let stages = engine.stages(&graph, &target, &Options::default()).unwrap();
        assert!(stages.graph.contains("gather %map, %ids"));
        assert!(text::parse_verified(&stages.canonical).is_ok());
        assert!(
            stages.fused.starts_with("program @post_chain dims=[T] {\n  input ids: i32[T, 8]\n"),
            "{}",
            stages.fused
        );
        assert!(stages.kernel().contains(&format!("schedule {target}: flat threads=")), "{}", stages.kernel());
        let again = engine.stages(&graph, &target, &Options::default()).unwrap();
        assert_eq!((stages.fused.clone(), stages.kernel()), (again.fused.clone(), again.kernel()));
        let variant = stages.kernels[0].variants()[0];
        let code = inspect::code(&stages.kernels[0], variant).unwrap();
        assert!(code.mlir.contains("func"));
        assert!(code.llvm.contains("define"));
        assert!(code.asm.contains(&code.artifact.entry));
        assert!(code.timings.iter().any(|(name, time)| *name == "optimise" && !time.is_zero()));
    }
}

#[test]
fn explain_names_the_kernels() {
    let engine = Engine::builder().build().unwrap();
    let graph = chains::PostChain::default().graph().unwrap();
    let report = engine.explain(&graph, &Options::default()).unwrap();
    assert_eq!((report.after.launches, report.kernels.len()), (1, 1));
    assert!(report.before.launches > 1);
}

#[test]
fn inputs_are_views_of_slices() {
    let graph = chains::Unpack::default().graph().unwrap();
    let engine = Engine::builder().build().unwrap();
    let plan = engine.compile(&graph, &Target::host(), &Options::default()).unwrap();
    let shape = plan.program().inputs[0].ty.shape.iter().map(|d| d.as_const().unwrap_or(2)).collect::<Vec<_>>();
    let packed = vec![0x0007_3f80i32; shape.iter().product::<u64>() as usize];
    let mut args = Args::new();
    args.input(TensorRef::new(&packed, &shape));
    assert_eq!(HostPlan::new(plan).unwrap().launch(&args).unwrap_err().code, Code::MissingArgument);
}

/// The record of a tuning of `gpt-oss` for a target, with these shapes, and the key under which it is kept.
fn tuned(engine: &Engine, target: Target, shapes: &[(&str, Option<u64>)]) -> (routefuse::cache::KeyText, Tuning) {
    let kernels = engine.tuned_kernels(&router(), &target, &Options::default()).unwrap();
    assert_eq!((kernels.len(), kernels[0].tuning.is_none()), (1, true));
    let shape = |(text, most_rows): &(&str, Option<u64>)| RowShape { most_rows: *most_rows, ..text.parse().unwrap() };
    let (card, driver) = ("A card".to_owned(), "CUDA 13.0".to_owned());
    let shapes = shapes.iter().map(shape).collect();
    (kernels[0].key.clone(), Tuning { card, driver, shapes, rows: vec![1], trials: vec![] })
}

fn router() -> Verified<Graph> {
    models::named("gpt-oss").unwrap().graph(&ModelOptions::default()).unwrap()
}

fn schedule(engine: &Engine, target: Target) -> String {
    let plan = engine.compile(&router(), &target, &Options::default()).unwrap();
    plan.kernels()[0].schedule.to_string()
}

/// A record is followed by every engine of the cache from then on, for its target alone, unless it is not to be.
#[test]
fn records_of_tunings_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let engine = || Engine::builder().disk_cache(DiskCache::open(dir.path(), DiskOptions::default())).build().unwrap();
    let [h100, other] = ["sm_90", "sm_80"].map(|name| Target::named(name).unwrap());
    let (first, second) = (engine(), engine());
    let built_in = schedule(&first, h100);
    assert!(
        built_in.starts_with("row up to 2048 rows: lanes=32 threads=64; more: lanes=4 threads=128 sorted"),
        "{built_in}"
    );
    let (key, tuning) =
        tuned(&first, h100, &[("lanes=16 threads=64 sorted", Some(100)), ("lanes=2 threads=128 sorted", None)]);
    assert!(first.cache().keep_tuning(&key, tuning).on_disk);
    let wanted = "row up to 100 rows: lanes=16 threads=64 sorted; more: lanes=2 threads=128 sorted held=";
    for engine in [&first, &second, &engine()] {
        let schedule = schedule(engine, h100);
        assert!(schedule.starts_with(wanted), "{schedule}");
    }
    assert_eq!(schedule(&first, other).split(" held").next(), built_in.split(" held").next(), "another target");
    let kept = first.tuned_kernels(&router(), &h100, &Options::default()).unwrap();
    assert_eq!((kept[0].tuning.is_some(), kept[0].built_in.len(), kept[0].key.key()), (true, 2, key.key()));
    for options in [Options::default().records(false), Options::default().shape("lanes=8 threads=64".parse().ok())] {
        let plan = first.compile(&router(), &h100, &options).unwrap();
        assert!(!plan.kernels()[0].schedule.to_string().contains("up to 100 rows"));
        assert!(first.tuned_kernels(&router(), &h100, &options).unwrap().is_empty());
    }
    // Other shapes are other code under other keys.
    let keys = |options: &Options| first.keys(&router(), &h100, options).unwrap()[0].key.key();
    assert_ne!(keys(&Options::default()), keys(&Options::default().records(false)));
    assert!(engine().tuned_kernels(&router(), &Target::host(), &Options::default()).unwrap().is_empty());
}

/// A record that names shapes which a kernel cannot have, or that no tuning would choose, is passed over and told of.
#[test]
fn records_that_do_not_fit_are_not_followed() {
    let target = Target::named("sm_90").unwrap();
    for (shape, why) in [
        (
            "lanes=3 threads=96 sorted",
            "the shape `lanes=3 threads=96 sorted` is none that kernel `gpt_oss` may have on `sm_90`",
        ),
        ("lanes=1 threads=2048", "is none that kernel"),
        ("lanes=4 threads=128 persistent sorted", "is none that kernel"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let engine =
            || Engine::builder().disk_cache(DiskCache::open(dir.path(), DiskOptions::default())).build().unwrap();
        let (key, tuning) = tuned(&engine(), target, &[(shape, None)]);
        assert!(engine().cache().disk().unwrap().publish_tuning(&key, &tuning));
        let engine = engine();
        let schedule = schedule(&engine, target);
        assert!(schedule.starts_with("row up to 2048 rows: "), "{schedule}");
        let told = engine.cache().disk().unwrap().last_trouble().unwrap();
        assert!(told.contains(why), "{told}");
    }
}

/// Plans of a bundle have the shapes that it was built with, and code for them, whatever a record says beside it.
#[test]
fn bundles_have_the_code_of_their_records() {
    let (dir, target) = (tempfile::tempdir().unwrap(), Target::named("sm_90").unwrap());
    let graphs = [("router".to_owned(), router())];
    let build = |engine: &Engine| engine.bundle(&graphs, &[target], &Options::default(), None, &|_| ()).unwrap();
    let maker = Engine::builder().build().unwrap();
    let (key, tuning) = tuned(&maker, target, &[("lanes=2 threads=128 sorted", None)]);
    let plain = build(&maker);
    maker.cache().keep_tuning(&key, tuning.clone());
    let with = build(&maker);
    assert_eq!((plain.len(), plain.tunings(), with.len(), with.tunings()), (4, 0, 3, 1));
    // A record whose shapes nobody has compiled, as a cache may be exported before they are wanted.
    let mut early = plain.clone();
    early.tuning(&key, &tuning);
    assert_eq!((early.len(), early.tunings()), (5, 1));
    let built_in = "row up to 2048 rows: ";
    let path = dir.path().join("early.rfb");
    std::fs::write(&path, early.finish()).unwrap();
    let engine = Engine::from_bundle(&path, &Trust::anyone()).unwrap();
    let plan = engine.compile(&router(), &target, &Options::default()).unwrap();
    assert!(plan.kernels()[0].schedule.to_string().starts_with(built_in));
    plan.prepare().unwrap();
    for (bundle, wanted) in [(plain, built_in), (with, "row lanes=2 threads=128 sorted held=")] {
        let path = dir.path().join("model.rfb");
        std::fs::write(&path, bundle.finish()).unwrap();
        let engine = Engine::from_bundle(&path, &Trust::anyone()).unwrap();
        let by_name = engine.plan_for("router", &target).unwrap();
        for plan in [by_name, engine.compile(&router(), &target, &Options::default()).unwrap()] {
            assert!(plan.kernels()[0].schedule.to_string().starts_with(wanted), "{}", plan.kernels()[0].schedule);
            plan.prepare().unwrap();
        }
        // Who has a compiler follows the record of the bundle, and compiles nothing.
        let bundle = TrustedBundle::new(Bundle::read(&path).unwrap(), &Trust::anyone()).unwrap();
        let engine = Engine::builder().bundle(bundle).build().unwrap();
        engine.compile(&router(), &target, &Options::default()).unwrap().prepare().unwrap();
        assert_eq!(engine.counters().compiles, 0);
    }
}

#[test]
fn what_cannot_be_tuned() {
    let engine = Engine::builder().build().unwrap();
    let tune = |device| {
        let tuned = engine.tune(&router(), device, &TuneOptions::default(), None, &|_| ());
        tuned.unwrap_err().to_string()
    };
    assert!(tune(Device::Host).contains("RF0809: the host has nothing to tune"));
    // What is wrong with a request is said before anything is opened.
    let refused = |options: TuneOptions| {
        let refused = engine.tune(&router(), Device::Cuda(0), &options, None, &|_| ()).unwrap_err();
        (refused.code(), refused.to_string())
    };
    let with = |change: fn(&mut TuneOptions)| refused(TuneOptions::default().with(change));
    assert!(with(|o| o.rows = vec![64, 1]).1.contains("[64, 1], are not 1 to 64 that ascend"));
    assert!(with(|o| o.rows = vec![]).1.contains("that ascend from 1 or more"));
    assert!(with(|o| o.samples = 0).1.contains("0 samples of 25 launches"));
    assert!(with(|o| o.margin = -0.5).1.contains("the margin is -0.5"));
    assert!(with(|o| o.graph = Options::default().records(false)).1.contains("have nothing to tune"));
    assert!(
        with(|o| o.graph = Options::default().shape("lanes=8 threads=64".parse().ok())).1.contains("a forced shape")
    );
    assert_eq!(with(|o| o.rows = vec![1 << 40]).0, Code::ExtentTooLarge);
    let dir = tempfile::tempdir().unwrap();
    let bundle = engine.bundle(&[], &[], &Options::default(), None, &|_| ()).unwrap();
    std::fs::write(dir.path().join("empty.rfb"), bundle.finish()).unwrap();
    let without = Engine::from_bundle(dir.path().join("empty.rfb"), &Trust::anyone()).unwrap();
    let refused = without.tune(&router(), Device::Cuda(0), &TuneOptions::default(), None, &|_| ()).unwrap_err();
    assert!(refused.to_string().contains("RF0802: tuning `gpt_oss` compiles"), "{refused}");
    let _sealed = engine.sealed();
    assert!(
        tune(Device::Cuda(0)).contains("RF0810: the engine is sealed, and tuning `gpt_oss` would compile and load")
    );
}
