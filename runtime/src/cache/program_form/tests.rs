//! Every kind of plan as bytes and back; bytes of any kind.

use super::*;
use routefuse_ir::program::Taken;
use routefuse_ir::target::Target;
use routefuse_ir::text;
use routefuse_passes::join::join;
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::schedule_of;

/// Every kind of value, buffer, layout and alias.
const GRAPHS: [&str; 2] = [
    "route 1
graph @router {
  dim T
  input %logits : bf16[T, 32] rows
  input %bias : f32[32]
  input %n : i32[]
  input %map : i32[32]
  input %record : i64[288]
  %x = cast %logits {dtype = f32}
  %scores = sigmoid %x
  %b = broadcast %bias {shape = [T, 32]}
  %biased = add %scores, %b
  %group_scores = group_score %biased {groups = 8, score = top2_sum}
  %kept = group_mask %biased, %group_scores {keep = 4, masked = neg_inf}
  %ids = topk %kept {k = 8, candidates = above_neg_inf, order = value}
  %chosen = gather_row %scores, %ids {out_of_range = pass}
  %weights = renorm %chosen {denominator = plus_epsilon, epsilon = 1e-20}
  %running = cumsum %weights
  %physical = gather %map, %ids {out_of_range = fill(-1)}
  %masked = mask_rows %physical, %n {fill = -1}
  %one = const {dtype = i64, value = 1}
  %recorded = atomic_add %record, %masked, %one
  output record_out = %recorded in_place(record)
  output ids_out = %masked rows
  output weights_out = %weights
  output running = %running
}
",
    "route 1
graph @chain {
  dim T
  dim N >= 3 * min(4 * T, floor((T - 30) / 7))
  input %ids : i32[T, 4] strided
  input %table : i32[N]
  input %weights : f32[T, 4]
  %physical = gather %table, %ids {out_of_range = trap}
  %bits = bitcast %weights {dtype = u32}
  %first = slice %bits {start = 0, stop = 2}
  %both = concat %first, %bits
  %copied = copy %weights
  output physical = %physical
  output both = %both
  output copied = %copied guarded(weights)
}
",
];

/// What is joined to phases of one launch on a GPU.
const PHASES: &str = "route 1
graph @align {
  dim T
  dim C
  input %ids : i32[T, 4]
  %counts = bin_count %ids {bins = 8}
  %starts = bin_starts %counts {align = 4}
  %fill = const {dtype = i32, value = -1}
  %sorted = bin_scatter %ids, %ids, %starts, %fill {shape = [C]}
  output sorted = %sorted
  output counts = %counts
}
";

/// The same behind rows, which few have one kernel with.
const AT_ONCE: &str = "route 1
graph @behind {
  dim T
  dim C
  input %logits : f32[T, 8]
  %ids = topk %logits {k = 4}
  %counts = bin_count %ids {bins = 8}
  %starts = bin_starts %counts {align = 4}
  %fill = const {dtype = i32, value = -1}
  %sorted = bin_scatter %ids, %ids, %starts, %fill {shape = [C]}
  output sorted = %sorted
}
";

fn joined(source: &str) -> (Program, Vec<Schedule>) {
    let graph = text::parse_verified(source).unwrap_or_else(|e| panic!("{e:?}"));
    let program = join(&compile_graph(graph, &Options::default()).unwrap().program).unwrap().program;
    let target = Target::named("gfx1100").unwrap();
    let schedules: Vec<Schedule> = program.steps.iter().map(|s| schedule_of(&s.kernel, target)).collect();
    (program, schedules)
}

fn phased() -> (Program, Vec<Schedule>) {
    let plan = joined(PHASES);
    assert!(matches!(plan.1[..], [Schedule::Phased { .. }]));
    plan
}

fn at_once() -> (Program, Vec<Schedule>) {
    let plan = joined(AT_ONCE);
    // Few rows, others on either side of those that are counted in chunks, and these.
    let [few, one, two, in_chunks] = &plan.1[..] else { panic!("{} kernels", plan.1.len()) };
    assert!(matches!((few, in_chunks), (Schedule::AtOnce { .. }, Schedule::InChunks { .. })));
    assert!(matches!((one, two), (Schedule::Row { .. }, Schedule::Phased { .. })));
    assert!(plan.0.steps[1..3].iter().all(|step| step.taken.is_some_and(|taken| taken.except.is_some())));
    plan
}

