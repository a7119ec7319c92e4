//! Whole presets against an oracle: random combinations of model, options and hostile rows, with everything after the
//! selection, and an implementation of the formulas of `docs/routing.md` that has no graph and no operation of routefuse's.

mod after;
mod choice;
mod compare;
mod inputs;
mod select;

use choice::Choice;
use compare::{Counts, compare};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use routefuse::models::{self, ModelOptions, Preset};
use routefuse::{Engine, Graph, Target, Verified};
use routefuse_ir::interp;
use routefuse_tests::launch;
use routefuse_tests::routers::{self, MODELS, Options};
use std::collections::BTreeSet;

/// Combinations in all, shared out among the tests.
const COMBINATIONS: u64 = 3600;
const SHARDS: u64 = 4;
/// Mostly, so that the interpreter is quick and ties are many.
const EXPERTS: [usize; 5] = [16, 24, 32, 48, 64];
/// One combination in so many is compiled for the host as well.
const COMPILED: u64 = 100;

fn graph(preset: &Preset, options: &Options) -> Result<Verified<Graph>, String> {
    let mut chosen = ModelOptions::default();
    for (name, value) in options {
        preset.set(&mut chosen, name, value).map_err(|e| e.to_string())?;
    }
    preset.graph(&chosen).map_err(|e| e.to_string())
}

/// The names of a preset's options that are drawn.
fn names(preset: &Preset) -> Vec<&'static str> {
    preset.options().map(|o| o.name).filter(|n| *n != "part").collect()
}

/// One combination: drawn, run and compared.
fn check(number: u64, engine: &Engine, counts: &mut Counts) -> Result<(), String> {
    let mut rng = SmallRng::seed_from_u64(number);
    let model = &MODELS[number as usize % MODELS.len()];
    let preset = models::named(model.name).expect("a preset");
    let options = routers::options(&mut rng, model, &names(preset), &EXPERTS);
    let words: Vec<String> = options.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let at = |e: String| format!("combination {number}: {} {}: {e}", model.name, words.join(" "));
    let g = graph(preset, &options).map_err(at)?;
    let c = Choice::new(*model, options.clone());
    let rows = if rng.random_range(0..40) == 0 { 0 } else { rng.random_range(1..=5) };
    let (inputs, tensors) = inputs::draw(&mut rng, &c, &g, rows);
    let outcome = interp::run(&g, &tensors, &[("T", rows as u64)]).map_err(|e| at(e.to_string()))?;
    compare(&c, &g, &inputs, &outcome.outputs, rows, counts).map_err(at)?;
    if (number / SHARDS).is_multiple_of(COMPILED / SHARDS) {
        let plan =
            engine.compile(&g, &Target::host(), &routefuse::Options::default()).map_err(|e| at(e.to_string()))?;
        plan.prepare().map_err(|e| at(e.to_string()))?;
        assert_eq!(plan.kernels().len(), 1, "{}", at("more than one kernel".to_owned()));
        launch::agree(&plan, &[rows as u64], &tensors, &outcome.outputs, &mut rng).map_err(at)?;
    }
    Ok(())
}

fn run(shard: u64) {
    let engine = Engine::builder().build().expect("an engine");
    let (mut counts, mut wrong, mut done) = (Counts::default(), vec![], 0_u64);
    for number in (0..COMBINATIONS).filter(|n| n % SHARDS == shard) {
        wrong.extend(check(number, &engine, &mut counts).err());
        done += 1;
    }
    println!("{done} combinations, rows: {counts:?}, {} compiled for the host", done.div_ceil(COMPILED / SHARDS));
    let shown: Vec<&str> = wrong.iter().take(12).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} of {done} combinations:\n{}", wrong.len(), shown.join("\n"));
    assert!(counts.near_ties * 5 < counts.equal, "{counts:?}: so many near ties test little");
}

/// Tests that share the combinations.
macro_rules! shards {
    ($($name:ident $number:literal)+) => { $(
        #[test]
        fn $name() {
            run($number);
        }
    )+ };
}

shards! { combinations_1 0 combinations_2 1 combinations_3 2 combinations_4 3 }

/// Every model, every option and every value that is a word are drawn by some combination.
#[test]
fn nothing_is_left_out() {
    let mut drawn = BTreeSet::new();
    for number in 0..COMBINATIONS {
        let model = &MODELS[number as usize % MODELS.len()];
        let preset = models::named(model.name).expect("a preset");
        let options = routers::options(&mut SmallRng::seed_from_u64(number), model, &names(preset), &EXPERTS);
        drawn.insert(model.name.to_owned());
        drawn.extend(options.iter().flat_map(|(name, value)| [(*name).to_owned(), format!("{name}={value}")]));
    }
    let mut missing = vec![];
    for preset in models::PRESETS {
        missing.extend((!drawn.contains(preset.name)).then(|| preset.name.to_owned()));
        for option in preset.options().filter(|o| o.name != "part") {
            missing.extend((!drawn.contains(option.name)).then(|| option.name.to_owned()));
            // Words: not the names of numbers, and the first of a list may be what is meant by nothing.
            for value in option.values.split('|').map(|v| v.split('[').next().unwrap_or(v)).skip(1) {
                let word = value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
                let text = format!("{}={value}", option.name);
                missing.extend((word && !drawn.contains(&text)).then_some(text));
            }
        }
    }
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "no combination has {missing:?}");
}
