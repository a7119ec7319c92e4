//! What was made of a graph, and why: for people by `Display`, for machines by `serde`.

mod joined;
mod lanes;
mod text;
mod traffic;

pub use joined::{AddedReport, ApartReport, AtOnceReport, InChunksReport, JoinedReport, PhaseReport, ValueReport};
pub use lanes::{LaneIs, Phase, ScheduleLanes, ShapeLanes, SpreadLanes, Word};
pub use traffic::Traffic;

use crate::canonicalise::{PassReport, as_written};
use crate::fuse::{Cut, Fusion, unfused};
use crate::range::Ranges;
use crate::schedule::{self, schedule_of};
use routefuse_ir::kernel::{Kernel, Param, Role, ValueKind};
use routefuse_ir::op::{Op, OutOfRange};
use routefuse_ir::program::{Program, Step};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Diagnostics, Graph, NodeId, Verified};
use serde::Serialize;
use std::collections::HashSet;

/// Everything that `explain` shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The graph's name.
    pub graph: String,
    /// One kernel for every operation.
    pub before: Cost,
    /// The kernels as they are.
    pub after: Cost,
    /// In the order in which they run.
    pub kernels: Vec<KernelReport>,
    /// Kernels that are one launch, or two, in a plan on a GPU.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<JoinedReport>,
    /// Kernels that count, of which a plan on a GPU makes no phases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<ApartReport>,
    /// Operations of the user's that canonicalisation left nothing of.
    pub simplified: Vec<String>,
    /// Why there is not one kernel.
    pub cuts: Vec<Cut>,
    /// Every gather, in the order of the graph.
    pub gathers: Vec<GatherReport>,
    /// What the passes of canonicalisation did.
    pub passes: Vec<PassSummary>,
}

impl Report {
    /// Leaves what is said of this target, by its name, and no other.
    pub fn retain_target(&mut self, name: &str) {
        for kernel in &mut self.kernels {
            kernel.schedules.retain(|s| s.targets.iter().any(|t| t == name));
            kernel.schedules.iter_mut().for_each(|s| s.targets.retain(|t| t == name));
        }
        if Target::named(name).is_ok_and(|t| t.kind() == TargetKind::Host) {
            self.joined.clear();
            self.apart.clear();
        }
    }
}

/// What a program takes at launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Kernels.
    pub launches: usize,
    /// Bytes from and to memory; those a row are of rows of every dim together.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Bytes a row by the dim of the rows, where kernels loop over several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_dim: Vec<DimTraffic>,
}

/// Bytes of kernels that loop over one dim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DimTraffic {
    /// The name of the dim.
    pub dim: String,
    /// Read for each of its rows.
    pub read_per_row: u64,
    /// Written for each of its rows.
    pub written_per_row: u64,
}

impl Cost {
    fn of(program: &Program) -> Cost {
        let mut by_dim: Vec<DimTraffic> = Vec::new();
        for kernel in program.steps.iter().map(|step| &step.kernel) {
            let Some(dim) = kernel.rows.and_then(|r| kernel.symbols.get(r.0 as usize)) else { continue };
            let Traffic { read_per_row, written_per_row, .. } = Traffic::of_kernel(kernel);
            match by_dim.iter_mut().find(|t| t.dim == *dim) {
                Some(of_dim) => {
                    of_dim.read_per_row += read_per_row;
                    of_dim.written_per_row += written_per_row;
                }
                None => by_dim.push(DimTraffic { dim: dim.clone(), read_per_row, written_per_row }),
            }
        }
        by_dim.retain(|t| t.read_per_row + t.written_per_row > 0);
        if by_dim.len() < 2 {
            by_dim.clear();
        }
        Cost { launches: program.steps.len(), traffic: Traffic::of_program(program), by_dim }
    }
}

/// One kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KernelReport {
    /// Its name.
    pub name: String,
    /// The name of its row extent; `None` is one row.
    pub rows: Option<String>,
    /// The user's operations that it holds, by name. One can be in several kernels.
    pub ops: Vec<String>,
    /// What it reads.
    pub reads: Vec<ParamReport>,
    /// What it writes.
    pub writes: Vec<ParamReport>,
    /// Bytes from and to memory.
    pub traffic: Traffic,
    /// How rows and columns meet threads, for the targets that share it.
    pub schedules: Vec<ScheduleReport>,
    /// The text that identifies it: with a target and a variant, the key of its machine code.
    pub signature: String,
}

