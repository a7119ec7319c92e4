//! What crosses rows between the experts of each token and the expert GEMMs: items sorted by expert, aligned to blocks, and what
//! says where each went.
//!
//! An *item* is an expert slot, i = t × K + k; a *bin* is an expert that this rank has. Items of a bin are in order of i, on every
//! target and in every run, whatever order an engine leaves them in. An id that is none of the bins' is in none.

mod blocks;
mod deepep;
mod deepgemm;
mod items;
mod maps;
mod options;

pub use options::{AlignEngine, Duplicates, LocalExperts, Tail};

use super::ChainResult;
use items::Bins;
use routefuse_ir::{Code, DType, Diagnostic, Dim, GraphBuilder, Literal, NodeId};

/// What an engine makes of the ids of all rows, as its kernels leave it.
///
/// Inputs: `ids [T, K]`; `weights f32[T, K]` with [`AlignEngine::Aiter`]; `n i32[]` with [`Align::counted_rows`]; `expert_map
/// i32[E]`, or `expert_mask i32[E]` with [`AlignEngine::Aiter`], where [`LocalExperts`] takes one; and with [`Tail::Keep`] the
/// buffers that the sorted outputs lie in. Outputs: those of the [`AlignEngine`].
#[derive(Clone, Debug, PartialEq)]
pub struct Align {
    /// Whose layout.
    pub engine: AlignEngine,
    /// Experts E: ids are 0 to E − 1.
    pub experts: u64,
    /// Expert slots K.
    pub top_k: u64,
    /// Places of a block, B; without it what the engine usually has ([`AlignEngine::block`]).
    pub block: Option<u64>,
    /// Which experts are laid out.
    pub local: LocalExperts,
    /// What an id does that is twice in a row.
    pub duplicates: Duplicates,
    /// Ranks R, of E ÷ R experts each, in [`AlignEngine::Deepep`].
    pub ranks: u64,
    /// Places of each expert, where they are as many for all: [`AlignEngine::DeepgemmMasked`], [`AlignEngine::Gshard`].
    pub capacity: Option<u64>,
    /// What is behind the last block of the sorted outputs.
    pub tail: Tail,
    /// Outputs that the engine makes when asked.
    pub optional: bool,
    /// The dtype of the ids: i32 or i64.
    pub id_dtype: DType,
    /// Rows from a scalar `n i32[]` on are padding, and none of their items is in a bin.
    pub counted_rows: bool,
}

impl Default for Align {
    fn default() -> Align {
        Align {
            engine: AlignEngine::Vllm,
            experts: 256,
            top_k: 8,
            block: None,
            local: LocalExperts::All,
            duplicates: Duplicates::Each,
            ranks: 8,
            capacity: None,
            tail: Tail::Fill,
            optional: false,
            id_dtype: DType::I32,
            counted_rows: false,
        }
    }
}

impl Align {
    /// The graph, called after the engine.
    ///
    /// # Errors
    /// `RF1003` for a number that cannot be right, `RF1004` for options that the engine has not, `RF0312` for more bins than
    /// there may be.
    pub fn graph(&self) -> ChainResult {
        if let Some(wrong) = self.wrong() {
            return Err(wrong.into());
        }
        let mut b = GraphBuilder::new(format!("align_{}", self.engine.name()));
        let t = b.symbol("T").into();
        let shape = [t, self.top_k.into()];
        let mut ids = b.input("ids", self.id_dtype, shape);
        let weights = (self.engine == AlignEngine::Aiter).then(|| b.input("weights", DType::F32, shape));
        let rows = self.counted_rows.then(|| b.input("n", DType::I32, []));
        if let Some(n) = rows {
            ids = b.mask_rows(ids, n, Literal::from_int(self.id_dtype, -1).unwrap_or(Literal::i32(-1)));
        }
        self.lay_out(&mut b, Items { t, slots: self.top_k, ids, weights, rows });
        b.finish()
    }

