//! Host code for the levels of x86-64, on this machine's processor, bit for bit: what a lower level lacks is done without.

use routefuse::inspect::processor_lacks;
use routefuse::{Engine, Graph, Options, Plan, Target, Tensor, Verified, models};
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::{self, Profile};
use routefuse_ir::interp;
use routefuse_tests::corpus::{Test, cases_of, examples};
use routefuse_tests::launch;
use routefuse_tests::logits::{Kind, router_inputs};
use routefuse_tests::skips::skip;
use std::sync::Arc;

/// Plans for a target that this processor runs; none where it does not, which is counted.
struct Level {
    target: Target,
    engine: Engine,
}

impl Level {
    fn of(target: &str, cases: u64) -> Option<Level> {
        let target = Target::named(target).expect("a known target");
        let lacking = processor_lacks(target);
        if !lacking.is_empty() {
            skip(&format!("a processor with what {target} has"), cases, None);
            return None;
        }
        Some(Level { target, engine: Engine::builder().build().expect("an engine") })
    }

    fn plan(&self, graph: &Verified<Graph>) -> Arc<Plan> {
        let plan = self.engine.compile(graph, &self.target, &Options::default());
        plan.unwrap_or_else(|e| panic!("{} for {}: {e}", graph.name, self.target))
    }

    fn check(&self, graph: &Verified<Graph>, plan: &Arc<Plan>, extents: &[u64], tensors: &[Tensor], seed: u64) {
        let given: Vec<(&str, u64)> = graph.symbols.iter().map(String::as_str).zip(extents.iter().copied()).collect();
        let expected = interp::run(graph, tensors, &given).unwrap_or_else(|e| panic!("{}: {e}", graph.name));
        let mut rng = Choices::seeded(seed);
        if let Err(e) = launch::agree(plan, extents, tensors, &expected.outputs, &mut rng) {
            panic!("{} on {}, extents {extents:?}, seed {seed}: {e}", graph.name, self.target);
        }
    }
}

/// Every `step`th file of the corpus and preset, for few rows and many.
fn corpus_and_presets(target: &str, step: usize) {
    let (cases, presets) = (cases_of(Test::Run), models::examples());
    let Some(level) = Level::of(target, ((cases.len() + presets.len()) / step) as u64) else { return };
    for (i, case) in cases.iter().enumerate().step_by(step) {
        let graph = case.graph();
        let plan = level.plan(&graph);
        let rule = case.rule.unwrap_or_else(|| panic!("{}: no `inputs`", case.name));
        for (j, extents) in case.launches(&graph).iter().rev().enumerate().take(3) {
            let seed = (i + j) as u64;
            level.check(&graph, &plan, extents, &inputs(&graph, extents, rule, seed), seed);
        }
    }
    for example in presets.iter().step_by(step) {
        let graph = example.graph().unwrap_or_else(|e| panic!("{}: {e}", example.file));
        let plan = level.plan(&graph);
        for rows in [0, 1, 17, 257] {
            let extents = vec![rows; graph.symbols.len()];
            level.check(&graph, &plan, &extents, &router_inputs(&graph, rows, Kind::Sprinkled, rows), rows);
        }
    }
}

/// Random graphs of every op and dtype: products that are added to, and floats of 16 bits, are done in software.
fn random_graphs(target: &str, seeds: std::ops::Range<u64>) {
    let Some(level) = Level::of(target, seeds.end - seeds.start) else { return };
    for seed in seeds {
        let profile = if seed % 2 == 0 { Profile::FLAT } else { Profile::ROWS };
        let Ok(graph) = graph::of_seed(seed, &profile).graph else { continue };
        let extents = graph::extents(&graph, &mut Choices::seeded(seed));
        level.check(&graph, &level.plan(&graph), &extents, &inputs(&graph, &extents, Rule::Mixed, seed), seed);
    }
}

#[test]
fn v2_on_corpus_and_presets() {
    corpus_and_presets("x86-64-v2", 2);
}

#[test]
fn v3_on_corpus_and_presets() {
    corpus_and_presets("x86-64-v3", 5);
}

