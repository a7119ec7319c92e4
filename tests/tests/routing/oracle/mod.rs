//! Whole presets against an oracle: random combinations of model, options and hostile rows, with everything after the
//! selection, and an implementation of the formulas of `docs/reference/routing.md` that has no graph and no operation of routefuse's.

mod after;
pub mod choice;
mod compare;
pub mod inputs;
mod select;

use choice::Choice;
use compare::{Counts, compare};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use routefuse::models::{self, ModelOptions, Preset};
use routefuse::{Engine, Graph, Target, Verified};
use routefuse_ir::{Tensor, interp};
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

/// Whether an option is drawn here. Layouts of all rows' items are drawn in [`crate::aligned`].
fn is_drawn(name: &str) -> bool {
    name != "part" && !name.starts_with("align")
}

/// The names of a preset's options that are drawn.
fn names(preset: &Preset) -> Vec<&'static str> {
    preset.options().map(|o| o.name).filter(|n| is_drawn(n)).collect()
}

/// One combination: drawn, run and compared.
fn check(number: u64, engine: &Engine, counts: &mut Counts) -> Result<(), String> {
    let mut rng = SmallRng::seed_from_u64(number);
    let model = &MODELS[number as usize % MODELS.len()];
    let preset = models::named(model.name).expect("a preset");
    let options = routers::options(&mut rng, model, &names(preset), &EXPERTS);
    let at = |e: String| format!("combination {number}: {} {}: {e}", model.name, words(&options));
    let g = graph(preset, &options).map_err(at)?;
    let (tensors, outputs) = compared(&mut rng, Choice::new(*model, options.clone()), &g, counts).map_err(at)?;
    if (number / SHARDS).is_multiple_of(COMPILED / SHARDS) {
        let plan =
            engine.compile(&g, &Target::host(), &routefuse::Options::default()).map_err(|e| at(e.to_string()))?;
        plan.prepare().map_err(|e| at(e.to_string()))?;
        assert_eq!(plan.kernels().len(), 1, "{}", at("more than one kernel".to_owned()));
        launch::agree(&plan, &[tensors[0].shape()[0]], &tensors, &outputs, &mut rng).map_err(at)?;
    }
    Ok(())
}

fn words(options: &Options) -> String {
    options.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ")
}

/// Runs the graph on hostile rows and compares what leaves. The inputs, of which logits are the first, and the outputs.
fn compared(
    rng: &mut SmallRng,
    c: Choice,
    g: &Verified<Graph>,
    counts: &mut Counts,
) -> Result<(Vec<Tensor>, Vec<Tensor>), String> {
    let rows = if rng.random_range(0..40) == 0 { 0 } else { rng.random_range(1..=5) };
    let (inputs, tensors) = inputs::draw(rng, &c, g, rows);
    let outcome = interp::run(g, &tensors, &[("T", rows as u64)]).map_err(|e| e.to_string())?;
    compare(&c, g, &inputs, &outcome.outputs, rows, counts)?;
    Ok((tensors, outcome.outputs))
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

routefuse_tests::shards! { run: combinations_1 0 combinations_2 1 combinations_3 2 combinations_4 3 }

/// Values of an option, such as can be right somewhere and such as never are.
fn any_value(rng: &mut SmallRng, listed: &'static str) -> &'static str {
    let words: Vec<&str> = listed.split('|').map(|v| v.split('[').next().unwrap_or(v)).collect();
    let list: &[&str] = match listed {
        "E" => &["1", "2", "7", "16", "64"],
        "K" => &["0", "1", "2", "7", "16", "70"],
        "G" | "N" => &["0", "1", "2", "3", "8"],
        "S" | "X" => &["0", "1", "3"],
        "Z" | "V" => &["0", "1", "9"],
        "P" => &["0", "1", "64", "72", "70000", "99999999999"],
        "RSF" | "W" => &["0", "-1", "0.5", "1e-44", "1e4"],
        "SUM" => &["0", "0.5", "1", "2"],
        "L:RANK|L" => &["0:0", "1:0", "4:1", "3:0", "8", "2:18446744073709551615"],
        "FIRST:END|N" => &["0:2", "2:1", "4", "0", "0:99", "7:8"],
        "none|sum|plus_epsilon[:E]|clamp[:E]|positive" => &["none", "sum", "clamp:-1", "clamp:0.5", "plus_epsilon:0"],
        _ => &words,
    };
    list[rng.random_range(0..list.len())]
}

/// Any options beside each other are refused with one cause, or do what they say.
#[test]
fn arbitrary_options_are_refused_or_right() {
    let (mut counts, mut wrong, mut refused) = (Counts::default(), vec![], 0_u64);
    for number in 0..4000 {
        let mut rng = SmallRng::seed_from_u64(1 << 32 | number);
        let model = &MODELS[number as usize % MODELS.len()];
        let preset = models::named(model.name).expect("a preset");
        let mut options: Options = vec![];
        for option in preset.options().filter(|o| is_drawn(o.name)) {
            if rng.random_range(0..8) == 0 {
                options.push((option.name, any_value(&mut rng, option.values).to_owned()));
            }
        }
        // The published vocabulary makes a table of megabytes.
        if model.hash && options.iter().all(|o| o.0 != "vocabulary" && o.0 != "simulate") {
            options.push(("vocabulary", "9".to_owned()));
        }
        let checked = match graph(preset, &options) {
            Ok(g) => compared(&mut rng, Choice::new(*model, options.clone()), &g, &mut counts).map(|_| ()),
            Err(e) if e.matches("RF").count() == 1 && e.contains("help: ") => {
                refused += 1;
                Ok(())
            }
            Err(e) => Err(e),
        };
        wrong.extend(checked.err().map(|e| format!("{number}: {} {}: {e}", model.name, words(&options))));
    }
    println!("4000 combinations, {refused} refused, rows: {counts:?}");
    let shown: Vec<&str> = wrong.iter().take(12).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), shown.join("\n"));
    assert!(refused > 1000 && counts.equal > 1000, "{refused} refused, {counts:?}");
}

