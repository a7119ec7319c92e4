//! Kernels that cross rows, joined into one launch.
//!
//! Fusion ends a kernel where a value is needed of all rows: at counts of bins, at what begins where they say, and at what is laid
//! out over a fill. On a GPU such kernels can be *phases* of one launch all the same ([`routefuse_ir::kernel::phases`]), since each
//! block can count all items for itself. This pass finds neighbouring kernels of a program for which that is so:
//!
//! 1. one that writes zeros, and one that adds 1 to them for each id of every row;
//! 2. kernels of one row, which every block does in its own memory: starts of bins, totals;
//! 3. kernels over any rows in which nothing crosses rows, and one that ranks the same ids, which the blocks divide.
//!
//! What a phase reads was there before the launch, or is memory of its block. So every element is stored once and by one block,
//! and no block waits for another. A fill with values put over it would need a wait between the two: it is made the fill of the
//! places that no item has, which counts and starts say of each place.
//!
//! A sum of inputs that a kernel of rows asks for is a kernel of one row by itself (`lifted`), where that makes a phase of it.
//!
//! In front of phases there may be a kernel of rows that makes their items. For few rows, all is one launch of one block then
//! (`at_once`), and for many rows the launch that does them counts (`in_chunks`). Rows that are not many may add to counts themselves
//! (`added`). The program has these beside the kernels for other numbers of rows (`behind_rows`).

mod added;
mod alike;
mod arranged;
mod at_once;
mod behind_rows;
mod counts_apart;
mod ended;
mod in_chunks;
mod lifted;
mod padded;
mod part;
mod together;

use alike::{Of, alike};
pub use ended::Ended;
use padded::Laid;
use routefuse_ir::kernel::analysis::{reached_from, starts_of_places};
use routefuse_ir::kernel::phases::{MOST_CHUNKS, Phase, Phases, Place, Reach};
use routefuse_ir::kernel::schedule::room::{MOST_LANES, MOST_SHARED_WORDS, words_of_phases};
use routefuse_ir::kernel::{Kernel, Param, ParamId, Role, RowOp, Store, ValueKind};
use routefuse_ir::program::{Buffer, Intermediate, Program, Step};
use routefuse_ir::{Alias, DType, Diagnostics, Dim, Layout, SymbolId, TensorType};
use std::collections::BTreeMap;
use std::ops::Range;

/// A program whose kernels are joined where they can be, and for each of its kernels those that it was.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The program.
    pub program: Program,
    /// For each kernel, which of the program before: of several, the first to the last. Where kernels were parted to be joined, one
    /// can be in several, and so can those that few rows have a kernel of all for.
    pub from: Vec<Range<usize>>,
    /// For each kernel of phases, why the next one is none of them.
    pub ended: Vec<Option<Ended>>,
    /// Kernels that count and could have phases behind them, each with the kernel that ended that and why: of the program before.
    pub apart: Vec<Apart>,
}

/// A kernel that counts what others rank or lay out, and is a launch by itself all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Which it is.
    pub counts: usize,
    /// Which one is no phase behind it.
    pub other: usize,
    /// Why not.
    pub why: Ended,
}

/// Joins what can be phases of one launch.
///
/// # Errors
/// Only by a defect of this crate (`RF0501`).
pub fn join(program: &Program) -> Result<Joined, Diagnostics> {
    let mut joined = in_best_order(program)?;
    behind_rows::add(&mut joined, program)?;
    Ok(joined)
}

/// Joins neighbours, in another order or with sums of inputs by themselves where that makes fewer kernels.
fn in_best_order(program: &Program) -> Result<Joined, Diagnostics> {
    let mut best = in_order(program)?;
    if let Some((lifted, of)) = lifted::lifted(program)? {
        best = fewer(best, in_order(&lifted)?, &of);
    }
    Ok(best)
}

/// Joins neighbours, in another order where that makes fewer kernels.
fn in_order(program: &Program) -> Result<Joined, Diagnostics> {
    let joined = as_it_is(program)?;
    let Some((arranged, of)) = arranged::arranged(program)? else { return Ok(joined) };
    Ok(fewer(joined, as_it_is(&arranged)?, &of))
}

