//! Rows in blocks: see [`routefuse_ir::kernel::schedule::block_rows`].
//!
//! A block is as many rows as a vector has lanes, or the rows that are left at the end. In each phase what is wide is computed
//! row by row, and the rounds of a top-k that ends the phase are done for several rows at a time. What is narrow has a row in
//! each lane ([`super::upright`]) in a whole block. Of rows that are left over it is done row by row; but where nothing else is
//! done of them, and they are many, as a block in whose further lanes is the last row again ([`Division::repeats_last_row`]).

use super::stack::{Columns, OfBlock, OnStack};
use super::topk::Ranked;
use super::workspace::Workspace;
use super::{RowHost, Task};
use crate::emit::pieces::store_row;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::row::{Segments, Selection};
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::schedule::block_rows::{BLOCK_ROWS, Division, MOST_ONE_BY_ONE};
use routefuse_ir::kernel::schedule::key_blocks::key_blocks;
use routefuse_ir::kernel::{RowOp, RowValue, ValueId};
use routefuse_ir::op::TopKOrder;
use std::rc::Rc;

/// Rows whose rounds alternate.
const ALTERNATING: u64 = 4;

/// What is done row by row before other rows are gone on with.
struct Phase<'m> {
    tasks: Vec<Task<'m>>,
    /// The top-k whose rounds follow.
    rounds: Option<Rounds<'m>>,
}

/// A top-k whose rounds are done for several rows at a time.
struct Rounds<'m> {
    id: ValueId,
    of: Segments,
    what: Selection,
    order: TopKOrder,
    work: Workspace<'m>,
}

/// What a phase has left of every row of a block.
struct Left<'m> {
    id: ValueId,
    columns: Columns<'m>,
    /// It is rank keys.
    keys: bool,
}

/// The work of a block of rows.
pub(super) struct Block<'f, 'm> {
    phases: Vec<Phase<'m>>,
    /// What has a row in each lane, or is done row by row in rows that are left over.
    narrow: Vec<Task<'m>>,
    /// What is stored row by row.
    wide_stores: Vec<&'f Domain>,
    narrow_stores: Vec<&'f Domain>,
    /// Many rows that are left over are a block in which the last is repeated.
    repeats_last_row: bool,
}

