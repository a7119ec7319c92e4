//! A graph in its simplest form: what fusion starts from.
//!
//! Every pass keeps the meaning of the graph bit for bit, as the front page of `routefuse-ir` defines it: there is no
//! rewrite here that is only nearly right. Values keep the names and places that the user gave them; what a pass makes is
//! called after the value that it was made for (`%packed.shl`), so that messages and dumps speak of the user's program.
//!
//! # Order
//! `expand` first replaces macro operations by primitive ones, so that every other pass and every emitter has fewer
//! cases. Then `fold`, `algebra`, `movement`, `cse` and `dce` run in turn until none of them changes anything.
//!
//! # How to write a rule
//! A rule is a function from a node to what the node may be replaced by, or `None`. It stands in the file of its dtype
//! (`integer`, `boolean`, `float`, `cast`) or of what it is about (`row`, `movement`), in that file's list of rules.
//! 1. *One equation.* The doc comment is the equation, left side first, in which `c` are constants: `(x + c) + d = x +
//!    (c + d)`. A condition follows it ("for n below the width"). A rule of two equations is two rules.
//! 2. *A proof.* An equation holds for every bit pattern of every dtype that the rule admits: integers wrap, a shift may be as
//!    long as the width, −0.0 is not 0.0, and a NaN keeps its payload unless arithmetic made it. Where that is not plain, the
//!    reason stands under the equation. A rule that needs more than the dtype asks `facts`: ranges, canonical NaNs, values
//!    without a sign, values behind which a gather traps. Facts about operations come from the op table
//!    ([`routefuse_ir::op::table`]), so a rule knows nothing of single operations that the table could say.
//! 3. *It ends.* The right side has fewer operations, or cheaper ones, or an order that the left side has not, so that no two
//!    rules undo each other. Rules look for constants on the right; `algebra` puts them there.
//! 4. *It drops no trap.* A value behind which a gather traps may be dropped only where nothing asks for it afterwards either;
//!    `rewrite` refuses an answer that would lose one.
//! 5. *A test.* A case in `tests/`, under the name of the file: the statements before, the operations after, and one like it
//!    that the condition keeps out. The harness runs both graphs by the interpreter over hostile inputs and compares bits.
//!    Break the rule once and see the case fail.

mod algebra;
mod boolean;
mod cast;
mod cse;
mod dce;
pub(crate) mod expand;
mod facts;
mod float;
mod fold;
mod integer;
mod movement;
mod rewrite;
mod row;
mod view;

#[cfg(test)]
mod tests;

pub use algebra::Algebra;
pub use cse::Cse;
pub use dce::Dce;
pub use expand::{Expand, ExpandBins};
pub use fold::Fold;
pub use movement::Movement;

use routefuse_ir::{Code, Diagnostic, Diagnostics, Graph, Verified};
use std::hash::{DefaultHasher, Hash, Hasher};

/// One step from a graph to a simpler graph of the same meaning.
pub trait Pass {
    /// The name in dumps, reports and traces.
    fn name(&self) -> &'static str;

    /// Changes the graph; true exactly if its printed form is another afterwards.
    fn run(&self, g: &mut Graph) -> bool;
}

/// What one run of one pass did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassReport {
    /// The pass.
    pub name: &'static str,
    /// It changed the graph.
    pub changed: bool,
    /// Operations before, without inputs and constants.
    pub ops_before: usize,
    /// Operations after, without inputs and constants.
    pub ops_after: usize,
}

/// Rounds of the passes that repeat. Each rewrite shortens the graph, moves a constant to the right, or moves a broadcast
/// towards the outputs, so this ends; the chains of the workload take two rounds. But a graph can be written in which each
/// round uncovers one value that is equal to another, so the time is bounded here. What is left then is correct, only not
/// the simplest.
const MAX_ROUNDS: usize = 64;

/// The graph in its simplest form, with a report on every pass that ran, in order.
///
/// # Errors
/// A pass has left a graph that breaks a rule: a defect of this crate (`RF0901`, after what is broken).
pub fn canonicalise(g: Verified<Graph>) -> Result<(Verified<Graph>, Vec<PassReport>), Diagnostics> {
    canonicalise_watched(g, &mut |_, _| ())
}

/// As [`canonicalise`], and shows the graph after every run of a pass that changed it, with the pass's name.
///
/// # Errors
/// Those of [`canonicalise`].
pub fn canonicalise_watched(
    g: Verified<Graph>,
    watch: &mut dyn FnMut(&'static str, &Graph),
) -> Result<(Verified<Graph>, Vec<PassReport>), Diagnostics> {
    let mut g = g.into_inner();
    let mut run = |pass: &dyn Pass, g: &mut Graph| {
        let report = run(pass, g)?;
        if report.changed {
            watch(report.name, g);
        }
        Ok::<_, Diagnostics>(report)
    };
    let mut reports = vec![run(&Expand, &mut g)?];
    let passes: [&dyn Pass; 5] = [&Fold, &Algebra, &Movement, &Cse, &Dce];
    for _ in 0..MAX_ROUNDS {
        let before = reports.len();
        for pass in passes {
            reports.push(run(pass, &mut g)?);
        }
        if reports[before..].iter().all(|r| !r.changed) {
            break;
        }
    }
    Ok((g.verify().map_err(|d| defect(d, "canonicalise"))?, reports))
}

/// The graph as it was written, but for operations on bins that no kernel has: see [`ExpandBins`].
///
/// # Errors
/// Only by a defect of this crate (`RF0901`).
pub fn as_written(g: &Verified<Graph>) -> Result<Verified<Graph>, Diagnostics> {
    let mut written = g.clone().into_inner();
    ExpandBins.run(&mut written);
    written.verify().map_err(|d| defect(d, ExpandBins.name()))
}

/// What is broken, and by whom.
fn defect(mut problems: Diagnostics, pass: &str) -> Diagnostics {
    let message = format!("`{pass}` has left a graph that breaks the rules of its level");
    problems.push(Diagnostic::new(Code::Internal, message).help("this is a defect; please report the graph"));
    problems
}

/// Runs one pass; in debug builds and tests, verifies what it leaves and holds it to what it says.
fn run(pass: &dyn Pass, g: &mut Graph) -> Result<PassReport, Diagnostics> {
    let ops_before = g.op_count();
    let fingerprint_before = cfg!(debug_assertions).then(|| fingerprint(g));
    let changed = pass.run(g);
    if let Some(before) = fingerprint_before {
        assert_eq!(changed, before != fingerprint(g), "`{}` does not say truthfully what it changed", pass.name());
        if changed {
            g.check().into_result(()).map_err(|d| defect(d, pass.name()))?;
        }
    }
    Ok(PassReport { name: pass.name(), changed, ops_before, ops_after: g.op_count() })
}

/// A hash of all that is printed of a graph: equal before and after a pass that changed nothing.
pub fn fingerprint(g: &Graph) -> u64 {
    let Graph { name, symbols, bounds, inputs, outputs, .. } = g;
    let mut h = DefaultHasher::new();
    (name, symbols, bounds).hash(&mut h);
    for id in g.topological().unwrap_or_else(|cycle| cycle) {
        let routefuse_ir::graph::Node { op, ty, name, span } = g.node(id);
        (op, ty, name, span).hash(&mut h);
        for operand in g.operands(id) {
            g.node(operand).name.hash(&mut h);
        }
    }
    for i in inputs {
        (&i.name, &g.node(i.node).name, i.layout as u8).hash(&mut h);
    }
    for o in outputs {
        (&o.name, &g.node(o.node).name, o.layout as u8, o.alias, o.span).hash(&mut h);
    }
    h.finish()
}
