//! Layouts of the items of all rows against plain loops: as chains from ids that no router would give, and behind the routers of
//! all models with any other options beside them.

mod launches;
mod loops;

use crate::oracle::choice::Choice;
use crate::oracle::inputs;
use loops::{Given, Local, Outputs, Spec};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use routefuse::chains::{Align, AlignEngine, Duplicates, LocalExperts, Tail};
use routefuse::models::{self, ModelOptions};
use routefuse::{DType, Engine, Graph, Options, Target, Tensor, Verified};
use routefuse_ir::interp;
use routefuse_passes::join::join;
use routefuse_passes::pipeline::{self, compile_graph};
use routefuse_tests::launch;
use routefuse_tests::routers::{self, MODELS};
use std::collections::BTreeMap;

/// Combinations of options from ids; every so many are compiled for the host as well.
const FROM_IDS: u64 = 1600;
const COMPILED: u64 = 40;
/// Every so many are run as a GPU's kernels are.
const JOINED: u64 = 4;
/// Combinations behind routers.
const BEHIND_ROUTERS: u64 = 800;

fn of<T: Copy>(rng: &mut SmallRng, choices: &[T]) -> T {
    choices[rng.random_range(0..choices.len())]
}

/// One of these, or as often one below `end`.
fn any_of(rng: &mut SmallRng, end: i64, others: &[i64]) -> i64 {
    if rng.random() { rng.random_range(0..end) } else { of(rng, others) }
}

/// Options of an engine, among those that it has.
fn spec(rng: &mut SmallRng, engine: AlignEngine, experts: i64, k: usize) -> Spec {
    let name = engine.name();
    let blocks = ["vllm", "sglang", "aiter", "trtllm", "deepgemm_contiguous", "deepgemm_masked"].contains(&name);
    let first = rng.random_range(0..experts);
    let window = Local::Window(first, rng.random_range(first + 1..=experts), 1);
    let local = match name {
        "deepep" | "gshard" => Local::All,
        "vllm" => of(rng, &[Local::All, window, Local::Map, Local::MapOfBlocks]),
        _ => of(rng, &[Local::All, window, Local::Map]),
    };
    let dividing: Vec<i64> = [1, 2, 4, 8, 16].into_iter().filter(|r| experts % r == 0).collect();
    let has_tail = ["sglang", "aiter", "trtllm"].contains(&name);
    Spec {
        engine: name,
        experts,
        k,
        block: if blocks { of(rng, &[1, 2, 3, 4, 8, 16, 100]) } else { 1 },
        local,
        once: rng.random_range(0..3) == 0,
        ranks: of(rng, &dividing),
        capacity: match name {
            "gshard" => Some(of(rng, &[1, 2, 7, 100])),
            "deepgemm_masked" if rng.random() => Some(of(rng, &[1, 3, 64])),
            _ => None,
        },
        keep: has_tail && rng.random_range(0..3) == 0,
        optional: ["aiter", "trtllm"].contains(&name) && rng.random(),
    }
}

fn has_blocks(spec: &Spec) -> bool {
    !["deepep", "vllm_permute", "gshard"].contains(&spec.engine)
}

fn tensor(dtype: DType, shape: &[u64], values: &[i64]) -> Tensor {
    let mask = if dtype.size() == 8 { u64::MAX } else { (1 << (8 * dtype.size())) - 1 };
    Tensor::from_bits(dtype, shape, values.iter().map(|x| *x as u64 & mask))
}

