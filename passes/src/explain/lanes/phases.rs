//! What is done of a row, in order, and what crosses lanes in between.

use super::{Phase, count, label};
use routefuse_ir::kernel::analysis::reached;
use routefuse_ir::kernel::schedule::block_rows::{BLOCK_ROWS, Division, NARROW};
use routefuse_ir::kernel::schedule::laid::Laid;
use routefuse_ir::kernel::schedule::{Domain, RowShape, Schedule, Selecting};
use routefuse_ir::kernel::{Kernel, RowOp, RowValue, ValueId, ValueKind};
use routefuse_ir::op::ReduceOp;
use routefuse_ir::target::{Target, TargetKind};

/// Which values were made in earlier phases.
struct Made<'k> {
    kernel: &'k Kernel,
    done: Vec<bool>,
}

impl<'k> Made<'k> {
    fn new(kernel: &'k Kernel) -> Made<'k> {
        Made { kernel, done: vec![false; kernel.values.len()] }
    }

    /// Adds what is asked for by way of these and was not made before: inputs that are read and values that are computed.
    fn add(&mut self, phase: &mut Phase, roots: impl IntoIterator<Item = ValueId>) {
        let mut waiting: Vec<ValueId> = roots.into_iter().collect();
        let mut new = vec![];
        while let Some(id) = waiting.pop() {
            if !std::mem::replace(&mut self.done[id.0 as usize], true) {
                new.push(id);
                waiting.extend(self.kernel.value(id).kind.operands());
            }
        }
        new.sort_unstable();
        let name = |param: routefuse_ir::kernel::ParamId| format!("%{}", self.kernel.param(param).name);
        for id in new {
            match self.kernel.value(id).kind {
                ValueKind::Load(param) => push(&mut phase.loads, name(param)),
                ValueKind::Gather { table, .. } => {
                    push(&mut phase.loads, name(table));
                    push(&mut phase.values, label(self.kernel, id));
                }
                ValueKind::Const(_) | ValueKind::Row | ValueKind::Column | ValueKind::Extent(_) => {}
                _ => push(&mut phase.values, label(self.kernel, id)),
            }
        }
    }

    /// What is the same in every row and no column, or needs whole segments of such; before any row.
    fn before_rows(&mut self) -> Option<Phase> {
        let reached = reached(self.kernel);
        let same: Vec<ValueId> = self
            .kernel
            .values()
            .filter(|(id, v)| {
                reached[id.0 as usize] && !v.space.per_row && (v.space.cols == 1 || v.kind.is_row_value())
            })
            .map(|(id, _)| id)
            .collect();
        let mut phase = Phase { title: "what is the same in every row".to_owned(), ..Phase::default() };
        self.add(&mut phase, same);
        let some = !(phase.loads.is_empty() && phase.values.is_empty());
        some.then_some(phase)
    }

    /// The stores of these domains.
    fn stores<'d>(&mut self, title: &str, domains: impl IntoIterator<Item = &'d Domain>) -> Phase {
        let mut phase = Phase { title: title.to_owned(), ..Phase::default() };
        for domain in domains {
            for store in domain.stores.iter().map(|s| &self.kernel.stores[*s as usize]) {
                self.add(&mut phase, store.operands());
                push(&mut phase.stores, format!("%{}", self.kernel.param(store.param).name));
            }
        }
        phase
    }
}

fn push(list: &mut Vec<String>, name: String) {
    if !list.contains(&name) {
        list.push(name);
    }
}

/// `sum of %scores`.
fn what(kernel: &Kernel, row: &RowValue) -> String {
    let of = label(kernel, row.value);
    match row.op {
        RowOp::Reduce(ReduceOp::Sum) => format!("sum of {of}"),
        RowOp::Reduce(ReduceOp::Max) => format!("largest of {of}"),
        RowOp::Reduce(ReduceOp::Min) => format!("least of {of}"),
        RowOp::Reduce(ReduceOp::TopTwoSum) => format!("sum of the two largest of {of}"),
        RowOp::CumSum => format!("running sums of {of}"),
        RowOp::TopK { k, .. } => format!("the {k} best columns of {of}"),
        RowOp::TopKMask { k, .. } => format!("which columns of {of} are among the {k} best"),
        RowOp::Rank { .. } => format!("how many of {of}, of this row and of those before, are the same"),
    }
}

