//! Every model preset through NVIDIA's assembler: registers, no spills, instructions of a row.

use crate::models::{many, routers};
use crate::ptx::check_text;
use crate::snapshot::Snapshots;
use routefuse::ir::{RowShape, Schedule, Scheduled, Selecting, Variant};
use routefuse::{Engine, Options, Target, Verified, models, text};
use routefuse_ir::target::TargetKind;
use routefuse_tests::skips::skip;
use routefuse_tests::tools::{nvdisasm, output, ptxas};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// What the assembler says of a kernel.
struct Usage {
    registers: u64,
    /// Bytes of stack, spill stores and spill loads.
    memory: [u64; 3],
}

fn number_before(text: &str, what: &str) -> u64 {
    let at = text.find(what).unwrap_or_else(|| panic!("no `{what}` in {text}"));
    let word = text[..at].split_whitespace().next_back().unwrap_or_default();
    word.parse().unwrap_or_else(|e| panic!("`{word}` before `{what}`: {e}"))
}

fn assemble(assembler: &Path, sm: &str, ptx: &str, cubin: &Path) -> Usage {
    let source = cubin.with_extension("ptx");
    std::fs::write(&source, ptx).expect("written");
    let mut command = Command::new(assembler);
    let done = command.args(["-v", &format!("-arch={sm}"), "-o"]).args([cubin, &source]).output().expect("it starts");
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}\n{ptx}");
    let memory = ["bytes stack frame", "bytes spill stores", "bytes spill loads"].map(|m| number_before(&said, m));
    Usage { registers: number_before(&said, "registers"), memory }
}

/// The preset's PTX for few rows, or for most.
pub fn ptx(engine: &Engine, example: &models::Example, sm: &str, few: bool) -> (String, Schedule, Variant) {
    let kernel = kernel(engine, example, sm);
    let variant = if few { kernel.variants()[0] } else { many(&kernel) };
    let text = ptx_of(&kernel, variant, example, sm);
    (text, kernel.schedule.clone(), variant)
}

/// The preset's PTX in the shape of this number, and the shape, if it has as many.
fn ptx_of_shape(engine: &Engine, example: &models::Example, sm: &str, shape: usize) -> Option<(String, RowShape)> {
    let kernel = kernel(engine, example, sm);
    let variant = *kernel.variants().iter().find(|variant| usize::from(variant.shape) == shape)?;
    Some((ptx_of(&kernel, variant, example, sm), kernel.schedule.shape(variant).expect("a row schedule")))
}

/// The preset's one kernel.
pub fn kernel(engine: &Engine, example: &models::Example, sm: &str) -> Verified<Scheduled> {
    let graph = example.graph().unwrap_or_else(|e| panic!("{}: {e}", example.file));
    let target = Target::named(sm).expect("a known target");
    let plan = engine.compile(&graph, &target, &Options::default());
    let plan = plan.unwrap_or_else(|e| panic!("{} for {sm}: {e}", example.file));
    assert_eq!(plan.kernels().len(), 1, "{} is one kernel", example.file);
    plan.kernels()[0].clone()
}

fn ptx_of(kernel: &Verified<Scheduled>, variant: Variant, example: &models::Example, sm: &str) -> String {
    let code = routefuse_codegen::compile(kernel, variant, Default::default());
    let code = code.unwrap_or_else(|e| panic!("{} for {sm} {variant}: {e}", example.file)).artifact.code;
    let text = String::from_utf8(code).expect("PTX is text");
    check_text(&format!("{} for {sm} {variant}", example.file), &text);
    text
}

pub fn presets() -> Vec<models::Example> {
    models::examples().into_iter().take(routers() + 1).collect()
}

#[test]
fn registers_without_spills() {
    let columns = [("sm_80", false), ("sm_90", false), ("sm_90", true), ("sm_100", false)];
    let count = (presets().len() * columns.len()) as u64;
    let Some(assembler) = ptxas("sm_90") else { return skip("no ptxas", count, Some("REQUIRE_PTXAS")) };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = Engine::builder().build().expect("an engine");
    let mut table = format!("{:<20} {:>6} {:>6} {:>10} {:>6}\n", "", "sm_80", "sm_90", "sm_90 few", "sm_100");
    let mut spills = vec![];
    for example in presets() {
        let _ = write!(table, "{:<20}", example.file);
        for (sm, few) in columns {
            let (text, ..) = ptx(&engine, &example, sm, few);
            let usage = assemble(&assembler, sm, &text, &folder.path().join("kernel.cubin"));
            let _ = write!(table, " {:>w$}", usage.registers, w = if few { 10 } else { 6 });
            if usage.memory != [0; 3] {
                spills.push(format!("{} for {sm}: stack, stores, loads {:?}", example.file, usage.memory));
            }
        }
        table.push('\n');
    }
    assert!(spills.is_empty(), "{}\n{table}", spills.join("\n"));
    let mut snapshots = Snapshots::new("models");
    snapshots.compare("registers", &table);
    snapshots.finish();
}

