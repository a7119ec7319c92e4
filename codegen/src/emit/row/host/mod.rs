//! Row schedules on the host: one lane owns a row, and what is held of it lies on the stack, or in scratch memory where that
//! would be too much.
//!
//! First, in the order of the values, every one that is held is computed at all columns: what the schedule holds in loops over
//! pieces of columns, neighbours in one loop; row values by the algorithms of [`reduce`], [`topk`] and [`cumsum`], which ask for
//! their operand like any other. Then the stores' pieces are pulled.
//!
//! Where the schedule says so, rows are done in blocks: [`block`].

mod bin_rank;
mod block;
mod columns;
mod cumsum;
mod fold;
mod items;
mod prepare;
mod rank;
mod reduce;
mod stack;
mod topk;
mod transpose;
mod upright;
mod workspace;

use super::{Rows, Segments, Selection};
use crate::emit::peephole::bound_mask::BoundMask;
use crate::emit::peephole::chosen_columns::ChosenColumns;
use crate::emit::peephole::distinct_columns::DistinctColumns;
use crate::emit::peephole::index_words::IndexWords;
use crate::emit::peephole::{Peephole, Peepholes, chosen};
use crate::emit::pieces::store_row;
use crate::emit::pull::arguments::Arguments;
use crate::emit::pull::arithmetic::Indexing;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::job::Job;
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::pull::lanewise::Lanewise;
use crate::emit::pull::scopes::{ScopedMap, Scopes};
use crate::emit::pull::{Pull, Ways};
use crate::machine::Vectors;
use crate::mlir::builder::{Builder, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::schedule::block_rows::Division;
use routefuse_ir::kernel::schedule::holdings::Holdings;
use routefuse_ir::kernel::{RowValue, ValueId, ValueKind, analysis};
use routefuse_ir::op::{Candidates, ReduceOp, TopKOrder};
use stack::{Columns, OnStack, Stack};
use std::collections::HashSet;
use std::rc::Rc;
use workspace::Workspace;

/// Memory that a call is given beside its arguments.
#[derive(Clone, Copy)]
pub(in crate::emit) struct Given<'m> {
    /// The counts of the ids of the rows before, of a call that does not begin with the first row.
    pub before: Option<Val<'m>>,
    /// Scratch memory.
    pub scratch: Option<Val<'m>>,
}

/// Emits rows `begin..end`. What is held lies in scratch memory where there is some; the bytes of it that are taken.
pub(in crate::emit) fn emit<'m>(
    job: Job<'_, 'm>,
    vectors: &dyn Vectors,
    (held, domains, block_rows): (&[ValueId], &[Domain], u32),
    peepholes: Peepholes,
    arguments: Arguments<'m>,
    ([begin, end], Given { before, scratch }): ([Val<'m>; 2], Given<'m>),
) -> u64 {
    let bound_mask = BoundMask::default();
    let shortcuts = chosen(
        peepholes,
        &[
            (Peephole::BoundMask, &bound_mask),
            (Peephole::IndexWords, &IndexWords),
            (Peephole::DistinctColumns, &DistinctColumns),
            (Peephole::ChosenColumns, &ChosenColumns),
        ],
    );
    let scopes = Scopes::new();
    let pull = Pull::new(job, Rc::clone(&scopes), arguments, Ways { shortcuts: &shortcuts, widen_bf16: None });
    let owner = RowHost::new(pull, &scopes, vectors, Given { before, scratch });
    owner.rows((held, domains, block_rows), begin, end);
    owner.stack.scratch_bytes()
}

/// Emits the counting of the ids of rows `begin..end`, for kernels whose rows can be shared so.
pub(in crate::emit) fn count<'m>(
    job: Job<'_, 'm>,
    vectors: &dyn Vectors,
    arguments: Arguments<'m>,
    [begin, end]: [Val<'m>; 2],
    counts: Val<'m>,
) {
    let scopes = Scopes::new();
    let pull = Pull::new(job, Rc::clone(&scopes), arguments, Ways { shortcuts: &[], widen_bf16: None });
    let owner = RowHost::new(pull, &scopes, vectors, Given { before: None, scratch: None });
    owner.count_items([begin, end], counts);
}

