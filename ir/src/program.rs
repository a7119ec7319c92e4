//! A graph cut into kernels: what a plan runs.

use crate::bound::DimBound;
use crate::diag::Diagnostics;
use crate::dim::{self, SymbolId};
use crate::dtype::DType;
use crate::formula::Count;
#[cfg(feature = "graphs")]
use crate::graph::Graph;
use crate::infer::MAX_ITEMS;
use crate::kernel::abi::{self, Slot};
use crate::kernel::{Kernel, Store, ValueKind};
use crate::layout::{Alias, Layout};
use crate::target::Target;
use crate::tensor_type::TensorType;
use crate::verify::Verified;

/// An input or output of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The name by which arguments are bound.
    pub name: String,
    /// dtype and shape.
    pub ty: TensorType,
    /// How it lies in memory.
    pub layout: Layout,
    /// For an output: which input's memory it may share.
    pub alias: Alias,
}

/// A contiguous buffer between two kernels, in the caller's workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intermediate {
    /// The graph value it holds.
    pub name: String,
    /// dtype and shape.
    pub ty: TensorType,
}

/// Which buffer a kernel's parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Buffer {
    /// The program's input.
    Input(usize),
    /// The program's output.
    Output(usize),
    /// A buffer of the workspace.
    Intermediate(usize),
    /// The error word.
    ErrorWord,
}

/// For which extents of a symbol of the program a step runs. A launch of few rows may have a kernel that does the work of several, and
/// kernels without rows are chosen with those that have some. Between few and many, some rows may have another kernel: a step that runs
/// on either side of them is one step, so that its kernel is scheduled and compiled once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Taken {
    /// The symbol, of the program.
    pub symbol: SymbolId,
    /// Its least extent.
    pub least: u64,
    /// The greatest; none if there is no end.
    pub most: Option<u64>,
    /// The first and the last of those between them for which it does not run; none if it runs for all.
    pub except: Option<(u64, u64)>,
}

impl Taken {
    /// Whether it is for this extent of its symbol.
    pub fn by(self, extent: u64) -> bool {
        let within = self.least <= extent && self.most.is_none_or(|most| extent <= most);
        within && self.except.is_none_or(|(first, last)| extent < first || last < extent)
    }

    /// From which extent on and up to which it runs, if there is an end: once, or twice.
    pub fn ranges(self) -> impl Iterator<Item = Extents> {
        let (below, above) = match self.except {
            None => ((self.least, self.most), None),
            Some((first, last)) => {
                ((self.least, Some(first.saturating_sub(1))), Some((last.saturating_add(1), self.most)))
            }
        };
        std::iter::once(below).chain(above)
    }

    /// Whether the extents for which it does not run lie between others for which it does.
    pub fn is_sound(self) -> bool {
        let between = |(first, last)| self.least < first && first <= last && last < self.most.unwrap_or(u64::MAX);
        self.except.is_none_or(between)
    }
}

/// The least of some extents, and the greatest; none if there is no end.
pub type Extents = (u64, Option<u64>);

/// One kernel of a program.
#[derive(Clone, Debug)]
pub struct Step {
    /// The kernel.
    pub kernel: Verified<Kernel>,
    /// One for each of its parameters.
    pub buffers: Vec<Buffer>,
    /// One for each of its symbols: the program's.
    pub symbols: Vec<SymbolId>,
    /// When it runs; none if always. The steps that run make what the program makes, whatever the extents are.
    pub taken: Option<Taken>,
}

/// What a slot of a step's kernel holds at a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The address of a buffer.
    Address(Buffer),
    /// The stride of a dim of an input or an output, in elements.
    Stride(Buffer, u32),
    /// Known beforehand: the stride of a dim of a buffer of the workspace, in elements.
    Fixed(u64),
    /// The extent of a symbol of the program.
    Extent(SymbolId),
}

