//! Random valid graphs: every operation, dtype, layout and alias, with the extents that break loops.
//!
//! Operations are proposed, and [inference](routefuse_ir::infer) says which of them are valid, so that a rule is written in
//! one place only. What inference refuses is counted.

mod family;
mod idioms;
mod inputs;
mod ops;
mod outputs;
mod profile;
mod values;

pub use family::Family;
pub use profile::{Constants, Declared, Names, Outputs, Profile};

use crate::Choices;
use routefuse_ir::{BoundTerm, Diagnostics, Dim, Graph, GraphBuilder, Layout, NodeId, SymbolId, Verified};

/// Values of symbols: none, one, warps and pieces give or take one, blocks give or take one.
pub const EXTENTS: [u64; 16] = [0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 257, 500];

/// Of a list of choices, this many are left for outputs.
const FOR_OUTPUTS: usize = 32;

/// A random graph and what it took.
#[derive(Debug)]
pub struct Generated {
    /// The graph, or what the verifier says against it.
    pub graph: Result<Verified<Graph>, Diagnostics>,
    /// Operations that were proposed and refused by inference.
    pub refused: u32,
}

/// The graph that these choices make of the profile.
pub fn generate(choices: &mut Choices, profile: &Profile) -> Generated {
    let mut g = Growing::new(choices, profile);
    g.grow();
    if profile.layouts > 0 && g.c.percent(profile.layouts) {
        g.laid_out();
    }
    g.outputs();
    Generated { refused: g.refused, graph: g.b.finish() }
}

/// The graph of this seed and profile.
pub fn of_seed(seed: u64, profile: &Profile) -> Generated {
    generate(&mut Choices::seeded(seed), profile)
}

/// Extents to run a graph with: one a symbol, from [`EXTENTS`].
pub fn extents(g: &Graph, choices: &mut Choices) -> Vec<u64> {
    let mut extents = g.symbols.iter().map(|_| choices.of(&EXTENTS)).collect::<Vec<_>>();
    within_bounds(g, &mut extents);
    extents
}

/// Raises extents that are less than the dim's bound to it.
pub fn within_bounds(g: &Graph, extents: &mut [u64]) {
    for bound in &g.bounds {
        let least = bound.least_at(extents);
        let extent = &mut extents[bound.symbol().0 as usize];
        *extent = least.max(*extent);
    }
}

/// A term of a bound: a few places for each row, or a few rows for each place.
fn term(c: &mut Choices) -> BoundTerm {
    let (times, plus, over) = (c.of(&[0, 1, 2, 3]), c.of(&[0, 0, 1, 30, -5, 64]), c.of(&[1, 1, 2, 3, 16]));
    BoundTerm { over, times, plus }
}

/// A graph that is being made.
struct Growing<'a> {
    b: GraphBuilder,
    c: &'a mut Choices,
    profile: &'a Profile,
    /// Values so far, in order.
    pool: Vec<NodeId>,
    inputs: Vec<NodeId>,
    /// Of the inputs.
    layouts: Vec<Layout>,
    /// Operands of what there is: what is not among them is not lost only as an output.
    used: Vec<NodeId>,
    /// The dims that are symbols.
    rows: Vec<Dim>,
    /// Names of the symbols.
    symbols: Vec<String>,
    /// Results of `bin_starts`.
    starts: Vec<NodeId>,
    /// What is laid out of all rows: outputs without gaps, beside those that chance makes.
    laid: Vec<NodeId>,
    refused: u32,
}

impl<'a> Growing<'a> {
    fn new(choices: &'a mut Choices, profile: &'a Profile) -> Growing<'a> {
        let name = match choices.seed() {
            Some(seed) => format!("random_{seed}"),
            None => "random".to_owned(),
        };
        let name = profile.names.graph(name, choices);
        let mut b = GraphBuilder::new(name);
        let (mut ids, mut symbols): (Vec<SymbolId>, Vec<String>) = (vec![], vec![]);
        let count = choices.of(profile.symbols);
        for plain in ["T", "U"].into_iter().take(count) {
            let name = profile.names.symbol(plain, choices);
            ids.push(b.symbol(name.clone()));
            symbols.push(name);
        }
        let rows = ids.iter().copied().map(Dim::Sym).collect();
        let (pool, inputs, layouts, used, starts, laid) = (vec![], vec![], vec![], vec![], vec![], vec![]);
        let mut g =
            Growing { b, c: choices, profile, pool, inputs, layouts, used, rows, symbols, starts, laid, refused: 0 };
        g.declarations();
        if let [of, symbol] = ids[..] {
            g.bound(of, symbol);
        }
        g
    }

    /// Bounds the second dim by the first, where an input says how large that is.
    fn bound(&mut self, of: SymbolId, symbol: SymbolId) {
        let has_rows = |v: &NodeId| self.b.ty(*v).shape.first() == Some(&Dim::Sym(of));
        if self.profile.bounds > 0 && self.inputs.iter().any(has_rows) && self.c.percent(self.profile.bounds) {
            let terms: Vec<BoundTerm> = (0..1 + self.c.below(2)).map(|_| term(self.c)).collect();
            self.b.at_least(symbol, 1 + self.c.below(3) as u64, of, &terms);
        }
    }

    /// Operations, until there are as many as were chosen, or the choices are used up, or too many were refused.
    fn grow(&mut self) {
        let wanted = self.profile.size(self.c);
        let mut made = 0;
        while made < wanted && self.refused < 200 && !self.c.fewer_than(FOR_OUTPUTS) {
            if self.propose().is_some() {
                made += 1;
            } else {
                self.refused += 1;
            }
        }
    }

    /// An idiom, arithmetic, an operation on bins or on rows, or another one; `None` if it is not valid.
    fn propose(&mut self) -> Option<NodeId> {
        let v = if self.profile.idioms > 0 && self.c.percent(self.profile.idioms) {
            self.idiom()
        } else if self.profile.arithmetic > 0 && self.c.percent(self.profile.arithmetic) {
            self.proposal(ops::ARITHMETIC)
        } else if self.profile.bin_ops > 0 && self.c.percent(self.profile.bin_ops) {
            self.proposal(ops::ON_BINS)
        } else if self.profile.row_ops > 0 && self.c.percent(self.profile.row_ops) {
            self.proposal(ops::ON_ROWS)
        } else {
            self.proposal(ops::WITHIN_COLUMNS)
        }?;
        if self.profile.names == Names::Odd && self.c.one_in(4) && !self.inputs.contains(&v) {
            let name = self.profile.names.odd(&format!("named{}", self.pool.len()), self.c);
            self.b.name(v, &name);
        }
        Some(v)
    }

    /// One of the proposals, each as often as its weight says.
    fn proposal(&mut self, proposals: &[(usize, ops::Proposal)]) -> Option<NodeId> {
        let mut at = self.c.below(proposals.iter().map(|p| p.0).sum());
        for (weight, proposal) in proposals {
            if at < *weight {
                return proposal(self);
            }
            at -= weight;
        }
        None
    }
}
