//! Shapes that were measured instead of built in: which there are to measure, and how a record of them is followed.

use super::{candidate_shapes, row, schedule_in};
use routefuse_ir::kernel::Kernel;
use routefuse_ir::kernel::schedule::tuning::Tuning;
use routefuse_ir::kernel::schedule::{RowShape, Scheduled};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Code, Diagnostic, Verified};

/// Threads of the blocks that a shape is tried with.
const BLOCKS: [u32; 4] = [32, 64, 128, 256];

/// Every shape that a tuning may choose for the kernel on the target, each for any number of rows: those of
/// [`candidate_shapes`], and the same lanes in [other blocks](other_blocks).
pub fn tunable_shapes(kernel: &Verified<Kernel>, target: Target) -> Vec<RowShape> {
    let mut shapes = candidate_shapes(kernel, target);
    for shape in shapes.clone() {
        for other in other_blocks(kernel, target, shape) {
            if !shapes.contains(&other) {
                shapes.push(other);
            }
        }
    }
    shapes
}

/// The shape in blocks of other sizes, as far as they fit the kernel and the target. None where a whole block has a row.
pub fn other_blocks(kernel: &Verified<Kernel>, target: Target, shape: RowShape) -> Vec<RowShape> {
    if target.kind() == TargetKind::Host || shape.lanes > target.info().warp {
        return vec![];
    }
    let others = BLOCKS.into_iter().filter(|threads| *threads != shape.threads && *threads >= target.info().warp);
    let shapes = others.map(|threads| RowShape { threads, ..shape });
    shapes.filter(|shape| schedule_in(kernel.clone(), target, Some(*shape)).is_ok()).collect()
}

/// Whether a tuning may choose this shape: one of those that are worth a trial, or the same lanes in another block. Whether it
/// fits, the verifier of schedules says.
fn may_choose(kernel: &Kernel, target: Target, shape: RowShape) -> bool {
    let in_block = |shape: &RowShape, like: RowShape| {
        shape.lanes <= target.info().warp
            && BLOCKS.contains(&like.threads)
            && RowShape { threads: like.threads, ..*shape } == like
    };
    row::candidates(kernel, target).iter().any(|candidate| *candidate == shape || in_block(candidate, shape))
}

/// The kernel with the shapes of a record in the place of its own.
///
/// # Errors
/// `RF0312` for a shape that no tuning of this kernel on this target would choose, or that does not fit it.
pub fn follow(scheduled: &Verified<Scheduled>, tuning: &Tuning) -> Result<Verified<Scheduled>, Diagnostic> {
    let Scheduled { kernel, schedule, target } = &**scheduled;
    for shape in tuning.shapes.iter().map(|shape| shape.any_rows()) {
        let is_built_in = schedule.shapes().iter().any(|s| s.any_rows() == shape);
        if !is_built_in && !may_choose(kernel, *target, shape) {
            let message = format!("the shape `{shape}` is none that kernel `{}` may have on `{target}`", kernel.name);
            return Err(Diagnostic::new(Code::CountOutOfRange, message).help("tune the card anew"));
        }
    }
    let schedule = schedule.clone().with_shapes(tuning.shapes.clone());
    let tuned = Scheduled { kernel: kernel.clone(), schedule, target: *target }.verify()?;
    tuned.check_code_size()?;
    Ok(tuned)
}

#[cfg(test)]
mod tests {
    use super::super::{schedule, search};
    use super::*;
    use crate::fuse::fuse;
    use routefuse_ir::{DType, Dim, GraphBuilder};

    /// Eight of so many columns are chosen.
    fn router(columns: u64) -> Verified<Kernel> {
        let text = format!(
            "route 1\ngraph @router {{\n  dim T\n  input %x : bf16[T, {columns}]\n  %ids = topk %x {{k = 8}}\n  output ids = %ids\n}}\n"
        );
        let graph = routefuse_ir::text::parse_verified(&text).expect("a graph");
        fuse(&graph, |_| false).expect("kernels").program.steps[0].kernel.clone()
    }

    fn record(shapes: Vec<RowShape>) -> Tuning {
        Tuning { card: String::new(), driver: String::new(), shapes, rows: vec![1], trials: vec![] }
    }