impl<'m> RowHost<'_, 'm> {
    /// The work that is divided like this, with memory for it.
    pub(super) fn block<'f>(&self, division: &Division<'_>, held: &[ValueId], domains: &[&'f Domain]) -> Block<'f, 'm> {
        let (holdings, outlives) = (division.holdings(), division.outlives());
        let rows = |id: ValueId| {
            let of = |several: bool| if several { u64::from(BLOCK_ROWS) } else { 1 };
            (of(outlives[id.0 as usize]), of(division.goes_round(id)))
        };
        let phases = (0..=division.last_phase()).map(|number| {
            let here = |id: &&ValueId| division.is_by_row(**id) && division.phase(**id) == number;
            let of_phase: Vec<ValueId> = held.iter().filter(here).copied().collect();
            let mut tasks = self.tasks(&of_phase, holdings, &rows);
            let rounds = match tasks.pop() {
                Some(Task::RowValue(id, RowValue { op: RowOp::TopK { k, candidates, order }, value, width }, work))
                    if division.goes_round(id) =>
                {
                    let operand = value;
                    let (of, what) = (Segments { operand, width }, Selection { k, candidates });
                    Some(Rounds { id, of, what, order, work })
                }
                other => {
                    tasks.extend(other);
                    None
                }
            };
            Phase { tasks, rounds }
        });
        let phases = phases.collect();
        let narrow: Vec<ValueId> = held.iter().filter(|id| !division.is_by_row(**id)).copied().collect();
        let (wide_stores, narrow_stores) = domains.iter().partition(|d| Division::stores_by_row(d.cols));
        let narrow = self.tasks(&narrow, holdings, &|_| (1, 1));
        Block { phases, narrow, wide_stores, narrow_stores, repeats_last_row: division.repeats_last_row() }
    }

    /// The loop over blocks of rows.
    pub(super) fn blocks(&self, block: &Block<'_, 'm>, begin: Val<'m>, end: Val<'m>) {
        let (b, i64) = (self.b, self.b.int(64));
        let whole = b.const_int(i64, i64::from(BLOCK_ROWS));
        b.for_loop(begin, end, whole, |_, first| {
            self.pull.scopes.scoped(|| {
                let rows = b.minsi(b.subi(end, first), whole);
                for number in 0..block.phases.len() {
                    self.phase(block, number, (first, rows));
                }
                if block.narrow_stores.is_empty() {
                    return;
                }
                let is_whole = b.cmpi(IntPredicate::Eq, rows, whole);
                let upright = |_: &_| {
                    let rows = (0..u64::from(BLOCK_ROWS)).map(|lane| Ix::value(first, 1).offset(lane)).collect();
                    self.pull.scopes.scoped(|| self.upright(block, first, rows));
                    vec![]
                };
                let left_over = |_: &_| {
                    self.left_over(block, (first, rows));
                    vec![]
                };
                b.if_then_else(is_whole, &[], upright, left_over);
            });
        });
    }

    /// What is narrow of the rows that are left over.
    fn left_over(&self, block: &Block<'_, 'm>, (first, rows): (Val<'m>, Val<'m>)) {
        let (b, i64) = (self.b, self.b.int(64));
        let one_by_one = |_: &_| {
            self.rows_of_block((first, rows), |row, number| {
                self.hold_of_row(block, block.phases.len(), number);
                block.narrow.iter().for_each(|task| self.carry_out(task, &row));
                store_row(&self.pull, &block.narrow_stores, self.ix.materialise(row.row[0]), false);
            });
            vec![]
        };
        if !block.repeats_last_row {
            one_by_one(b);
            return;
        }
        let repeated = |_: &_| {
            let last = b.addi(first, b.subi(rows, b.const_int(i64, 1)));
            let row = |lane| Ix::value(b.minsi(b.addi(first, b.const_int(i64, lane)), last), 1);
            let rows = (0..i64::from(BLOCK_ROWS)).map(row).collect();
            self.pull.scopes.scoped(|| self.upright(block, first, rows));
            vec![]
        };
        let are_few = b.cmpi(IntPredicate::Sle, rows, b.const_int(i64, i64::from(MOST_ONE_BY_ONE)));
        b.if_then_else(are_few, &[], one_by_one, repeated);
    }

    /// Runs `body` with the index and the number of each row of a block.
    fn rows_of_block(&self, (first, rows): (Val<'m>, Val<'m>), body: impl FnOnce(Index<'m>, Ix<'m>)) {
        let (b, i64) = (self.b, self.b.int(64));
        b.for_loop(b.const_int(i64, 0), rows, b.const_int(i64, 1), |_, number| {
            self.pull.scopes.scoped(|| {
                let row = Ix::value(b.addi(first, number), 1);
                body(Index::new(vec![row], vec![Ix::constant(0)], None), Ix::value(number, 1));
            });
        });
    }

    fn phase(&self, block: &Block<'_, 'm>, number: usize, rows: (Val<'m>, Val<'m>)) {
        let phase = &block.phases[number];
        let last = number + 1 == block.phases.len();
        if phase.tasks.is_empty() && phase.rounds.is_none() && (!last || block.wide_stores.is_empty()) {
            return;
        }
        self.rows_of_block(rows, |row, in_block| {
            self.hold_of_row(block, number, in_block);
            for task in &phase.tasks {
                self.carry_out(&self.of_row(task, in_block), &row);
            }
            if let Some(rounds) = &phase.rounds {
                self.rank(rounds, in_block, &row);
            }
            if last && !block.wide_stores.is_empty() {
                store_row(&self.pull, &block.wide_stores, self.ix.materialise(row.row[0]), false);
            }
        });
        let Some(rounds) = &phase.rounds else { return };
        let (b, i64) = (self.b, self.b.int(64));
        let const_long = |n: u64| b.const_int(i64, n as i64);
        let together = b.andi(rows.1, b.const_int(i64, -(ALTERNATING as i64)));
        let several = |from, to, together: u64| {
            b.for_loop(from, to, const_long(together), |_, at| {
                self.pull.scopes.scoped(|| self.go_round(rounds, Ix::value(at, together), together));
            });
        };
        several(const_long(0), together, ALTERNATING);
        several(together, rows.1, 1);
    }

    /// The task as it is done of a row of a block.
    fn of_row(&self, task: &Task<'m>, number: Ix<'m>) -> Task<'m> {
        let mut task = task.clone();
        match &mut task {
            Task::Columns(together) => {
                together.iter_mut().for_each(|held| held.columns = self.stack.of_row(&held.columns, number));
            }
            Task::RowValue(_, _, work) => *work = work.of_row(&self.stack, number),
        }
        task
    }

    /// All that earlier phases have left of every row of a block.
    fn left_before(&self, block: &Block<'_, 'm>, phase: usize) -> Vec<Left<'m>> {
        let mut left: Vec<Left<'m>> = vec![];
        for phase in &block.phases[..phase] {
            for task in &phase.tasks {
                match task {
                    Task::Columns(together) => {
                        left.extend(together.iter().map(|held| Left {
                            id: held.id,
                            columns: if held.keys {
                                held.columns.clone()
                            } else {
                                self.with_nans_of(held.id, &held.columns)
                            },
                            keys: held.keys,
                        }));
                    }
                    Task::RowValue(id, _, work) => left.push(Left { id: *id, columns: work.out.clone(), keys: false }),
                }
            }
            let chosen = |rounds: &Rounds<'m>| Left { id: rounds.id, columns: rounds.work.out.clone(), keys: false };
            left.extend(phase.rounds.iter().map(chosen));
        }
        left.retain(|left| left.columns.are_of_block());
        left
    }

    /// Gives whoever asks what earlier phases have left of a row.
    fn hold_of_row(&self, block: &Block<'_, 'm>, phase: usize, number: Ix<'m>) {
        for Left { id, columns, keys } in self.left_before(block, phase) {
            let columns = self.stack.of_row(&columns, number);
            match keys {
                true => self.keys.insert(id, columns),
                false => self.pull.hold(id, Rc::new(OnStack { stack: self.stack.clone(), columns })),
            }
        }
    }

    /// Puts the keys of a row to where its rounds look for them.
    fn rank(&self, rounds: &Rounds<'m>, number: Ix<'m>, row: &Index<'m>) {
        let Rounds { of, what, work, .. } = rounds;
        let work = work.of_row(&self.stack, number);
        let first = Ix::constant(0);
        work.keys.iter().for_each(|keys| self.no_keys_behind(*keys, of.width));
        let Some(ranked) = self.ranked_blocks(&work, *of, what.candidates, (first, row)) else { return };
        if let Some(maxima) = work.maxima {
            self.stack.write_at(maxima, self.stack.key_type(), 4, first, ranked.maxima);
        }
        let trap = self.segment_trap(&work, (of.operand, row), first, of.width);
        self.stack.write_trap(&work.out, first, trap);
    }

    /// The rounds of so many rows, from this one of the block on.
    fn go_round(&self, rounds: &Rounds<'m>, number: Ix<'m>, rows: u64) {
        let Rounds { of, what, order, work, .. } = rounds;
        let works: Vec<Workspace<'m>> = (0..rows).map(|n| work.of_row(&self.stack, number.offset(n))).collect();
        let ranked = |work: &Workspace<'m>| {
            let blocks = key_blocks(of.width)?;
            let all: Vec<Ix<'m>> = (0..blocks.1).map(Ix::constant).collect();
            let maxima = self.stack.read_at(work.maxima?, self.stack.key_type(), 4, &all);
            Some(Ranked { keys: work.keys?, blocks, maxima })
        };
        let Some(ranked) = works.iter().map(ranked).collect::<Option<Vec<_>>>() else { return };
        for (work, ids) in works.iter().zip(self.rounds(&ranked, what.k)) {
            let ids = self.arranged(work, ids, what.k, *order);
            // What has trapped was written with the keys.
            let work = Workspace { out: work.out.without_traps(), ..work.clone() };
            self.write_lanes(&work, Ix::constant(0), Lanes::exact(ids, 1), what.k);
        }
    }

    /// What is narrow, of these rows of the block that begins with this row, one a lane.
    fn upright(&self, block: &Block<'_, 'm>, first: Val<'m>, rows: Vec<Ix<'m>>) {
        let at = Index::new(rows, vec![Ix::constant(0)], None);
        for Left { id, columns, .. } in
            self.left_before(block, block.phases.len()).into_iter().filter(|left| !left.keys)
        {
            self.b.made_for(id.0, || self.stand_up_held(id, &columns, &at));
            self.pull.hold(id, Rc::new(OfBlock { stack: self.stack.clone(), columns, first }));
        }
        self.stand_up_loads(&at);
        for task in &block.narrow {
            if let Task::RowValue(id, row_value, _) = task {
                self.row_value_upright(*id, *row_value, &at);
            }
        }
        block.narrow_stores.iter().for_each(|domain| self.store_upright(domain, &at));
    }
}
