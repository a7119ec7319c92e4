//! Kernels that were several: *phases* that run in one launch, with a barrier of each block between them and none between blocks.
//!
//! What crosses rows needs to know of all rows before it stores one: how many items each bin has, and with that where each begins.
//! Every block finds that out for itself. It goes through all items and counts them into memory of its own, computes what is
//! made of the counts there, and then stores its share of what the launch stores. So no block waits for another, and a launch of
//! any number of blocks gives the same bits.
//!
//! A phase is a kernel like any other. What is said beside it is which memory its parameters are ([`Place`]) and whose its rows
//! are ([`Reach`]).
//!
//! Where there are many items, each block would read all of them: such a launch is two. In the first one each block counts a
//! *chunk* of neighbouring items into [`Phases::chunks`], and in the second one it adds up the chunks. What is counted is the
//! same, so this is a matter of the schedule ([`Schedule::Phased`](super::schedule::Schedule::Phased)) alone.
//!
//! Where no row asks for counts, no block needs all of them
//! ([`counts_alone`](super::analysis::counts_alone)): one block counts, or the second launch adds up each count once.
//!
//! Where there are few items, a launch may be one block. Then its first phase can be the rows that make the items
//! ([`Reach::Rows`]): what they store is in memory of the block behind a barrier, for whichever row it is asked.
//!
//! Where there are many, such rows can be done by the launch that counts
//! ([`Schedule::InChunks`](super::schedule::Schedule::InChunks)): the rows of a block are its chunk. What they store is in memory that
//! the second launch reads.

use super::{Kernel, ParamId, Role, RowOp, Store, ValueKind};
use crate::dim::{Dim, SymbolId};
use crate::dtype::DType;
use crate::layout::Layout;
use crate::tensor_type::TensorType;
use std::fmt;

/// The most chunks that the items of a launch are counted in.
pub const MOST_CHUNKS: u64 = 128;

/// The most items of a launch that is one block, in which nothing is done for each bin: a lane of a warp has one.
pub const MOST_FEW: u64 = 32;

/// Threads of that block.
pub const FEW_THREADS: u32 = 128;

/// Where a parameter of a phase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The whole kernel's parameter.
    Param(ParamId),
    /// The memory of this number that each block has by itself: a position in [`Phases::shared`].
    Shared(u32),
}

/// Whose the rows of a phase are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Lanes share each row: it makes what the phases behind it read of rows. The one block of the launch does all rows; or, where
    /// there are counts of chunks, each block of the first of two launches does those of its chunk.
    Rows,
    /// The counts: 1 is added to the counts of the block, which are 0 at first, for every item of the launch. The kernel has one
    /// store, which adds.
    Counted,
    /// Every block does the one row, in its own memory.
    EveryBlock,
    /// The rows are divided among the blocks.
    Divided,
    /// The rows are divided among the blocks, and with them the items whose rank is asked for. They are the items that are
    /// counted.
    Ranked,
    /// The rows are places, of which each bin has those from its start up to the next one's: `i32[bins + 1]`, which never fall.
    /// Items have the first places of their bin. Of the places that no item has, and of those behind the last bin, the blocks
    /// divide the rows; no other row is stored.
    Padding {
        /// Where the starts are.
        starts: Place,
    },
}

impl Reach {
    /// Its name in kernels' text.
    pub const fn name(self) -> &'static str {
        match self {
            Reach::Rows => "rows",
            Reach::Counted => "counted",
            Reach::EveryBlock => "every_block",
            Reach::Divided => "divided",
            Reach::Ranked => "ranked",
            Reach::Padding { .. } => "padding",
        }
    }

    /// Whether blocks divide the rows and store to what the whole kernel stores.
    pub fn is_divided(self) -> bool {
        matches!(self, Reach::Divided | Reach::Ranked | Reach::Padding { .. })
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reach::Padding { starts } => write!(f, "padding of {starts}"),
            Reach::Rows | Reach::Counted | Reach::EveryBlock | Reach::Divided | Reach::Ranked => {
                f.write_str(self.name())
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Param(p) => write!(f, "p{}", p.0),
            Place::Shared(b) => write!(f, "b{b}"),
        }
    }
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// What it computes: a kernel without phases, whose gathers do not trap.
    pub kernel: Kernel,
    /// One for each of its parameters.
    pub places: Vec<Place>,
    /// One for each of its symbols: the whole kernel's.
    pub symbols: Vec<SymbolId>,
    /// Whose its rows are.
    pub reach: Reach,
}

