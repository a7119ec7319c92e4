//! From arguments to bits through AMD's runtime: plans are prepared and launched on the stand-in for HIP, whose launches execute
//! the machine code in the emulator, and outputs equal the interpreter's.

use crate::amd::{NO_EMULATOR, REQUIRED};
use routefuse::diag::{Code, Diagnostic};
use routefuse::exec::{Device, Executor, HipExecution};
use routefuse::hip::{Gpu, Hip, HipPlan, Memory, Stream};
use routefuse::{Args, Engine, Graph, Options, Tensor, TensorMut, TensorRef, Verified};
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::interp;
use routefuse_passes::pipeline::compile_graph;
use routefuse_passes::schedule::tunable_shapes;
use routefuse_tests::corpus::{examples, model};
use routefuse_tests::hip_stand_in;
use routefuse_tests::skips::skip;
use std::sync::Arc;

/// The devices of the stand-in.
const GPUS: [&str; 7] = [
    "gfx90a:sramecc+:xnack-",
    "gfx942:sramecc+:xnack-",
    "gfx950:sramecc+:xnack+",
    "gfx1030",
    "gfx1100",
    // No target is this processor: it runs generic code.
    "gfx1152",
    "gfx1200",
];

fn load(cases: u64) -> bool {
    let is_there = hip_stand_in::load(&GPUS.join(","));
    if !is_there {
        skip(NO_EMULATOR, cases, REQUIRED);
    }
    is_there
}

fn example(name: &str) -> Verified<Graph> {
    examples().into_iter().find(|c| c.name == name).unwrap_or_else(|| panic!("no example {name}")).graph()
}

fn interpreted(graph: &Verified<Graph>, inputs: &[Tensor]) -> Vec<(String, Tensor)> {
    let names = graph.outputs.iter().map(|o| o.name.clone());
    let outputs = interp::run(graph, inputs, &[]).unwrap_or_else(|e| panic!("{}: {e}", graph.name)).outputs;
    names.zip(outputs).collect()
}

/// Chains and routers on hostile rows.
fn arguments_to_bits(ordinal: u32) {
    let graphs = [
        example("b_append_shared"),
        example("c_pack"),
        example("d_head_gate"),
        example("e_post_chain"),
        model("deepseek-v3-post"),
        model("gpt-oss"),
    ];
    if !load(graphs.len() as u64 * 2) {
        return;
    }
    let executor = Executor::on(Device::Hip(ordinal)).unwrap();
    let target = executor.target().unwrap();
    let engine = Engine::builder().build().unwrap();
    for graph in &graphs {
        let plan = engine.compile(graph, &target, &Options::default()).unwrap();
        for rows in [3, 33] {
            let inputs = inputs(graph, &[rows], Rule::Hostile, rows);
            let outcome = executor.run(plan.clone(), &inputs, &[]).unwrap();
            assert!(!outcome.trapped);
            assert!(outcome.outputs == interpreted(graph, &inputs), "{} on {target}, {rows} rows", graph.name);
        }
    }
}

#[test]
fn arguments_to_bits_on_gfx90a() {
    arguments_to_bits(0);
}

#[test]
fn arguments_to_bits_on_gfx942() {
    arguments_to_bits(1);
}

#[test]
fn arguments_to_bits_on_gfx950() {
    arguments_to_bits(2);
}

#[test]
fn arguments_to_bits_on_gfx1030() {
    arguments_to_bits(3);
}

#[test]
fn arguments_to_bits_on_gfx1100() {
    arguments_to_bits(4);
}

#[test]
fn arguments_to_bits_of_generic_code() {
    arguments_to_bits(5);
}

#[test]
fn arguments_to_bits_on_gfx1200() {
    arguments_to_bits(6);
}

fn on(graph: &Verified<Graph>, gpu: &Gpu) -> HipPlan {
    let engine = Engine::builder().build().unwrap();
    let plan = HipPlan::new(engine.compile(graph, &gpu.target().unwrap(), &Options::default()).unwrap(), gpu).unwrap();
    plan.prepare().unwrap();
    plan
}

/// Two GPUs, a thread on each, several launches on each stream, none of which waits.
#[test]
fn threads_on_two_gpus() {
    if !load(2) {
        return;
    }
    let graph = model("deepseek-v3-post");
    std::thread::scope(|scope| {
        for ordinal in [1, 4] {
            let graph = &graph;
            scope.spawn(move || {
                let gpu = Gpu::open(ordinal).unwrap();
                let stream = Arc::new(Stream::new(&gpu).unwrap());
                let plan = Arc::new(on(graph, &gpu));
                let inputs: Vec<Vec<Tensor>> = (1..4).map(|t| inputs(graph, &[t], Rule::Hostile, t)).collect();
                let runs: Vec<HipExecution> =
                    inputs.iter().map(|i| HipExecution::new(plan.clone(), &stream, i, &[]).unwrap()).collect();
                runs.iter().for_each(|run| run.launch(1).unwrap());
                for (run, inputs) in runs.iter().zip(&inputs) {
                    assert!(run.outcome().unwrap().outputs == interpreted(graph, inputs), "hip:{ordinal}");
                }
            });
        }
    });
}

