//! One graph in every form: the graph itself, fused, unfused, and as host code, with equal bits.

use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::{self, Profile};
use routefuse_generate::reduce::reduce;
use routefuse_ir::interp::{self, Outcome};
use routefuse_ir::program::Program;
use routefuse_ir::{Graph, Tensor, Verified, text};
use routefuse_passes::pipeline::{Options, compile_graph};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A graph with what it is run on: everything that a failure needs to be seen again.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Of the inputs' elements and of the memory that they lie in.
    pub seed: u64,
    /// How inputs are made.
    pub rule: Rule,
}

/// Runs a graph's code: extents, inputs, and what the interpreter says of them.
pub type Launch<'a> = dyn FnMut(&[u64], &[Tensor], &Outcome) -> Result<(), String> + 'a;

/// Runs the graph in every form that `compiled` adds to those of the interpreter. `extents` has one a symbol.
///
/// # Errors
/// Which form differs, and where.
pub fn agree(g: &Verified<Graph>, extents: &[u64], run: Run, compiled: &mut Launch<'_>) -> Result<(), String> {
    let tensors = inputs(g, extents, run.rule, run.seed);
    let given: Vec<(&str, u64)> = g.symbols.iter().map(String::as_str).zip(extents.iter().copied()).collect();
    let expected = interp::run(g, &tensors, &given).map_err(|e| format!("the graph: {e}"))?;
    for (name, fuse) in [("fused", true), ("unfused", false)] {
        let program =
            compile_graph(g.clone(), &Options::default().fuse(fuse)).map_err(|e| format!("{name}: {e}"))?.program;
        let got = interp::program::run(&program, &tensors, &given).map_err(|e| format!("{name}: {e}"))?;
        compare(g, &expected, &got).map_err(|e| format!("{name}: {e}\n{}", kernels(&program)))?;
    }
    compiled(extents, &tensors, &expected)
}

/// A kernel traps only on elements that are asked for, so it may trap less than the graph, never more.
fn compare(g: &Graph, expected: &Outcome, got: &Outcome) -> Result<(), String> {
    for (i, (want, got)) in expected.outputs.iter().zip(&got.outputs).enumerate() {
        if want != got {
            let at = (0..want.len()).find(|e| want.bits(*e) != got.bits(*e)).unwrap_or(0);
            let (name, want, got) = (&g.outputs[i].name, want.bits(at), got.bits(at));
            return Err(format!("output `{name}`: element {at} is {got:#x}, not {want:#x}"));
        }
    }
    if got.trapped && !expected.trapped {
        return Err("traps, and the graph does not".to_owned());
    }
    Ok(())
}

fn kernels(program: &Program) -> String {
    program.steps.iter().map(|s| s.kernel.to_string()).collect()
}

/// What a run over many seeds did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Graphs that the verifier took, and that agreed in every form.
    pub valid: u64,
    /// Graphs that it refused.
    pub invalid: u64,
    /// Operations that were proposed and that inference refused.
    pub refused: u64,
    /// Launches, one for each graph and extent.
    pub runs: u64,
}

/// Generates the graphs of these seeds, of this profile, and runs each with `launches` choices of extents. `compile`
/// makes what runs a graph compiled; it is asked again for each graph that reduction tries.
///
/// # Panics
/// With the reduced graph as text, its seed and its extents, if one disagrees.
pub fn run<C>(
    profile: &Profile,
    seeds: std::ops::Range<u64>,
    launches: usize,
    mut compile: impl FnMut(&Verified<Graph>) -> Result<C, String>,
    mut launch: impl FnMut(&mut C, &[u64], &[Tensor], &Outcome, u64) -> Result<(), String>,
) -> Counts {
    let mut counts = Counts::default();
    for seed in seeds {
        let generated = graph::of_seed(seed, profile);
        counts.refused += u64::from(generated.refused);
        let Ok(graph) = generated.graph else {
            counts.invalid += 1;
            continue;
        };
        counts.valid += 1;
        let mut rng = Choices::seeded(seed);
        let all: Vec<Vec<u64>> = (0..launches).map(|_| graph::extents(&graph, &mut rng)).collect();
        counts.runs += all.len() as u64;
        let mut check = |g: &Verified<Graph>, all: &[Vec<u64>]| -> Result<(), String> {
            // A defect may show as a panic; it is reduced all the same.
            let checked = catch_unwind(AssertUnwindSafe(|| {
                let mut compiled = compile(g)?;
                for extents in all {
                    let run = Run { seed, rule: Rule::Mixed };
                    let mut code = |e: &[u64], t: &[Tensor], o: &Outcome| launch(&mut compiled, e, t, o, seed);
                    agree(g, extents, run, &mut code).map_err(|e| format!("extents {extents:?}: {e}"))?;
                }
                Ok(())
            }));
            checked.unwrap_or_else(|_| Err("panics".to_owned()))
        };
        if let Err(problem) = check(&graph, &all) {
            let hook = std::panic::take_hook();
            std::panic::set_hook(Box::new(|_| {}));
            let small = reduce(graph, 600, |g| check(g, &all).is_err());
            let reduced = check(&small, &all).err().unwrap_or_default();
            std::panic::set_hook(hook);
            let mut message = String::new();
            let first = problem.lines().next().unwrap_or_default();
            let _ = writeln!(message, "seed {seed} (ROUTEFUSE_SEED={seed} ROUTEFUSE_GRAPHS=1): {first}");
            let _ = writeln!(message, "# inputs mixed, seed {seed}, extents {:?} of {all:?}", small.symbols);
            panic!("{message}{}reduced: {reduced}", text::print(&small));
        }
    }
    counts
}

/// This shard's seeds: `ROUTEFUSE_SEED` is the first of all (1), `ROUTEFUSE_GRAPHS` their number.
///
/// # Panics
/// If a variable is no number.
pub fn shard(default: u64, shard: u64, shards: u64) -> std::ops::Range<u64> {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")),
        Err(_) => default,
    };
    let (first, graphs) = (number("ROUTEFUSE_SEED", 1), number("ROUTEFUSE_GRAPHS", default));
    first + graphs * shard / shards..first + graphs * (shard + 1) / shards
}