/// Why a row value needs all lanes of a row.
fn why(kernel: &Kernel, id: ValueId, row: &RowValue) -> String {
    let segments = kernel.value(row.value).space.cols / row.width;
    let all = match segments {
        1 => format!("all {} of a row of {}", count(row.width, "column"), label(kernel, row.value)),
        _ => {
            format!("all {} of each of {segments} segments of {}", count(row.width, "column"), label(kernel, row.value))
        }
    };
    format!("{} is made of {all}", label(kernel, id))
}

fn join(names: &[String]) -> String {
    names.join(", ")
}

/// A flat schedule: each domain by itself.
pub(super) fn flat(kernel: &Kernel, domains: &[Domain], target: Target) -> Vec<Phase> {
    let mut made = Made::new(kernel);
    let mut phases: Vec<Phase> = made.before_rows().into_iter().collect();
    for domain in domains {
        let title = format!("outputs of {}", count(domain.cols, "column"));
        phases.push(made.stores(&title, [domain]));
    }
    if target.kind() != TargetKind::Host
        && let Some(last) = phases.last_mut()
    {
        last.why = "no value needs a whole row, so a thread waits for no other".to_owned();
    }
    phases
}

/// A row schedule on a GPU: one phase for each value that needs a whole row, then the stores.
pub(super) fn team(kernel: &Kernel, domains: &[Domain], shape: RowShape, target: Target) -> Vec<Phase> {
    let reached = reached(kernel);
    let mut made = Made::new(kernel);
    let mut phases: Vec<Phase> = made.before_rows().into_iter().collect();
    let team = Team { kernel, shape, target };
    for (id, value) in kernel.values().filter(|(id, v)| reached[id.0 as usize] && v.space.per_row) {
        let Some(row) = value.kind.row_value() else { continue };
        let mut phase = Phase { title: what(kernel, row), why: why(kernel, id, row), ..Phase::default() };
        let read = team.row_values_read(&made, [row.value]);
        made.add(&mut phase, [id]);
        let ways: Vec<String> = team.reads(&read).into_iter().chain(team.crossing(row)).collect();
        phase.crosses_lanes = !ways.is_empty();
        phase.crossing = ways.join("; ");
        if phase.crosses_lanes {
            phase.then = team.then();
        }
        phases.push(phase);
    }
    let roots: Vec<ValueId> = kernel.stores.iter().flat_map(|s| s.operands()).collect();
    let read = team.row_values_read(&made, roots);
    let mut stores = made.stores("the outputs", domains);
    stores.crossing = team.reads(&read).unwrap_or_default();
    stores.crosses_lanes = !stores.crossing.is_empty();
    if let Some(last) = phases.last_mut()
        && kernel.params.iter().any(|p| p.aliases.is_some())
    {
        let point = "an output lies in an input's memory, so all that the row reads is read before any lane stores";
        last.then = if last.then.is_empty() { point.to_owned() } else { format!("{}; {point}", last.then) };
    }
    phases.push(stores);
    phases
}

struct Team<'k> {
    kernel: &'k Kernel,
    shape: RowShape,
    target: Target,
}

