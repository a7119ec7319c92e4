//! One lowering of a graph, of which everything before machine code is asked.

use super::{KernelKey, Picture, Report, ScheduleLanes, Stages};
use crate::engine::{Engine, Lowered};
use crate::error::Error;
use routefuse_ir::kernel::schedule::Scheduled;
use routefuse_ir::program::Program;
use routefuse_ir::{Graph, Verified};
use routefuse_passes::range::Ranges;
use std::ops::Range;

/// A graph on its way to a target, as far as it goes without machine code. [`Engine::lowering`](crate::Engine::lowering) makes
/// one; the methods say the same as those of the engine, and the graph is lowered once for all of them.
pub struct Lowering {
    graph: Verified<Graph>,
    lowered: Lowered,
}

impl Lowering {
    pub(crate) fn new(graph: &Verified<Graph>, lowered: Lowered) -> Lowering {
        Lowering { graph: graph.clone(), lowered }
    }

    /// The graph as it was written.
    pub fn graph(&self) -> &Verified<Graph> {
        &self.graph
    }

    /// The graph whose operations the kernels compute: the canonical one, or without fusion the one that was written (with its
    /// macro operations expanded, where one is too much for a kernel).
    pub fn source(&self) -> &Verified<Graph> {
        self.lowered.compiled().source()
    }

    /// The kernels and the buffers between them, before any are joined: see [`Lowering::launched`].
    pub fn program(&self) -> &Program {
        self.lowered.program()
    }

    /// The kernels with their schedules, in the order in which they run.
    pub fn kernels(&self) -> &[Verified<Scheduled>] {
        self.lowered.kernels()
    }

    /// For each kernel, the names in [`Lowering::source`] of the operations that it computes, operands first. One can be in
    /// several kernels.
    pub fn operations(&self) -> Vec<Vec<&str>> {
        let source = self.source();
        let names = |ops: &Vec<_>| ops.iter().map(|id| source.node(*id).name.as_str()).collect();
        self.lowered.compiled().ops().iter().map(names).collect()
    }

    /// For each kernel, the names in [`Lowering::source`] of the values that it needs, each with the number of the kernel's value
    /// that it is. Values that differ in where their elements stand alone can be one.
    pub fn values(&self) -> Vec<Vec<(&str, u32)>> {
        let source = self.source();
        let names = |kernel: &Vec<(_, routefuse_ir::kernel::ValueId)>| {
            kernel.iter().map(|(id, value)| (source.node(*id).name.as_str(), value.0)).collect()
        };
        self.lowered.compiled().values().iter().map(names).collect()
    }

    /// The keys under which an engine keeps the code of the kernels: for each kernel, one a variant.
    ///
    /// # Errors
    /// `RF0802` in a build without a compiler.
    pub fn keys(&self, engine: &Engine) -> Result<Vec<KernelKey>, Error> {
        Ok(KernelKey::all(self.kernels(), &**engine.compiler()?))
    }

    /// How the rows and columns of each kernel meet lanes on the target.
    pub fn lanes(&self) -> Vec<ScheduleLanes> {
        self.kernels().iter().map(|k| ScheduleLanes::of(&k.kernel, &k.schedule, k.target)).collect()
    }

    /// The stages as text, with [`Lowering::kernels`]: those of [`Engine::stages`](crate::Engine::stages) are of what the target runs.
    pub fn stages(&self) -> Stages {
        let (program, kernels) = (self.program().clone(), self.kernels().to_vec());
        Stages::of(&self.graph, &self.lowered, (program, kernels))
    }

    /// For each kernel that the target runs, in order, which of [`Lowering::kernels`] it is: on a GPU, kernels that cross rows are
    /// joined into one. A kernel for some numbers of rows stands beside those that do the same for others, and is some of the same.
    ///
    /// # Errors
    /// Only by a defect of routefuse.
    pub fn launched(&self) -> Result<Vec<Range<usize>>, Error> {
        Ok(self.lowered.launched()?)
    }

    /// What became of the graph and why.
    ///
    /// # Errors
    /// Only by a defect of routefuse.
    pub fn report(&self) -> Result<Report, Error> {
        Ok(self.lowered.report()?)
    }

    /// The graph as it was written beside the kernels.
    ///
    /// # Errors
    /// Only by a defect of routefuse.
    pub fn picture(&self) -> Result<Picture, Error> {
        Picture::of(&self.graph, &self.lowered)
    }

    /// Between which bounds each integer of the graph as it was written lies, for every value in order of [`Graph::nodes`]; `None`
    /// for floats. A range that is every value of the dtype is `None` too: it says nothing.
    pub fn ranges(&self) -> Vec<Option<[i128; 2]>> {
        let ranges = Ranges::of(&self.graph);
        let known = |id| {
            let whole = routefuse_passes::range::Interval::of_dtype(self.graph.node(id).ty.dtype);
            ranges.get(id).filter(|range| Some(*range) != whole).map(|range| [range.lo, range.hi])
        };
        self.graph.node_ids().map(known).collect()
    }
}
