//! Inputs made of a graph, extents and a seed.

use super::element::{Mood, element};
use crate::Choices;
use routefuse_ir::op::Op;
use routefuse_ir::{DType, Dim, Graph, Literal, Tensor};

/// How inputs are made, as a corpus file names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Each input of a mood of its own; integers that index tables mostly in range.
    Mixed,
    /// Every input hostile.
    Hostile,
    /// Integers mostly in range, floats ordinary.
    Ids,
    /// Values at which rewriting rules and ranges have an edge.
    Edges,
    /// Floats as rankings and sums want them: [`Mood::of_rows`]; integers hostile.
    Rows,
    /// Every input of floats whose softmax has near ties: [`Mood::Close`].
    Close,
}

impl Rule {
    /// The rule of this name.
    pub fn named(name: &str) -> Option<Rule> {
        match name {
            "mixed" => Some(Rule::Mixed),
            "hostile" => Some(Rule::Hostile),
            "ids" => Some(Rule::Ids),
            "edges" => Some(Rule::Edges),
            "rows" => Some(Rule::Rows),
            "close" => Some(Rule::Close),
            _ => None,
        }
    }
}

/// One tensor an input. An input's elements depend on its name, its type, the extents and the seed alone, so that they stay
/// when a graph around it is reduced. `extents` has one a symbol, in rows.
pub fn inputs(g: &Graph, extents: &[u64], rule: Rule, seed: u64) -> Vec<Tensor> {
    (0..g.inputs.len()).map(|i| input(g, i, extents, rule, seed)).collect()
}

fn input(g: &Graph, i: usize, extents: &[u64], rule: Rule, seed: u64) -> Tensor {
    let ty = g.input_type(i);
    let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(extents)).collect();
    let mut choices = Choices::seeded(seed ^ fingerprint(&g.inputs[i].name));
    let bound = indexed_extent(g, i, extents).unwrap_or_else(|| choices.range(1..20));
    let mood = match rule {
        Rule::Hostile => Mood::Hostile,
        Rule::Edges => Mood::Edges,
        Rule::Close => Mood::Close,
        Rule::Rows => Mood::of_rows(&mut choices),
        Rule::Ids => Mood::Ids { bound },
        Rule::Mixed => match choices.below(10) {
            0..5 => Mood::Hostile,
            5..8 => Mood::Ids { bound },
            8 => Mood::Random,
            _ => Mood::Equal,
        },
    };
    let n: u64 = shape.iter().product();
    let rows = shape.first().copied().unwrap_or(0);
    if ty.shape.is_empty() && ty.dtype.is_int() && choices.below(3) > 0 {
        // A device scalar is mostly a number of rows: 0, 1, T - 1, T, more.
        let t = extents.first().copied().unwrap_or(4);
        let n = choices.of(&[0, 1, t.saturating_sub(1), t, t + 1, t / 2]);
        return Tensor::from_bits(ty.dtype, &[], [Literal::from_bits(ty.dtype, n).bits()]);
    }
    let equal = element(ty.dtype, Mood::Hostile, &mut choices);
    let mut data = Vec::with_capacity(n as usize);
    for _ in 0..n {
        data.push(if mood == Mood::Equal { equal } else { element(ty.dtype, mood, &mut choices) });
    }
    if rows > 0 && ty.dtype.is_float() && rule != Rule::Ids && choices.one_in(4) {
        // One row of negative infinity.
        let cols = (n / rows) as usize;
        let at = choices.range(0..rows) as usize * cols;
        let infinity = Literal::from_f64(ty.dtype, f64::NEG_INFINITY).map_or(0, Literal::bits);
        data[at..at + cols].fill(infinity);
    }
    Tensor::from_bits(ty.dtype, &shape, data)
}

/// The extent that the input indexes directly, if it does.
fn indexed_extent(g: &Graph, i: usize, extents: &[u64]) -> Option<u64> {
    let node = g.inputs[i].node;
    if g.node(node).ty.dtype == DType::Bool {
        return None;
    }
    g.users(node).into_iter().find_map(|user| {
        let operands = g.operands(user);
        let position = operands.iter().skip(1).position(|o| *o == node)?;
        let table = &g.node(operands[0]).ty;
        let dim: Option<&Dim> = match g.node(user).op {
            Op::Gather { .. } => table.shape.get(position),
            Op::GatherRow { .. } => table.shape.get(1),
            _ => None,
        };
        dim.map(|d| d.resolve(extents))
    })
}

/// FNV-1a.
fn fingerprint(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}