impl Team<'_> {
    fn is_block(&self) -> bool {
        self.shape.lanes > self.target.info().warp
    }

    /// What is certain behind a phase in which lanes talked.
    fn then(&self) -> String {
        if self.is_block() {
            format!("all {} threads of the block meet at barriers", self.shape.lanes)
        } else {
            format!("the {} lanes of the row go on together, in lock step", self.shape.lanes)
        }
    }

    fn way(&self) -> &'static str {
        match (self.is_block(), self.target.kind()) {
            (true, _) => "through shared memory",
            (false, TargetKind::Amdgpu) => "by exchanges within the wavefront",
            (false, _) => "by exchanges within the warp",
        }
    }

    /// What crosses lanes to compute a row value; none where a lane has all of a segment.
    fn crossing(&self, row: &RowValue) -> Option<String> {
        let segments = self.kernel.value(row.value).space.cols / row.width;
        let Laid { span, registers, .. } = Laid::of(self.kernel, self.shape, segments, row.width);
        if span == 1 {
            return match row.op {
                // The chosen columns go to the lanes that have their places.
                RowOp::TopK { .. } if self.shape.lanes > 1 => Some(
                    "each lane chooses by itself; the chosen columns go to other lanes through shared memory"
                        .to_owned(),
                ),
                _ => None,
            };
        }
        let (way, lanes) = (self.way(), format!("{span} lanes"));
        Some(match row.op {
            RowOp::Reduce(ReduceOp::Sum) => {
                let own = if registers > 1 {
                    format!("each lane adds its {}; ", count(registers, "column"))
                } else {
                    String::new()
                };
                format!("{own}the sums of {lanes} are added in pairs, always in the same order, {way}")
            }
            RowOp::Reduce(ReduceOp::Max | ReduceOp::Min) => format!("the extremes of {lanes} are compared {way}"),
            RowOp::Reduce(ReduceOp::TopTwoSum) => format!("the two best of {lanes} are compared {way}"),
            RowOp::CumSum => format!(
                "sums of lower lanes are added in {} {way}",
                count(u64::from(row.width.next_power_of_two().ilog2()), "step")
            ),
            RowOp::TopKMask { .. } => format!("the keys of {lanes} are compared {way}"),
            RowOp::Rank { .. } => "every lane compares its own with all of this row and of those before".to_owned(),
            RowOp::TopK { k, .. } => {
                let sorted = routefuse_ir::kernel::schedule::sorted::applies(self.shape, registers, k);
                if sorted && self.shape.selecting == Selecting::Sorted {
                    format!(
                        "each lane sorts its {}; sorted lists of {lanes} are merged {way}, and the columns of the best keys are found through shared memory",
                        count(registers, "key")
                    )
                } else {
                    format!("the best keys of {lanes} are compared {way}, once for each of the {k} chosen")
                }
            }
        })
    }

    /// Row values of several columns that these ask for by way of values that no earlier phase made, where columns of other
    /// lanes may be wanted: at another column, or at another spread.
    fn row_values_read(&self, made: &Made<'_>, roots: impl IntoIterator<Item = ValueId>) -> Vec<ValueId> {
        let mut waiting: Vec<(ValueId, bool)> = roots.into_iter().map(|id| (id, false)).collect();
        let (mut seen, mut read) = (std::collections::HashSet::new(), vec![]);
        while let Some((id, elsewhere)) = waiting.pop() {
            let value = self.kernel.value(id);
            if value.kind.is_row_value() {
                if value.space.cols > 1 && (elsewhere || !self.is_at_home(id)) && !read.contains(&id) {
                    read.push(id);
                }
                continue;
            }
            if made.done[id.0 as usize] && !matches!(value.kind, ValueKind::Scalar(..)) || !seen.insert((id, elsewhere))
            {
                continue;
            }
            match &value.kind {
                ValueKind::Remap(of, _) => waiting.push((*of, true)),
                ValueKind::Concat(parts) => waiting.extend(parts.iter().map(|p| (p.0, true))),
                ValueKind::GatherRow { value, index, .. } => waiting.extend([(*value, true), (*index, elsewhere)]),
                kind => waiting.extend(kind.operands().into_iter().map(|o| (o, elsewhere))),
            }
        }
        read.sort_unstable();
        read
    }

    /// Whether a lane that asks for its own column of a row value has it: where it is columns, and not one for each segment.
    fn is_at_home(&self, id: ValueId) -> bool {
        self.kernel.value(id).kind.row_value().is_some_and(|row| {
            let segments = self.kernel.value(row.value).space.cols / row.width;
            match row.op {
                RowOp::TopK { .. } => true,
                RowOp::CumSum | RowOp::TopKMask { .. } | RowOp::Rank { .. } => segments == 1,
                RowOp::Reduce(_) => segments == 1,
            }
        })
    }

    /// Said of row values, columns of which lie in other lanes.
    fn reads(&self, read: &[ValueId]) -> Option<String> {
        let names: Vec<String> = read.iter().map(|id| label(self.kernel, *id)).collect();
        let some = self.shape.lanes > 1 && !names.is_empty();
        some.then(|| format!("columns of {} that another lane has come {}", join(&names), self.way()))
    }
}