impl Step {
    /// What each slot of its kernel holds, in the order of [`abi::slots`]. `None` if the step names what the program does not have.
    pub fn sources(&self, program: &Program, target: Target) -> Option<Vec<Source>> {
        let symbol = |s: SymbolId| self.symbols.get(s.0 as usize).filter(|s| (s.0 as usize) < program.symbols.len());
        if self.buffers.len() != self.kernel.params.len() || !self.buffers.iter().all(|b| program.has(*b)) {
            return None;
        }
        let source = |slot: Slot| {
            Some(match slot {
                Slot::Pointer(p) => Source::Address(self.buffers[p.0 as usize]),
                Slot::Stride(p, dim) => match self.buffers[p.0 as usize] {
                    // Row-major, without gaps.
                    Buffer::Intermediate(_) => {
                        Source::Fixed(dim::const_product(self.kernel.param(p).ty.shape.get(dim as usize + 1..)?)?)
                    }
                    port => Source::Stride(port, dim),
                },
                Slot::Extent(s) => Source::Extent(*symbol(s)?),
            })
        };
        abi::slots(&self.kernel, target).into_iter().map(source).collect()
    }

    /// The program's symbol that counts its rows; none for one row.
    pub fn rows(&self) -> Option<SymbolId> {
        self.kernel.rows.map(|s| self.symbols[s.0 as usize])
    }

    /// Whether it runs where the program's symbols have these extents.
    pub fn is_taken(&self, extents: &[u64]) -> bool {
        self.taken.is_none_or(|t| extents.get(t.symbol.0 as usize).is_some_and(|extent| t.by(*extent)))
    }

    /// Whether it runs where the symbol that decides that, if there is one, has this extent.
    pub fn is_taken_by(&self, extent: u64) -> bool {
        self.taken.is_none_or(|t| t.by(extent))
    }

    /// How many rows of its own it has where it runs: from so many on, up to so many if there is an end.
    pub fn rows_taken(&self) -> Vec<Extents> {
        let own = self.taken.filter(|t| self.rows() == Some(t.symbol));
        own.map_or_else(|| vec![(0, None)], |t| t.ranges().collect())
    }

    /// The same as steps that run from one extent on up to another: itself, or two of which one runs.
    pub fn of_ranges(&self) -> Vec<Step> {
        let Some(taken) = self.taken else { return vec![self.clone()] };
        let of = |(least, most)| Step { taken: Some(Taken { least, most, except: None, ..taken }), ..self.clone() };
        taken.ranges().map(of).collect()
    }

    /// Whether each stride of rows that is known beforehand is a multiple of 16 bytes, so that code which assumes that may run.
    pub fn fixed_strides_are_aligned(&self, target: Target) -> bool {
        abi::slots(&self.kernel, target).iter().all(|slot| match *slot {
            Slot::Stride(p, 0) if matches!(self.buffers[p.0 as usize], Buffer::Intermediate(_)) => {
                let ty = &self.kernel.param(p).ty;
                let stride = dim::const_product(ty.shape.get(1..).unwrap_or_default()).unwrap_or(1);
                stride.wrapping_mul(ty.dtype.size()).is_multiple_of(16)
            }
            _ => true,
        })
    }

    /// If all that it stores are guarded outputs: which. It has nothing to do when each of them is its input's view.
    pub fn guarded_outputs(&self, program: &Program) -> Option<Vec<usize>> {
        let guarded = self.kernel.stores.iter().map(|store| match self.buffers[store.param.0 as usize] {
            Buffer::Output(o) if matches!(program.outputs[o].alias, Alias::Guarded(_)) => Some(o),
            _ => None,
        });
        guarded.collect()
    }
}

/// What the address of a workspace, and of each buffer in it, is a multiple of, in bytes.
pub const WORKSPACE_ALIGN: usize = 64;

/// Kernels in the order in which they run. Outputs without elements have no store.
#[derive(Clone, Debug)]
pub struct Program {
    /// The graph's name.
    pub name: String,
    /// The symbols' names.
    pub symbols: Vec<String>,
    /// The least extents of dims of capacity.
    pub bounds: Vec<DimBound>,
    /// The inputs, as the graph declares them.
    pub inputs: Vec<Port>,
    /// The outputs, as the graph declares them.
    pub outputs: Vec<Port>,
    /// The workspace's buffers.
    pub intermediates: Vec<Intermediate>,
    /// A launch takes an error word after the outputs.
    pub has_trap: bool,
    /// The kernels.
    pub steps: Vec<Step>,
}