/// The inputs that a layout has beside ids and weights, and the extents of its dims; more room than is needed one time in two.
fn beside(
    rng: &mut SmallRng,
    spec: &Spec,
    g: &Graph,
    given: &mut Given,
) -> (BTreeMap<String, Tensor>, Vec<(String, u64)>) {
    let mut tensors = BTreeMap::new();
    let e = spec.experts;
    given.map = match (spec.local, spec.engine) {
        (Local::Map, "aiter") => (0..e).map(|_| of(rng, &[0, 1, 1, -7])).collect(),
        // Numbers that no expert has, too.
        (Local::Map, _) => (0..e).map(|_| any_of(rng, e, &[-1, -1, e, i64::from(i32::MIN)])).collect(),
        (Local::MapOfBlocks, _) => (0..e).map(|_| any_of(rng, e, &[-1])).collect(),
        _ => vec![],
    };
    for name in ["expert_map", "expert_mask"] {
        tensors.insert(name.to_owned(), tensor(DType::I32, &[given.map.len() as u64], &given.map));
    }
    (given.places, given.blocks) = spec.least(given.all_rows);
    let mut dims = vec![];
    if rng.random() {
        (given.places, given.blocks) = (given.places + rng.random_range(0..40), given.blocks + rng.random_range(0..9));
    }
    for name in &g.symbols {
        match name.as_str() {
            "C" | "M" => dims.push((name.clone(), given.places as u64)),
            "J" => dims.push((name.clone(), given.blocks as u64)),
            _ => {}
        }
    }
    for (i, input) in g.inputs.iter().enumerate() {
        if let Some(output) = input.name.strip_suffix("_buffer") {
            let dtype = g.input_type(i).dtype;
            let before: Vec<i64> = (0..given.places).map(|_| i64::from(rng.random::<i16>())).collect();
            tensors.insert(input.name.clone(), tensor(dtype, &[given.places as u64], &before));
            given.buffers.insert(output.to_owned(), before);
        }
    }
    (tensors, dims)
}

/// Compares the outputs that a layout has.
fn compare(g: &Graph, got: &[Tensor], want: &Outputs) -> Result<(), String> {
    for (name, want) in want {
        let at = g.outputs.iter().position(|o| o.name == *name).ok_or_else(|| format!("no output {name}"))?;
        let dtype = got[at].dtype();
        let mask = if dtype.size() == 8 { u64::MAX } else { (1 << (8 * dtype.size())) - 1 };
        let got: Vec<u64> = (0..got[at].len()).map(|i| got[at].bits(i)).collect();
        let want: Vec<u64> = want.iter().map(|x| *x as u64 & mask).collect();
        if got != want {
            return Err(format!("{name} is\n{got:?}\nnot\n{want:?}"));
        }
    }
    Ok(())
}

/// Ids of any kind: any bits, mostly experts, all of one, of none, each twice, whole rows of padding.
fn ids(rng: &mut SmallRng, n: usize, experts: i64, wide: bool) -> Vec<i64> {
    let kind = rng.random_range(0..7);
    let mut odd = vec![-1, -2, experts, experts + 1, i64::from(i32::MIN), i64::from(i32::MAX)];
    if wide {
        odd.extend([1 << 32, (1 << 32) + 1, i64::MIN, i64::MAX]);
    }
    let one = |at: usize, rng: &mut SmallRng| match kind {
        0 => of(rng, &odd),
        1 if rng.random_range(0..6) == 0 => of(rng, &odd),
        1 | 2 => rng.random_range(0..experts),
        3 => 0,
        4 => at as i64 / 2 % experts,
        5 => experts - 1,
        _ => any_of(rng, experts, &[-1]),
    };
    (0..n).map(|at| one(at, rng)).collect()
}

