//! Phases behind a kernel of rows that makes their items, joined with it.
//!
//! The program has such a kernel beside the two: a launch takes it or them, by its rows. Few rows are one block ([`at_once`]), and
//! many are counted by the blocks that do them ([`in_chunks`]). Other rows, between them and above, have the two kernels as they were;
//! where a router that adds to counts was parted for phases, those of the fewest rows there are the router as it was, and its zeros
//! ([`added`]).

use super::added::added;
use super::at_once::at_once;
use super::in_chunks::in_chunks;
use super::{Joined, Named, buffer_name, has_alias, output};
use routefuse_ir::kernel::phases::{Phase, Phases, Place, Reach};
use routefuse_ir::kernel::{Kernel, Param, ParamId, Role, Store};
use routefuse_ir::program::{Buffer, Program, Step, Taken};
use routefuse_ir::{Alias, Diagnostics, Dim, Layout, SymbolId, TensorType};
use std::ops::Range;

/// Puts beside each kernel of rows and the phases behind it what does the same for few rows, and for many. `before` is the program of
/// which the kernels are joined.
pub(super) fn add(joined: &mut Joined, before: &Program) -> Result<(), Diagnostics> {
    let mut at = 0;
    while at + 1 < joined.program.steps.len() {
        let few = at_once(&joined.program, at)?;
        let least = few.as_ref().map_or(0, |(_, most)| most + 1);
        let many = in_chunks(&joined.program, at, least)?;
        let added = added(joined, before, at).filter(|(_, most)| *most >= least);
        let more = if few.is_none() && many.is_none() && added.is_none() {
            0
        } else {
            let first_of_many = many.as_ref().and_then(|step| Some(step.taken?.least)).unwrap_or(u64::MAX);
            let added = added.map(|(steps, most)| (steps, most.min(first_of_many - 1)));
            put(joined, at, Others { few: few.map(|(step, _)| step), added, many }, least)
        };
        at += more + 1;
    }
    Ok(())
}

/// What stands beside a kernel of rows and its phases.
struct Others {
    few: Option<Step>,
    /// The most rows.
    added: Option<([Step; 2], u64)>,
    many: Option<Step>,
}

/// Puts the steps around two, and says how many more kernels there are for them to pass. More rows than few are `least` and more.
fn put(joined: &mut Joined, at: usize, others: Others, mut least: u64) -> usize {
    let two = joined.program.steps[at..at + 2].to_vec();
    let ended = joined.ended[at..at + 2].to_vec();
    let from = joined.from[at..at + 2].to_vec();
    // What was parted is of kernels before.
    let whole = hull(&from);
    let Others { few, added, many } = others;
    let mut steps = vec![];
    steps.extend(few.map(|step| (step, whole.clone(), ended[1])));
    if let Some((two, most)) = added {
        let of = [whole.start..whole.start + 1, whole.start + 1..whole.end];
        steps.extend(two.into_iter().zip(of).map(|(step, from)| {
            let taken = step.taken.map(|taken| Taken { least, most: Some(most), ..taken });
            (Step { taken, ..step }, from, None)
        }));
        least = most + 1;
    }
    let taken = two[0].rows().and_then(|symbol| beside(symbol, least, many.as_ref().and_then(|step| step.taken)));
    if taken.is_some() {
        let both = two.into_iter().zip(from).zip(ended.iter().copied());
        steps.extend(both.map(|((step, from), ended)| (Step { taken, ..step }, from, ended)));
    }
    steps.extend(many.map(|step| (step, whole, ended[1])));
    let more = steps.len() - 1;
    let (mut of_steps, mut of_from, mut of_ended) = (vec![], vec![], vec![]);
    for (step, from, ended) in steps {
        of_steps.push(step);
        of_from.push(from);
        of_ended.push(ended);
    }
    joined.program.steps.splice(at..at + 2, of_steps);
    joined.from.splice(at..at + 2, of_from);
    joined.ended.splice(at..at + 2, of_ended);
    more
}

/// The rows from `least` on, without those that are taken by what is for many; none if there are no others.
fn beside(symbol: SymbolId, least: u64, many: Option<Taken>) -> Option<Taken> {
    let all = Taken { symbol, least, most: None, except: None };
    match many {
        None => Some(all),
        Some(Taken { least: first, most: Some(last), .. }) if least < first => {
            Some(Taken { except: Some((first, last)), ..all })
        }
        Some(Taken { most: Some(last), .. }) => Some(Taken { least: last + 1, ..all }),
        Some(Taken { least: first, most: None, .. }) => (least < first).then(|| Taken { most: Some(first - 1), ..all }),
    }
}

/// From the first to the last kernel of all.
pub(super) fn hull(from: &[Range<usize>]) -> Range<usize> {
    let (start, end) = (from.iter().map(|r| r.start).min(), from.iter().map(|r| r.end).max());
    start.unwrap_or(0)..end.unwrap_or(0)
}

