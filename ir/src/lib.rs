//! The routefuse IR: what a routing graph is, and what it means.
//!
//! # Levels
//! A [`Graph`] is a tensor program in SSA form: every node has one result, a [`TensorType`] (dtype and shape), and
//! edges that carry the operand's position. [`Graph::verify`](graph::Graph::verify) turns it into a
//! [`Verified<Graph>`](verify::Verified), which is what every later stage takes, so skipping verification is a type
//! error. A [`Kernel`](kernel::Kernel) is one loop over rows with loads and stores, made by `routefuse-passes`.
//!
//! # Shapes
//! A dimension is a constant or a [`Symbol`](dim::Dim::Sym) with identity. Only the leading dimension may be symbolic;
//! it is the *row* dimension, usually `T` (tokens). Two symbols are equal when they are the same symbol, never because
//! they happen to have the same value. A dim of *capacity* may have a bound: the least extent for so many rows
//! ([`bound`]), which every launch checks.
//!
//! # Meaning
//! The interpreter ([`interp`]) *is* the definition; every target agrees with it bit for bit.
//!
//! - Integers wrap. `x / 0` is all ones and `x % 0` is `x` (the RISC-V rule); `MIN / -1` wraps to `MIN`, `MIN % -1` is 0.
//!   Division truncates; `div_floor` rounds down, and `rem_floor` has the sign of the divisor. Shift amounts are unsigned; an amount of the width or more gives 0, or the sign in a signed
//!   right shift.
//! - `f32` arithmetic is IEEE 754: round to nearest even, no contraction, no flush to zero. An arithmetic result that
//!   is NaN is the canonical quiet NaN `0x7fc00000` (`neg` and `abs` count as arithmetic). Moves (`select`, `concat`,
//!   `slice`, `gather`, `copy`, …) keep every bit.
//! - `f16` and `bf16` are storage types: compute in `f32` and round by an explicit `cast`, so that rounding points
//!   are in the program and are never moved. NaN becomes `0x7e00` / `0x7fc0`; widening a NaN gives `0x7fc00000`.
//! - `min` and `max` prefer a number to a NaN, unless their attribute `nan` says `propagate`, and order `-0.0` before `+0.0`. Comparisons with NaN are false, `ne` true.
//! - Casts: float to integer truncates and saturates, NaN gives 0; integer to `f16`/`bf16` rounds to `f32` first;
//!   integer to integer keeps the low bits, extending by the *source's* sign; anything to `bool` is `x != 0`.
//! - `floor`, `ceil`, `round` (of a half, to even) and `trunc` are exact, and keep the sign of what becomes a zero. `rsqrt` is
//!   1 / √x, rounded as a root and again as a quotient.
//! - `exp`, `exp2`, `log`, `log2`, `sigmoid`, `softplus`, `tanh`, `erf` are one fixed sequence of IEEE and integer operations each ([`math`]).
//! - `rem`, `div_floor` and `rem_floor` of `f32` are what the exact remainder makes them, however large the quotient.
//! - Operations on bins (`bin_count` and what follows it) cross rows: they go through all items by row and then by column, so
//!   what they give is the same in every run. An id that names no bin is in none, and an item that is twice in a row is two.
//!   `bin_scatter` drops values for which there is no place, without an error: those of a bin that is full (with `stride`), and
//!   those whose place is behind the result's shape. `starts[E]` says how many places are needed; n items in E bins need at most
//!   n + E × (`align` − 1), with `empty = 1` at most n + E × `align`.
//! - An id is data: a gather whose index is out of range does what its [`OutOfRange`](op::OutOfRange) policy says.
//!
//! # Features
//! `graphs` (default) is the graph level: its types, verifier, builder, text and JSON, and the interpreter of graphs. Without it
//! there is what is made of graphs (kernels, programs, schedules, targets) and what that means.
#![forbid(unsafe_code)]

pub mod artifact;
pub mod bound;
#[cfg(feature = "graphs")]
pub mod builder;
pub mod cancel;
pub mod diag;
pub mod dim;
pub mod dtype;
pub mod eval;
pub mod formula;
#[cfg(feature = "graphs")]
pub mod graph;
pub mod infer;
pub mod interp;
#[cfg(feature = "graphs")]
pub mod json;
#[cfg(feature = "graphs")]
mod json_dim;
pub mod kernel;
mod layout;
pub mod literal;
mod literal_text;
pub mod math;
pub mod op;
pub mod program;
#[cfg(feature = "graphs")]
mod suggest;
pub mod target;
pub mod tensor;
mod tensor_type;
#[cfg(feature = "graphs")]
pub mod text;
pub mod verify;
pub mod visible;

pub use bound::{BoundTerm, DimBound};
#[cfg(feature = "graphs")]
pub use builder::GraphBuilder;
pub use diag::{Code, Diagnostic, Diagnostics, Span};
pub use dim::{Dim, SymbolId};
pub use dtype::DType;
#[cfg(feature = "graphs")]
pub use graph::{Graph, NodeId};
pub use layout::{Alias, Layout};
pub use literal::Literal;
pub use op::Op;
pub use tensor::Tensor;
pub use tensor_type::TensorType;
pub use verify::Verified;
