//! What routers by softmax leave out for NVIDIA's GPUs.

use crate::models_ptx::{kernel, presets, ptx};
use routefuse::{Engine, Options, Target, text};
use routefuse_ir::kernel::analysis::is_near_quotient;

/// Of a softmax's quotients no operand is looked at where the choice has proved what it is of, and else its numerators alone: there is
/// no division that looks at both.
#[test]
fn quotients_of_softmaxes_are_near() {
    let engine = Engine::builder().build().expect("an engine");
    for (file, near) in [
        // The softmax, and what is chosen by its sum.
        ("qwen3-moe", 2),
        ("mixtral", 2),
        ("deepseek-v2", 1),
        // Of what was chosen.
        ("gpt-oss", 1),
        // Of the chosen scores a softmax, and its sum is of no more than these; a sigmoid's sum may be anything.
        ("longcat-flash", 1),
        ("deepseek-v3", 0),
    ] {
        let example = presets().into_iter().find(|e| e.file == file).expect("a preset");
        let scheduled = kernel(&engine, &example, "sm_90");
        let found = scheduled.kernel.values().filter(|(id, _)| is_near_quotient(&scheduled.kernel, *id)).count();
        assert_eq!(found, near, "{file}");
        for few in [false, true] {
            let (text, ..) = ptx(&engine, &example, "sm_90", few);
            assert_eq!(text.contains("div.rn.f32"), near == 0, "{file}, few rows: {few}");
        }
    }
    // What is left out is −∞, so that its quotients are not.
    let masked = "route 1
graph @masked {
  dim T
  input %x : f32[T, 64]
  input %kept : bool[T, 64]
  %none = const {dtype = f32, value = -inf}
  %scores = softmax %x : f32[T, 64]
  %some = select %kept, %scores, %none : f32[T, 64]
  %sum = reduce_sum %scores {axis = 1} : f32[T, 1]
  %wide = broadcast %sum {shape = [T, 64]} : f32[T, 64]
  %part = div %some, %wide : f32[T, 64]
  output out = %part : f32[T, 64]
}";
    let graph = text::parse_verified(masked).unwrap_or_else(|e| panic!("{e}\n{masked}"));
    let plan =
        engine.compile(&graph, &Target::named("sm_90").expect("a known target"), &Options::default()).expect("a plan");
    let found = plan
        .kernels()
        .iter()
        .map(|scheduled| scheduled.kernel.values().filter(|(id, _)| is_near_quotient(&scheduled.kernel, *id)).count());
    assert_eq!(found.sum::<usize>(), 1, "the softmax alone");
}

/// Where indices are words, so are the numbers of rows.
#[test]
fn rows_are_counted_in_words() {
    let engine = Engine::builder().build().expect("an engine");
    for example in presets().into_iter().filter(|e| ["qwen3-moe", "mixtral", "deepseek-v3"].contains(&e.file)) {
        let (text, ..) = ptx(&engine, &example, "sm_90", false);
        let is_long = |l: &str| ["s64", "u64", "b64"].iter().any(|long| l.contains(long));
        let long = text.lines().find(|l| l.trim_start().starts_with("setp.") && is_long(l));
        assert_eq!(long, None, "{}", example.file);
    }
}