/// Of two ways to join a program the one with fewer kernels; of as many, the one in which less is added to what other blocks add to. The
/// second one is of a program of which each kernel was, or is a part of, the one that is said. Where it is the first one, and that has no
/// phases, the second one may know why.
fn fewer(mut joined: Joined, mut other: Joined, of: &[usize]) -> Joined {
    for apart in &mut other.apart {
        (apart.counts, apart.other) = (of[apart.counts], of[apart.other]);
    }
    let adds = |step: &Step| step.kernel.stores.iter().filter(|s| s.add_at.is_some()).count();
    let cost = |program: &Program| (program.steps.len(), program.steps.iter().map(adds).sum::<usize>());
    if cost(&other.program) >= cost(&joined.program) {
        if joined.apart.is_empty() {
            joined.apart = other.apart;
        }
        return joined;
    }
    for from in &mut other.from {
        let of = || of[from.clone()].iter().copied();
        *from = of().min().unwrap_or(0)..of().max().map_or(0, |last| last + 1);
    }
    other
}

/// Joins neighbours.
fn as_it_is(program: &Program) -> Result<Joined, Diagnostics> {
    let before = Program { steps: vec![], ..program.clone() };
    let mut joined = Joined { program: before, from: vec![], ended: vec![], apart: vec![] };
    let mut at = 0;
    while at < program.steps.len() {
        let group = Group::from(program, at);
        if let Some(group) = group.as_ref().filter(|g| !g.is_worth_it() && g.ended != Ended::Last) {
            joined.apart.push(Apart { counts: at + 1, other: at + 1 + group.taken, why: group.ended });
        }
        let group = group.filter(Group::is_worth_it);
        let end = group.as_ref().map_or(at + 1, |g| at + 1 + g.taken);
        joined.ended.push(group.as_ref().map(|g| g.ended));
        let step = match group {
            Some(group) => group.step(&mut joined.program, at..end)?,
            None => program.steps[at].clone(),
        };
        joined.program.steps.push(step);
        joined.from.push(at..end);
        at = end;
    }
    Ok(joined)
}

/// A phase, with its buffers and symbols in the program.
struct Bound {
    kernel: Kernel,
    buffers: Vec<Buffer>,
    symbols: Vec<SymbolId>,
    reach: Reach,
    /// Of one that pads, where bins start.
    starts: Option<Buffer>,
}

/// Neighbouring kernels that can be phases of one launch: one that writes zeros, and these.
struct Group<'p> {
    program: &'p Program,
    phases: Vec<Bound>,
    /// Memory of a block; the counts come first.
    shared: Vec<Buffer>,
    /// What blocks divide among them.
    stored: Vec<Buffer>,
    bins: u64,
    /// How many they are. One may be several phases.
    taken: usize,
    /// Why it is not longer.
    ended: Ended,
}