fn from_ids(number: u64, engine: &Engine) -> Result<(), String> {
    let mut rng = SmallRng::seed_from_u64(number);
    let rng = &mut rng;
    let kind = AlignEngine::ALL[number as usize % AlignEngine::ALL.len()];
    let (experts, k) = (of(rng, &[1, 2, 8, 16, 48, 72]), of(rng, &[1, 2, 4, 8]));
    let mut spec = spec(rng, kind, experts, k);
    if let (Local::Window(first, end, _), 0) = (spec.local, rng.random_range(0..3)) {
        spec.local = Local::Window(first, end, of(rng, &[1, 2, 4]));
    }
    let (dtype, counted) = (of(rng, &[DType::I32, DType::I64]), rng.random_range(0..3) == 0);
    let chain = Align {
        engine: kind,
        experts: experts as u64,
        top_k: k as u64,
        block: has_blocks(&spec).then_some(spec.block as u64),
        local: match spec.local {
            Local::All => LocalExperts::All,
            Local::Window(first, end, step) => {
                LocalExperts::Window { first: first as u64, end: end as u64, stride_log2: step.ilog2() }
            }
            Local::Map => LocalExperts::Map,
            Local::MapOfBlocks => LocalExperts::MapOfBlocks,
        },
        duplicates: if spec.once { Duplicates::Once } else { Duplicates::Each },
        ranks: spec.ranks as u64,
        capacity: spec.capacity.map(|c| c as u64),
        tail: if spec.keep { Tail::Keep } else { Tail::Fill },
        optional: spec.optional,
        id_dtype: dtype,
        counted_rows: counted,
    };
    let g = chain.graph().map_err(|e| format!("{spec:?}: {e}"))?;
    let at = |e: String| format!("{spec:?}: {e}");
    let rows = of(rng, &[0, 1, 2, 5, 17, 33]);
    let numbers = ids(rng, rows * k, experts, dtype == DType::I64);
    let n = if counted { rng.random_range(0..=rows as i64 + 1) } else { rows as i64 };
    let mut given = Given { rows: n, all_rows: rows as i64, ..Given::default() };
    given.ids = numbers.iter().enumerate().map(|(i, id)| if (i / k) as i64 >= n { -1 } else { *id }).collect();
    given.weights = (0..rows * k).map(|i| i64::from((i as f32 - 3.5).to_bits())).collect();
    let (mut tensors, dims) = beside(rng, &spec, &g, &mut given);
    let shape = [rows as u64, k as u64];
    tensors.insert("ids".to_owned(), tensor(dtype, &shape, &numbers));
    tensors.insert("weights".to_owned(), tensor(DType::F32, &shape, &given.weights));
    tensors.insert("n".to_owned(), tensor(DType::I32, &[], &[n]));
    let inputs: Vec<Tensor> = g.inputs.iter().map(|i| tensors[&i.name].clone()).collect();
    // Where nothing is said of a dim, it is as large as the engine makes it.
    let least = spec.least(rows as i64);
    for (name, extent) in g.symbols.iter().zip(g.extents_of_rows(rows as u64)) {
        let want = match name.as_str() {
            "T" => rows as i64,
            "J" => least.1,
            // Of odd blocks, whole vectors of 4 may begin one more.
            _ => least.0,
        };
        if extent != want as u64
            && !(name == "J" && spec.engine == "sglang" && spec.block % 4 != 0 && extent as i64 == want + 1)
        {
            return Err(at(format!("{name} is {extent} for {rows} rows, not {want}")));
        }
    }
    if spec.engine == "sglang" {
        let bound = g.extents_of_rows(rows as u64);
        let j = g.symbols.iter().position(|s| s == "J").expect("J");
        given.blocks = given.blocks.max(bound[j] as i64);
    }
    let dims: Vec<(&str, u64)> = dims
        .iter()
        .map(|(name, extent)| (name.as_str(), if name == "J" { given.blocks as u64 } else { *extent }))
        .collect();
    let outcome = interp::run(&g, &inputs, &dims).map_err(|e| at(e.to_string()))?;
    let want = spec.outputs(&given);
    if want.len() != g.outputs.len() {
        return Err(at(format!("{} outputs, not {}", g.outputs.len(), want.len())));
    }
    compare(&g, &outcome.outputs, &want).map_err(at)?;
    if number.is_multiple_of(JOINED) {
        let compiled = compile_graph(g.clone(), &pipeline::Options::default()).map_err(|e| at(e.to_string()))?;
        let program = join(&compiled.program).map_err(|e| at(e.to_string()))?.program;
        program.check().map_err(|e| at(e.to_string()))?;
        if program.steps.len() != 1 {
            return Err(at(format!("{} kernels on a GPU", program.steps.len())));
        }
        let ran = interp::program::run(&program, &inputs, &dims).map_err(|e| at(e.to_string()))?;
        if ran.outputs != outcome.outputs {
            return Err(at("phases give other bits".to_owned()));
        }
    }
    if number.is_multiple_of(COMPILED) {
        let plan = engine.compile(&g, &Target::host(), &Options::default()).map_err(|e| at(e.to_string()))?;
        let extents = interp::extents(&g, &inputs, &dims).map_err(|e| at(e.to_string()))?;
        launch::agree(&plan, &extents, &inputs, &outcome.outputs, rng).map_err(at)?;
    }
    Ok(())
}

fn none_is_wrong(all: impl Iterator<Item = Result<(), String>>) {
    let wrong: Vec<String> = all.filter_map(Result::err).collect();
    let shown: Vec<&str> = wrong.iter().take(6).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), shown.join("\n"));
}

#[test]
fn layouts_from_ids_are_what_loops_leave() {
    let engine = Engine::builder().build().expect("an engine");
    none_is_wrong((0..FROM_IDS).map(|number| from_ids(number, &engine)));
}

