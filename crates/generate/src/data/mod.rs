//! Data: elements that find mistakes, literals of the same kind, and the inputs of graphs.

mod element;
mod inputs;
mod special;

pub use element::{Mood, element};
pub use inputs::{Rule, inputs};

use crate::Choices;
use routefuse_ir::{DType, Literal};

/// What constants of a graph or a kernel are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literals {
    /// [`Mood::Hostile`].
    Hostile,
    /// Half of them those that rewriting rules ask for (identities, what absorbs, powers of two), half of them
    /// [`Mood::Edges`].
    Identities,
    /// Half of them any bits, half of them [`Mood::Hostile`]: for printers and parsers.
    Bits,
}

/// A literal of this dtype.
pub fn literal(dtype: DType, literals: Literals, choices: &mut Choices) -> Literal {
    let bits = match literals {
        Literals::Hostile => element(dtype, Mood::Hostile, choices),
        Literals::Identities if choices.one_in(2) => choices.of(special::identities(dtype)),
        Literals::Identities => element(dtype, Mood::Edges, choices),
        Literals::Bits if choices.one_in(2) => choices.bits(),
        Literals::Bits => element(dtype, Mood::Hostile, choices),
    };
    Literal::from_bits(dtype, bits)
}