/// The most warp instructions of sm_90 a row of DeepSeek-V3 with the long chain: of the loop over rows, or where a warp has
/// its rows once, of the whole kernel.
const MOST_INSTRUCTIONS: u64 = 650;

#[test]
fn instructions_of_a_row() {
    let (Some(assembler), Some(disassembler)) = (ptxas("sm_90"), nvdisasm()) else {
        return skip("no ptxas or nvdisasm", 1, Some("REQUIRE_PTXAS"));
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cubin = folder.path().join("kernel.cubin");
    let engine = Engine::builder().build().expect("an engine");
    let example = presets().into_iter().find(|e| e.file == "deepseek-v3-post").expect("the long chain");
    let (text, schedule, variant) = ptx(&engine, &example, "sm_90", false);
    assemble(&assembler, "sm_90", &text, &cubin);
    let code = output(Command::new(disassembler).arg("-c").arg(&cubin)).unwrap_or_else(|e| panic!("{e}"));
    let shape = schedule.shape(variant).expect("a row schedule");
    let (total, looped) = instructions(&code);
    // A warp that has several rows does them at once.
    let rows = (32 / shape.lanes.min(32)).max(1);
    let a_row = u64::from(if shape.persistent { looped } else { total }) / u64::from(rows);
    println!("{total} instructions, {looped} in the loop over {rows} rows a warp: {a_row} a row ({shape:?})");
    assert!(a_row > 100 && a_row < MOST_INSTRUCTIONS, "{a_row} instructions a row");
}

/// The warp instructions of sm_90 that a router's code has a row, what is seldom run included, in a shape, and as many as its lanes
/// are; and how many of them are of the pipe for integers, which takes one every second cycle, and products of integers, which are of
/// another. Nowhere is code for lanes that are not together, since all of a warp go through all that they exchange.
fn instructions_of_routers(shape: usize, snapshot: &str) {
    let (Some(assembler), Some(disassembler)) = (ptxas("sm_90"), nvdisasm()) else {
        return skip("no ptxas or nvdisasm", presets().len() as u64, Some("REQUIRE_PTXAS"));
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cubin = folder.path().join("kernel.cubin");
    let engine = Engine::builder().build().expect("an engine");
    let mut table = format!("{:<22} {:>12} {:>8} {:>8}  {}\n", "", "instructions", "integers", "products", "shape");
    for example in presets() {
        let Some((text, shape)) = ptx_of_shape(&engine, &example, "sm_90", shape) else { continue };
        assemble(&assembler, "sm_90", &text, &cubin);
        let code = output(Command::new(&disassembler).arg("-c").arg(&cubin)).unwrap_or_else(|e| panic!("{e}"));
        for guard in ["BRA.DIV", "WARPSYNC.COLLECTIVE"] {
            assert!(!code.contains(guard), "{} by {shape}: {guard}", example.file);
        }
        let rows = (32 / shape.lanes.min(32)).max(1);
        let a_row = instructions(&code).0 / rows;
        let of = |pipe: &[&str]| operations(&code).filter(|op| pipe.contains(op)).count() as u32 / rows;
        let (integers, products) = (of(&INTEGERS), of(&["IMAD"]));
        let _ = writeln!(table, "{:<22} {a_row:>12} {integers:>8} {products:>8}  {shape}", example.file);
    }
    let mut snapshots = Snapshots::new("models");
    snapshots.compare(snapshot, &table);
    snapshots.finish();
}

#[test]
fn instructions_where_rows_are_few() {
    instructions_of_routers(0, "instructions_of_few_rows");
}

#[test]
fn instructions_where_rows_are_many() {
    instructions_of_routers(1, "instructions_of_many_rows");
}

/// By blocks with a table of scores, which go on with further rows.
#[test]
fn instructions_where_scores_come_from_a_table() {
    instructions_of_routers(2, "instructions_by_table");
}

/// Where rows are few, all that a row needs of memory is asked for before anything is chosen: logits and bias, how many rows there
/// are, the table of replicas, the shared expert's weight.
#[test]
fn few_rows_ask_memory_once() {
    let engine = Engine::builder().build().expect("an engine");
    let chains = ["deepseek-v3-post", "kimi-k2-post", "minimax-m2.5-post", "nemotron-3-super", "longcat-flash"];
    for example in models::examples().into_iter().filter(|e| chains.contains(&e.file)) {
        let (text, schedule, variant) = ptx(&engine, &example, "sm_90", true);
        // A row of 768 columns has two warps, narrower ones have one.
        let lanes = if example.file == "longcat-flash" { 64 } else { 32 };
        assert_eq!(schedule.shape(variant).map(|shape| shape.lanes), Some(lanes), "{}", example.file);
        let op = |op: &'static str| move |l: &(usize, &str)| l.1.trim_start().starts_with(op);
        // The largest of a softmax is asked for first; columns are chosen in the rounds behind the wait for all lanes.
        let chosen = text.lines().enumerate().find(op("bar.")).unwrap_or_else(|| panic!("{}: no wait", example.file)).0;
        let loads: Vec<_> = text.lines().enumerate().filter(op("ld.global")).collect();
        assert!(loads.len() > 2, "{}: {loads:?}", example.file);
        assert!(loads.iter().all(|(line, _)| *line < chosen), "{}: behind line {chosen}: {loads:?}", example.file);
    }
}

/// The PTX of a graph in its shape for most rows, and that shape.
fn ptx_for_many(engine: &Engine, source: &str, sm: &str) -> (String, RowShape) {
    let graph = text::parse_verified(source).unwrap_or_else(|e| panic!("{e}\n{source}"));
    let plan = engine.compile(&graph, &Target::named(sm).expect("a known target"), &Options::default());
    let plan = plan.unwrap_or_else(|e| panic!("{e}\n{source}"));
    let kernel = &plan.kernels()[0];
    let code = routefuse_codegen::compile(kernel, many(kernel), Default::default()).unwrap_or_else(|e| panic!("{e}"));
    let shape = kernel.schedule.shape(many(kernel)).expect("a row schedule");
    (String::from_utf8(code.artifact.code).expect("PTX is text"), shape)
}

/// Of rows that are seldom, more lanes than there are pieces of a block of keys look through it: the key that one strikes out is read by
/// no other meanwhile.
#[test]
fn a_key_is_struck_out_between_barriers() {
    let engine = Engine::builder().build().expect("an engine");
    let source = softmax_router("bf16", None, "");
    let graph = text::parse_verified(&source).unwrap_or_else(|e| panic!("{e}\n{source}"));
    let plan =
        engine.compile(&graph, &Target::named("sm_90").expect("a known target"), &Options::default()).expect("a plan");
    let mut kernel = Scheduled::clone(&plan.kernels()[0]);
    kernel.schedule = kernel.schedule.with_shape("lanes=32 threads=128 sorted".parse().expect("a shape"));
    let variant = kernel.schedule.variants(TargetKind::Nvptx)[0];
    let kernel = kernel.verify().unwrap_or_else(|e| panic!("{e}"));
    let code = routefuse_codegen::compile(&kernel, variant, Default::default()).unwrap_or_else(|e| panic!("{e}"));
    let text = String::from_utf8(code.artifact.code).expect("PTX is text");
    let event = |line: &str| match line.trim_start() {
        l if l.starts_with("ld.shared.v4") => Some("reads keys"),
        l if l.starts_with('@') && l.contains("st.shared.b32") => Some("one writes"),
        l if l.starts_with("bar.warp.sync") => Some("barrier"),
        _ => None,
    };
    let events: Vec<&str> = text.lines().filter_map(event).collect();
    let round = ["reads keys", "one writes", "barrier", "one writes", "barrier", "reads keys"];
    assert!(events.windows(round.len()).any(|events| events == round), "{events:?}");
}

/// A softmax that columns are chosen from, by way of groups or not, and what else is stored.
fn softmax_router(dtype: &str, groups: Option<&str>, stored: &str) -> String {
    let kept = groups.map_or("%kept = copy %scores : f32[T, 128]".to_owned(), |score| {
        format!(
            "%group_scores = group_score %scores {{groups = 8, score = {score}}} : f32[T, 8]
  %kept = group_mask %scores, %group_scores {{keep = 3, masked = neg_inf}} : f32[T, 128]"
        )
    });
    format!(
        "route 1
graph @router {{
  dim T
  input %logits : {dtype}[T, 128]
  %wide = cast %logits {{dtype = f32}} : f32[T, 128]
  %scores = softmax %wide : f32[T, 128]
  {kept}
  %ids = topk %kept {{k = 6, candidates = above_neg_inf, order = value}} : i32[T, 6]
  %weights = gather_row %kept, %ids {{out_of_range = pass}} : f32[T, 6]
  output ids_out = %ids : i32[T, 6]
  output weights_out = %weights : f32[T, 6]
  {stored}
}}"
    )
}

/// Columns are chosen by logits before anything is made of all of them, if nobody else wants what is made: then no power of e is kept
/// in registers for a row that has to be done by the letter.
#[test]
fn a_softmax_is_made_behind_the_choice_from_it() {
    let engine = Engine::builder().build().expect("an engine");
    // The first coefficient of the exponential, scaled or not, and the first vote: whether a row is done by the letter.
    let is_behind = |ptx: &str| {
        let power = ["0f1A3517E5", "0f3AB517E5"].iter().filter_map(|coefficient| ptx.find(coefficient)).min();
        let vote = ptx.find("vote.sync.").unwrap_or_else(|| panic!("no vote\n{ptx}"));
        power.is_some_and(|power| vote < power)
    };
    let all = "output scores_out = %scores : f32[T, 128]";
    for (sm, dtype, groups, stored, behind, lanes) in [
        ("sm_90", "bf16", None, "", true, 4),
        ("sm_80", "bf16", None, "", true, 4),
        ("sm_90", "bf16", Some("max"), "", true, 8),
        // What has all of a softmax to store makes it first.
        ("sm_90", "bf16", None, all, false, 4),
        // There are no instructions for pairs of these.
        ("sm_90", "f16", None, "", false, 4),
        ("sm_75", "bf16", None, "", false, 16),
    ] {
        let (ptx, shape) = ptx_for_many(&engine, &softmax_router(dtype, groups, stored), sm);
        let what = format!("{dtype} for {sm}, groups by {groups:?}, {stored}: {shape}");
        assert_eq!((is_behind(&ptx), shape.lanes), (behind, lanes), "{what}");
    }
    // Where the two best of a group are added, or all of them is stored, no order of logits says the groups.
    for (groups, stored) in [("top2_sum", ""), ("max", all)] {
        let (_, shape) = ptx_for_many(&engine, &softmax_router("bf16", Some(groups), stored), "sm_90");
        assert_ne!(shape.selecting, Selecting::Sorted, "{groups}, {stored}: {shape}");
    }
}

/// A way that is seldom taken is as short as it can be: the assembler leaves its loop a loop.
#[test]
fn rounds_that_are_seldom_stay_in_a_loop() {
    let (Some(assembler), Some(disassembler)) = (ptxas("sm_90"), nvdisasm()) else {
        return skip("no ptxas or nvdisasm", 2, Some("REQUIRE_PTXAS"));
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cubin = folder.path().join("kernel.cubin");
    let engine = Engine::builder().build().expect("an engine");
    for example in presets().into_iter().filter(|e| ["deepseek-v3", "qwen3-moe"].contains(&e.file)) {
        let (text, ..) = ptx(&engine, &example, "sm_90", true);
        assemble(&assembler, "sm_90", &text, &cubin);
        let code = output(Command::new(&disassembler).arg("-c").arg(&cubin)).unwrap_or_else(|e| panic!("{e}"));
        // Eight rounds, written out, and one in a loop.
        assert_eq!(code.matches("REDUX").count(), 9, "{}", example.file);
    }
}

/// Where lanes of many rows do little but sort, the lesser of two keys is made by products for some: for pairs of `bf16` and for long
/// lists, on GPUs that have a pipe for products.
#[test]
fn lesser_keys_are_made_by_products_where_sorting_is_most_of_the_work() {
    let engine = Engine::builder().build().expect("an engine");
    let (factors, products) = ("%ntid.y", "mad.lo.s32");
    for (sm, file, few, some) in [
        ("sm_90", "gemma-4", false, true),
        ("sm_80", "qwen3-moe", false, true),
        ("sm_90", "deepseek-v2", false, true),
        ("sm_90", "nemotron-3-super", false, true),
        // Rows that are few wait for each instruction.
        ("sm_90", "gemma-4", true, false),
        // Sigmoids are work for the pipe of products as well.
        ("sm_90", "deepseek-v3", false, false),
        ("sm_75", "gemma-4", false, false),
    ] {
        let example = presets().into_iter().find(|e| e.file == file).expect("a preset");
        let (text, ..) = ptx(&engine, &example, sm, few);
        // Two for each exchange. The factors are asked for once a list, or a few times.
        let (factors, products) = (text.matches(factors).count(), text.matches(products).count());
        assert_eq!(
            (factors > 0, products > 40),
            (some, some),
            "{file} for {sm}: {factors} factors, {products} products"
        );
        assert!(factors < 10, "{file} for {sm}: {factors} factors");
    }
}

/// Lists of up to eight are sorted by the floats themselves, where the greater and the lesser of two are an instruction each that passes
/// a NaN on; the one key for each column is then of rows that are seldom.
#[test]
fn floats_are_sorted_as_they_are() {
    let engine = Engine::builder().build().expect("an engine");
    for (sm, file, floats) in [
        ("sm_90", "deepseek-v3", true),
        ("sm_90", "kimi-k2", true),
        ("sm_80", "deepseek-v4", true),
        ("sm_100", "glm-4.5", true),
        // There is no such instruction.
        ("sm_75", "kimi-k2", false),
        // Of longer lists products make the lesser key, exactly for integers.
        ("sm_90", "nemotron-3-super", false),
    ] {
        let example = presets().into_iter().find(|e| e.file == file).expect("a preset");
        let (text, ..) = ptx(&engine, &example, sm, false);
        let [floats_sorted, words_sorted] = ["max.NaN.f32", "max.u32"].map(|op| text.matches(op).count());
        assert_eq!(floats_sorted > 100, floats, "{file} for {sm}");
        assert!(!floats || words_sorted < 50, "{file} for {sm}: {words_sorted}");
        // A mark is the sign of a difference, and takes no comparison.
        assert_eq!(text.matches("shf.l.wrap.b32").count() >= 32, floats, "{file} for {sm}");
    }
}

/// Rows of up to 1,024 columns are sorted by half a warp each, whose lanes have up to 64 columns, if no lists are as good by fewer;
/// a softmax of so many columns would be short of registers.
#[test]
fn wide_rows_have_half_a_warp() {
    let engine = Engine::builder().build().expect("an engine");
    let router = |columns: u64, score: &str, dtype: &str| {
        format!(
            "route 1
graph @router {{
  dim T
  input %logits : {dtype}[T, {columns}]
  %wide = cast %logits {{dtype = f32}} : f32[T, {columns}]
  %scores = {score} %wide : f32[T, {columns}]
  %ids = topk %scores {{k = 16, candidates = above_neg_inf, order = value}} : i32[T, 16]
  output ids_out = %ids : i32[T, 16]
}}"
        )
    };
    for (columns, score, dtype, shape) in [
        (896, "sigmoid", "bf16", "lanes=16 threads=128 sorted"),
        (1024, "sigmoid", "f16", "lanes=16 threads=128 sorted"),
        (768, "sigmoid", "bf16", "lanes=16 threads=128 sorted"),
        (512, "sigmoid", "f16", "lanes=16 threads=128 sorted"),
        // Their scores come from a table.
        (512, "sigmoid", "bf16", "lanes=16 threads=768 persistent sorted table=156"),
        (1025, "sigmoid", "bf16", "lanes=256 threads=256 lists_in_memory"),
        (896, "softmax", "f16", "lanes=32 threads=128 lists_in_memory"),
    ] {
        let found = ptx_for_many(&engine, &router(columns, score, dtype), "sm_90").1;
        assert_eq!(found.to_string(), shape, "{score} of {columns} columns of {dtype}");
    }
}

/// What is made of the many columns of a lane is made run by run, in a loop: each run of eight is as much code as all of them.
#[test]
fn many_columns_of_a_lane_are_made_in_a_loop() {
    let engine = Engine::builder().build().expect("an engine");
    let router = |columns: u64, dtype: &str| {
        format!(
            "route 1
graph @router {{
  dim T
  input %logits : {dtype}[T, {columns}]
  input %bias : f32[{columns}]
  %wide = cast %logits {{dtype = f32}} : f32[T, {columns}]
  %scores = sigmoid %wide : f32[T, {columns}]
  %bias_of_rows = broadcast %bias {{shape = [T, {columns}]}} : f32[T, {columns}]
  %biased = add %scores, %bias_of_rows : f32[T, {columns}]
  %ids = topk %biased {{k = 16, candidates = above_neg_inf, order = value}} : i32[T, 16]
  output ids_out = %ids : i32[T, 16]
}}"
        )
    };
    // A sigmoid has one reciprocal.
    for (columns, dtype, made) in [(896, "bf16", 8), (904, "f16", 8), (1024, "bf16", 8), (512, "f16", 32)] {
        let (text, shape) = ptx_for_many(&engine, &router(columns, dtype), "sm_90");
        assert_eq!(shape.lanes, 16, "{columns} columns of {dtype}");
        let found = text.lines().filter(|line| line.trim_start().starts_with("rcp.approx")).count();
        assert_eq!(found, made, "{columns} columns of {dtype}");
    }
}

/// Each power of a softmax that columns are chosen from by its logits takes its difference and its clamp in one step.
#[test]
fn powers_are_clamped_where_they_are_made() {
    let engine = Engine::builder().build().expect("an engine");
    for (file, columns) in [("qwen3-moe", 32), ("mixtral", 8), ("deepseek-v2", 24)] {
        let example = presets().into_iter().find(|e| e.file == file).expect("a preset");
        let (text, ..) = ptx(&engine, &example, "sm_90", false);
        assert_eq!(text.matches("fma.rn.sat.f32").count(), columns, "{file}");
    }
}

/// A factor that the assembler knew would be an addition again.
#[test]
fn lesser_keys_stay_products() {
    let (Some(assembler), Some(disassembler)) = (ptxas("sm_90"), nvdisasm()) else {
        return skip("no ptxas or nvdisasm", 1, Some("REQUIRE_PTXAS"));
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cubin = folder.path().join("kernel.cubin");
    let engine = Engine::builder().build().expect("an engine");
    let example = presets().into_iter().find(|e| e.file == "gemma-4").expect("a preset");
    let (text, ..) = ptx(&engine, &example, "sm_90", false);
    assemble(&assembler, "sm_90", &text, &cubin);
    let code = output(Command::new(&disassembler).arg("-c").arg(&cubin)).unwrap_or_else(|e| panic!("{e}"));
    let (wanted, products) = (text.matches("mad.lo.s32").count(), operations(&code).filter(|op| *op == "IMAD").count());
    assert!(products >= wanted, "{products} products of {wanted}");
}

/// Operations of sm_90 that are of the pipe for integers and comparisons.
const INTEGERS: [&str; 27] = [
    "FMNMX",
    "FSEL",
    "FSET",
    "FSETP",
    "HMNMX2",
    "HSET2",
    "HSETP2",
    "IADD3",
    "IMNMX",
    "ISETP",
    "LEA",
    "LOP3",
    "MOV",
    "P2R",
    "PLOP3",
    "PRMT",
    "R2P",
    "SEL",
    "SGXT",
    "SHF",
    "BMSK",
    "IABS",
    "VABSDIFF",
    "VIADD",
    "VIADDMNMX",
    "VIMNMX",
    "VIMNMX3",
];

/// The operations of a kernel's instructions, without what is said of them behind a point.
fn operations(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter_map(|line| {
        let (_, text) = line.trim().strip_prefix("/*")?.split_once("*/")?;
        let text = text.trim();
        let operation = text.split_whitespace().find(|word| !word.starts_with('@'))?;
        let name = operation.split(['.', ';']).next()?;
        (!text.starts_with("/*")).then_some(name)
    })
}

/// Instructions in all, and those of the longest loop: from a label to the last branch back to it.
fn instructions(code: &str) -> (u32, u32) {
    let mut labels: Vec<(&str, u32)> = vec![];
    let (mut count, mut longest) = (0, 0);
    for line in code.lines().map(str::trim) {
        if let Some(label) = line.strip_suffix(':') {
            labels.push((label, count));
        }
        let Some((_, text)) = line.strip_prefix("/*").and_then(|l| l.split_once("*/")) else { continue };
        let text = text.trim();
        // The encoding of an instruction takes lines without one.
        if text.is_empty() || text.starts_with("/*") {
            continue;
        }
        count += 1;
        if text.contains("BRA")
            && let Some((_, start)) = labels.iter().find(|(label, _)| text.contains(&format!("({label})")))
        {
            longest = longest.max(count - start);
        }
    }
    (count, longest)
}