impl<'p> Group<'p> {
    /// The longest that begins with this kernel.
    fn from(program: &'p Program, first: usize) -> Option<Group<'p>> {
        let [zero, count] = program.steps.get(first..first + 2)? else { return None };
        let counts = zeros(zero).filter(|b| !has_alias(program, *b))?;
        let [store] = count.kernel.stores[..] else { return None };
        let k = &count.kernel;
        let index = k.value(store.add_at?);
        let is_1 = matches!(k.value(store.value).kind, ValueKind::Const(l) if l.bits() == 1);
        let ty = program.buffer_type(counts);
        let [Dim::Const(bins)] = ty.shape[..] else { return None };
        let counts_ids = k.rows.is_some() && index.space.per_row && !k.has_row_values() && k.error_word().is_none();
        if count.buffers[store.param.0 as usize] != counts || !is_1 || ty.dtype != DType::I32 || !counts_ids {
            return None;
        }
        let (shared, ended) = (vec![counts], Ended::Last);
        let mut group = Group { program, phases: vec![], shared, stored: vec![], bins, taken: 1, ended };
        group.phases.push(Bound::of(count, Reach::Counted));
        for step in &program.steps[first + 2..] {
            if let Err(why) = group.takes(step) {
                group.ended = why;
                break;
            }
            group.taken += 1;
        }
        Some(group)
    }

    /// Counts in front of something else are no reason to have every block count all items. Where there is nothing but counts, one block
    /// counts, and no row adds to what other blocks add to.
    fn is_worth_it(&self) -> bool {
        let is_divided = self.phases.iter().any(|p| matches!(p.reach, Reach::Divided | Reach::Ranked));
        is_divided || self.ended == Ended::Last
    }

    /// Takes a kernel as a phase, if it can be one.
    fn takes(&mut self, step: &Step) -> Result<(), Ended> {
        let kernel = &step.kernel;
        let written: Vec<Buffer> = buffers(step, Role::Output).collect();
        // What was stored by another block cannot be read; what values are put over is looked at where they are.
        let is_kept = |p: usize| kernel.params.iter().any(|q| q.aliases == Some(ParamId(p as u32)));
        let mut read = kernel.params.iter().zip(&step.buffers).enumerate().filter(|(_, (p, _))| p.role == Role::Input);
        let reads_others = read.any(|(p, (_, b))| self.stored.contains(b) && !is_kept(p));
        let refused = [
            (kernel.error_word().is_some(), Ended::Traps),
            (reads_others, Ended::ReadsOthers),
            (written.iter().any(|b| !self.is_its_own(step, *b)), Ended::Aliased),
            (kernel.stores.iter().any(|s| s.add_at.is_some()), Ended::Adds),
        ];
        if let Some((_, why)) = refused.into_iter().find(|(is, _)| *is) {
            return Err(why);
        }
        let ops: Vec<RowOp> = kernel.values.iter().filter_map(|v| v.kind.row_value()).map(|row| row.op).collect();
        let plain = kernel.stores.iter().all(|s| s.put_at.is_none());
        match (kernel.rows, &ops[..]) {
            (None, _) if plain => self.takes_one_row(step, &written),
            (Some(_), []) if plain => {
                self.stored.extend(written);
                self.phases.push(Bound::of(step, Reach::Divided));
                Ok(())
            }
            (Some(_), [RowOp::Rank { bins }]) if *bins == self.bins => self.takes_ranks(step, written),
            (_, ops) if ops.iter().any(|op| op.crosses_rows()) => Err(Ended::OtherItems),
            (_, []) => Err(Ended::OtherPlaces),
            _ => Err(Ended::WholeRows),
        }
    }

    /// Whether no other block reads what lies where this output does: an output without an input's memory, or in the memory of one
    /// that this step alone reads, and only the elements that it stores.
    fn is_its_own(&self, step: &Step, output: Buffer) -> bool {
        if !has_alias(self.program, output) {
            return true;
        }
        let Buffer::Output(o) = output else { return false };
        // A guarded output may be the very input, and is then not written.
        let Alias::InPlace(i) = self.program.outputs[o].alias else { return false };
        let k = &step.kernel;
        let one_column = self.program.inputs[i].ty.shape.len() == 1;
        let elsewhere = |v: &ValueKind| match v {
            ValueKind::Gather { table, .. } => step.buffers[table.0 as usize] == Buffer::Input(i),
            ValueKind::Remap(..) | ValueKind::Concat(_) | ValueKind::GatherRow { .. } => !one_column,
            _ => false,
        };
        // What else it stores may read places that items have been put to by then.
        let is_own = |s: &Store| step.buffers[s.param.0 as usize] == output && s.element().is_none();
        let beside = reached_from(&k.values, k.stores.iter().filter(|s| !is_own(s)).flat_map(Store::operands));
        let is_input =
            |v: &ValueKind| matches!(v, ValueKind::Load(p) if step.buffers[p.0 as usize] == Buffer::Input(i));
        let reads_beside = k.values().any(|(id, v)| beside[id.0 as usize] && is_input(&v.kind));
        let reads = step.buffers.contains(&Buffer::Input(i));
        // What values are put over may have read it, each place before it was stored.
        let others = self.phases.iter().any(|p| p.buffers.contains(&Buffer::Input(i)) && p.stored_at(output).is_none());
        let reads_others = k.rows.is_none() || reads_beside || k.values.iter().any(|v| elsewhere(&v.kind));
        !(others || reads && reads_others)
    }

    fn takes_one_row(&mut self, step: &Step, written: &[Buffer]) -> Result<(), Ended> {
        let sums = step.kernel.values().all(|(_, v)| match v.kind.row_value() {
            Some(row) => row.op == RowOp::CumSum && v.dtype.is_int() && row.width == v.space.cols,
            None => true,
        });
        let params = || step.kernel.params.iter().zip(&step.buffers);
        let gapless = |b: &Buffer| params().all(|(p, of)| of != b || p.layout == Layout::Contiguous);
        if !sums || !written.iter().all(gapless) {
            return Err(Ended::OneRow);
        }
        let parts = by_sum(step).ok_or(Ended::OneRow)?;
        let before = (self.shared.len(), self.phases.len());
        self.shared.extend(written);
        self.phases.extend(parts.iter().map(|part| Bound::of(part, Reach::EveryBlock)));
        let words = words_of_phases(&self.phases(&mut Named::default()), 1, MOST_LANES);
        if words <= MOST_SHARED_WORDS {
            return Ok(());
        }
        self.shared.truncate(before.0);
        self.phases.truncate(before.1);
        Err(Ended::NoRoom { words })
    }

    /// One kernel ranks, of the ids that are counted; what it puts is laid over what this launch fills, which then fills only the
    /// places that no item has.
    fn takes_ranks(&mut self, step: &Step, written: Vec<Buffer>) -> Result<(), Ended> {
        let counted = &self.phases[0];
        let rank = step.kernel.values().find_map(|(id, v)| v.kind.row_value().map(|row| (id, row.value)));
        let (rank, ids) = rank.ok_or(Ended::OtherItems)?;
        let counted_ids = counted.kernel.stores[0].add_at.ok_or(Ended::OtherItems)?;
        let is_first = self.phases.iter().all(|p| p.reach != Reach::Ranked);
        let of = |k, b, s| Of { kernel: k, buffers: b, symbols: s };
        let same = alike(
            (of(&counted.kernel, &counted.buffers, &counted.symbols), counted_ids),
            (of(&step.kernel, &step.buffers, &step.symbols), ids),
        );
        let cols = step.kernel.value(ids).space.cols;
        if !is_first || !same || counted.kernel.store_cols(&counted.kernel.stores[0]) != cols {
            return Err(Ended::OtherItems);
        }
        if step.kernel.stores.iter().any(|s| step.kernel.store_cols(s) != cols) {
            return Err(Ended::WholeRows);
        }
        let mut fills: BTreeMap<usize, Vec<Laid>> = BTreeMap::new();
        for store in &step.kernel.stores {
            let Some(at) = store.put_at else { continue };
            let target = step.buffers[store.param.0 as usize];
            let starts = starts_of_places(&step.kernel, at, rank, ids).ok_or(Ended::OtherPlaces)?;
            let starts = step.buffers[starts.0 as usize];
            let known = self.program.buffer_type(starts).shape == [Dim::Const(self.bins + 1)];
            let fills_it = |p: &Bound| p.reach == Reach::Divided && p.starts.is_none() && p.stored_at(target).is_some();
            let fill = self.phases.iter().position(fills_it).filter(|_| known).ok_or(Ended::OtherPlaces)?;
            fills.entry(fill).or_default().push((target, starts));
        }
        let apart = |(at, laid): (&usize, &Vec<Laid>)| Some((*at, padded::apart(&self.phases[*at], laid)?));
        let fills: Option<Vec<_>> = fills.iter().map(apart).collect();
        for (at, phases) in fills.ok_or(Ended::OtherPlaces)?.into_iter().rev() {
            self.phases.splice(at..=at, phases);
        }
        self.stored.extend(written);
        self.phases.push(Bound::of(step, Reach::Ranked));
        Ok(())
    }

    /// The phases over these parameters, in the order in which they run.
    fn phases(&self, named: &mut Named) -> Phases {
        let mut list: Vec<&Bound> = self.phases.iter().collect();
        let order = |reach: Reach| match reach {
            Reach::Rows | Reach::Counted => 0,
            Reach::EveryBlock => 1,
            Reach::Ranked => 2,
            Reach::Divided | Reach::Padding { .. } => 3,
        };
        list.sort_by_key(|p| order(p.reach));
        let list = list.into_iter().map(|p| named.phase(p, &self.shared)).collect();
        let shared = self.shared.iter().map(|b| self.program.buffer_type(*b)).collect();
        Phases { shared, list, copied: vec![], chunks: None }
    }

    /// The one kernel. Counts of chunks become a buffer of the workspace.
    fn step(self, joined: &mut Program, from: Range<usize>) -> Result<Step, Diagnostics> {
        let mut named = Named::default();
        let count = &self.phases[0];
        let rows = count.kernel.rows.map(|s| named.symbol(count.symbols[s.0 as usize]));
        let mut phases = self.phases(&mut named);
        let later = &self.program.steps[from.end..];
        let read_later = |b: Buffer| later.iter().any(|s| s.buffers.contains(&b));
        for (i, b) in self.shared.iter().enumerate() {
            if matches!(b, Buffer::Output(_)) || read_later(*b) {
                let ty = self.program.buffer_type(*b);
                phases.copied.push((i as u32, named.param(*b, output(buffer_name(self.program, *b), ty))));
            }
        }
        let name = "chunks".to_owned();
        let ty = TensorType { dtype: DType::I32, shape: vec![Dim::Const(MOST_CHUNKS * self.bins)] };
        let chunks = Buffer::Intermediate(joined.intermediates.len());
        joined.intermediates.push(Intermediate { name: name.clone(), ty: ty.clone() });
        phases.chunks = Some(named.param(chunks, output(name, ty)));
        let Named { params, buffers, symbols } = named;
        let kernel = Kernel {
            name: format!("{}.{}_to_{}", self.program.name, from.start, from.end - 1),
            symbols: symbols.iter().map(|s| self.program.symbols[s.0 as usize].clone()).collect(),
            rows,
            params,
            phases: Some(Box::new(phases)),
            ..Kernel::default()
        };
        Ok(Step { kernel: kernel.verify()?, buffers, symbols, taken: None })
    }
}

impl Bound {
    fn of(step: &Step, reach: Reach) -> Bound {
        let Step { kernel, buffers, symbols, taken: _ } = step;
        Bound { kernel: Kernel::clone(kernel), buffers: buffers.clone(), symbols: symbols.clone(), reach, starts: None }
    }