fn preset_graph(preset: &models::Preset, options: &routers::Options) -> Result<Verified<Graph>, String> {
    let mut chosen = ModelOptions::default();
    for (name, value) in options {
        preset.set(&mut chosen, name, value).map_err(|e| e.to_string())?;
    }
    preset.graph(&chosen).map_err(|e| e.to_string())
}

/// One router with a layout behind it: all else leaves as without it, and the layout is of the ids that leave.
fn behind_a_router(number: u64) -> Result<bool, String> {
    let mut rng = SmallRng::seed_from_u64(3 << 32 | number);
    let rng = &mut rng;
    let model = &MODELS[number as usize % MODELS.len()];
    let preset = models::named(model.name).expect("a preset");
    let names: Vec<&'static str> =
        preset.options().map(|o| o.name).filter(|n| *n != "part" && !n.starts_with("align")).collect();
    let mut options = routers::options(rng, model, &names, &[16, 24, 32, 48]);
    // As they leave, and all that is known of them.
    options.retain(|o| !["output", "pack", "ids", "weights", "strided"].contains(&o.0));
    options.retain(|(name, value)| !(*name == "padding" && value == "zero" || *name == "identity_id"));
    let Ok(plain) = preset_graph(preset, &options) else { return Ok(false) };
    let kind = AlignEngine::ALL[(number / MODELS.len() as u64) as usize % AlignEngine::ALL.len()];
    let c = Choice::new(*model, options.clone());
    let k = plain.output_type(plain.outputs.iter().position(|o| o.name == "ids_out").expect("ids")).shape[1];
    let k = k.as_const().expect("a constant") as usize;
    let value = |name: &str| options.iter().find(|o| o.0 == name).map(|o| o.1.as_str());
    let shared = if value("shared").is_none_or(|s| s == "none") || value("balance_shared") == Some("true") {
        0
    } else {
        k as u64 - c.k as u64
    };
    let experts = match value("expert_parallel") {
        Some(ep) => {
            let of_rank: u64 = ep.split(':').next().unwrap_or_default().parse().expect("L");
            c.physical as u64 + c.physical as u64 / of_rank * c.shared as u64
        }
        None => c.physical as u64 + shared,
    };
    let mut spec = spec(rng, kind, experts as i64, k);
    spec.ranks = if experts.is_multiple_of(2) { 2 } else { 1 };
    let mut with = options.clone();
    with.push(("align", kind.name().to_owned()));
    if has_blocks(&spec) {
        with.push(("align_block", spec.block.to_string()));
    }
    match spec.local {
        Local::All => {}
        Local::Window(first, end, _) => with.push(("align_experts", format!("{first}:{end}"))),
        Local::Map => with.push(("align_experts", "map".to_owned())),
        Local::MapOfBlocks => with.push(("align_experts", "map_of_blocks".to_owned())),
    }
    if spec.once {
        with.push(("align_duplicates", "once".to_owned()));
    }
    if spec.engine == "deepep" {
        with.push(("align_ranks", spec.ranks.to_string()));
    }
    with.extend(spec.capacity.map(|n| ("align_capacity", n.to_string())));
    with.extend(spec.keep.then(|| ("align_tail", "keep".to_owned())));
    with.extend(spec.optional.then(|| ("align_optional", "true".to_owned())));
    let at = |e: String| format!("{number}: {} {with:?}: {e}", model.name);
    let g = preset_graph(preset, &with).map_err(at)?;
    let rows = of(rng, &[0, 1, 3, 9]);
    let (_, plain_inputs) = inputs::draw(rng, &c, &plain, rows);
    let before = interp::run(&plain, &plain_inputs, &[("T", rows as u64)]).map_err(|e| at(e.to_string()))?;
    let output = |name: &str| {
        let i = plain.outputs.iter().position(|o| o.name == name).expect("an output");
        before.outputs[i].clone()
    };
    let (left, weights) = (output("ids_out"), output("weights_out"));
    let mut given = Given { all_rows: rows as i64, ..Given::default() };
    given.ids = (0..left.len()).map(|i| i64::from(left.bits(i) as i32)).collect();
    given.weights = (0..weights.len()).map(|i| weights.bits(i) as i64).collect();
    let n = plain.inputs.iter().position(|i| i.name == "n").map(|i| i64::from(plain_inputs[i].bits(0) as i32));
    // Rows are counted where padding is masked by their number, and not where only a record is.
    let masked = value("padding").is_some_and(|p| p != "keep");
    given.rows = n.filter(|_| masked).unwrap_or(rows as i64);
    let (tensors, dims) = beside(rng, &spec, &g, &mut given);
    if spec.engine == "sglang" {
        let j = g.symbols.iter().position(|s| s == "J").expect("J");
        given.blocks = given.blocks.max(g.extents_of_rows(rows as u64)[j] as i64);
    }
    let mut dims: Vec<(&str, u64)> = dims
        .iter()
        .map(|(name, extent)| (name.as_str(), if name == "J" { given.blocks as u64 } else { *extent }))
        .collect();
    dims.push(("T", rows as u64));
    let given_inputs: Vec<Tensor> = g
        .inputs
        .iter()
        .map(|input| match plain.inputs.iter().position(|p| p.name == input.name) {
            Some(i) => plain_inputs[i].clone(),
            None => tensors[&input.name].clone(),
        })
        .collect();
    let after = interp::run(&g, &given_inputs, &dims).map_err(|e| at(e.to_string()))?;
    if after.outputs[..before.outputs.len()] != before.outputs[..] {
        return Err(at("a layout changes what leaves without it".to_owned()));
    }
    compare(&g, &after.outputs, &spec.outputs(&given)).map_err(at)?;
    Ok(true)
}