/// A buffer of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParamReport {
    /// The user's name for it.
    pub name: String,
    /// dtype, shape and layout.
    pub ty: String,
    /// It is read by a gather, at rows and columns that are data.
    pub table: bool,
    /// The input whose memory it may be.
    pub aliases: Option<String>,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduleReport {
    /// The targets' names.
    pub targets: Vec<String>,
    /// The schedule.
    pub schedule: String,
    /// What compiled code may assume of addresses and sizes: one artifact each.
    pub variants: Vec<String>,
    /// Why, for a row schedule: what needs whole rows, and how lanes share them.
    pub why: Vec<String>,
    /// The same as something that one can see.
    #[serde(flatten)]
    pub lanes: ScheduleLanes,
}

/// A gather.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GatherReport {
    /// Its name.
    pub gather: String,
    /// The table's name.
    pub table: String,
    /// For an index out of range.
    pub out_of_range: String,
    /// Every index is in range, so there is no check.
    pub proved: bool,
    /// Why, or why not; one an index.
    pub why: Vec<String>,
}

/// All runs of one pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassSummary {
    /// The pass.
    pub name: String,
    /// How often it ran.
    pub runs: usize,
    /// In how many runs it changed something.
    pub changes: usize,
    /// Operations that it removed, less those that it added, over all runs.
    pub ops_removed: i64,
}

/// Explains how a graph became kernels. `canonical` is what was fused: the original itself where nothing was simplified.
///
/// # Errors
/// Only by a defect of this crate (`RF0501`, `RF0901`).
pub fn explain(
    original: &Verified<Graph>,
    canonical: &Verified<Graph>,
    fusion: &Fusion,
    passes: &[PassReport],
) -> Result<Report, Diagnostics> {
    let written = as_written(original)?;
    let ranges = Ranges::of(&written);
    let before = unfused(&written, |id| ranges.prove_gather(&written, id).is_ok())?;
    let names: HashSet<&str> = original.nodes().map(|n| n.name.as_str()).collect();
    let order = original.topological().unwrap_or_default();
    let held: Vec<HashSet<&str>> = fusion.ops.iter().map(|ops| user_names(canonical, ops, &names)).collect();
    let is_op = |id: &NodeId| !matches!(original.node(*id).op, Op::Input(_) | Op::Const(_));
    let ops = || order.iter().filter(|id| is_op(id)).map(|id| original.node(*id).name.as_str());
    let kernels = fusion.program.steps.iter().zip(&held).map(|(step, held)| {
        let ops = ops().filter(|n| held.contains(n)).map(str::to_owned).collect();
        kernel(step, ops)
    });
    let (joined, apart) = joined::joined(&fusion.program)?;
    let simplified = ops().filter(|n| !held.iter().any(|h| h.contains(n))).map(str::to_owned);
    Ok(Report {
        graph: original.name.clone(),
        before: Cost::of(&before.program),
        after: Cost::of(&fusion.program),
        kernels: kernels.collect(),
        joined,
        apart,
        simplified: simplified.collect(),
        cuts: fusion.cuts.clone(),
        gathers: gathers(canonical),
        passes: summaries(passes),
    })
}

/// The user's names of operations: what a pass makes is called after the value that it was made for, as `%packed.shl`.
fn user_names<'a>(g: &'a Graph, ops: &[NodeId], names: &HashSet<&str>) -> HashSet<&'a str> {
    let user = |id: &NodeId| {
        let mut name = g.node(*id).name.as_str();
        while !names.contains(name) {
            name = &name[..name.rfind('.')?];
        }
        Some(name)
    };
    ops.iter().filter_map(user).collect()
}