/// Whether the first kernel has the rows of the second one, lanes share them, and all that it stores is its own.
pub(super) fn can_be_first(program: &Program, rows: &Step, behind: &Step) -> bool {
    let k = &rows.kernel;
    let plain = k.phases.is_none() && k.has_row_values() && !k.is_ordered() && k.error_word().is_none();
    let taken = rows.taken.is_none() && behind.taken.is_none();
    let stores = |s: &Store| {
        let target = rows.buffers[s.param.0 as usize];
        let is_one = k.stores.iter().filter(|other| other.param == s.param).count() == 1;
        let is_new =
            !behind.kernel.params.iter().zip(&behind.buffers).any(|(p, b)| p.role == Role::Output && *b == target);
        s.element().is_none() && is_one && is_new && !has_alias(program, target)
    };
    // In one block, the phases fill while rows are still read.
    let overwrites = |b: &Buffer| match *b {
        Buffer::Output(o) => match program.outputs[o].alias {
            Alias::InPlace(i) | Alias::Donates(i) | Alias::Guarded(i) => rows.buffers.contains(&Buffer::Input(i)),
            Alias::None => false,
        },
        _ => false,
    };
    let unaliased = k.params.iter().all(|p| p.aliases.is_none());
    let same_rows = rows.rows().is_some() && rows.rows() == behind.rows();
    plain && taken && same_rows && unaliased && k.stores.iter().all(stores) && !behind.buffers.iter().any(overwrites)
}

/// The kernel as it is made.
pub(super) struct New<'p> {
    program: &'p Program,
    named: Named,
    /// The number of the first memory of the block that has rows.
    first: usize,
    /// What the rows leave there.
    pub(super) kept: Vec<Buffer>,
}

impl<'p> New<'p> {
    /// Nothing yet. So many memories of a block come first.
    pub(super) fn keeping(program: &'p Program, first: usize, kept: Vec<Buffer>) -> New<'p> {
        New { program, named: Named::default(), first, kept }
    }

    /// The step of these phases, whose rows are those of the symbol by which it is taken.
    pub(super) fn step(mut self, name: String, phases: Phases, taken: Taken) -> Result<Step, Diagnostics> {
        let rows = Some(self.named.symbol(taken.symbol));
        let Named { params, buffers, symbols } = self.named;
        let kernel = Kernel {
            name,
            symbols: symbols.iter().map(|s| self.program.symbols[s.0 as usize].clone()).collect(),
            rows,
            params,
            phases: Some(Box::new(phases)),
            ..Kernel::default()
        };
        Ok(Step { kernel: kernel.verify()?, buffers, symbols, taken: Some(taken) })
    }

    fn kept(&self, buffer: Buffer) -> Option<Place> {
        let at = self.kept.iter().position(|b| *b == buffer)?;
        Some(Place::Shared((self.first + at) as u32))
    }

    /// A type of the program, as the kernel names its dims.
    pub(super) fn named_type(&mut self, ty: &TensorType) -> TensorType {
        let mut dim = |d: &Dim| d.as_sym().map_or(*d, |s| Dim::Sym(self.named.symbol(s)));
        TensorType { dtype: ty.dtype, shape: ty.shape.iter().map(&mut dim).collect() }
    }

    /// The kernel's parameter that is one of a step.
    pub(super) fn param(&mut self, id: ParamId, of: &Step) -> ParamId {
        let buffer = of.buffers[id.0 as usize];
        let ty = self.named_type(&self.program.buffer_type(buffer));
        let param = of.kernel.param(id);
        self.named.param(buffer, Param { ty, aliases: None, ..param.clone() })
    }

    /// Its symbols, as the kernel names them.
    fn symbols(&mut self, of: &[SymbolId], step: &Step) -> Vec<SymbolId> {
        of.iter().map(|s| self.named.symbol(step.symbols[s.0 as usize])).collect()
    }

    /// The rows: what phases read is kept in the block, and what is needed elsewhere is stored as well.
    pub(super) fn rows(&mut self, step: &Step, needed: impl Fn(&Buffer) -> bool) -> Phase {
        let mut kernel = Kernel::clone(&step.kernel);
        let all: Vec<SymbolId> = (0..kernel.symbols.len() as u32).map(SymbolId).collect();
        let symbols = self.symbols(&all, step);
        let mut places = vec![];
        for (i, buffer) in step.buffers.iter().enumerate() {
            places.push(match self.kept(*buffer) {
                Some(place) if !needed(buffer) => {
                    kernel.params[i].layout = Layout::Contiguous;
                    place
                }
                _ => Place::Param(self.param(ParamId(i as u32), step)),
            });
        }
        for store in &step.kernel.stores {
            let buffer = step.buffers[store.param.0 as usize];
            if let Some(place) = self.kept(buffer).filter(|_| needed(&buffer)) {
                let param = ParamId(kernel.params.len() as u32);
                let ty = kernel.param(store.param).ty.clone();
                kernel.params.push(output(buffer_name(self.program, buffer), ty));
                kernel.stores.push(Store { param, ..*store });
                places.push(place);
            }
        }
        Phase { kernel, places, symbols, reach: Reach::Rows }
    }

    /// A phase of the second kernel, which reads in the block what the rows left there.
    pub(super) fn phase(&mut self, phase: &Phase, step: &Step) -> Phase {
        let mut kernel = phase.kernel.clone();
        let mut place = |at: Place| match at {
            Place::Shared(_) => at,
            Place::Param(p) => {
                self.kept(step.buffers[p.0 as usize]).unwrap_or_else(|| Place::Param(self.param(p, step)))
            }
        };
        let places: Vec<Place> = phase.places.iter().map(|at| place(*at)).collect();
        for (param, (is, was)) in kernel.params.iter_mut().zip(places.iter().zip(&phase.places)) {
            if is != was && matches!(is, Place::Shared(_)) {
                param.layout = Layout::Contiguous;
            }
        }
        let reach = match phase.reach {
            Reach::Padding { starts } => Reach::Padding { starts: place(starts) },
            reach => reach,
        };
        Phase { kernel, places, symbols: self.symbols(&phase.symbols, step), reach }
    }
}