    /// What is wrong with the options: the first cause.
    pub(crate) fn wrong(&self) -> Option<Diagnostic> {
        let value = |message: String, help: &str| Some(Diagnostic::new(Code::BadOptionValue, message).help(help));
        let conflict = |message: String, help: &str| Some(Diagnostic::new(Code::OptionConflict, message).help(help));
        let (name, block) = (self.engine.name(), self.block.unwrap_or(1));
        if !(1..=MOST_BLOCK).contains(&block) {
            return value(format!("blocks of {block} places"), "a block has 1 to 65536");
        }
        if let LocalExperts::Window { first, end, stride_log2 } = self.local {
            if first >= end || end > self.experts {
                let message = format!("experts {first} to {end} are no part of the {} experts", self.experts);
                return value(message, "write FIRST:END with FIRST below END, and END at most the number of experts");
            }
            if stride_log2 > 8 {
                return value(format!("every 2^{stride_log2}th expert"), "a stride is 2^0 to 2^8");
            }
        }
        if self.local == LocalExperts::MapOfBlocks && self.engine != AlignEngine::Vllm {
            return conflict(format!("`{name}` maps no blocks"), "take `map`, by which ids are mapped");
        }
        if self.local != LocalExperts::All && !self.engine.has_local() {
            return conflict(format!("`{name}` is of all experts"), "leave out which are laid out");
        }
        if self.engine == AlignEngine::Deepep && (self.ranks == 0 || !self.experts.is_multiple_of(self.ranks)) {
            let message = format!("{} ranks do not share {} experts evenly", self.ranks, self.experts);
            return value(message, "take as many ranks as divide the experts");
        }
        let capacity = self.capacity.unwrap_or(1);
        if capacity == 0 || capacity.saturating_mul(self.experts) > i32::MAX as u64 {
            return value(
                format!("{capacity} places for each of {} experts", self.experts),
                "it is 1 or more, and all places fit an i32",
            );
        }
        match self.engine {
            AlignEngine::Gshard if self.capacity.is_none() => {
                return conflict("`gshard` drops what is above a capacity, and there is none".to_owned(), "give one");
            }
            AlignEngine::Gshard | AlignEngine::DeepgemmMasked => {}
            _ if self.capacity.is_some() => {
                return conflict(format!("`{name}` has no capacity of an expert"), "leave it out");
            }
            _ => {}
        }
        if self.block.is_some() && self.engine.block().is_none() {
            return conflict(format!("`{name}` has no blocks"), "leave out the block");
        }
        if self.tail == Tail::Keep && !self.engine.leaves_tail() {
            return conflict(format!("`{name}` fills its outputs to their end"), "leave out the tail");
        }
        if self.optional && !self.engine.has_optional() {
            return conflict(format!("`{name}` has no other outputs"), "leave it out");
        }
        if self.engine == AlignEngine::Aiter && self.top_k > 254 {
            return value(format!("{} expert slots", self.top_k), "words of `aiter` hold at most 254");
        }
        None
    }

    /// B.
    fn block(&self) -> u64 {
        self.block.or(self.engine.block()).unwrap_or(1)
    }

    /// Adds the outputs of the engine.
    pub(crate) fn lay_out(&self, b: &mut GraphBuilder, items: Items) {
        let items = match self.duplicates {
            Duplicates::Each => items,
            Duplicates::Once => Items { ids: items::once(b, &items, self.experts), ..items },
        };
        match self.engine {
            AlignEngine::Vllm => blocks::vllm(b, self, &items),
            AlignEngine::Sglang => blocks::sglang(b, self, &items),
            AlignEngine::Aiter => blocks::aiter(b, self, &items),
            AlignEngine::Trtllm => maps::trtllm(b, self, &items),
            AlignEngine::VllmPermute => maps::vllm_permute(b, self, &items),
            AlignEngine::Gshard => maps::gshard(b, self, &items),
            AlignEngine::DeepgemmContiguous => deepgemm::contiguous(b, self, &items),
            AlignEngine::DeepgemmMasked => deepgemm::masked(b, self, &items),
            AlignEngine::Deepep => deepep::layout(b, self, &items),
        }
    }

    fn bins(&self, b: &mut GraphBuilder, items: &Items) -> Bins {
        items::local(b, self, items)
    }
}

/// The most places of a block.
const MOST_BLOCK: u64 = 65_536;

/// What is laid out.
#[derive(Clone, Copy)]
pub(crate) struct Items {
    /// The dim of the rows.
    pub t: Dim,
    /// Expert slots K.
    pub slots: u64,
    /// `[T, K]`, of i32 or i64; −1 in rows of padding.
    pub ids: NodeId,
    /// `f32[T, K]`, where they are laid out too.
    pub weights: Option<NodeId>,
    /// How many rows there are, `i32[]`, where a launch says it on the device.
    pub rows: Option<NodeId>,
}
