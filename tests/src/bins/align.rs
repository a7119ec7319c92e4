//! vLLM's alignment, of any size.

use super::loops::{Case, Layout, aligned};
use super::{hostile, ids};
use routefuse_generate::Choices;
use routefuse_ir::{DType, Graph, Tensor, Verified, text};

/// So many experts and slots, and blocks of so many places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Align {
    /// E.
    pub experts: u64,
    /// K.
    pub slots: u64,
    /// B.
    pub block: u64,
    /// Rows from a scalar `n` on are padding.
    pub counted: bool,
}

/// How much room a launch brings, beside what its ids can need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As much.
    Exact,
    /// More.
    Larger,
    /// A place too little: what does not fit is dropped.
    OneTooSmall,
}

impl Size {
    /// One of them, in turn.
    pub fn of(turn: usize) -> Size {
        [Size::Exact, Size::Larger, Size::OneTooSmall][turn % 3]
    }
}

impl Align {
    /// Every row counts.
    pub const fn new(experts: u64, slots: u64, block: u64) -> Align {
        Align { experts, slots, block, counted: false }
    }

    /// Every E and K of the models, and what is next to a power of two or to nothing; blocks of one place and of no power of two.
    pub fn all() -> Vec<Align> {
        const EXPERTS: [u64; 7] = [1, 8, 72, 256, 257, 512, 896];
        const SLOTS: [u64; 5] = [1, 6, 8, 10, 22];
        const BLOCKS: [u64; 5] = [1, 3, 16, 64, 100];
        let sizes =
            EXPERTS.into_iter().enumerate().flat_map(|(i, e)| SLOTS.into_iter().enumerate().map(move |k| (i, e, k)));
        sizes.map(|(i, e, (j, k))| Align::new(e, k, BLOCKS[(i + j) % BLOCKS.len()])).collect()
    }

    /// As [`Align::all`], and one of which a captured launch is replayed.
    pub fn of_a_suite() -> Vec<Align> {
        let counted = Align { counted: true, ..Align::new(256, 8, 64) };
        Align::all().into_iter().chain([counted]).collect()
    }

    /// Rows of about so many items: none, few, a warp's and next to it, a thousand and next to them.
    pub fn rows(&self) -> Vec<u64> {
        let mut rows: Vec<u64> =
            [0, 1, 31, 32, 33, 1023, 1024, 1025].into_iter().map(|n: u64| n.div_ceil(self.slots)).collect();
        rows.dedup();
        rows
    }

    /// Its name: `align_256_8_64`.
    pub fn name(&self) -> String {
        let Align { experts, slots, block, counted } = self;
        format!("align_{experts}_{slots}_{block}{}", if *counted { "_counted" } else { "" })
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Align> {
        let (sizes, counted) = name.strip_suffix("_counted").map_or((name, false), |sizes| (sizes, true));
        let mut numbers = sizes.strip_prefix("align_")?.split('_').map(str::parse);
        let mut number = || numbers.next()?.ok();
        let align = Align { experts: number()?, slots: number()?, block: number()?, counted };
        (align.name() == name).then_some(align)
    }

    /// The graph.
    ///
    /// # Panics
    /// If there are more experts or slots than a graph may have.
    pub fn graph(&self) -> Verified<Graph> {
        let Align { experts: e, slots: k, block, counted } = self;
        let (scalar, live) = match counted {
            true => ("  input %n : i32[]\n", "  %live = mask_rows %ids, %n {fill = -1}\n"),
            false => ("", ""),
        };
        let ids = if *counted { "%live" } else { "%ids" };
        let source = format!(
            "route 1
graph @{name} {{
  dim T
  dim C
  dim J
  input %ids : i32[T, {k}]
{scalar}{live}  %t = iota {{dtype = i32, shape = [T, {k}], axis = 0}}
  %s = iota {{dtype = i32, shape = [T, {k}], axis = 1}}
  %tk = mul %t, {k}
  %item = add %tk, %s
  %rows = rows {{dtype = i32, shape = [T]}}
  %items = mul %rows, {k}
  %counts = bin_count {ids} {{bins = {e}}}
  %starts = bin_starts %counts {{align = {block}}}
  %sorted = bin_scatter %item, {ids}, %starts, %items {{shape = [C]}}
  %expert = bin_of %starts {{shape = [J], step = {block}}}
  %total = slice %starts {{start = {e}, stop = {end}}}
  output sorted = %sorted
  output expert = %expert
  output total = %total
}}
",
            name = self.name(),
            end = e + 1
        );
        text::parse_verified(&source).expect("a right graph")
    }

    /// Ids of this kind for t rows, what plain loops make of them, and the extents: T, C and J. Of counted rows some are padding.
    pub fn case(&self, t: u64, kind: usize, size: Size, c: &mut Choices) -> (Case, [u64; 3]) {
        let Align { experts: e, slots: k, block, counted } = *self;
        let n = t * k;
        let most = (n * block).min(n + e * (block - 1)).max(1);
        let capacity = match size {
            Size::Exact => most,
            Size::Larger => most + 129,
            Size::OneTooSmall => (most - 1).max(1),
        };
        let layout = Layout { t, k, capacity, blocks: capacity.div_ceil(block) };
        let given = hostile(kind, n as usize, e as i64, c);
        let tensor = ids(DType::I32, t, k, &given);
        let mut live = given;
        let rows = if counted { c.of(&[0, t / 2, t.saturating_sub(1), t, t + 1]) } else { t };
        live.iter_mut().skip((rows * k) as usize).for_each(|id| *id = -1);
        let mut case = aligned(&layout, &live, tensor, (e, block));
        if counted {
            case.inputs.push(Tensor::from_i32(&[], &[rows as i32]));
        }
        (case, [t, capacity, layout.blocks])
    }
}