    fn copy(&self) -> Bound {
        let Bound { kernel, buffers, symbols, reach, starts } = self;
        let (kernel, buffers, symbols) = (kernel.clone(), buffers.clone(), symbols.clone());
        Bound { kernel, buffers, symbols, reach: *reach, starts: *starts }
    }

    /// The store to a buffer.
    fn stored_at(&self, buffer: Buffer) -> Option<usize> {
        self.kernel.stores.iter().position(|s| self.buffers[s.param.0 as usize] == buffer)
    }
}

/// Parameters and symbols of the one kernel, and which of the program they are.
#[derive(Default)]
struct Named {
    params: Vec<Param>,
    buffers: Vec<Buffer>,
    symbols: Vec<SymbolId>,
}

impl Named {
    fn symbol(&mut self, symbol: SymbolId) -> SymbolId {
        let known = self.symbols.iter().position(|s| *s == symbol);
        SymbolId(known.unwrap_or_else(|| {
            self.symbols.push(symbol);
            self.symbols.len() - 1
        }) as u32)
    }

    /// The parameter that is this buffer; an output, if any phase stores to it.
    fn param(&mut self, buffer: Buffer, param: Param) -> ParamId {
        let known = self.buffers.iter().position(|b| *b == buffer);
        let at = known.unwrap_or_else(|| {
            self.buffers.push(buffer);
            self.params.push(param.clone());
            self.params.len() - 1
        });
        if param.role == Role::Output {
            self.params[at].role = Role::Output;
        }
        ParamId(at as u32)
    }