/// An option that is taken changes the graph: without it there is another, or none.
#[test]
fn no_option_is_silently_without_effect() {
    let mut idle = BTreeSet::new();
    let mut tried = 0;
    for number in 0..3000 {
        let mut rng = SmallRng::seed_from_u64(2 << 32 | number);
        let model = &MODELS[number as usize % MODELS.len()];
        let preset = models::named(model.name).expect("a preset");
        let options = routers::options(&mut rng, model, &names(preset), &EXPERTS);
        let text = |options: &Options| graph(preset, options).ok().map(|g| routefuse::text::print(&g));
        let Some(with) = text(&options) else { continue };
        let at = rng.random_range(0..options.len().max(1));
        let Some((name, value)) = options.get(at) else { continue };
        let without: Options = options.iter().enumerate().filter(|o| o.0 != at).map(|o| o.1.clone()).collect();
        // What an option is anyway may be said.
        let usual = preset.options().any(|o| o.name == *name && o.values.split('|').next() == Some(value));
        let own = |n: Option<f32>| n.is_some_and(|n| value.parse() == Ok(n));
        let number = |n: usize| own(Some(n as f32));
        let same = match *name {
            "shared_experts" => number(model.shared),
            "groups" => model.groups.is_some_and(|g| number(g.0)),
            "keep" => model.groups.is_some_and(|g| number(g.1)),
            "scale" => own(model.scale),
            "replicas" => value == "4",
            // It says how many ranks there are, which a rank that is named need not show.
            "physical" => options.iter().any(|o| o.0 == "expert_parallel" && o.1.contains(':')),
            "renorm" => {
                let c = Choice::new(*model, vec![(*name, value.clone())]);
                c.divisor == model.divisor
            }
            "scale_when" => {
                let of = |o: &Options| (Choice::new(*model, o.clone()).scaled(), Choice::new(*model, o.clone()).scale);
                let (with, without) = (of(&options), of(&without));
                with.1 == 1.0 || with.0 == without.0
            }
            _ => usual,
        };
        if !same && text(&without).as_ref() == Some(&with) {
            idle.insert(format!("{} {name}={value} beside {}", model.name, words(&without)));
        }
        tried += 1;
    }
    println!("{tried} options left out");
    assert!(idle.is_empty(), "{}:\n{}", idle.len(), idle.into_iter().take(20).collect::<Vec<_>>().join("\n"));
}

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
        for option in preset.options().filter(|o| is_drawn(o.name)) {
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
