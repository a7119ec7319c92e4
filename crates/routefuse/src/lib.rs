//! routefuse compiles the small tensor programs between a Mixture-of-Experts router's logits and the expert GEMMs into
//! single fused loops, and runs them.
//!
//! A [`Graph`] comes from [`text`], [`json`], the [builder](GraphBuilder), or one of the ready [`chains`]. An
//! [`Engine`] makes a [`Plan`] of it, once, at model load. The plan is launched where its target runs, as a [`HostPlan`] or
//! a `CudaPlan`, with the caller's memory, at any number of rows, from any number of threads. A launch checks all of its arguments before anything runs, and neither compiles nor
//! allocates.
//!
//! ```
//! # #[cfg(feature = "compiler")]
//! # fn main() -> Result<(), routefuse::Error> {
//! use routefuse::{Args, Engine, HostPlan, Options, Target, TensorMut, TensorRef, text};
//!
//! // Logical expert ids to physical ones; rows from n on are padding.
//! let graph = text::parse_verified(
//!     "route 1
//!      graph @remap {
//!        dim T
//!        input %ids : i32[T, 2]
//!        input %map : i32[4]
//!        input %n : i32[]
//!        %physical = gather %map, %ids {out_of_range = pass} : i32[T, 2]
//!        %masked = mask_rows %physical, %n {fill = -1} : i32[T, 2]
//!        output out = %masked : i32[T, 2]
//!      }",
//! )?;
//! let engine = Engine::builder().build()?;
//! let plan = HostPlan::new(engine.compile(&graph, &Target::host(), &Options::default())?)?;
//! plan.prepare()?; // compiled and loaded: one kernel
//! assert_eq!(plan.plan().kernels().len(), 1);
//!
//! let (map, n) = ([10, 11, 12, 13], 2);
//! for t in [1, 3] {
//!     let ids = [3, 0, 1, 9, 2, 2];
//!     let mut out = [0; 6];
//!     let mut args = Args::new();
//!     args.named_input("ids", TensorRef::new(&ids, &[t, 2]))
//!         .named_input("map", TensorRef::new(&map, &[4]))
//!         .named_input("n", TensorRef::scalar(&n))
//!         .named_output("out", TensorMut::new(&mut out, &[t, 2]));
//!     plan.launch(&args)?;
//!     let expected = [13, 10, 11, -1, -1, -1];
//!     assert_eq!(out[..t as usize * 2], expected[..t as usize * 2]);
//! }
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compiler"))]
//! # fn main() {}
//! ```
//!
//! # Meaning
//! The interpreter ([`interp`]) is the definition: host, NVIDIA and AMD code agree with it bit for bit. What each op means
//! is in [`routefuse_ir`]'s front page; why a graph became the kernels that it became, [`Engine::explain`] says.
//!
//! # Features
//! `compiler` (default) links LLVM and MLIR. Without it everything else is there: graphs, the interpreter, the passes, and
//! engines whose kernels were compiled elsewhere ([`Engine::from_bundle`], [`Plan::from_artifacts`]).
//!
//! `cuda` adds the module of that name: plans on NVIDIA GPUs, in the caller's context, on the caller's streams. It needs
//! nothing to build; the driver is loaded when a GPU is first asked for.
//!
//! `svg` adds pictures of graphs as SVG documents ([`Picture`]).
//!
//! `remote` adds caches that machines share (`RemoteCache`): S3, Google Cloud Storage, Azure, WebDAV.

mod bundle;
pub mod chains;
#[cfg(feature = "compiler")]
mod compilation;
#[cfg(feature = "compiler")]
mod compiler_info;
mod engine;
mod error;
mod fingerprint;
mod keys;
mod layers;
mod listing;
#[cfg(feature = "compiler")]
mod llvm;
mod metadata;
pub mod models;
mod picture;
mod sealed;
mod stages;

#[cfg(feature = "compiler")]
pub use compilation::Compilation;
#[cfg(feature = "compiler")]
pub use compiler_info::{CompilerInfo, compiler_info};
pub use engine::{Engine, EngineBuilder};
pub use error::Error;
pub use keys::KernelKey;
pub use picture::Picture;
pub use sealed::Sealed;
#[cfg(feature = "compiler")]
pub use stages::CodeStages;
pub use stages::Stages;

pub use routefuse_ir::artifact::{Artifact, CodeFormat};
pub use routefuse_ir::kernel::abi::Slot;
pub use routefuse_ir::kernel::schedule::{Schedule, Scheduled, Variant};
pub use routefuse_ir::op::{OutOfRange, PackForm};
pub use routefuse_ir::program::{Port, Program};
pub use routefuse_ir::target::{Target, TargetKind};
pub use routefuse_ir::{
    Alias, Code, DType, Diagnostic, Diagnostics, Dim, Graph, GraphBuilder, Layout, Literal, NodeId, Span, SymbolId,
    Tensor, TensorType, Verified, diag, interp, json, op, text,
};
pub use routefuse_passes::explain::{Report, Traffic};
pub use routefuse_passes::pipeline::Options;
#[cfg(feature = "cuda")]
pub use routefuse_runtime::cuda;
pub use routefuse_runtime::{
    Args, BadKey, Bundle, BundleWriter, BundledGraph, Collected, Compiler, Counters, Device, DiskCache, DiskCounters,
    DiskOptions, Element, Entry, HostPlan, KernelCache, Key, KeyText, Listed, Malformed, Plan, Progress, PublicKey,
    SigningKey, TensorMut, TensorRef, Trouble, Untrusted, WORKSPACE_ALIGN, Workspace,
};
#[cfg(feature = "remote")]
pub use routefuse_runtime::{RemoteCache, RemoteCounters, RemoteOptions};

/// The version of LLVM that is linked in.
#[cfg(feature = "compiler")]
pub fn llvm_version() -> &'static str {
    routefuse_codegen::llvm_version()
}

#[cfg(test)]
mod tests {
    #[test]
    fn chains_verify() {
        for (name, g) in crate::chains::examples() {
            if let Err(e) = g {
                panic!("{name}: {e}");
            }
        }
    }
}
