//! The whole way from a graph to kernels.

use crate::canonicalise::{PassReport, canonicalise};
use crate::explain::{Report, explain};
use crate::fuse::{Cut, Fusion, fuse, unfused};
use crate::range::Ranges;
use routefuse_ir::program::Program;
use routefuse_ir::{Diagnostics, Graph, NodeId, Verified};
use std::fmt;

/// What changes the kernels that a graph becomes, and nothing else: its text is part of a plan's identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Options {
    /// As few kernels as legality allows; otherwise the graph as it was written, one kernel for every operation.
    pub fuse: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { fuse: true }
    }
}

impl Options {
    /// No fusion: one kernel for every operation of the graph as it was written.
    pub fn unfused() -> Options {
        Options::default().fuse(false)
    }

    /// Whether kernels are fused.
    #[must_use]
    pub fn fuse(mut self, yes: bool) -> Options {
        self.fuse = yes;
        self
    }
}

/// The text for keys.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Destructured so that a new option cannot be forgotten here.
        let Options { fuse } = self;
        write!(f, "fuse={fuse}")
    }
}

/// A graph, compiled as far as it goes without a target.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The graph in its simplest form.
    pub canonical: Verified<Graph>,
    /// The kernels.
    pub program: Program,
    original: Verified<Graph>,
    ops: Vec<Vec<NodeId>>,
    cuts: Vec<Cut>,
    passes: Vec<PassReport>,
    options: Options,
}

/// Canonicalises, fuses and lowers.
///
/// # Errors
/// Only by a defect of this crate (`RF0501`, `RF0901`): every verified graph has kernels.
pub fn compile_graph(g: Verified<Graph>, options: &Options) -> Result<Compiled, Diagnostics> {
    let (canonical, passes) = canonicalise(g.clone())?;
    let fused = if options.fuse { &canonical } else { &g };
    let ranges = Ranges::of(fused);
    let proved = |id| ranges.prove_gather(fused, id).is_ok();
    let Fusion { mut program, ops, cuts } = if options.fuse { fuse(fused, proved)? } else { unfused(fused, proved)? };
    // The launch's arguments are those of the graph as it was written, even if no gather is left that can trap.
    program.has_trap = g.has_trap();
    Ok(Compiled { canonical, program, original: g, ops, cuts, passes, options: options.clone() })
}

impl Compiled {
    /// The graph whose operations the kernels compute: the canonical one, or without fusion the graph as it was written.
    pub fn source(&self) -> &Verified<Graph> {
        if self.options.fuse { &self.canonical } else { &self.original }
    }

    /// For each kernel, the operations of [`Compiled::source`] that it computes, operands first. One can be in several
    /// kernels.
    pub fn ops(&self) -> &[Vec<NodeId>] {
        &self.ops
    }

    /// How the kernels came to be. Made when asked for, from what compilation kept: it takes longer than compilation.
    ///
    /// # Errors
    /// Only by a defect of this crate (`RF0501`, `RF0901`).
    pub fn report(&self) -> Result<Report, Diagnostics> {
        let fusion = Fusion { program: self.program.clone(), ops: self.ops.clone(), cuts: self.cuts.clone() };
        explain(&self.original, self.source(), &fusion, &self.passes)
    }
}