/// A row schedule on the host.
pub(super) fn host(kernel: &Kernel, schedule: &Schedule) -> Vec<Phase> {
    let division = (schedule.block_rows() > 1).then(|| Division::of(kernel, schedule.held())).flatten();
    let Some(division) = division else { return host_by_row(kernel, schedule) };
    let (mut made, reached) = (Made::new(kernel), reached(kernel));
    let mut phases: Vec<Phase> = made.before_rows().into_iter().collect();
    let last = division.last_phase();
    let (wide, narrow): (Vec<&Domain>, Vec<&Domain>) =
        schedule.domains().iter().partition(|d| Division::stores_by_row(d.cols));
    for number in 0..=last {
        let here: Vec<ValueId> = kernel
            .values()
            .filter(|(id, v)| {
                let held = division.holdings().holds(*id);
                reached[id.0 as usize]
                    && v.space.per_row
                    && held
                    && division.is_by_row(*id)
                    && division.phase(*id) == number
            })
            .map(|(id, _)| id)
            .collect();
        let ends_with = here.iter().copied().find(|id| division.goes_round(*id));
        let mut phase = match number == last {
            true => {
                let mut phase = Phase::default();
                made.add(&mut phase, here.iter().copied());
                let stores = made.stores("", wide.iter().copied());
                phase.loads.extend(stores.loads);
                phase.values.extend(stores.values);
                phase.stores = stores.stores;
                phase
            }
            false => {
                let mut phase = Phase::default();
                made.add(&mut phase, here.iter().copied());
                phase
            }
        };
        let made_here: Vec<String> =
            here.iter().filter_map(|id| kernel.value(*id).kind.row_value()).map(|row| what(kernel, row)).collect();
        phase.title = match made_here.is_empty() {
            true => "row by row".to_owned(),
            false => format!("row by row: {}", join(&made_here)),
        };

        if let Some(id) = ends_with {
            phase.then = format!(
                "the rounds of {} are done for several rows at a time, since each waits for the one before",
                label(kernel, id)
            );
        } else if number < last {
            phase.then = format!("all {BLOCK_ROWS} rows of the block are done with this before any goes on");
        }
        if !(phase.loads.is_empty() && phase.values.is_empty() && phase.stores.is_empty()) {
            phases.push(phase);
        }
    }
    let mut upright = made.stores("a row in each lane of a vector", narrow);
    upright.why = format!("{BLOCK_ROWS} rows of at most {NARROW} columns fill a vector; a row alone does not");
    if !(upright.loads.is_empty() && upright.values.is_empty() && upright.stores.is_empty()) {
        phases.push(upright);
    }
    phases
}

/// The host's loop over rows, one after the other.
fn host_by_row(kernel: &Kernel, schedule: &Schedule) -> Vec<Phase> {
    let reached = reached(kernel);
    let mut made = Made::new(kernel);
    let mut phases: Vec<Phase> = made.before_rows().into_iter().collect();
    for (id, value) in kernel.values().filter(|(id, v)| reached[id.0 as usize] && v.space.per_row) {
        let Some(row) = value.kind.row_value() else { continue };
        let mut phase = Phase { title: what(kernel, row), why: why(kernel, id, row), ..Phase::default() };
        made.add(&mut phase, [id]);
        phases.push(phase);
    }
    phases.push(made.stores("the outputs", schedule.domains()));
    phases
}