/// A graph is replayed with what its inputs are then; before that, nothing has run.
#[test]
fn a_captured_launch_is_replayed() {
    if !load(1) {
        return;
    }
    let graph = example("c_pack");
    let gpu = Gpu::open(1).unwrap();
    let stream = Stream::new(&gpu).unwrap();
    let plan = on(&graph, &gpu);
    let first = inputs(&graph, &[5], Rule::Hostile, 1);
    let mut memory: Vec<Memory> = first.iter().map(|t| Memory::of(&gpu, &stream, t.bytes()).unwrap()).collect();
    let want = interpreted(&graph, &first);
    let poison = vec![0xa5u8; want[0].1.bytes().len()];
    let out = Memory::of(&gpu, &stream, &poison).unwrap();
    let captured = {
        let mut args = Args::new();
        for (m, t) in memory.iter().zip(&first) {
            let at = std::ptr::with_exposed_provenance(m.address() as usize);
            // SAFETY: the memory lives to the end of the test, and is used on one stream.
            let view = unsafe { TensorRef::contiguous(at, m.bytes() as u64, t.dtype(), t.shape()) };
            args.input(view.on(m.device()));
        }
        let at = std::ptr::with_exposed_provenance_mut(out.address() as usize);
        let (_, t) = &want[0];
        // SAFETY: as above.
        let view = unsafe { TensorMut::contiguous(at, out.bytes() as u64, t.dtype(), t.shape()) };
        args.output(view.on(out.device()));
        stream.capture(|| plan.launch(&stream, &args)).unwrap()
    };
    assert_eq!(out.read(&stream).unwrap(), poison);
    for seed in [1, 2, 3] {
        let now = inputs(&graph, &[5], Rule::Hostile, seed);
        for (m, t) in memory.iter_mut().zip(&now) {
            m.write(&stream, t.bytes()).unwrap();
        }
        // SAFETY: plan and memory live to the end of the test.
        unsafe { captured.launch(&stream) }.unwrap();
        assert!(out.read(&stream).unwrap() == interpreted(&graph, &now)[0].1.bytes(), "seed {seed}");
    }
}

/// What fails on the GPU is said by whoever waits: here a launch whose memory is nowhere.
#[test]
fn a_kernel_that_faults() {
    if !load(1) {
        return;
    }
    let graph = example("c_pack");
    let gpu = Gpu::open(1).unwrap();
    let stream = Stream::new(&gpu).unwrap();
    let plan = on(&graph, &gpu);
    let tensors = inputs(&graph, &[4], Rule::Hostile, 1);
    let want = interpreted(&graph, &tensors);
    let mut args = Args::new();
    // An address of no allocation.
    let nowhere = 0x1000_0000_0000 + (60usize << 30);
    for t in &tensors {
        let at = std::ptr::with_exposed_provenance(nowhere);
        // SAFETY: the stand-in finds that nothing is there.
        args.input(unsafe { TensorRef::contiguous(at, 1 << 20, t.dtype(), t.shape()) }.on(gpu.device()));
    }
    let (_, t) = &want[0];
    let at = std::ptr::with_exposed_provenance_mut(nowhere + (1 << 21));
    // SAFETY: as above.
    args.output(unsafe { TensorMut::contiguous(at, 1 << 20, t.dtype(), t.shape()) }.on(gpu.device()));
    plan.launch(&stream, &args).unwrap();
    let e = stream.synchronize().unwrap_err();
    assert_eq!(e.code, Code::DriverFailed);
    assert!(e.to_string().contains("hipErrorLaunchFailure (719)"), "{e}");
    let again: Result<(), Diagnostic> = Stream::new(&gpu).unwrap().synchronize();
    assert_eq!(again, Ok(()));
}

/// Shapes that a tuning may choose for a router give the interpreter's bits, with rows left over in the last block: every third
/// one from this one on.
fn shapes_of_tunings(ordinal: u32, from: usize) {
    if !load(1) {
        return;
    }
    let (graph, executor) = (model("gpt-oss"), Executor::on(Device::Hip(ordinal)).unwrap());
    let (target, engine) = (executor.target().unwrap(), Engine::builder().build().unwrap());
    let program = compile_graph(graph.clone(), &Options::default()).unwrap().program;
    let shapes = tunable_shapes(&program.steps[0].kernel, target);
    assert!(shapes.len() > 10, "{shapes:?}");
    let inputs = inputs(&graph, &[9], Rule::Hostile, 9);
    let expected = interpreted(&graph, &inputs);
    for shape in shapes.into_iter().skip(from).step_by(3) {
        let plan = engine.compile(&graph, &target, &Options::default().shape(Some(shape))).unwrap();
        let outcome = executor.run(plan, &inputs, &[]).unwrap();
        assert!(outcome.outputs == expected, "{shape} on {target}");
    }
}

#[test]
fn shapes_of_tunings_on_gfx942() {
    shapes_of_tunings(1, 0);
}

#[test]
fn further_shapes_of_tunings_on_gfx942() {
    shapes_of_tunings(1, 1);
}

#[test]
fn the_last_shapes_of_tunings_on_gfx942() {
    shapes_of_tunings(1, 2);
}

#[test]
fn shapes_of_tunings_on_gfx1100() {
    shapes_of_tunings(4, 0);
}

/// Code of a bundle or of `Plan::artifacts` that is for another processor is refused before anything is loaded.
#[test]
fn another_processors_code() {
    if !load(1) {
        return;
    }
    let graph = example("c_pack");
    let gpus = [1, 4].map(|n| Gpu::open(n).unwrap());
    let made = on(&graph, &gpus[0]);
    let (artifacts, program) = (made.artifacts().unwrap(), made.plan().program().clone());
    let target = gpus[0].target().unwrap();
    // SAFETY: what the compiler made for this program.
    let plan = Arc::new(unsafe { routefuse::Plan::from_artifacts(program, target, artifacts) }.unwrap());
    let e = routefuse_runtime::gpu::GpuPlan::<Hip>::new(plan.clone(), &gpus[1]).unwrap_err();
    assert_eq!(e.code, Code::TargetNotHere);
    assert!(e.to_string().contains("`gfx942`") && e.to_string().contains("gfx1100"), "{e}");
    let again = HipPlan::new(plan, &gpus[0]).unwrap();
    again.prepare().unwrap();
}