    #[test]
    fn every_shape_that_a_tuning_may_choose_can_be_followed() {
        for (name, columns) in [("sm_90", 32), ("sm_90", 256), ("sm_70", 2048), ("gfx942", 512), ("gfx1100", 128)] {
            let (kernel, target) = (router(columns), Target::named(name).expect("a target"));
            let built_in = schedule(kernel.clone(), target).expect("a schedule");
            let shapes = tunable_shapes(&kernel, target);
            assert!(shapes.len() > 4, "{name} {columns}: {shapes:?}");
            for (at, shape) in shapes.iter().enumerate() {
                assert!(!shapes[..at].contains(shape) && shape.most_rows.is_none(), "{shape}");
                let tuned = follow(&built_in, &record(vec![*shape])).expect("a schedule");
                assert_eq!(tuned.schedule.shapes(), [*shape]);
            }
            let pair = vec![RowShape { most_rows: Some(100), ..shapes[1] }, shapes[0]];
            assert_eq!(follow(&built_in, &record(pair.clone())).expect("a schedule").schedule.shapes(), pair);
            let strange = RowShape { persistent: true, ..shapes[0] };
            let refused = follow(&built_in, &record(vec![strange])).unwrap_err();
            assert!(refused.message.contains("is none that kernel `router` may have"), "{}", refused.message);
            assert!(follow(&built_in, &record(vec![])).is_err(), "no shape");
        }
    }

    /// A kernel of one row has one shape: nothing is tried for it, and no record may name another. One that is asked for it has.
    #[test]
    fn one_row_has_one_shape() {
        let text =
            "route 1\ngraph @one {\n  input %x : bf16[3, 256]\n  %ids = topk %x {k = 8}\n  output ids = %ids\n}\n";
        let graph = routefuse_ir::text::parse_verified(text).expect("a graph");
        let kernel = fuse(&graph, |_| false).expect("kernels").program.steps[0].kernel.clone();
        assert!(kernel.rows.is_none() && kernel.has_row_values());
        let other: RowShape = "lanes=4 threads=128 sorted".parse().expect("a shape");
        for target in Target::all() {
            let built_in = schedule(kernel.clone(), target).expect("a schedule");
            let [shape] = built_in.schedule.shapes() else { panic!("{target}: {}", built_in.schedule) };
            assert_eq!(shape.most_rows, None, "{target}");
            assert_eq!(tunable_shapes(&kernel, target), []);
            let nothing = |_: &[RowShape]| -> Result<Vec<Vec<u64>>, ()> { panic!("nothing is measured") };
            assert_eq!(search(&kernel, target, &[1], 0.0, nothing), Ok(None));
            let tuned = follow(&built_in, &record(vec![*shape])).expect("a schedule");
            assert_eq!(tuned.schedule, built_in.schedule);
            let refused = follow(&built_in, &record(vec![other])).unwrap_err();
            assert!(refused.message.contains("is none that kernel `one` may have"), "{}", refused.message);
            if target.kind() != TargetKind::Host {
                let asked = schedule_in(kernel.clone(), target, Some(other)).expect("a schedule");
                assert_eq!(asked.schedule.shapes(), [other]);
            }
        }
    }

    /// A table of scores is among what is tried where the kernel and the target can have one, and a record may name it.
    #[test]
    fn a_table_of_scores_may_be_chosen() {
        let text = "route 1\ngraph @router {\n  dim T\n  input %logits : bf16[T, 256]\n  %x = cast %logits {dtype = f32}\n  \
                    %scores = sigmoid %x\n  %ids = topk %scores {k = 8}\n  output ids = %ids\n}\n";
        let graph = routefuse_ir::text::parse_verified(text).expect("a graph");
        let kernel = fuse(&graph, |_| false).expect("kernels").program.steps[0].kernel.clone();
        for (name, has) in [("sm_90", true), ("sm_100", true), ("sm_80", false), ("sm_120", false), ("gfx942", false)] {
            let target = Target::named(name).expect("a target");
            let shapes = tunable_shapes(&kernel, target);
            let found: Vec<RowShape> = shapes.into_iter().filter(|shape| shape.table > 0).collect();
            assert_eq!(!found.is_empty(), has, "{name}: {found:?}");
            for shape in found {
                let built_in = schedule(kernel.clone(), target).expect("a schedule");
                assert_eq!(follow(&built_in, &record(vec![shape])).expect("a schedule").schedule.shapes(), [shape]);
            }
        }
    }

