//! The whole way from a graph to kernels.

use crate::canonicalise::{Expand, Pass, PassReport, as_written, canonicalise};
use crate::explain::{Report, explain};
use crate::fuse::{Cut, Fusion, fits, fuse_until, unfused};
use crate::range::Ranges;
use routefuse_ir::cancel::Cancel;
use routefuse_ir::kernel::ValueId;
use routefuse_ir::kernel::schedule::RowShape;
use routefuse_ir::program::Program;
use routefuse_ir::{Diagnostics, Graph, NodeId, Verified};
use std::fmt;

/// What changes the kernels that a graph becomes, and nothing else: its text is part of a plan's identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Options {
    /// As few kernels as legality allows; otherwise the graph as it was written, one kernel for every operation.
    pub fuse: bool,
    /// Row schedules of GPUs have this shape alone, for any number of rows: to measure or to test it. The bits are the same.
    pub shape: Option<RowShape>,
    /// Where an engine's cache has the record of a tuning, the shapes are those that were measured. The bits are the same.
    pub records: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { fuse: true, shape: None, records: true }
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

    /// The one shape of row schedules of GPUs.
    #[must_use]
    pub fn shape(mut self, shape: Option<RowShape>) -> Options {
        self.shape = shape;
        self
    }

    /// Whether records of tunings are followed; else the shapes are the built-in ones.
    #[must_use]
    pub fn records(mut self, yes: bool) -> Options {
        self.records = yes;
        self
    }
}

/// The text for keys.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Destructured so that a new option cannot be forgotten here.
        let Options { fuse, shape, records } = self;
        write!(f, "fuse={fuse}")?;
        shape.map_or(Ok(()), |shape| write!(f, " shape=[{shape}]"))?;
        if *records { Ok(()) } else { write!(f, " records=false") }
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
    source: Verified<Graph>,
    ops: Vec<Vec<NodeId>>,
    values: Vec<Vec<(NodeId, ValueId)>>,
    cuts: Vec<Cut>,
    passes: Vec<PassReport>,
}

/// Canonicalises, fuses and lowers.
///
/// # Errors
/// Only by a defect of this crate (`RF0501`, `RF0901`): every verified graph has kernels.
pub fn compile_graph(g: Verified<Graph>, options: &Options) -> Result<Compiled, Diagnostics> {
    compile_graph_until(g, options, &Cancel::default())
}

/// As [`compile_graph`], until it is cancelled.
///
/// # Errors
/// Those of [`compile_graph`]; `RF0816` if it was cancelled.
pub fn compile_graph_until(g: Verified<Graph>, options: &Options, cancel: &Cancel) -> Result<Compiled, Diagnostics> {
    cancel.check()?;
    let (canonical, passes) = canonicalise(g.clone())?;
    cancel.check()?;
    let kernels = |source: &Verified<Graph>| {
        let ranges = Ranges::of(source);
        let proved = |id| ranges.prove_gather(source, id).is_ok();
        if options.fuse { fuse_until(source, proved, cancel) } else { unfused(source, proved) }
    };
    let mut source = if options.fuse { canonical.clone() } else { as_written(&g)? };
    let mut fusion = kernels(&source)?;
    if !options.fuse && !fusion.program.steps.iter().all(|step| fits(&step.kernel)) {
        // An operation that is too much for one kernel is one for each operation that it is made of.
        let mut expanded = g.clone().into_inner();
        Expand.run(&mut expanded);
        source = expanded.verify()?;
        fusion = kernels(&source)?;
    }
    let Fusion { mut program, ops, values, cuts } = fusion;
    // The launch's arguments are those of the graph as it was written, even if no gather is left that can trap.
    program.has_trap = g.has_trap();
    Ok(Compiled { canonical, program, original: g, source, ops, values, cuts, passes })
}

impl Compiled {
    /// The graph whose operations the kernels compute: the canonical one, or without fusion the graph as it was written (with
    /// its macro operations expanded, where one is too much for a kernel).
    pub fn source(&self) -> &Verified<Graph> {
        &self.source
    }

    /// For each kernel, the operations of [`Compiled::source`] that it computes, operands first. One can be in several
    /// kernels.
    pub fn ops(&self) -> &[Vec<NodeId>] {
        &self.ops
    }

    /// For each kernel, which of its values each value of [`Compiled::source`] is that it needs. Values that differ in where their
    /// elements stand alone can be one.
    pub fn values(&self) -> &[Vec<(NodeId, ValueId)>] {
        &self.values
    }

    /// How the kernels came to be. Made when asked for, from what compilation kept: it takes longer than compilation.
    ///
    /// # Errors
    /// Only by a defect of this crate (`RF0501`, `RF0901`).
    pub fn report(&self) -> Result<Report, Diagnostics> {
        let Compiled { program, ops, values, cuts, .. } = self.clone();
        let fusion = Fusion { program, ops, values, cuts };
        explain(&self.original, self.source(), &fusion, &self.passes)
    }
}
