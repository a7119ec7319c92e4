//! Alignments from ids: of every size, with any number of items, in each schedule that they have; against plain loops. And one
//! captured launch, replayed with other ids and other numbers of rows that count.

use super::agreement::{Expected, OnGpu, Outcomes, agree};
use super::scope::{Counts, Scope};
use super::sharing::shared;
use super::suite::Code;
use super::vendor::Vendor;
use super::ways::limits;
use crate::bins::{Align, KINDS, Size};
use crate::memory::Alignment;
use routefuse_generate::Choices;
use routefuse_ir::kernel::schedule::Variant;
use routefuse_runtime::Plan;
use routefuse_runtime::gpu::{Gpu, GpuPlan};
use std::time::Instant;

/// Contents that the replays of one launch take in turn.
const CONTENTS: u64 = 48;

/// All of it.
///
/// # Errors
/// If the GPU gives no stream. What is wrong in a check is printed and counted.
pub(super) fn run<D: Vendor>(code: &Code, gpu: &Gpu<D>, scope: &Scope, counts: &mut Counts) -> Result<(), String> {
    let (start, before) = (Instant::now(), counts.checks);
    let wanted = code.aligns.iter().filter(|align| scope.wants(&align.name())).step_by(scope.one_of.1);
    let aligns = scope.mine(wanted);
    counts.graphs += aligns.len() as u64;
    let done = shared(
        gpu,
        scope,
        counts,
        &aligns,
        |align| align.name(),
        |align, stream, i| {
            let plan = code.on_gpu(&align.graph(), gpu)?;
            if align.counted { Ok(0) } else { items(align, &plan, stream, scope, i) }
        },
    )?;
    counts.checks += done.into_iter().flatten().sum::<u64>();
    println!("alignments: {} launches, {:.1} s", counts.checks - before, start.elapsed().as_secs_f64());

    let (start, before) = (Instant::now(), counts.checks);
    let replayed: Vec<(&Align, Limits)> = match scope.replays {
        0 => vec![],
        _ => aligns.iter().filter(|a| a.counted).flat_map(|a| [(*a, Limits::Below), (*a, Limits::Above)]).collect(),
    };
    let named =
        |(align, limits): &(&Align, Limits)| format!("{}, replayed, {limits:?} the limit of one launch", align.name());
    let done = shared(gpu, scope, counts, &replayed, named, |(align, limits), stream, _| {
        let plan = code.on_gpu(&align.graph(), gpu)?;
        replays(align, &plan, stream, limits.rows(plan.plan(), align, scope), scope.replays)
    })?;
    counts.checks += done.into_iter().flatten().sum::<u64>();
    println!("alignments: {} replays, {:.1} s", counts.checks - before, start.elapsed().as_secs_f64());
    Ok(())
}

/// The variants of a plan's phases for memory of this alignment and at most so many rows: each of the schedules that takes them.
pub(super) fn forced<D: Vendor>(plan: &GpuPlan<D>, alignment: Alignment, rows: u64) -> impl Iterator<Item = Variant> {
    let steps = plan.plan().program().steps.iter().zip(plan.plan().kernels());
    let phased = steps.filter(|(step, k)| k.kernel.phases.is_some() && step.is_taken_by(rows)).map(|(_, k)| k).next();
    let taken =
        phased.into_iter().flat_map(move |k| k.variants().iter().filter(move |v| k.schedule.takes(v.shape, rows)));
    taken.copied().filter(move |v| v.aligned == (alignment == Alignment::Sixteen))
}

/// Items of every number, in every schedule and in the one that a launch takes.
fn items<D: Vendor>(align: &Align, plan: &GpuPlan<D>, stream: &D::Own, scope: &Scope, number: usize) -> Outcomes<u64> {
    let mut rows = align.rows();
    rows.extend(limits(plan.plan()).into_iter().flat_map(|t| [t.saturating_sub(1), t, t + 1]));
    rows.retain(|t| t * align.slots <= scope.items);
    let mut c = Choices::seeded(number as u64);
    let mut checks = 0;
    for (i, t) in rows.into_iter().enumerate() {
        let turn = number + i;
        let (case, extents) = align.case(t, turn, Size::of(turn + turn / KINDS), &mut c);
        let expected =
            Expected { extents: extents.to_vec(), inputs: case.inputs, outputs: case.outputs, trapped: false };
        for alignment in [Alignment::Sixteen, Alignment::Element] {
            for variant in forced(plan, alignment, t).map(Some).chain([None]) {
                let launch = variant.map_or(D::on(stream), |v| D::on(stream).variant(v));
                let name = variant.map_or_else(|| "chosen".to_owned(), |v| v.to_string());
                agree(plan, stream, &expected, scope.place(alignment), launch, &mut c).map_err(|e| {
                    format!("variant {name}, {alignment:?}, extents {extents:?}, ids {}: {e}", turn % KINDS)
                })?;
                checks += 1;
            }
        }
    }
    Ok(checks)
}

/// On which side of the limit of one launch.
#[derive(Clone, Copy, Debug)]
enum Limits {
    /// A few hundred rows.
    Below,
    /// A few more than one launch takes.
    Above,
}

impl Limits {
    fn rows(self, plan: &Plan, align: &Align, scope: &Scope) -> u64 {
        let rows = match self {
            Limits::Below => 301,
            Limits::Above => limits(plan).last().map_or(2500, |t| t + 77),
        };
        rows.min(scope.items / align.slots)
    }
}

/// One captured launch of so many rows: what it does not write stays from replay to replay, and what it needs between its launches is
/// as the replay before has left it.
fn replays<D: Vendor>(align: &Align, plan: &GpuPlan<D>, stream: &D::Own, t: u64, count: u64) -> Outcomes<u64> {
    let mut c = Choices::seeded(t);
    let contents: Vec<Expected> = (0..CONTENTS.min(count))
        .map(|i| {
            let (case, extents) = align.case(t, i as usize, Size::Larger, &mut c);
            Expected { extents: extents.to_vec(), inputs: case.inputs, outputs: case.outputs, trapped: false }
        })
        .collect();
    let first = contents.first().ok_or("no contents")?;
    let mut on = OnGpu::new(plan, stream, first, Alignment::Sixteen, &mut c)?;
    D::wait(stream)?;
    let graph = D::capture(stream, || on.launch(D::on(stream)))?.ok_or("nothing is captured")?;
    for replay in 0..count {
        let contents = &contents[c.below(contents.len())];
        on.refill(&contents.inputs)?;
        D::replay(&graph, stream)?;
        on.check(contents).map_err(|e| format!("replay {replay} of {t} rows: {e}"))?;
    }
    Ok(count)
}
