//! The operations of a graph.
//!
//! [`ScalarOp`] is what happens to one element and is shared with the kernel level; [`Op`] adds what moves or indexes
//! tensors. [`table`] is the one declaration of each: the parser, the printer, the reference in `docs/`, costs and facts
//! follow from its row.

pub mod attribute;
mod choice;
mod declare;
#[cfg(feature = "graphs")]
pub(crate) mod elsewhere;
pub mod info;
mod row;
mod scalar;
pub mod table;

pub use row::{Candidates, Denominator, GroupFill, GroupScore, NanOrder, ReduceOp, TopKOrder};
pub use scalar::{NanRule, ScalarOp};
pub use table::{BinaryOp, CompareOp, UnaryOp};

use crate::dim::Dim;
use crate::dtype::DType;
use crate::literal::Literal;

/// What a gather does with an index outside `[0, extent)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutOfRange {
    /// The result is −1 in signed integers, all ones in unsigned ones, 0 in floats and `false` in bool: an id of −1
    /// passes through. The default.
    Pass,
    /// The result is this literal, of the table's dtype.
    Fill(Literal),
    /// The index is clamped into the range.
    Clamp,
    /// A negative index counts from the end, once (torch); what is still out of range gives what `pass` gives.
    Wrap,
    /// The result is what `pass` gives, and the launch's error word is set to 1. A launch of such a graph takes it as an output
    /// `error_word`, a `u32[]`; it is sticky: the caller clears it.
    Trap,
}

/// How ids and weights share a 32-bit word (TensorRT-LLM's packed routing, P14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackForm {
    /// `(id << 16) | zero-extended bits of bf16(w)`.
    Masked,
    /// `(id << 16) | sign-extended bits of bf16(w)`: what the torch form does. It overwrites the id when the sign bit of
    /// `w` is set.
    SignExtended,
}