    fn phase(&mut self, bound: &Bound, shared: &[Buffer]) -> Phase {
        let Bound { kernel, buffers, symbols, reach, starts } = bound;
        let symbols: Vec<SymbolId> = symbols.iter().map(|s| self.symbol(*s)).collect();
        let place = |(param, buffer): (&Param, &Buffer)| match shared.iter().position(|b| b == buffer) {
            Some(at) => Place::Shared(at as u32),
            None => {
                let dim = |d: &Dim| d.as_sym().map_or(*d, |s| Dim::Sym(symbols[s.0 as usize]));
                let ty = TensorType { dtype: param.ty.dtype, shape: param.ty.shape.iter().map(dim).collect() };
                Place::Param(self.param(*buffer, Param { ty, aliases: None, ..param.clone() }))
            }
        };
        let places = kernel.params.iter().zip(buffers).map(place).collect();
        let reach = starts.map_or(*reach, |b| Reach::Padding { starts: self.starts(b, shared) });
        Phase { kernel: kernel.clone(), places, symbols, reach }
    }

    /// Where starts are, which the phase that ranks reads as well.
    fn starts(&self, buffer: Buffer, shared: &[Buffer]) -> Place {
        let at = |buffers: &[Buffer]| buffers.iter().position(|b| *b == buffer).map(|at| at as u32);
        let param = || Place::Param(ParamId(at(&self.buffers).unwrap_or(u32::MAX)));
        at(shared).map_or_else(param, Place::Shared)
    }
}

/// A kernel of one row, as kernels of one sum at most: those of its stores together that are made of the same one. None if a store
/// is made of several.
fn by_sum(step: &Step) -> Option<Vec<Step>> {
    let k = &step.kernel;
    let sums: Vec<usize> = (0..k.values.len()).filter(|v| k.values[*v].kind.is_row_value()).collect();
    if sums.len() < 2 {
        return Some(vec![step.clone()]);
    }
    let mut of_sums: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, store) in k.stores.iter().enumerate() {
        let made_of = reached_from(&k.values, store.operands());
        let mut own = sums.iter().filter(|sum| made_of[**sum]);
        let first = own.next().unwrap_or(&sums[0]);
        of_sums.entry(*first).or_default().push(at);
        if own.next().is_some() {
            return None;
        }
    }
    of_sums.values().map(|stores| part::part(step, stores).ok()).collect()
}