fn plans() -> Vec<(Program, Vec<Schedule>)> {
    let mut all = Vec::new();
    for source in GRAPHS {
        let graph = text::parse_verified(source).unwrap_or_else(|e| panic!("{e:?}"));
        for (fuse, target) in [(true, "host"), (true, "sm_90"), (false, "gfx942")] {
            let program = compile_graph(graph.clone(), &Options::default().fuse(fuse)).unwrap().program;
            let target = Target::named(target).unwrap();
            let schedules = program.steps.iter().map(|s| schedule_of(&s.kernel, target)).collect();
            all.push((program, schedules));
        }
    }
    all
}

fn same(a: &(Program, Vec<Schedule>), b: &(Program, Vec<Schedule>)) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

#[test]
fn nothing_is_lost() {
    for plan in plans().into_iter().chain([phased(), at_once()]) {
        let bytes = encode(&plan.0, &plan.1).unwrap();
        let read = decode(&bytes).unwrap_or_else(|e| panic!("{}: {e}", plan.0.name));
        assert!(same(&read, &plan), "{}", plan.0.name);
        for (read, kernel) in read.0.steps.iter().zip(&plan.0.steps) {
            assert_eq!(read.kernel.canonical_text(), kernel.kernel.canonical_text());
        }
    }
}

/// What is cut is refused, and every byte means something: a changed one is refused or is another plan. Nothing panics.
#[test]
fn any_bytes_are_read_or_refused() {
    for plan in plans().into_iter().take(4).chain([phased(), at_once()]) {
        let bytes = encode(&plan.0, &plan.1).unwrap();
        // Every third cut and every seventh byte: the whole takes a minute.
        for end in (0..bytes.len()).step_by(3) {
            assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
        }
        for at in (0..bytes.len()).step_by(7) {
            for bit in [0, 3, 7] {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                if let Ok(read) = decode(&changed) {
                    assert!(!same(&read, &plan), "byte {at} means nothing");
                }
            }
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(decode(&longer).unwrap_err(), Malformed::TooLong { bytes: 1 });
    }
}

#[test]
fn another_version_and_numbers_that_name_nothing_are_refused() {
    let (program, schedules) = plans().remove(0);
    let mut bytes = encode(&program, &schedules).unwrap();
    bytes[0] = 9;
    assert_eq!(decode(&bytes).unwrap_err(), Malformed::Version { found: 9, known: VERSION });
    let mut wrong = program.clone();
    wrong.outputs[0].alias = Alias::InPlace(99);
    assert_eq!(decode(&encode(&wrong, &schedules).unwrap()).unwrap_err(), Malformed::Plan);
    let mut wrong = program.clone();
    wrong.steps[0].buffers[0] = Buffer::Intermediate(99);
    assert_eq!(decode(&encode(&wrong, &schedules).unwrap()).unwrap_err(), Malformed::Plan);
    // A buffer that is there, and of another type than the kernel's parameter.
    let mut wrong = program.clone();
    let last = wrong.inputs.len() - 1;
    wrong.steps[0].buffers[0] =
        if wrong.steps[0].buffers[0] == Buffer::Input(last) { Buffer::Input(0) } else { Buffer::Input(last) };
    assert_eq!(decode(&encode(&wrong, &schedules).unwrap()).unwrap_err(), Malformed::Plan);
    // A kernel without rows is taken by a dim that the program has not.
    let mut wrong = program.clone();
    wrong.steps[0].taken = Some(Taken { symbol: SymbolId(9), least: 0, most: None, except: None });
    assert_eq!(decode(&encode(&wrong, &schedules).unwrap()).unwrap_err(), Malformed::Plan);
    // Extents for which a kernel does not run are not between others.
    for except in [(0, 5), (7, 6), (7, 9), (9, 12)] {
        let mut wrong = program.clone();
        wrong.steps[0].taken = Some(Taken { symbol: SymbolId(0), least: 0, most: Some(9), except: Some(except) });
        assert_eq!(decode(&encode(&wrong, &schedules).unwrap()).unwrap_err(), Malformed::Plan, "{except:?}");
    }
}