/// The phases of a kernel, and what they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phases {
    /// Memory that each block has by itself. The first one holds the counts: `i32[bins]`. It is of constant shape, but for what
    /// [`Reach::Rows`] stores there in a launch of one block, which has the rows of the kernel.
    pub shared: Vec<TensorType>,
    /// The rows that make items, if they are a phase; the one that counts, those that every block does, and then those that
    /// store. The rows of the kernel are those of the one that counts.
    pub list: Vec<Phase>,
    /// What is in memory of a block and is an output as well.
    pub copied: Vec<(u32, ParamId)>,
    /// An output that nobody reads: counts of chunks, between two launches. `i32[MOST_CHUNKS * bins]`. None where a launch is one
    /// block.
    pub chunks: Option<ParamId>,
}

impl Phases {
    /// How many ids are told apart.
    pub fn bins(&self) -> u64 {
        self.shared.first().and_then(|ty| ty.row_elements()).unwrap_or(0)
    }

    /// The one that makes the items.
    pub fn rows(&self) -> Option<&Phase> {
        self.list.first().filter(|p| p.reach == Reach::Rows)
    }

    /// The one that counts.
    pub fn counted(&self) -> Option<&Phase> {
        self.list.iter().find(|p| p.reach == Reach::Counted)
    }

    /// Whether a memory of the block has rows of the kernel.
    pub fn is_of_rows(&self, place: Place) -> bool {
        matches!(place, Place::Shared(at) if self.shared.get(at as usize).is_some_and(|ty| ty.row_symbol().is_some()))
    }

    /// Items of a row.
    pub fn items(&self) -> u64 {
        let counted = self.counted();
        counted.and_then(|p| Some(p.kernel.store_cols(p.kernel.stores.first()?))).unwrap_or(1)
    }

    /// What is wrong with them, as phases of this kernel.
    pub(super) fn check(&self, whole: &Kernel) -> Result<(), String> {
        if !whole.values.is_empty() || !whole.stores.is_empty() || whole.error_word().is_some() {
            return Err("a kernel of phases has values, stores or an error word of its own".to_owned());
        }
        let has_rows = self.rows().is_some();
        let known = |ty: &TensorType| match ty.row_symbol() {
            Some(s) => has_rows && self.chunks.is_none() && whole.rows == Some(s),
            None => true,
        };
        let fits = |ty: &TensorType| known(ty) && ty.row_elements().is_some_and(|n| n > 0);
        let counts = |ty: &TensorType| ty.dtype == DType::I32 && ty.row_symbol().is_none();
        if !self.shared.iter().all(fits) || !self.shared.first().is_some_and(counts) {
            return Err("memory of a block is not of constant shape, or begins with no counts".to_owned());
        }
        let chunks = TensorType { dtype: DType::I32, shape: vec![Dim::Const(MOST_CHUNKS.saturating_mul(self.bins()))] };
        let param = |id: ParamId| whole.params.get(id.0 as usize);
        let holds_chunks =
            |p: &super::Param| p.role == Role::Output && p.ty == chunks && p.layout == Layout::Contiguous;
        if (self.chunks.is_none() && !has_rows) || self.chunks.is_some_and(|id| !param(id).is_some_and(holds_chunks)) {
            return Err("it has no output for the counts of chunks".to_owned());
        }
        for (shared, id) in &self.copied {
            let ty = self.shared.get(*shared as usize);
            let fits = |p: &super::Param| p.role == Role::Output && Some(&p.ty) == ty && p.layout == Layout::Contiguous;
            if !param(*id).is_some_and(fits) {
                return Err(format!("b{shared} cannot be copied to p{}", id.0));
            }
        }
        let order = |p: &Phase| match p.reach {
            Reach::Rows => 0,
            Reach::Counted => 1,
            Reach::EveryBlock => 2,
            Reach::Divided | Reach::Ranked | Reach::Padding { .. } => 3,
        };
        let times = |reach: Reach| self.list.iter().filter(|p| p.reach == reach).count();
        let once = times(Reach::Counted) == 1 && times(Reach::Rows) <= 1 && times(Reach::Ranked) <= 1;
        if !once || !self.list.is_sorted_by_key(order) {
            return Err("its phases do not count once, then compute, then store".to_owned());
        }
        self.list
            .iter()
            .enumerate()
            .try_for_each(|(i, p)| self.check_phase(whole, p).map_err(|e| format!("phase {i} {e}")))
    }