#[test]
fn v4_on_corpus_and_presets() {
    corpus_and_presets("x86-64-v4", 3);
}

#[test]
fn v2_on_random_graphs() {
    random_graphs("x86-64-v2", 0..60);
}

#[test]
fn v4_on_random_graphs() {
    random_graphs("x86-64-v4", 60..100);
}

/// A product that is added to is rounded once, also where the product is not the nearest `f32`, where the sum cancels, where it
/// ends half way between two `f32`, and where it is denormal: random numbers seldom are.
#[test]
fn v2_adds_to_products_with_one_rounding() {
    let text = "route 1\ngraph @fma {\n  dim T\n  input %x : f32[T, 8]\n  input %y : f32[T, 8]\n  input %z : f32[T, 8]\n  %a = fma %x, %y, %z\n  output out = %a\n}";
    let graph = routefuse::text::parse_verified(text).expect("a graph");
    let Some(level) = Level::of("x86-64-v2", 1) else { return };
    let plan = level.plan(&graph);
    let f = f32::from_bits;
    let hard = [
        // Half way between two, and a little beside it.
        (f(0x3f80_0001), f(0x3f80_0001), f(0x3380_0000)),
        (1.0 + f32::EPSILON, 1.0 - f32::EPSILON / 2.0, -1.0),
        (f(0x3f80_0800), f(0x3f80_0800), -f(0x3f80_1000)),
        (4097.0, 4097.0, f(0x2f80_0000)),
        (4097.0, 4097.0, -f(0x2f80_0000)),
        // Denormal sums, and halves of the least one.
        (f32::MIN_POSITIVE, 0.5, f(1)),
        (f(1), 0.5, 0.0),
        (f(1), 0.5, f(0x8000_0001)),
        (f(3), 0.5, 0.0),
        (f(0x0080_0001), f(0x3f00_0001), f(0x8040_0000)),
        // Overflow, and what just does not.
        (f32::MAX, 2.0, -f32::MAX),
        (f32::MAX, 1.0, f(0x7300_0000)),
        (f32::MAX, f(0x3f80_0001), -f(0x7380_0000)),
        // Zeros, infinities, NaNs.
        (-0.0, 1.0, -0.0),
        (-0.0, 1.0, 0.0),
        (f32::INFINITY, 0.0, 1.0),
        (f32::INFINITY, 1.0, f32::NEG_INFINITY),
        (f32::INFINITY, -1.0, 5.0),
        (f32::NAN, 1.0, 1.0),
    ];
    let mut rows: Vec<[f32; 3]> = hard.iter().map(|(x, y, z)| [*x, *y, *z]).collect();
    // Products that are nearly cancelled: what is left is what one rounding keeps.
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state
    };
    for _ in 0..20_000 {
        let (x, y) = (f(next() & 0x83ff_ffff | 0x3c00_0000), f(next() & 0x83ff_ffff | 0x3c00_0000));
        let z = f((-(x * y)).to_bits() ^ (next() >> 28)) * [1.0, 0.5, 2.0, 1e-7][next() as usize % 4];
        rows.push([x, y, z]);
        rows.push([f(next()), f(next()), f(next())]);
    }
    rows.resize(rows.len().next_multiple_of(8), [0.0; 3]);
    let count = rows.len() as u64 / 8;
    let tensor = |i: usize| Tensor::from_f32(&[count, 8], &rows.iter().map(|r| r[i]).collect::<Vec<_>>());
    level.check(&graph, &plan, &[count], &[tensor(0), tensor(1), tensor(2)], 1);
}

/// A level is more than a name: code for each is other code.
#[test]
fn levels_have_different_code() {
    let engine = Engine::builder().build().expect("an engine");
    let case = examples().into_iter().find(|c| c.name == "e_post_chain").expect("an example");
    let mut codes: Vec<Vec<u8>> = ["x86-64-v2", "x86-64-v3", "x86-64-v4"]
        .map(|name| {
            let target = Target::named(name).expect("a known target");
            engine.artifacts(&case.graph(), &target, &Options::default()).expect("code")[0].code.clone()
        })
        .into();
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), 3);
}
