//! Options of presets as anyone may write them: refused with the first cause, or a graph whose fused program gives the
//! interpreter's bits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use routefuse::models::{ModelOptions, PRESETS, Preset};
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::interp;
use routefuse_passes::pipeline::{Options, compile_graph};

/// Numbers that are right somewhere, and such as never are.
const NUMBERS: [&str; 16] =
    ["2", "0", "1", "3", "7", "8", "16", "64", "4097", "70000", "99999999999", "-1", "0.5", "1e-44", "2:1", "4:0"];

/// Elements of a row of any value.
const MOST_ELEMENTS: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::of_bytes(bytes);
    let presets: Vec<&Preset> = PRESETS.iter().collect();
    let preset = choices.of(&presets);
    let mut options = ModelOptions::default();
    // Small sizes first, so that most launches are quick; later options may say otherwise.
    let mut given = vec![("experts", "16"), ("vocabulary", "9")];
    let listed: Vec<_> = preset.options().map(|o| (o.name, o.values)).collect();
    for _ in 0..choices.of(&[2, 0, 1, 3, 5, 8, 13]) {
        let (name, values) = choices.of(&listed);
        let words: Vec<&str> = values.split('|').chain(NUMBERS).collect();
        given.push((name, choices.of(&words)));
    }
    for (name, value) in &given {
        // What the model has not, or what is none of the option's values, is refused by itself.
        let _ = preset.set(&mut options, name, value);
    }
    let graph = match preset.graph(&options) {
        Ok(graph) => graph,
        Err(refused) => {
            assert!(refused.len() == 1, "{} {given:?}: {refused}", preset.name);
            assert!(refused[0].help.is_some(), "{} {given:?}: {refused}", preset.name);
            return;
        }
    };
    let rows = choices.of(&[1, 0, 3]);
    // The interpreter takes gigabytes for some; what they say is said by smaller ones.
    if graph.nodes().any(|node| node.ty.row_elements().is_none_or(|n| n > MOST_ELEMENTS)) {
        return;
    }
    let tensors = inputs(&graph, &[rows], Rule::Hostile, 7);
    let at = |e: String| -> ! { panic!("{} {given:?}, {rows} rows: {e}", preset.name) };
    let expected = interp::run(&graph, &tensors, &[("T", rows)]).unwrap_or_else(|e| at(e.to_string()));
    let compiled = compile_graph(graph, &Options::default()).unwrap_or_else(|e| at(e.to_string()));
    let fused = interp::program::run(&compiled.program, &tensors, &[("T", rows)]).unwrap_or_else(|e| at(e.to_string()));
    assert_eq!(fused.outputs, expected.outputs, "{} {given:?}, {rows} rows", preset.name);
});