/// The owner.
struct RowHost<'a, 'm> {
    b: &'a Builder<'m>,
    pull: Pull<'a, 'm>,
    ix: Rc<Indexing<'a, 'm>>,
    lanewise: Rc<Lanewise<'a, 'm>>,
    vectors: &'a dyn Vectors,
    stack: Stack<'a, 'm>,
    /// The counts of the ids of the rows before, of a call that does not begin with the first row.
    before: Option<Val<'m>>,
    /// Values that are held as the rank keys of their columns, of candidates of all kinds: nobody asks for more, and whoever
    /// wants their traps computes them again.
    keys: ScopedMap<ValueId, Columns<'m>>,
}

/// What is done to hold values.
#[derive(Clone)]
enum Task<'m> {
    /// What the schedule holds is computed column by column.
    Columns(Vec<ToHold<'m>>),
    /// One row value.
    RowValue(ValueId, RowValue, Workspace<'m>),
}

/// A value that the schedule holds.
#[derive(Clone)]
struct ToHold<'m> {
    id: ValueId,
    columns: Columns<'m>,
    /// It is held as rank keys.
    keys: bool,
}

impl<'a, 'm> RowHost<'a, 'm> {
    fn new(
        pull: Pull<'a, 'm>,
        scopes: &Rc<Scopes>,
        vectors: &'a dyn Vectors,
        Given { before, scratch }: Given<'m>,
    ) -> Self {
        RowHost {
            b: pull.b,
            ix: Rc::clone(&pull.ix),
            lanewise: Rc::clone(&pull.lanewise),
            stack: Stack::new(pull.b, &pull.ix, &pull.lanewise, scratch),
            pull,
            vectors,
            before,
            keys: ScopedMap::new(scopes),
        }
    }

    /// The loop over rows.
    fn rows(&self, (held, domains, block_rows): (&[ValueId], &[Domain], u32), begin: Val<'m>, end: Val<'m>) {
        let pull = &self.pull;
        let division = if block_rows > 1 { Division::of(pull.kernel, held) } else { None };
        let holdings = Holdings::of(pull.kernel, held);
        let (uniform, per_row): (Vec<ValueId>, Vec<ValueId>) =
            holdings.held().into_iter().partition(|id| !pull.kernel.value(*id).space.per_row);
        let one = |_: ValueId| (1, 1);
        let uniform = self.tasks(&uniform, &holdings, &one);
        let domains: Vec<&Domain> = domains.iter().collect();
        if let Some(division) = division {
            let block = self.block(&division, &per_row, &domains);
            uniform.iter().for_each(|task| self.carry_out(task, &Index::nowhere()));
            pull.evaluate_uniforms();
            return self.blocks(&block, begin, end);
        }
        let items = analysis::items(pull.kernel);
        let by_item = |id: &ValueId| {
            items.as_ref().is_some_and(|of| *id == of.rank || *id == of.ids && of.reads_ids(pull.kernel))
        };
        let per_row: Vec<ValueId> = per_row.into_iter().filter(|id| !by_item(id)).collect();
        let per_row = self.tasks(&per_row, &holdings, &one);
        uniform.iter().for_each(|task| self.carry_out(task, &Index::nowhere()));
        pull.evaluate_uniforms();
        let items = items.map(|of| (self.before_items(&of), of));
        let others = items.as_ref().map(|(_, of)| items::others(of, &domains));
        let domains = others.as_ref().map_or(domains, |others| others.iter().collect());
        self.b.for_loop(begin, end, self.b.const_int(self.b.int(64), 1), |_, row| {
            pull.scopes.scoped(|| {
                let at = Index::new(vec![Ix::value(row, 1)], vec![Ix::constant(0)], None);
                per_row.iter().for_each(|task| self.carry_out(task, &at));
                if let Some((seen, of)) = &items {
                    self.items_of_row(of, *seen, &at);
                }
                store_row(pull, &domains, row, false);
            });
        });
    }

