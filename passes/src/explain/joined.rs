//! Kernels that are phases of one launch in a plan on a GPU.

use crate::join::{Ended, Joined, join};
use crate::schedule::schedule_of;
use routefuse_ir::kernel::analysis::counts_alone;
use routefuse_ir::kernel::phases::{Phase, Phases, Place, Reach};
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_ir::kernel::{Kernel, Param, Role};
use routefuse_ir::program::{Buffer, Program, Step};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::visible::visible;
use routefuse_ir::{Diagnostics, TensorType};
use serde::Serialize;
use std::fmt;

/// The name of the reach of what pads.
const PADDING: &str = Reach::Padding { starts: Place::Shared(0) }.name();

/// The reach of what counts, where no row asks for counts; of what is made of them; and of what else is stored of rows.
const COUNTED_ALONE: &str = "counted_alone";
const OF_COUNTS: &str = "of_counts";
const BESIDE_COUNTS: &str = "beside_counts";

/// Kernels that are one launch, or two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JoinedReport {
    /// Their names.
    pub kernels: Vec<String>,
    /// The name of the dim of the rows whose items are counted.
    pub rows: String,
    /// The most rows of one launch; more are two.
    pub most_rows: u64,
    /// The kernel in front, if few rows have one launch of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<AtOnceReport>,
    /// The kernels that are launched instead, if there are rows for which those that add to counts are quicker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<AddedReport>,
    /// The kernel in front, if the launch that does many rows of it counts what they make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_chunks: Option<InChunksReport>,
    /// In the order in which a block does them.
    pub phases: Vec<PhaseReport>,
    /// What each block has in memory of its own, between its barriers.
    pub kept: Vec<ValueReport>,
    /// What the phases read that kernels in front have stored: it goes through the GPU's memory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub through_memory: Vec<ValueReport>,
    /// Bytes of the workspace for the counts of chunks, which go through the GPU's memory between two launches.
    pub bytes_of_chunks: u64,
    /// Why the next kernel is a launch of its own, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
}

/// Few rows, which are one launch of one block with the kernel that makes their items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AtOnceReport {
    /// The name of that kernel.
    pub with: String,
    /// The most rows.
    pub most_rows: u64,
}

/// Rows that add to counts themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddedReport {
    /// The name of the kernel that writes zeros.
    pub zeros: String,
    /// The name of the one that adds to them.
    pub with: String,
    /// The fewest rows.
    pub least_rows: u64,
    /// The most rows.
    pub most_rows: u64,
}

/// Many rows, which the first of two launches does and counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InChunksReport {
    /// The name of the kernel that makes the items.
    pub with: String,
    /// The fewest rows.
    pub least_rows: u64,
    /// The most rows, if there is an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_rows: Option<u64>,
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PhaseReport {
    /// The name of the kernel.
    pub kernel: String,
    /// Who does it.
    pub reach: String,
}

/// A value that one phase or launch has from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueReport {
    /// Its name.
    pub name: String,
    /// The type.
    pub ty: String,
}

/// A kernel that counts what others rank or lay out, of which no phases are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApartReport {
    /// Its name.
    pub kernel: String,
    /// The name of the one that could not be a phase behind it.
    pub other: String,
    /// Why not.
    pub why: String,
}

/// What of a program is joined, and what could be and is not.
pub(super) fn joined(program: &Program) -> Result<(Vec<JoinedReport>, Vec<ApartReport>), Diagnostics> {
    let Joined { program: joined, from, ended, apart } = join(program)?;
    let name = |at: usize| program.steps.get(at).map(|s| s.kernel.name.clone()).unwrap_or_default();
    let apart =
        apart.iter().map(|a| ApartReport { kernel: name(a.counts), other: name(a.other), why: a.why.to_string() });
    // Which kernels are joined, and how many rows they take, is the same for every GPU.
    let gpu = Target::all().find(|t| t.kind() != TargetKind::Host);
    let at = |n: Option<usize>| joined.steps.get(n?);
    let name_of = |step: &Step| step.kernel.name.clone();
    let added = |n: usize| {
        let (zeros, adding) = (at(n.checked_sub(3))?, at(n.checked_sub(2))?);
        let adds = adding.kernel.stores.iter().any(|store| store.add_at.is_some());
        let taken = adding.taken.filter(|_| adds && zeros.rows().is_none() && zeros.taken == adding.taken)?;
        Some(AddedReport {
            zeros: name_of(zeros),
            with: name_of(adding),
            least_rows: taken.least,
            most_rows: taken.most?,
        })
    };
    let at_once = |n: usize| {
        let few = at(n.checked_sub(if added(n).is_some() { 4 } else { 2 }))?;
        few.kernel.phases.as_ref()?.rows()?;
        Some(AtOnceReport { with: name_of(&joined.steps[n - 1]), most_rows: few.taken?.most? })
    };
    let in_chunks = |n: usize| {
        let many = at(Some(n + 1))?;
        many.kernel.phases.as_ref()?.rows()?;
        let taken = many.taken.filter(|taken| taken.least > 0)?;
        let with = name_of(at(n.checked_sub(1))?);
        Some(InChunksReport { with, least_rows: taken.least, most_rows: taken.most })
    };
    let groups = joined.steps.iter().enumerate().zip(from).zip(ended).filter_map(|(((at, step), from), ended)| {
        let k: &Kernel = &step.kernel;
        let Schedule::Phased { most_rows, .. } = schedule_of(k, gpu?) else { return None };
        let phases = k.phases.as_ref()?;
        let is_alone = counts_alone(phases);
        let reach = |p: &Phase| match p.reach {
            Reach::Counted if is_alone => COUNTED_ALONE,
            Reach::EveryBlock if is_alone => OF_COUNTS,
            Reach::Divided if is_alone => BESIDE_COUNTS,
            reach => reach.name(),
        };
        let phase = |p: &Phase| PhaseReport { kernel: p.kernel.name.clone(), reach: reach(p).to_owned() };
        Some(JoinedReport {
            kernels: program.steps[from].iter().map(|s| s.kernel.name.clone()).collect(),
            rows: k.symbols[k.rows?.0 as usize].clone(),
            most_rows,
            at_once: at_once(at),
            added: added(at),
            in_chunks: in_chunks(at),
            phases: phases.list.iter().map(phase).collect(),
            kept: kept(phases),
            through_memory: through_memory(&joined, step),
            bytes_of_chunks: phases.chunks.and_then(|p| bytes(&k.param(p).ty)).unwrap_or(0),
            ends: ended.filter(|why| *why != Ended::Last).map(|why| why.to_string()),
        })
    });
    Ok((groups.collect(), apart.collect()))
}

