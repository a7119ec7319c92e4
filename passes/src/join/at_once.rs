//! A kernel of rows and the phases of what it makes, in one block, for few rows.
//!
//! Where few rows make few items, one block does all of them, and then the phases find them in the block's memory. The program has
//! this kernel beside the two: a launch takes it or them, by its rows.

use super::{Joined, Named, buffer_name, has_alias, output};
use crate::schedule::{at_once::most_rows, row::widest};
use routefuse_ir::kernel::analysis::is_sparse;
use routefuse_ir::kernel::phases::{Phase, Phases, Place, Reach};
use routefuse_ir::kernel::schedule::room::{MOST_ROWS_BESIDE, fits_at_once};
use routefuse_ir::kernel::{Kernel, Param, ParamId, Role, Store};
use routefuse_ir::program::{Buffer, Program, Step, Taken};
use routefuse_ir::{Alias, Diagnostics, Dim, Layout, SymbolId, TensorType};

/// Puts kernels for few rows in front of those that do the same for more.
pub(super) fn add(joined: &mut Joined) -> Result<(), Diagnostics> {
    let mut at = 0;
    while at + 1 < joined.program.steps.len() {
        if let Some((step, most)) = at_once(&joined.program, at)? {
            let from = joined.from[at].start..joined.from[at + 1].end;
            for two in &mut joined.program.steps[at..at + 2] {
                two.taken = Taken { least: most + 1, most: None };
            }
            joined.program.steps.insert(at, step);
            joined.from.insert(at, from);
            joined.ended.insert(at, joined.ended[at + 1]);
            at += 2;
        }
        at += 1;
    }
    Ok(())
}

/// The step that is this one and the next one, and the most rows of it; none if they cannot be one.
fn at_once(program: &Program, at: usize) -> Result<Option<(Step, u64)>, Diagnostics> {
    let (rows, behind) = (&program.steps[at], &program.steps[at + 1]);
    let Some(phases) = behind.kernel.phases.as_deref() else { return Ok(None) };
    let most = most_rows(phases.items(), widest(&rows.kernel));
    if most == 0 || !is_sparse(phases) || !can_be_first(program, rows, behind) {
        return Ok(None);
    }
    let stored =
        |b: &Buffer| rows.kernel.params.iter().zip(&rows.buffers).any(|(p, of)| p.role == Role::Output && of == b);
    let mut kept: Vec<Buffer> = behind.buffers.iter().copied().filter(stored).collect();
    kept.dedup();
    let needed = |b: &Buffer| {
        matches!(b, Buffer::Output(_)) || program.steps[at + 2..].iter().any(|step| step.buffers.contains(b))
    };
    let mut new = New { program, named: Named::default(), first: phases.shared.len(), kept };
    let mut list = vec![new.rows(rows, needed)];
    list.extend(phases.list.iter().map(|phase| new.phase(phase, behind)));
    let of_rows = new.kept.clone();
    let mut shared = phases.shared.clone();
    shared.extend(of_rows.into_iter().map(|b| new.named_type(&program.buffer_type(b))));
    let copied = phases.copied.iter().map(|(shared, p)| (*shared, new.param(*p, behind))).collect();
    let phases = Phases { shared, list, copied, chunks: None };
    let row_symbol = rows.rows().map(|s| new.named.symbol(s));
    let Named { params, buffers, symbols } = new.named;
    if !fits_at_once(&phases, &rows.kernel, most, most + MOST_ROWS_BESIDE) {
        return Ok(None);
    }
    let kernel = Kernel {
        name: format!("{}.at_once", behind.kernel.name),
        symbols: symbols.iter().map(|s| program.symbols[s.0 as usize].clone()).collect(),
        rows: row_symbol,
        params,
        phases: Some(Box::new(phases)),
        ..Kernel::default()
    };
    let taken = Taken { least: 0, most: Some(most) };
    Ok(Some((Step { kernel: kernel.verify()?, buffers, symbols, taken }, most)))
}

/// Whether the first kernel has the rows of the second one, lanes share them, and all that it stores is its own.
fn can_be_first(program: &Program, rows: &Step, behind: &Step) -> bool {
    let k = &rows.kernel;
    let plain = k.phases.is_none() && k.has_row_values() && !k.is_ordered() && k.error_word().is_none();
    let taken = rows.taken == Taken::ALWAYS && behind.taken == Taken::ALWAYS;
    let stores = |s: &Store| {
        let target = rows.buffers[s.param.0 as usize];
        let is_one = k.stores.iter().filter(|other| other.param == s.param).count() == 1;
        let is_new =
            !behind.kernel.params.iter().zip(&behind.buffers).any(|(p, b)| p.role == Role::Output && *b == target);
        s.element().is_none() && is_one && is_new && !has_alias(program, target)
    };
    // The phases fill while rows are still read.
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
struct New<'p> {
    program: &'p Program,
    named: Named,
    /// The number of the first memory of the block that has rows.
    first: usize,
    /// What the rows leave there.
    kept: Vec<Buffer>,
}

impl New<'_> {
    fn kept(&self, buffer: Buffer) -> Option<Place> {
        let at = self.kept.iter().position(|b| *b == buffer)?;
        Some(Place::Shared((self.first + at) as u32))
    }

    /// A type of the program, as the kernel names its dims.
    fn named_type(&mut self, ty: &TensorType) -> TensorType {
        let mut dim = |d: &Dim| d.as_sym().map_or(*d, |s| Dim::Sym(self.named.symbol(s)));
        TensorType { dtype: ty.dtype, shape: ty.shape.iter().map(&mut dim).collect() }
    }

    /// The kernel's parameter that is one of a step.
    fn param(&mut self, id: ParamId, of: &Step) -> ParamId {
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
    fn rows(&mut self, step: &Step, needed: impl Fn(&Buffer) -> bool) -> Phase {
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
    fn phase(&mut self, phase: &Phase, step: &Step) -> Phase {
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
