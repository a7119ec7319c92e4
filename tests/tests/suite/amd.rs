//! AMD code objects in the emulator, bit for bit: the five chains, the corpus, random graphs.

use routefuse::ir::{Artifact, Program, RowShape, Scheduled, Variant};
use routefuse::{Engine, Graph, Options, Target, Tensor, Verified};
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::{self, Profile};
use routefuse_ir::interp;
use routefuse_tests::corpus::{Test, cases_of, examples};
use routefuse_tests::differential::shard;
use routefuse_tests::emulator::{Emulator, Run, UNKNOWN};
use routefuse_tests::skips::skip;

/// Compiled for one target: the program, and its kernels with their schedules.
pub struct Compiled {
    program: Program,
    kernels: Vec<Verified<Scheduled>>,
}

impl Compiled {
    /// The fused program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Kernels of the program.
    pub fn kernels(&self) -> &[Verified<Scheduled>] {
        &self.kernels
    }
}

/// Schedules a graph for one target.
pub fn compile(g: &Verified<Graph>, target: &str) -> Compiled {
    compile_in(g, target, None)
}

/// As [`compile`]; row schedules have this shape alone, if one is given.
pub fn compile_in(g: &Verified<Graph>, target: &str, shape: Option<RowShape>) -> Compiled {
    let target = Target::named(target).expect("a known target");
    let engine = Engine::builder().build().expect("an engine");
    let options = Options::default().shape(shape);
    let plan = engine.compile(g, &target, &options).unwrap_or_else(|e| panic!("{}: {e}", g.name));
    Compiled { program: plan.program().clone(), kernels: plan.kernels().to_vec() }
}

impl Compiled {
    /// Every kernel in the variant of this number, counted around, of those that take any number of rows. Of phases in two launches
    /// there are both.
    pub fn of_variant(&self, variant: usize) -> Vec<Artifact> {
        self.of_variant_for(variant, u64::MAX)
    }

    /// As [`Compiled::of_variant`], of those that take so many rows.
    pub fn of_variant_for(&self, variant: usize, rows: u64) -> Vec<Artifact> {
        let compile = |k: &Verified<Scheduled>| -> Vec<Artifact> {
            let all: Vec<Variant> = k.variants().iter().copied().filter(|v| k.schedule.takes(v.shape, rows)).collect();
            let variant = all[variant % all.len()];
            let one = |shape| {
                let variant = Variant { shape, ..variant };
                let code = routefuse_codegen::compile(k, variant, Default::default());
                code.unwrap_or_else(|e| panic!("{} {variant}: {e}", k.kernel.name)).artifact
            };
            k.schedule.shapes_beside(variant.shape).map(one).collect()
        };
        let of_rows = self.program.steps.iter().zip(&self.kernels).filter(|(step, _)| step.is_taken_by(rows));
        of_rows.flat_map(|(_, kernel)| compile(kernel)).collect()
    }
}

/// One launch with inputs made by the rule; false if the emulator does not know an instruction, which is counted.
fn launch(
    emulator: &mut Emulator,
    g: &Verified<Graph>,
    compiled: &Compiled,
    variant: usize,
    extents: &[u64],
    rule: Rule,
    seed: u64,
) -> bool {
    let artifacts = compiled.of_variant_for(variant, extents.iter().copied().max().unwrap_or(0));
    launch_on(emulator, g, compiled, &artifacts, extents, &inputs(g, extents, rule, seed), seed)
}

/// One launch of these artifacts on these inputs; false as [`launch`].
pub fn launch_on(
    emulator: &mut Emulator,
    g: &Verified<Graph>,
    compiled: &Compiled,
    artifacts: &[Artifact],
    extents: &[u64],
    tensors: &[Tensor],
    seed: u64,
) -> bool {
    launch_in_blocks(emulator, g, compiled, (artifacts, None), extents, tensors, seed)
}