/// The memory of a block, under the names that its phases have for it.
fn kept(phases: &Phases) -> Vec<ValueReport> {
    let named = |at: usize| {
        let params = || phases.list.iter().flat_map(|p| p.kernel.params.iter().zip(&p.places));
        params().find(|(_, place)| **place == Place::Shared(at as u32)).map(|(param, _)| param.name.clone())
    };
    let of = |(at, ty): (usize, &TensorType)| ValueReport { name: named(at).unwrap_or_default(), ty: ty.text(&[]) };
    // Where no row asks for counts, what is made of them is stored at once.
    let kept = if counts_alone(phases) { 1 } else { phases.shared.len() };
    phases.shared.iter().enumerate().take(kept).map(of).collect()
}

/// What a step reads that is no input of the program.
fn through_memory(program: &Program, step: &Step) -> Vec<ValueReport> {
    let read = step.kernel.params.iter().zip(&step.buffers).filter(|(p, _)| p.role == Role::Input);
    let made = read.filter(|(_, buffer)| !matches!(buffer, Buffer::Input(_)));
    let of = |(param, buffer): (&Param, &Buffer)| ValueReport {
        name: param.name.clone(),
        ty: program.buffer_type(*buffer).text(&program.symbols),
    };
    made.map(of).collect()
}

fn bytes(ty: &TensorType) -> Option<u64> {
    ty.row_elements()?.checked_mul(ty.dtype.size())
}

impl JoinedReport {
    /// Where its phases have values from, a sentence each.
    pub(super) fn memory(&self) -> Vec<String> {
        let list = |values: &[ValueReport]| {
            let named = values.iter().map(|v| format!("{} {}", visible(&v.name), visible(&v.ty)));
            named.collect::<Vec<_>>().join(", ")
        };
        let kept = format!("each block keeps in its own memory, behind its barriers: {}", list(&self.kept));
        let chunks =
            format!("of two launches, at most {} B of counts go through memory between them", self.bytes_of_chunks);
        let before = match &self.through_memory[..] {
            [] => None,
            values => Some(format!("from the launches in front, through memory: {}", list(values))),
        };
        [kept, chunks].into_iter().chain(before).collect()
    }
}

impl fmt::Display for JoinedReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let JoinedReport { kernels, rows, most_rows, at_once, added, in_chunks, ends, .. } = self;
        let name = |n: Option<&String>| n.map(|n| visible(n).into_owned()).unwrap_or_default();
        let (first, last) = (name(kernels.first()), name(kernels.last()));
        let rows = visible(rows);
        write!(f, "@{first} to @{last} are one launch up to {most_rows} rows of {rows}, and two above")?;
        if let Some(AtOnceReport { with, most_rows }) = at_once {
            write!(f, "; up to {most_rows} rows, one block does them behind @{} in its launch", visible(with))?;
        }
        if let Some(AddedReport { zeros, with, least_rows, most_rows }) = added {
            let (zeros, with) = (visible(zeros), visible(with));
            write!(
                f,
                "; from {least_rows} to {most_rows} rows, @{zeros} is one launch and @{with}, which counts, the other"
            )?;
        }
        if let Some(InChunksReport { with, least_rows, most_rows }) = in_chunks {
            let with = visible(with);
            match most_rows {
                Some(most) => {
                    write!(f, "; from {least_rows} to {most} rows, the launch of @{with} is the first of the two")?
                }
                None => write!(f, "; from {least_rows} rows on, the launch of @{with} is the first of the two")?,
            }
        }
        match ends {
            Some(why) => write!(f, "; no more, because {why}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ApartReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ApartReport { kernel, other, why } = self;
        write!(f, "@{} counts, and @{} is no phase behind it: {why}", visible(kernel), visible(other))
    }
}

impl fmt::Display for PhaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |reach: Reach| reach.name() == self.reach;
        let who = match () {
            () if named(Reach::Counted) => {
                "every block counts all items (of two launches, the first one counts them in chunks)"
            }
            () if named(Reach::EveryBlock) => "every block does the one row in its own memory",
            () if named(Reach::Ranked) => {
                "the blocks divide the items, in order, and a warp ranks as many as it has lanes"
            }
            () if self.reach == COUNTED_ALONE => {
                "one block counts all items, and a thread has whole rows (of two launches, the first one counts them in chunks)"
            }
            () if self.reach == OF_COUNTS => "each column is made and stored once, by who adds up its counts",
            () if self.reach == BESIDE_COUNTS => "the thread that counts a row's items stores it",
            () if self.reach == PADDING => "the blocks divide the places that no item has",
            () => "the blocks divide the rows",
        };
        write!(f, "@{}: {who}", visible(&self.kernel))
    }
}