impl Program {
    /// A program without kernels, with the graph's ports.
    #[cfg(feature = "graphs")]
    pub fn of_graph(g: &Verified<Graph>) -> Program {
        let inputs = (0..g.inputs.len()).map(|i| Port {
            name: g.inputs[i].name.clone(),
            ty: g.input_type(i).clone(),
            layout: g.inputs[i].layout,
            alias: Alias::None,
        });
        let outputs = (0..g.outputs.len()).map(|i| Port {
            name: g.outputs[i].name.clone(),
            ty: g.output_type(i).clone(),
            layout: g.outputs[i].layout,
            alias: g.outputs[i].alias,
        });
        Program {
            name: g.name.clone(),
            symbols: g.symbols.clone(),
            bounds: g.bounds.clone(),
            inputs: inputs.collect(),
            outputs: outputs.collect(),
            intermediates: vec![],
            has_trap: g.has_trap(),
            steps: vec![],
        }
    }

    /// The kernels of a launch of many rows: few may have one that does the work of several.
    pub fn kernels_of_many_rows(&self) -> usize {
        self.steps.iter().filter(|step| step.taken.is_none_or(|t| t.most.is_none())).count()
    }

    /// The most rows of a launch of a step, where their items are ranked, or are counted from 0 on: no rank and no count is more than
    /// an `i32` holds. What goes on counting from an earlier launch wraps.
    pub fn most_rows(&self, at: usize) -> Option<u64> {
        let kernel = &self.steps[at].kernel;
        let counted = kernel.stores.iter().filter(|s| self.counts_from_0(at, s)).map(|s| kernel.store_cols(s));
        kernel.most_rows().into_iter().chain(counted.map(|items| MAX_ITEMS / items.max(1))).min()
    }

    /// Whether a store of a step adds 1 to what an earlier step has made 0.
    fn counts_from_0(&self, at: usize, store: &Store) -> bool {
        let is = |kernel: &Kernel, s: &Store, n: u64| matches!(kernel.value(s.value).kind, ValueKind::Const(l) if l.dtype() == DType::I32 && l.bits() == n);
        let counts = self.steps[at].buffers[store.param.0 as usize];
        let zeros = |step: &Step| {
            let makes_0 = |s: &Store| {
                step.buffers[s.param.0 as usize] == counts && s.element().is_none() && is(&step.kernel, s, 0)
            };
            step.kernel.stores.iter().any(makes_0)
        };
        store.add_at.is_some() && is(&self.steps[at].kernel, store, 1) && self.steps[..at].iter().any(zeros)
    }

    /// The port behind a buffer's type: dtype and shape in the program's symbols.
    pub fn buffer_type(&self, buffer: Buffer) -> TensorType {
        match buffer {
            Buffer::Input(i) => self.inputs[i].ty.clone(),
            Buffer::Output(i) => self.outputs[i].ty.clone(),
            Buffer::Intermediate(i) => self.intermediates[i].ty.clone(),
            Buffer::ErrorWord => TensorType::scalar(crate::DType::U32),
        }
    }

    /// Whether it has the buffer.
    pub fn has(&self, buffer: Buffer) -> bool {
        match buffer {
            Buffer::Input(i) => i < self.inputs.len(),
            Buffer::Output(o) => o < self.outputs.len(),
            Buffer::Intermediate(i) => i < self.intermediates.len(),
            Buffer::ErrorWord => self.has_trap,
        }
    }

    /// Lays out the buffers of the workspace, one after the other: `each` has the offset and the size of one, in bytes. Gives the
    /// bytes of all of them. `None` past 63 bits.
    pub fn lay_out<C: Count>(&self, extent: impl Fn(SymbolId) -> C, mut each: impl FnMut(C, C)) -> Option<C> {
        let align = WORKSPACE_ALIGN as u64;
        let mut end = C::number(0);
        for i in &self.intermediates {
            let rows = i.ty.row_symbol().map_or(C::number(1), &extent);
            let bytes = rows.times(i.ty.row_elements()?)?.times(i.ty.dtype.size())?;
            each(end.clone(), bytes.clone());
            end = end.plus(bytes.divided_up(align).times(align)?)?;
        }
        Some(end)
    }

    /// Verifies every kernel again: after a pass, in tests.
    ///
    /// # Errors
    /// The first kernel's problems.
    pub fn check(&self) -> Result<(), Diagnostics> {
        self.steps.iter().try_for_each(|s| Kernel::clone(&s.kernel).verify().map(|_| ()))
    }
}