    #[test]
    fn there_may_be_nothing_to_choose() {
        let nothing = |_: &[RowShape]| -> Result<Vec<Vec<u64>>, ()> { panic!("nothing is measured") };
        assert_eq!(search(&router(32), Target::host(), &[1], 0.0, nothing), Ok(None));
        let mut b = GraphBuilder::new("flat");
        let t = b.symbol("T");
        let zero = b.iota(DType::I32, [Dim::Sym(t), Dim::Const(8)], 0);
        b.output("o", zero);
        let program = fuse(&b.finish().expect("a graph"), |_| false).expect("kernels").program;
        let target = Target::named("sm_90").expect("a target");
        assert_eq!(search(&program.steps[0].kernel, target, &[1], 0.0, nothing), Ok(None));
        assert_eq!(search(&router(32), target, &[], 0.0, nothing), Ok(None));
    }

    /// A card that is twice as slow in the second round is so for the built-in shapes too: nothing is chosen or
    /// passed over for it.
    #[test]
    fn times_of_two_rounds_are_compared_by_the_built_in_shapes() {
        let (kernel, target) = (router(256), Target::named("sm_90").expect("a target"));
        let chosen = |slower: u64| {
            let mut round = 0;
            let found = search(&kernel, target, &[1, 65_536], 0.03, |shapes| {
                round += 1;
                let percent = if round > 1 { 100 + slower } else { 100 };
                let ns = |shape: &RowShape, rows: u64| {
                    (10_000 + rows * u64::from(shape.lanes + 512 / shape.threads)) * percent
                };
                Ok::<_, ()>(shapes.iter().map(|s| [1, 65_536].map(|r| ns(s, r)).to_vec()).collect())
            });
            let shapes = found.expect("times").expect("a choice").shapes;
            shapes.into_iter().map(RowShape::any_rows).collect::<Vec<_>>()
        };
        assert_eq!(chosen(100), chosen(0));
        assert!(chosen(0).iter().any(|s| s.threads == 256), "larger blocks are better by more than the margin");
    }

    /// The search goes by the times that it is given, whatever they are: lanes first, then blocks of the best lanes.
    #[test]
    fn the_times_decide() {
        let (kernel, target) = (router(256), Target::named("sm_90").expect("a target"));
        let rows = [1, 4096, 65_536];
        let mut rounds: Vec<Vec<RowShape>> = Vec::new();
        let found = search(&kernel, target, &rows, 0.03, |shapes| {
            rounds.push(shapes.to_vec());
            // Few rows want many lanes, many rows few of them, and all want small blocks, but by less than the margin.
            let ns = |shape: &RowShape, rows: u64| {
                let lanes = u64::from(shape.lanes);
                1000 + 32_000 / lanes + rows * lanes / 4 + u64::from(shape.threads)
            };
            Ok::<_, ()>(shapes.iter().map(|s| rows.iter().map(|r| ns(s, *r)).collect()).collect())
        });
        let found = found.expect("times").expect("a choice");
        let (few, many) = (found.shapes[0], found.shapes[1]);
        assert_eq!((few.lanes, few.threads, many.lanes, many.threads, found.shapes.len()), (32, 64, 4, 32, 2));
        // What is measured later is measured beside the built-in shapes.
        let built_in: Vec<RowShape> = found.built_in.iter().map(|s| s.any_rows()).collect();
        assert!(rounds.len() == 2 && rounds.iter().all(|round| round.starts_with(&built_in)), "{rounds:?}");
        assert!(rounds[1][2..].iter().all(|s| [few.lanes, many.lanes].contains(&s.lanes)), "{rounds:?}");
        assert_eq!(found.trials.len(), rounds.concat().len() - 2);
        // What there is no time for is not chosen, and without any times the built-in choice stands.
        let found = search(&kernel, target, &rows, 0.0, |_| Ok::<_, ()>(vec![])).expect("no times").expect("a choice");
        assert_eq!((found.shapes, found.trials), (found.built_in, vec![]));
        assert_eq!(search(&kernel, target, &rows, 0.0, |_| Err("no card")), Err("no card"));
    }
}