/// One operation. Operands are the edges of the graph, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A declared input of the graph; the index into [`Graph::inputs`](crate::Graph::inputs).
    Input(usize),
    /// A scalar constant, shape `[]`.
    Const(Literal),
    /// Elementwise. Operands have one shape, or are of rank 0 and used for every element.
    Scalar(ScalarOp),
    /// The index along `axis` of `shape`, as an integer dtype (wraps).
    Iota {
        /// The integer dtype of the result.
        dtype: DType,
        /// The shape of the result.
        shape: Vec<Dim>,
        /// The axis that is counted.
        axis: usize,
    },
    /// How many rows a tensor of `shape` has, its leading extent, as a scalar of an integer dtype (wraps).
    Rows {
        /// The integer dtype of the result.
        dtype: DType,
        /// The shape whose leading dim is meant, of rank 1 at least.
        shape: Vec<Dim>,
    },
    /// The operand's dims, aligned to the right, are equal to the result's or 1.
    Broadcast {
        /// The shape of the result.
        shape: Vec<Dim>,
    },
    /// The same elements in row-major order under another shape; a symbolic leading dim stays.
    Reshape {
        /// The shape of the result.
        shape: Vec<Dim>,
    },
    /// Elements `start..stop` along the inner (last) dim, which is constant.
    Slice {
        /// First element taken.
        start: u64,
        /// One past the last element taken.
        stop: u64,
    },
    /// One or more operands, joined along the inner (last) dim, which is constant.
    Concat,
    /// `table[i0, i1, …]`: operand 0 is a table of rank 1 or 2, followed by as many integer index tensors of one shape
    /// (rank 0 is used for every element).
    Gather {
        /// For an index outside its dim.
        out_of_range: OutOfRange,
    },
    /// `x[…, i[…, k]]`: operand 0 is `[…, E]`, operand 1 integer indices `[…, K]` with the same leading dims; the result has the
    /// indices' shape.
    GatherRow {
        /// For an index outside `[0, E)`.
        out_of_range: OutOfRange,
    },
    /// Operand 0 with rows `t ≥ n` replaced; operand 1 is the integer scalar n, shape `[]`, read at launch from device
    /// memory. A negative n masks every row.
    MaskRows {
        /// The replacement, of operand 0's dtype.
        fill: Literal,
    },
    /// Operand 0: integer ids; operand 1: weights (`f32`, or `bf16` taken as is), same shape. The result is `i32`.
    Pack {
        /// Masked, or as torch does it.
        form: PackForm,
    },
    /// The `i32` id of a packed word: an arithmetic shift right by 16.
    UnpackId,
    /// The weight of a packed word: its low 16 bits, as `bf16`.
    UnpackWeight,
    /// The operand unchanged; what an output with a guarded alias copies.
    Copy,
    /// One constant axis to extent 1.
    Reduce {
        /// How.
        op: ReduceOp,
        /// The axis. [`ReduceOp::TopTwoSum`] takes the inner one only.
        axis: usize,
    },
    /// The `i32` column of the best of the inner dim, in the order of `topk`; the inner dim becomes 1.
    ArgMax {
        /// Where a NaN ranks.
        nan: NanOrder,
    },
    /// Running sums of the inner dim, by doubling: see [`crate::eval::row::cumsum`].
    CumSum,
    /// e^(x − m) / Σ e^(x − m) over the inner dim, m its maximum; `f32`.
    Softmax,
    /// (x − m) − log Σ e^(x − m) over the inner dim, m its maximum; `f32`.
    LogSoftmax,
    /// The `reduce_sum` of the products of two operands over the inner dim; `f32`.
    Dot,
    /// The columns of the k best keys of the inner dim, as `i32`.
    TopK {
        /// How many.
        k: u64,
        /// Which keys count.
        candidates: Candidates,
        /// How the chosen are arranged.
        order: TopKOrder,
        /// Where a NaN ranks.
        nan: NanOrder,
    },
    /// Whether a column of the inner dim is among the k best.
    TopKMask {
        /// How many.
        k: u64,
        /// Which keys count.
        candidates: Candidates,
        /// Where a NaN ranks.
        nan: NanOrder,
    },
    /// Operand 0 is `[T, E]`; the result is `[T, G]`, the score of each of G groups of E / G neighbouring columns.
    GroupScore {
        /// G; divides E.
        groups: u64,
        /// How a group is scored.
        score: GroupScore,
    },
    /// Operand 0 is `[T, E]`, operand 1 the groups' scores, `[T, G]`: all but the best groups' columns are masked.
    GroupMask {
        /// How many groups are kept.
        keep: u64,
        /// What masked columns become.
        fill: GroupFill,
    },
    /// The operand divided by the sum over its inner dim; `f32`.
    Renorm {
        /// What it is divided by.
        denominator: Denominator,
    },
    /// Operand 0 is `[P]` integer counts, an input; operand 1 integer indices, operand 2 amounts of the counts' dtype and
    /// the indices' shape, or of rank 0. The counts, with each amount added where its index names one; wraps. Its result
    /// can only be an output in place of that input.
    AtomicAdd,
    /// Operand 0 is integer ids, `[T]` or `[T, K]`; the result, `i32[bins]`, says how often each bin is among those of all
    /// rows. An id outside `[0, bins)` is in no bin. With an operand 1, `i32[bins]`, its elements are counted on from; wraps.
    BinCount {
        /// How many bins there are.
        bins: u64,
    },
    /// Operand 0 is integer ids, `[T, K]`; the result, `bool[T, bins]`, says whether a row has an id of the bin.
    BinAny {
        /// How many bins there are.
        bins: u64,
    },
    /// Operand 0 is `bool[T, R]`; the result, `i32[R]`, says in how many rows each column is true.
    CountRows,
    /// Operand 0 is `i32[E]`, how many items each bin has, where less than 0 is 0; the result, `i32[E + 1]`, says where each
    /// bin begins, and last where all end. Saturates at 2³¹ − 1: see [`crate::eval::bins::starts`].
    BinStarts {
        /// Every bin begins at a multiple of this many places.
        align: u64,
        /// The least that a bin without items takes, in multiples of `align`: 0 or 1.
        empty: u64,
        /// Bin e begins at e × this, whatever the counts are; then `align` is 1 and `empty` 0.
        stride: Option<u64>,
    },
    /// Operand 0 is integer ids, `[T]` or `[T, K]`; the result, `i32` of that shape, says how many items before this one, by
    /// row and then by column, have its id; −1 where the id is outside `[0, bins)`.
    BinRank {
        /// How many bins there are.
        bins: u64,
    },
    /// Operand 0 is values, of the shape of the ids or of rank 0; operand 1 integer ids, `[T]` or `[T, K]`; operand 2 the
    /// `bin_starts` of E bins; operand 3 the fill, of the values' dtype, of rank 0 or of `shape`. The result has each value at
    /// `starts[id] + rank`, where that is below `starts[id + 1]` and in the shape, and the fill elsewhere. With an operand 4
    /// of the result's type, places from `starts[E]` on have its elements.
    BinScatter {
        /// The shape of the result: one dim.
        shape: Vec<Dim>,
    },
    /// Operand 0 is the `bin_starts` of E bins; element j of the `i32` result is the bin e with `starts[e] ≤ j × step <
    /// starts[e + 1]`, −1 where there is none.
    BinOf {
        /// How many places an element of the result stands for.
        step: u64,
        /// The shape of the result: one dim.
        shape: Vec<Dim>,
    },
}