    /// Memory for all of these, with neighbours that go through the same columns together. `rows` says for how many rows each
    /// is held, and for how many the keys of a top-k.
    fn tasks(&self, held: &[ValueId], holdings: &Holdings, rows: &dyn Fn(ValueId) -> (u64, u64)) -> Vec<Task<'m>> {
        let mut tasks: Vec<Task<'m>> = Vec::new();
        let traps_of = analysis::may_trap(self.pull.kernel);
        for id in held {
            let value = self.pull.kernel.value(*id);
            if let Some(row_value) = value.kind.row_value().copied() {
                tasks.push(Task::RowValue(*id, row_value, self.workspace(*id, row_value, &traps_of, rows(*id))));
                continue;
            }
            let keys = holdings.only_ranked(*id);
            let traps = traps_of[id.0 as usize] && !keys;
            let dtype = if keys { DType::U32 } else { value.dtype };
            let columns = self.stack.room(dtype, value.space.cols, traps.then_some(1), rows(*id).0);
            let one = ToHold { id: *id, columns, keys };
            match tasks.last_mut() {
                Some(Task::Columns(together))
                    if self.pull.kernel.value(together[0].id).space.cols == value.space.cols
                        && self.pointwise(*id, together) =>
                {
                    together.push(one);
                }
                _ => tasks.push(Task::Columns(vec![one])),
            }
        }
        tasks
    }

    /// Whether a value asks for those of a loop only at its own column.
    fn pointwise(&self, id: ValueId, together: &[ToHold<'m>]) -> bool {
        let first = together[0].id;
        let member = |id: ValueId| together.iter().any(|held| held.id == id);
        // What is before the first of the loop does not ask for it.
        let mut waiting = vec![(id, true)];
        let mut seen = HashSet::new();
        while let Some((id, here)) = waiting.pop() {
            if id < first || !seen.insert((id, here)) {
                continue;
            }
            if member(id) {
                if !here {
                    return false;
                }
                continue;
            }
            let kind = &self.pull.kernel.value(id).kind;
            let here = here && matches!(kind, ValueKind::Scalar(..) | ValueKind::Gather { .. });
            waiting.extend(kind.operands().into_iter().map(|o| (o, here)));
        }
        true
    }

    fn carry_out(&self, task: &Task<'m>, row: &Index<'m>) {
        match task {
            Task::Columns(together) => self.hold_columns(together, row),
            Task::RowValue(id, row_value, workspace) => {
                self.b.made_for(id.0, || {
                    super::compute(self, *row_value, workspace, row);
                    self.hold(*id, workspace.out.clone());
                });
            }
        }
    }

    fn hold(&self, id: ValueId, columns: Columns<'m>) {
        self.pull.hold(id, Rc::new(OnStack { stack: self.stack.clone(), columns }));
    }

    /// What is known of the NaNs of a value that the schedule holds, which are not made canonical.
    fn nans_of(&self, id: ValueId) -> Nans {
        let value = self.pull.kernel.value(id);
        if value.dtype == DType::F32 && analysis::is_arithmetic(value) { Nans::Free } else { Nans::Exact }
    }

    /// The memory of such a value, of which that is known.
    fn with_nans_of(&self, id: ValueId, columns: &Columns<'m>) -> Columns<'m> {
        columns.with_nans(self.nans_of(id))
    }

    fn hold_columns(&self, together: &[ToHold<'m>], row: &Index<'m>) {
        let kernel = self.pull.kernel;
        let cols = kernel.value(together[0].id).space.cols;
        let nans = |id: ValueId| self.nans_of(id);
        self.columns(Ix::constant(0), cols, |at| {
            for ToHold { id, columns, keys } in together {
                self.b.made_for(id.0, || {
                    let x = self.neighbouring(*id, row, at[0], at.len() as u64);
                    let x = match keys {
                        true => Lanes::exact(self.rank_keys(x, kernel.value(*id).dtype, Candidates::All), x.lanes),
                        false if nans(*id) == Nans::Free => x,
                        false => self.lanewise.settled(x),
                    };
                    self.stack.write(columns, at, x);
                });
            }
        });
        for ToHold { id, columns, keys } in together {
            match keys {
                true => self.keys.insert(*id, columns.clone()),
                false => self.hold(*id, self.with_nans_of(*id, columns)),
            }
        }
    }
}

impl<'m> Rows<'m> for RowHost<'_, 'm> {
    type Prepared = Workspace<'m>;
    /// All is in the workspace.
    type Result = ();

    fn reduce(&self, of: Segments, op: ReduceOp, work: &Workspace<'m>, at: &Index<'m>) {
        self.reduce_segments(work, op, of, at);
    }

    fn cumsum(&self, of: Segments, work: &Workspace<'m>, at: &Index<'m>) {
        self.sum_segments(work, of, at);
    }

    fn topk(&self, of: Segments, what: Selection, order: TopKOrder, work: &Workspace<'m>, at: &Index<'m>) {
        self.select_columns(work, of, what, order, at);
    }

    fn topk_mask(&self, of: Segments, what: Selection, work: &Workspace<'m>, at: &Index<'m>) {
        self.mark_columns(work, of, what, at);
    }

    fn bin_rank(&self, of: Segments, bins: u64, work: &Workspace<'m>, at: &Index<'m>) {
        self.rank_ids(work, of, bins, at);
    }
}
