//! Lanes of a schedule as data: of every graph of the corpus and of the examples, on every target, in every shape.

use routefuse_ir::kernel::Kernel;
use routefuse_ir::kernel::analysis::reached;
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_ir::target::Target;
use routefuse_passes::explain::{LaneIs, ScheduleLanes, SpreadLanes};
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::{candidate_shapes, schedule, schedule_of};
use std::path::{Path, PathBuf};

fn graphs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = vec![];
    for folder in ["tests/corpus", "examples", "examples/models"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}")) {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(".route") && !name.starts_with("reject_") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    assert!(paths.len() > 50, "{paths:?}");
    paths
}

/// Every element of the drawn rows is in one lane, and a lane's ranges ascend.
fn every_element_has_one_lane(spread: &SpreadLanes, of: &str) {
    let mut elements = vec![];
    for ranges in &spread.owner {
        assert!(ranges.windows(2).all(|w| w[0][1] + 1 < w[1][0]), "{of}: {ranges:?}");
        elements.extend(ranges.iter().flat_map(|[first, last]| *first..=*last));
    }
    elements.sort_unstable();
    if spread.more_lanes == 0 {
        assert!(elements.iter().copied().eq(0..spread.rows * spread.columns), "{of}: {spread:?}");
    } else {
        elements.dedup_by(|a, b| a == b);
        assert!(elements.iter().all(|e| *e < spread.rows * spread.columns), "{of}: {spread:?}");
    }
}

fn holds(kernel: &Kernel, schedule: &Schedule, target: Target, of: &str) {
    let lanes = ScheduleLanes::of(kernel, schedule, target);
    // Every word of the notation has a meaning.
    let notation = schedule.to_string();
    let words = notation.replace(['[', ']', ':', ';'], " ");
    let mut rest = words.clone();
    for word in &lanes.words {
        assert!(words.contains(&word.term) && !word.meaning.is_empty(), "{of}: {word:?} in {notation}");
        rest = rest.split(' ').filter(|w| !word.term.split(' ').any(|t| t == *w)).collect::<Vec<_>>().join(" ");
    }
    assert_eq!(rest.trim(), "", "{of}: words of {notation} without a meaning");
    // Shapes serve every number of rows, each after the other.
    assert_eq!((lanes.shapes[0].from, lanes.shapes[lanes.shapes.len() - 1].to), (1, None), "{of}");
    assert!(lanes.shapes.windows(2).all(|w| w[0].to.map(|to| to + 1) == Some(w[1].from)), "{of}");
    let reached = reached(kernel);
    for shape in &lanes.shapes {
        shape.spreads.iter().for_each(|s| every_element_has_one_lane(s, of));
        assert!(shape.spreads.is_sorted_by(|a, b| a.columns >= b.columns), "{of}");
        let team = matches!(schedule, Schedule::Row { .. }) && target.info().warp > 1;
        for spread in &shape.spreads {
            assert!(spread.lane != LaneIs::Thread || target.info().warp > 1, "{of}");
            if team {
                assert_eq!(spread.owner.len() as u64 + spread.more_lanes, u64::from(shape.lanes), "{of}");
            }
        }
        // Every output is written once, and every value that is stored or asked for is made once.
        let mut stores: Vec<&String> = shape.phases.iter().flat_map(|p| &p.stores).collect();
        stores.sort();
        let mut outputs: Vec<String> =
            kernel.stores.iter().map(|s| format!("%{}", kernel.param(s.param).name)).collect();
        outputs.sort();
        outputs.dedup();
        assert!(stores.into_iter().eq(&outputs), "{of}: {:?} of {outputs:?}", shape.phases);
        for (id, value) in kernel.values() {
            if reached[id.0 as usize] && value.kind.is_row_value() {
                let name = if value.name.is_empty() { format!("v{}", id.0) } else { format!("%{}", value.name) };
                assert!(shape.phases.iter().any(|p| p.values.contains(&name)), "{of}: no {name} in {:?}", shape.phases);
            }
        }
        for phase in &shape.phases {
            assert_eq!(phase.crosses_lanes, !phase.crossing.is_empty(), "{of}: {phase:?}");
            assert!(!phase.crosses_lanes || shape.lanes > 1, "{of}: {phase:?}");
        }
    }
}

#[test]
fn lanes_of_every_schedule_have_every_column_once() {
    for path in graphs() {
        let source = std::fs::read_to_string(&path).unwrap();
        let graph = routefuse_ir::text::parse_verified(&source).unwrap_or_else(|d| panic!("{}: {d}", path.display()));
        let compiled = compile_graph(graph, &Options::default()).unwrap_or_else(|d| panic!("{d}"));
        for step in &compiled.program.steps {
            for target in Target::all() {
                let of = format!("{} on {target}", path.display());
                let schedule = schedule_of(&step.kernel, target);
                holds(&step.kernel, &schedule, target, &of);
                if ["sm_90", "gfx942"].contains(&target.name()) {
                    for shape in candidate_shapes(&step.kernel, target) {
                        holds(&step.kernel, &schedule.clone().with_shape(shape), target, &format!("{of} in {shape}"));
                    }
                }
            }
        }
    }
}

/// Segments are of any number beside a choice of all columns, and lanes of a row are a power of two all the same.
#[test]
fn any_number_of_segments_has_a_schedule() {
    for (segments, of_one) in [(3, 100), (5, 100), (7, 72), (9, 56), (9, 64), (12, 40), (15, 30)] {
        for dtype in ["bf16", "f16", "f32"] {
            let columns = segments * of_one;
            let source = format!(
                "route 1\ngraph @segments {{\n dim T\n input %x : {dtype}[T, {columns}]\n %s = cast %x {{dtype = f32}}\n \
                 %best = group_score %s {{groups = {segments}, score = max}}\n %ids = topk %x {{k = 8, order = value}}\n \
                 output best = %best\n output ids_out = %ids\n}}"
            );
            let graph = routefuse_ir::text::parse_verified(&source).unwrap_or_else(|d| panic!("{d}"));
            let compiled = compile_graph(graph, &Options::default()).unwrap_or_else(|d| panic!("{d}"));
            for (step, target) in compiled.program.steps.iter().flat_map(|s| Target::all().map(move |t| (s, t))) {
                let scheduled = schedule(step.kernel.clone(), target);
                assert!(scheduled.is_ok(), "{segments} segments of {of_one} {dtype} on {target}: {scheduled:?}");
            }
        }
    }
}
