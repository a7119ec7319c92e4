//! In which ways plans are launched: the rows where one way becomes another, the variants that are tried, and of which kinds they are.

use super::scope::Scope;
use super::suite::Code;
use routefuse_ir::kernel::schedule::{LaunchKind, Scheduled, Variant};
use routefuse_runtime::Plan;
use std::collections::BTreeMap;

/// Rows below which the limits of ways are looked for.
const MOST_LIMIT: u64 = 40_000;

/// Each shape is forced for this many rows at most: several blocks of any.
const MOST_ROWS_OF_A_SHAPE: u64 = 600;

/// The kernels of a plan that are launched for so many rows.
fn launched(plan: &Plan, rows: u64) -> impl Iterator<Item = &Scheduled> {
    let steps = plan.program().steps.iter().zip(plan.kernels());
    steps.filter(move |(step, _)| step.is_taken_by(rows)).map(|(_, kernel)| &**kernel)
}

/// Rows up to which a launch of phases is another than with a row more.
pub(super) fn limits(plan: &Plan) -> Vec<u64> {
    if plan.kernels().iter().all(|k| k.kernel.phases.is_none()) {
        return vec![];
    }
    let steps = || plan.program().steps.iter().zip(plan.kernels()).filter(|(_, k)| k.kernel.phases.is_some());
    let launches =
        |t| steps().map(|(step, k)| step.is_taken_by(t).then(|| k.schedule.shapes_for(t))).collect::<Vec<_>>();
    (0..MOST_LIMIT).filter(|t| launches(*t) != launches(t + 1)).collect()
}

/// The rows of which a plan is launched: those of every graph, and those around each limit. Under a tool that is the first of each way.
pub(super) fn rows(plan: &Plan, scope: &Scope) -> Vec<u64> {
    let mut rows = scope.extents.clone();
    let around = |t: u64| if scope.watched { vec![t + 1] } else { vec![t.saturating_sub(1), t, t + 1] };
    for t in limits(plan).into_iter().flat_map(around) {
        if t <= scope.most_rows_of_a_change && !rows.contains(&t) {
            rows.push(t);
        }
    }
    rows
}

/// The rows of which each shape that a kernel may be tried in is launched.
pub(super) fn rows_of_a_shape(scope: &Scope) -> Vec<u64> {
    let rows = scope.extents.iter().copied().filter(|t| (1..=MOST_ROWS_OF_A_SHAPE).contains(t));
    // A tool has seen fewer rows of the shapes that are chosen.
    if scope.watched { rows.max().into_iter().collect() } else { rows.collect() }
}

/// The variants that are forced for so many rows, beside the one that a launch takes: those of the only kernel, or of phases.
pub(super) fn variants(plan: &Plan, rows: u64) -> Vec<Variant> {
    let tried = launched(plan, rows).find(|k| plan.kernels().len() == 1 || k.kernel.phases.is_some());
    let taken = tried.into_iter().flat_map(|k| k.variants().iter().filter(|v| k.schedule.takes(v.shape, rows)));
    taken.copied().collect()
}

/// The kinds of all launches of so many rows: forced ones, and those that are chosen.
fn kinds(plan: &Plan, rows: u64) -> Vec<LaunchKind> {
    let warp = plan.target().info().warp;
    let forced = variants(plan, rows);
    let tried = launched(plan, rows).find(|k| plan.kernels().len() == 1 || k.kernel.phases.is_some());
    let of_forced = tried.into_iter().flat_map(|k| forced.iter().map(|v| k.schedule.launch_kinds(*v, warp)));
    let chosen = launched(plan, rows).flat_map(|k| {
        let of_shape = |shape| k.schedule.launch_kinds(Variant { shape, ..Variant::GPU[0] }, warp);
        k.schedule.shapes_for(rows).map(of_shape)
    });
    of_forced.chain(chosen).flatten().collect()
}

/// What the graphs of a suite are launched as.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The first case of each kind: the graph's name, the rows, and the shape where one is forced.
    pub kinds: BTreeMap<LaunchKind, String>,
    /// Launches for each kind of inputs: each variant, and on memory of each alignment what a launch chooses.
    pub launches: u64,
}

/// Which kinds of launches there are among the graphs in this scope, and how many launches; nothing is launched.
///
/// # Errors
/// As the passes report them.
pub fn seen(code: &Code, scope: &Scope) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let mut add = |plan: &Plan, rows: u64, case: &dyn Fn() -> String| {
        seen.launches += 2 + variants(plan, rows).len() as u64;
        for kind in kinds(plan, rows) {
            seen.kinds.entry(kind).or_insert_with(case);
        }
    };
    for (name, g) in code.graphs.iter().filter(|(name, _)| scope.wants(name)) {
        let plan = code.plan(g)?;
        for t in rows(&plan, scope) {
            add(&plan, t, &|| format!("{name}, T = {t}"));
        }
        for shape in code.shapes(g)? {
            let plan = code.plan_in(g, Some(shape))?;
            for t in rows_of_a_shape(scope) {
                add(&plan, t, &|| format!("{name}, T = {t}, {shape}"));
            }
        }
    }
    Ok(seen)
}