fn output(name: String, ty: TensorType) -> Param {
    Param { name, role: Role::Output, ty, layout: Layout::Contiguous, aliases: None }
}

fn buffer_name(program: &Program, buffer: Buffer) -> String {
    match buffer {
        Buffer::Input(i) => program.inputs[i].name.clone(),
        Buffer::Output(i) => program.outputs[i].name.clone(),
        Buffer::Intermediate(i) => program.intermediates[i].name.clone(),
        Buffer::ErrorWord => "error".to_owned(),
    }
}

/// The one buffer that a kernel fills with zeros, if it does nothing else.
fn zeros(step: &Step) -> Option<Buffer> {
    let k = &step.kernel;
    let [store] = k.stores[..] else { return None };
    let is_0 = matches!(k.value(store.value).kind, ValueKind::Const(l) if l.bits() == 0);
    (k.rows.is_none() && store.element().is_none() && is_0).then(|| step.buffers[store.param.0 as usize])
}

/// Whether a buffer is an output that may lie in an input, or whose elements may have gaps between them.
fn has_alias(program: &Program, buffer: Buffer) -> bool {
    matches!(buffer, Buffer::Output(i) if program.outputs[i].alias != Alias::None)
}

/// The buffers of a kernel's parameters of this role.
fn buffers(step: &Step, role: Role) -> impl Iterator<Item = Buffer> {
    step.kernel.params.iter().zip(&step.buffers).filter(move |(p, _)| p.role == role).map(|(_, b)| *b)
}
