//! A graph cut into kernels: what a plan runs.

use crate::diag::Diagnostics;
use crate::dim::SymbolId;
#[cfg(feature = "graphs")]
use crate::graph::Graph;
use crate::kernel::Kernel;
use crate::layout::{Alias, Layout};
use crate::tensor_type::TensorType;
use crate::verify::Verified;

/// An input or output of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The name by which arguments are bound.
    pub name: String,
    /// dtype and shape.
    pub ty: TensorType,
    /// How it lies in memory.
    pub layout: Layout,
    /// For an output: which input's memory it may share.
    pub alias: Alias,
}

/// A contiguous buffer between two kernels, in the caller's workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intermediate {
    /// The graph value it holds.
    pub name: String,
    /// dtype and shape.
    pub ty: TensorType,
}

/// Which buffer a kernel's parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Buffer {
    /// The program's input.
    Input(usize),
    /// The program's output.
    Output(usize),
    /// A buffer of the workspace.
    Intermediate(usize),
    /// The error word.
    ErrorWord,
}

/// One kernel of a program.
#[derive(Clone, Debug)]
pub struct Step {
    /// The kernel.
    pub kernel: Verified<Kernel>,
    /// One for each of its parameters.
    pub buffers: Vec<Buffer>,
    /// One for each of its symbols: the program's.
    pub symbols: Vec<SymbolId>,
}

/// Kernels in the order in which they run. Outputs without elements have no store.
#[derive(Clone, Debug)]
pub struct Program {
    /// The graph's name.
    pub name: String,
    /// The symbols' names.
    pub symbols: Vec<String>,
    /// The inputs, as the graph declares them.
    pub inputs: Vec<Port>,
    /// The outputs, as the graph declares them.
    pub outputs: Vec<Port>,
    /// The workspace's buffers.
    pub intermediates: Vec<Intermediate>,
    /// A launch takes an error word after the outputs.
    pub has_trap: bool,
    /// The kernels.
    pub steps: Vec<Step>,
}

impl Program {
    /// A program without kernels, with the graph's ports.
    #[cfg(feature = "graphs")]
    pub fn of_graph(g: &Verified<Graph>) -> Program {
        let inputs = (0..g.inputs.len()).map(|i| Port {
            name: g.inputs[i].name.clone(),
            ty: g.input_type(i).clone(),
            layout: g.inputs[i].layout,
            alias: Alias::None,
        });
        let outputs = (0..g.outputs.len()).map(|i| Port {
            name: g.outputs[i].name.clone(),
            ty: g.output_type(i).clone(),
            layout: g.outputs[i].layout,
            alias: g.outputs[i].alias,
        });
        Program {
            name: g.name.clone(),
            symbols: g.symbols.clone(),
            inputs: inputs.collect(),
            outputs: outputs.collect(),
            intermediates: vec![],
            has_trap: g.has_trap(),
            steps: vec![],
        }
    }

    /// The port behind a buffer's type: dtype and shape in the program's symbols.
    pub fn buffer_type(&self, buffer: Buffer) -> TensorType {
        match buffer {
            Buffer::Input(i) => self.inputs[i].ty.clone(),
            Buffer::Output(i) => self.outputs[i].ty.clone(),
            Buffer::Intermediate(i) => self.intermediates[i].ty.clone(),
            Buffer::ErrorWord => TensorType::scalar(crate::DType::U32),
        }
    }

    /// Verifies every kernel again: after a pass, in tests.
    ///
    /// # Errors
    /// The first kernel's problems.
    pub fn check(&self) -> Result<(), Diagnostics> {
        self.steps.iter().try_for_each(|s| Kernel::clone(&s.kernel).verify().map(|_| ()))
    }
}