    /// Whether a place is a table of a start for each bin, and one behind the last.
    fn are_starts(&self, whole: &Kernel, place: Place) -> bool {
        let table = TensorType { dtype: DType::I32, shape: vec![Dim::Const(self.bins() + 1)] };
        match place {
            Place::Shared(s) => self.shared.get(s as usize) == Some(&table),
            Place::Param(id) => {
                let param = whole.params.get(id.0 as usize);
                param.is_some_and(|p| p.role == Role::Input && p.ty == table && p.layout == Layout::Contiguous)
            }
        }
    }

    fn check_phase(&self, whole: &Kernel, phase: &Phase) -> Result<(), String> {
        let Phase { kernel, places, symbols, reach } = phase;
        if kernel.phases.is_some() || kernel.error_word().is_some() {
            return Err("has phases, or may trap".to_owned());
        }
        Kernel::clone(kernel).verify().map_err(|d| d.to_string())?;
        let known = |s: &SymbolId| (s.0 as usize) < whole.symbols.len();
        if places.len() != kernel.params.len() || symbols.len() != kernel.symbols.len() || !symbols.iter().all(known) {
            return Err("is bound in part".to_owned());
        }
        let in_whole = |d: &Dim| d.as_sym().map_or(*d, |s| Dim::Sym(symbols[s.0 as usize]));
        for (i, (p, place)) in kernel.params.iter().zip(places).enumerate() {
            let ty = TensorType { dtype: p.ty.dtype, shape: p.ty.shape.iter().map(in_whole).collect() };
            let (fits, writes) = match place {
                Place::Shared(s) => {
                    let fits = self.shared.get(*s as usize) == Some(&ty) && p.layout == Layout::Contiguous;
                    let writes = match self.is_of_rows(*place) {
                        true => *reach == Reach::Rows,
                        false => matches!(reach, Reach::Counted | Reach::EveryBlock),
                    };
                    (fits, writes)
                }
                Place::Param(id) => {
                    let of = whole.params.get(id.0 as usize);
                    let writable = p.role != Role::Output || of.is_some_and(|q| q.role == Role::Output);
                    let writes = reach.is_divided() || *reach == Reach::Rows;
                    (writable && of.is_some_and(|q| q.ty == ty && q.layout == p.layout), writes)
                }
            };
            if !fits || (p.role == Role::Output && !writes) {
                return Err(format!("has p{i} where it cannot be"));
            }
        }
        let rows = kernel.rows.map(|s| symbols[s.0 as usize]);
        let row_ops: Vec<RowOp> = kernel.values.iter().filter_map(|v| v.kind.row_value()).map(|v| v.op).collect();
        let fits = match reach {
            Reach::Rows => {
                rows.is_some()
                    && rows == whole.rows
                    && !kernel.is_ordered()
                    && kernel.params.iter().all(|p| p.aliases.is_none())
                    && kernel.stores.iter().all(|s| s.element().is_none())
            }
            Reach::Counted => {
                let adds_1 = |s: &Store| {
                    s.add_at.is_some() && matches!(kernel.value(s.value).kind, ValueKind::Const(l) if l.bits() == 1)
                };
                let to_counts = |s: &Store| places[s.param.0 as usize] == Place::Shared(0);
                rows.is_some()
                    && rows == whole.rows
                    && row_ops.is_empty()
                    && matches!(&kernel.stores[..], [s] if adds_1(s) && to_counts(s))
            }
            Reach::EveryBlock => {
                let sums = |(_, v): (_, &super::Value)| match v.kind.row_value() {
                    Some(row) => row.op == RowOp::CumSum && v.dtype.is_int() && row.width == v.space.cols,
                    None => true,
                };
                rows.is_none()
                    && row_ops.len() <= 1
                    && kernel.values().all(sums)
                    && kernel.stores.iter().all(|s| s.element().is_none())
            }
            Reach::Divided => row_ops.is_empty() && kernel.stores.iter().all(|s| s.add_at.is_none()),
            Reach::Padding { starts } => {
                let one_a_row = |s: &Store| s.element().is_none() && kernel.param(s.param).ty.shape.len() == 1;
                rows.is_some()
                    && row_ops.is_empty()
                    && kernel.stores.iter().all(one_a_row)
                    && self.are_starts(whole, *starts)
            }
            Reach::Ranked => {
                let all = |s: &Store| s.add_at.is_none() && kernel.store_cols(s) == self.items();
                rows == whole.rows
                    && row_ops == [RowOp::Rank { bins: self.bins() }]
                    && kernel.values.iter().all(|v| v.kind.row_value().is_none() || v.space.cols == self.items())
                    && kernel.stores.iter().all(all)
            }
        };
        if fits { Ok(()) } else { Err(format!("is none that is {}", reach.name())) }
    }
}