/// As [`launch_on`]; each launch of phases is so many blocks, if a number is given.
pub fn launch_in_blocks(
    emulator: &mut Emulator,
    g: &Verified<Graph>,
    compiled: &Compiled,
    (artifacts, blocks): (&[Artifact], Option<u64>),
    extents: &[u64],
    tensors: &[Tensor],
    seed: u64,
) -> bool {
    let given: Vec<(&str, u64)> = g.symbols.iter().map(String::as_str).zip(extents.iter().copied()).collect();
    let expected = interp::run(g, tensors, &given).unwrap_or_else(|e| panic!("{}: {e}", g.name));
    let mut rng = Choices::seeded(seed);
    let outputs = &expected.outputs;
    let run = Run { program: &compiled.program, artifacts, extents, inputs: tensors, outputs, blocks };
    let agreed = emulator.agree(run, &mut rng);
    if let Err(e) = agreed {
        if e.starts_with(UNKNOWN) {
            skip(&e, 1, None);
            return false;
        }
        let target = artifacts.first().map_or("?", |a| a.target.name());
        let variant = artifacts.first().map_or(String::new(), |a| a.variant.to_string());
        let text = routefuse::text::print(g);
        let blocks = blocks.map_or(String::new(), |n| format!(", {n} blocks"));
        panic!("{} on {target} {variant}{blocks}, extents {extents:?}, seed {seed}: {e}\n{text}", g.name);
    }
    true
}

pub const NO_EMULATOR: &str = "no AMD emulator";
pub const REQUIRED: Option<&str> = Some("REQUIRE_AMDEMU");

/// The five chains (all files a to e) for T = 0, 1, 33, 257, each with another variant, and every T with every variant among
/// the chains.
fn chains(target: &str) {
    let cases: Vec<_> = examples().into_iter().filter(|c| c.name.as_bytes().get(1) == Some(&b'_')).collect();
    assert!(cases.len() >= 12, "the five chains are {} files", cases.len());
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, cases.len() as u64 * 4, REQUIRED) };
    for (i, case) in cases.iter().enumerate() {
        let graph = case.graph();
        let compiled = compile(&graph, target);
        assert_eq!(compiled.program.steps.len(), 1, "{} is one kernel", case.name);
        for (j, t) in [0, 1, 33, 257].into_iter().enumerate() {
            let variant = i + j;
            let seed = (i * 4 + j) as u64;
            let emulated = launch(&mut emulator, &graph, &compiled, variant, &[t], Rule::Hostile, seed);
            assert!(emulated, "{} on {target}", case.name);
        }
    }
    println!("{} launches", emulator.runs());
}

#[test]
fn chains_on_gfx90a() {
    chains("gfx90a");
}

#[test]
fn chains_on_gfx942() {
    chains("gfx942");
}

#[test]
fn chains_on_gfx950() {
    chains("gfx950");
}

#[test]
fn chains_on_gfx1100() {
    chains("gfx1100");
}

#[test]
fn chains_on_gfx1200() {
    chains("gfx1200");
}

#[test]
fn chains_on_gfx1250() {
    chains("gfx1250");
}

/// Every file of the corpus that is run on the host, on one wave64 and one wave32 target in turn.
fn corpus(part: usize) {
    let cases = cases_of(Test::Run);
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, cases.len() as u64 / 2, REQUIRED) };
    for (i, case) in cases.iter().enumerate().filter(|(i, _)| i % 2 == part) {
        let graph = case.graph();
        let target = ["gfx942", "gfx1100", "gfx1200", "gfx90a"][(i / 2) % 4];
        let compiled = compile(&graph, target);
        let launches = case.launches(&graph);
        // The largest launch of each file, and one more.
        for (j, extents) in launches.iter().rev().enumerate().take(2) {
            let rule = case.rule.unwrap_or_else(|| panic!("{}: no `inputs`", case.name));
            launch(&mut emulator, &graph, &compiled, i + j, extents, rule, (i + j) as u64);
        }
    }
    println!("{} launches", emulator.runs());
}

#[test]
fn first_half_of_the_corpus() {
    corpus(0);
}

#[test]
fn second_half_of_the_corpus() {
    corpus(1);
}

/// Those that random graphs are run on in turn.
const RANDOM: [&str; 10] = [
    "gfx90a",
    "gfx942",
    "gfx950",
    "gfx1100",
    "gfx1200",
    "gfx1250",
    "gfx1251",
    "gfx9-4-generic",
    "gfx11-generic",
    "gfx12-generic",
];

#[test]
fn random_graphs() {
    let seeds = shard(60, 0, 1);
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, seeds.end - seeds.start, REQUIRED) };
    println!("graphs of seeds {seeds:?}");
    for seed in seeds {
        let Ok(graph) = graph::of_seed(seed, &Profile::FLAT).graph else { continue };
        let target = RANDOM[seed as usize % RANDOM.len()];
        let compiled = compile(&graph, target);
        let mut rng = Choices::seeded(seed);
        let extents = graph::extents(&graph, &mut rng);
        launch(&mut emulator, &graph, &compiled, seed as usize / RANDOM.len(), &extents, Rule::Mixed, seed);
    }
    println!("{} launches", emulator.runs());
}
