//! Every stage of a graph before machine code, as text.

use super::program_text;
use crate::engine::Lowered;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::program::Program;
use routefuse_ir::{Graph, Verified, text};
use std::time::Duration;

/// What a graph becomes before any machine code: all texts end in a newline.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stages {
    /// The graph in canonical layout.
    pub graph: String,
    /// After canonicalisation.
    pub canonical: String,
    /// The program: ports, workspace, kernels.
    pub fused: String,
    /// Each kernel with its schedule, in the order in which they run.
    pub kernels: Vec<Verified<Scheduled>>,
    /// The program that these are the kernels of.
    pub program: Program,
    /// Time of canonicalisation, fusion and scheduling together.
    pub time: Duration,
}

impl Stages {
    /// With this program and its kernels.
    pub(crate) fn of(graph: &Verified<Graph>, lowered: &Lowered, parts: (Program, Vec<Verified<Scheduled>>)) -> Stages {
        let (program, kernels) = parts;
        Stages {
            graph: text::print(graph),
            canonical: text::print(lowered.canonical()),
            fused: program_text::print(&program),
            kernels,
            program,
            time: lowered.time(),
        }
    }

    /// Every kernel as [`kernel_text`].
    pub fn kernel(&self) -> String {
        self.kernels.iter().map(|k| kernel_text(k)).collect::<Vec<_>>().join("\n")
    }
}

/// A kernel with its schedule and its variants, as text.
pub fn kernel_text(kernel: &Scheduled) -> String {
    let variants: Vec<String> = kernel.variants().iter().map(Variant::to_string).collect();
    let Scheduled { kernel, schedule, target } = kernel;
    format!("{}schedule {target}: {schedule}\nvariants {}\n", **kernel, variants.join(" "))
}