fn kernel(step: &Step, ops: Vec<String>) -> KernelReport {
    let k: &Kernel = &step.kernel;
    let is_table =
        |i: usize| k.values.iter().any(|v| matches!(v.kind, ValueKind::Gather { table, .. } if table.0 as usize == i));
    let report = |(i, p): (usize, &Param)| {
        let layout = match p.layout {
            routefuse_ir::Layout::Contiguous => "",
            routefuse_ir::Layout::Rows => " rows",
            routefuse_ir::Layout::Strided => " strided",
        };
        ParamReport {
            name: p.name.clone(),
            ty: format!("{}{layout}", p.ty.text(&k.symbols)),
            table: is_table(i),
            aliases: p.aliases.map(|a| k.param(a).name.clone()),
        }
    };
    let params = |output: bool| k.params.iter().enumerate().filter(move |(_, p)| (p.role != Role::Input) == output);
    let schedules = schedules(k, Target::all());
    KernelReport {
        name: k.name.clone(),
        rows: k.rows.map(|r| k.symbols[r.0 as usize].clone()),
        ops,
        reads: params(false).map(report).collect(),
        writes: params(true).map(report).collect(),
        traffic: Traffic::of_kernel(k),
        schedules,
        signature: k.canonical_text(),
    }
}

/// The schedules of a kernel on these targets; targets with equal ones share one.
fn schedules(kernel: &Kernel, targets: impl Iterator<Item = Target>) -> Vec<ScheduleReport> {
    let mut schedules: Vec<(Target, ScheduleReport)> = Vec::new();
    for target in targets {
        let schedule = schedule_of(kernel, target);
        let variants: Vec<String> = schedule.variants(target.kind()).iter().map(ToString::to_string).collect();
        let (name, text) = (target.name().to_owned(), schedule.to_string());
        let same_text = |s: &ScheduleReport| s.schedule == text && s.variants == variants;
        // What is said of lanes follows from the kind of machine, the size of its warps and its vectors.
        let has = |t: Target| (t.kind(), t.info().warp, t.info().vectors.lanes());
        let alike = |other: &Target| has(*other) == has(target);
        if let Some((_, same)) = schedules.iter_mut().find(|(other, s)| same_text(s) && alike(other)) {
            same.targets.push(name);
            continue;
        }
        let (why, lanes) =
            (schedule::row::why(kernel, target, &schedule), ScheduleLanes::of(kernel, &schedule, target));
        match schedules.iter_mut().find(|(_, s)| same_text(s) && s.why == why && s.lanes == lanes) {
            Some((_, same)) => same.targets.push(name),
            None => {
                schedules.push((target, ScheduleReport { targets: vec![name], schedule: text, variants, why, lanes }));
            }
        }
    }
    schedules.into_iter().map(|(_, report)| report).collect()
}

fn gathers(g: &Graph) -> Vec<GatherReport> {
    let ranges = Ranges::of(g);
    let mut reports = Vec::new();
    for id in g.topological().unwrap_or_default() {
        let (Op::Gather { out_of_range } | Op::GatherRow { out_of_range }) = g.node(id).op else { continue };
        let operands = g.operands(id);
        let proofs: Vec<Result<String, String>> =
            (0..operands.len() - 1).map(|i| ranges.prove_index(g, id, i)).collect();
        reports.push(GatherReport {
            gather: g.node(id).name.clone(),
            table: g.node(operands[0]).name.clone(),
            out_of_range: policy(out_of_range),
            proved: proofs.iter().all(Result::is_ok),
            why: proofs.into_iter().map(|p| p.unwrap_or_else(|why| why)).collect(),
        });
    }
    reports
}

fn policy(p: OutOfRange) -> String {
    match p {
        OutOfRange::Pass => "pass".to_owned(),
        OutOfRange::Fill(l) => format!("fill({l})"),
        OutOfRange::Clamp => "clamp".to_owned(),
        OutOfRange::Wrap => "wrap".to_owned(),
        OutOfRange::Trap => "trap".to_owned(),
    }
}

fn summaries(passes: &[PassReport]) -> Vec<PassSummary> {
    let mut out: Vec<PassSummary> = Vec::new();
    for p in passes {
        let known = out.iter().position(|s| s.name == p.name);
        let at = known.unwrap_or_else(|| {
            out.push(PassSummary { name: p.name.to_owned(), runs: 0, changes: 0, ops_removed: 0 });
            out.len() - 1
        });
        let summary = &mut out[at];
        summary.runs += 1;
        summary.changes += usize::from(p.changed);
        summary.ops_removed += p.ops_before as i64 - p.ops_after as i64;
    }
    out
}