#[test]
fn layouts_behind_routers_are_of_the_ids_that_leave() {
    let mut compared = 0;
    none_is_wrong((0..BEHIND_ROUTERS).map(|number| behind_a_router(number).map(|done| compared += u64::from(done))));
    assert!(compared > BEHIND_ROUTERS / 2, "{compared} of {BEHIND_ROUTERS}");
}

/// What an engine has not, what nothing reads, and what would be laid out though it is no expert, is refused.
#[test]
fn layouts_that_cannot_be_right_are_refused() {
    let preset = models::named("deepseek-v3").expect("a preset");
    let cases: [(&[(&'static str, &str)], &str); 12] = [
        (&[("align_block", "16")], "RF1004: `deepseek-v3`: `align_block` has no effect: no items are laid out"),
        (&[("align_ranks", "4")], "RF1004: `deepseek-v3`: `align_ranks` has no effect: no items are laid out"),
        (
            &[("align", "vllm"), ("align_ranks", "4")],
            "RF1004: `deepseek-v3`: `align_ranks` has no effect: only DeepEP's layout is of ranks",
        ),
        (
            &[("align", "vllm"), ("align_tail", "keep")],
            "RF1004: `deepseek-v3`: `align`: `vllm` fills its outputs to their end",
        ),
        (&[("align", "vllm"), ("align_block", "0")], "RF1003: `deepseek-v3`: `align`: blocks of 0 places"),
        (
            &[("align", "vllm"), ("align_capacity", "8")],
            "RF1004: `deepseek-v3`: `align`: `vllm` has no capacity of an expert",
        ),
        (
            &[("align", "sglang"), ("align_experts", "map_of_blocks")],
            "RF1004: `deepseek-v3`: `align`: `sglang` maps no blocks",
        ),
        (
            &[("align", "trtllm"), ("align_experts", "9:9")],
            "RF1003: `deepseek-v3`: `align`: experts 9 to 9 are no part of the 256 experts",
        ),
        (
            &[("align", "deepep"), ("align_ranks", "3")],
            "RF1003: `deepseek-v3`: `align`: 3 ranks do not share 256 experts evenly",
        ),
        (
            &[("align", "deepep"), ("align_experts", "map")],
            "RF1004: `deepseek-v3`: `align`: `deepep` is of all experts",
        ),
        (
            &[("align", "gshard")],
            "RF1004: `deepseek-v3`: `align`: `gshard` drops what is above a capacity, and there is none",
        ),
        (
            &[("align", "vllm"), ("padding", "zero")],
            "RF1004: `deepseek-v3`: with `padding=zero`, slots without an expert would be laid out as those of expert 0",
        ),
    ];
    for (options, message) in cases {
        let options: routers::Options = options.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        let refused = preset_graph(preset, &options).map(|_| ()).expect_err(message);
        assert_eq!(refused.lines().next(), Some(message));
        assert!(refused.contains("help: "), "{refused}");
    }
}
