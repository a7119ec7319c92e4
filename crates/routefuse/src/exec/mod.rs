//! Owned execution: buffers for every argument of a plan, launches on the host or on a GPU, results as named tensors.
//!
//! A serving engine binds its own memory by [`Args`](crate::Args). This module is for everyone else: programs that read
//! tensors from files, tests, benchmarks, bindings to other languages.
//!
//! [`Executor`] stands for a device, [`Execution`] for a plan with the buffers of its launches there. [`HostExecution`],
//! `CudaExecution` and `HipExecution` are the kinds, for who needs what only one of them has.
//!
//! ```
//! # #[cfg(feature = "compiler")]
//! # fn main() -> Result<(), routefuse::Error> {
//! use routefuse::exec::{Device, Executor};
//! use routefuse::{Engine, Options, Tensor, chains};
//!
//! let graph = chains::Unpack { top_k: 2 }.graph()?;
//! let executor = Executor::on(Device::Host)?;
//! let plan = Engine::builder().build()?.compile(&graph, &executor.target()?, &Options::default())?;
//! let packed = Tensor::from_i32(&[1, 2], &[7 << 16 | 0x3f80, 9 << 16 | 0x4000]);
//! let outcome = executor.run(plan, &[packed], &[])?;
//! assert_eq!(outcome.output("ids"), Some(&Tensor::from_i32(&[1, 2], &[7, 9])));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compiler"))]
//! # fn main() {}
//! ```

mod arguments;
#[cfg(feature = "cuda")]
mod cuda;
mod executor;
#[cfg(any(feature = "cuda", feature = "hip"))]
mod gpu;
mod gpus;
#[cfg(feature = "hip")]
mod hip;
mod host;
#[cfg(feature = "graphs")]
mod ids;
#[cfg(feature = "graphs")]
mod random;
#[cfg(feature = "graphs")]
mod splitmix;

pub use arguments::Input;
#[cfg(feature = "cuda")]
pub use cuda::CudaExecution;
pub use executor::{Execution, Executor};
#[cfg(any(feature = "cuda", feature = "hip"))]
pub use gpu::{Captured, GpuExecution, Room};
pub use gpus::Gpus;
#[cfg(feature = "hip")]
pub use hip::HipExecution;
pub use host::HostExecution;
#[cfg(feature = "graphs")]
pub use ids::{Ids, spread_ids};
#[cfg(feature = "graphs")]
pub use random::{check_size, ordinary_inputs, random_inputs};
pub use routefuse_runtime::{Device, Element, WORKSPACE_ALIGN, Workspace};

use routefuse_ir::{Code, Diagnostic, Tensor};

/// This build has no driver for a device.
#[cold]
pub(crate) fn no_device(device: Device) -> Diagnostic {
    let feature = if matches!(device, Device::Cuda(_)) { "cuda" } else { "hip" };
    let message = format!("this build of routefuse does not run on {device}");
    Diagnostic::new(Code::NoDevice, message).help(format!("build it with the feature `{feature}`"))
}

/// What launches gave.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// Every output with its name, in the order of the graph.
    pub outputs: Vec<(String, Tensor)>,
    /// A gather with the policy `trap` met an index out of range.
    pub trapped: bool,
}

impl Outcome {
    /// The output of this name.
    pub fn output(&self, name: &str) -> Option<&Tensor> {
        self.outputs.iter().find(|o| o.0 == name).map(|o| &o.1)
    }
}
