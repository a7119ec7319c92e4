//! Valid graphs of any choices: text loses nothing, and the canonical form, the fused and the unfused program give the
//! interpreter's bits on data that finds mistakes; every target has a schedule for every kernel.
#![no_main]

use libfuzzer_sys::fuzz_target;
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::{Profile, generate, within_bounds};
use routefuse_ir::interp::{self, Outcome};
use routefuse_ir::target::Target;
use routefuse_ir::{Graph, Tensor, Verified, text};
use routefuse_passes::canonicalise::canonicalise;
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::schedule_of;

const PROFILES: [Profile; 6] = [
    Profile::ROWS,
    Profile::FLAT,
    Profile::RULES,
    Profile::SMALL_ROWS,
    Profile { row_ops: 80, ..Profile::ROWS },
    Profile::BINS,
];

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::of_bytes(bytes);
    let profile = choices.of(&PROFILES);
    let rule = choices.of(&[Rule::Mixed, Rule::Edges, Rule::Rows, Rule::Ids]);
    let mut extents = [choices.of(&[3, 0, 1, 2, 17]), choices.of(&[2, 0, 1, 5])];
    let seed = choices.bits();
    // What the verifier refuses is rare, and no finding.
    let Ok(g) = generate(&mut choices, &profile).graph else { return };
    let printed = text::print(&g);
    let again = text::parse_verified(&printed).unwrap_or_else(|e| panic!("{e}\n{printed}"));
    assert!(again.same_as(&g), "{printed}");
    within_bounds(&g, &mut extents[..g.symbols.len()]);
    agree(&g, &extents[..g.symbols.len()], rule, seed, &printed);
});

/// Every form of the graph gives the same bits. A fused kernel asks for fewer elements: it may miss a trap, never add one.
fn agree(g: &Verified<Graph>, extents: &[u64], rule: Rule, seed: u64, printed: &str) {
    let given: Vec<(&str, u64)> = g.symbols.iter().map(String::as_str).zip(extents.iter().copied()).collect();
    let tensors: Vec<Tensor> = inputs(g, extents, rule, seed);
    let at = |what: &str| format!("{what}, {rule:?}, seed {seed}, extents {extents:?}\n{printed}");
    let expected = interp::run(g, &tensors, &given).unwrap_or_else(|e| panic!("{e}: {}", at("the graph")));
    let same = |what: &str, got: Outcome, trapped: bool| {
        assert_eq!(got.outputs, expected.outputs, "{}", at(what));
        assert!(trapped || !got.trapped, "{}", at(what));
    };
    let (canonical, _) = canonicalise(g.clone()).unwrap_or_else(|e| panic!("{e}: {}", at("canonical")));
    let got = interp::run(&canonical, &tensors, &given).unwrap_or_else(|e| panic!("{e}: {}", at("canonical")));
    assert_eq!(got.trapped, expected.trapped, "{}", at("canonical"));
    same("canonical", got, expected.trapped);
    for (name, fuse) in [("fused", true), ("unfused", false)] {
        let compiled =
            compile_graph(g.clone(), &Options::default().fuse(fuse)).unwrap_or_else(|e| panic!("{e}: {}", at(name)));
        let program = compiled.program;
        let got = interp::program::run(&program, &tensors, &given).unwrap_or_else(|e| panic!("{e}: {}", at(name)));
        same(name, got, expected.trapped);
        for target in Target::all() {
            for step in &program.steps {
                let schedule = schedule_of(&step.kernel, target);
                assert!(!schedule.to_string().is_empty(), "{}", at(name));
            }
        }
    }
}
