//! routefuse compiles the small tensor programs between a Mixture-of-Experts router's logits and the expert GEMMs into
//! single fused loops, and runs them.
//!
//! A [`Graph`] comes from [`text`], [JSON](ir::json), the [builder](ir::GraphBuilder), or one of the ready [`chains`] and [`models`].
//! An [`Engine`] makes a [`Plan`] of it, once, at model load. The plan is launched where its target runs, as a [`HostPlan`],
//! a `CudaPlan` or a `HipPlan`, with the caller's memory, at any number of rows, from any number of threads. A launch checks all of its
//! arguments before anything runs, and neither compiles nor allocates.
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
//! [`guide`] goes through this and the rest step by step.
//!
//! # Rooms
//! What nearly every program names stands here at the root. Everything else is in a module:
//!
//! | module | what is in it |
//! |---|---|
//! | [`guide`] | three lessons, each a program that is compiled and run by the tests |
//! | [`text`], [`ir::json`] | the two written forms of a graph |
//! | [`chains`], [`models`] | ready graphs: single chains, and the routers of models with what follows them |
//! | [`ir`] | what a graph is made of (types, operations, the builder), what it means (the interpreter), and what it becomes (programs, kernels, schedules, artifacts) |
//! | [`diag`] | what an [`Error`] is made of: codes, messages, places, help |
//! | [`engine`] | what surrounds an [`Engine`]: its builder, its compiler, the end of compiling |
//! | [`cache`] | where compiled kernels are kept: memory, bundles, directories, object stores; keys and signatures |
//! | [`inspect`] | what becomes of a graph and why: stages as text, keys, reports, single compiles |
//! | [`exec`] | owned execution: buffers for all arguments, on the host or a GPU, and results as named tensors |
//! | `cuda`, `hip` | plans on NVIDIA's and on AMD's GPUs, on the caller's streams |
//!
//! # Meaning
//! The interpreter ([`ir::interp`]) is the definition: host, NVIDIA and AMD code agree with it bit for bit. What each op means
//! is in [`routefuse_ir`]'s front page; why a graph became the kernels that it became, [`Engine::explain`] says.
//!
//! # Features
//! | feature | what it adds | crates in all |
//! |---|---|---|
//! | none | engines of bundles: finished plans by name ([`Engine::from_bundle`], [`Engine::plan`]), caches in memory and on disk, launches on the host | 40 |
//! | `graphs` | graphs: their forms, the builder, chains, models, the interpreter of graphs, the passes, [`inspect`] | 57 |
//! | `compiler` (default) | the compiler, which links LLVM and MLIR; with `graphs` | |
//! | `signatures` (default) | bundles and kernels that are signed: ed25519 | 19 more |
//! | `cuda` | the module of that name. It needs nothing to build; the driver is loaded when a GPU is first asked for | 2 more |
//! | `hip` | the module of that name, in the same way | |
//! | `remote` | caches that machines share (`cache::RemoteCache`): S3, Google Cloud Storage, Azure, WebDAV; with `signatures` | |
//! | `svg` | pictures of graphs as SVG documents ([`inspect::Picture`]); with `graphs` | |
//!
//! # Public dependencies
//! Types of other crates are in the interface on purpose, and a new major version of one of these is a new major version of
//! this crate: `rayon` (a `ThreadPool` that shares work), with `cuda` `cudarc` ([its driver
//! types](https://docs.rs/cudarc), re-exported as `cuda::cudarc`), `half` (`f16` and `bf16` are elements of a tensor), with
//! `graphs` `serde` ([`inspect::Report`] is `Serialize`). `petgraph` and `serde_json` are not.

pub mod cache;
#[cfg(feature = "graphs")]
pub mod chains;
pub mod diag;
pub mod engine;
mod error;
pub mod exec;
#[cfg(feature = "graphs")]
pub mod guide;
pub mod inspect;
pub mod ir;
#[cfg(feature = "compiler")]
mod llvm;
#[cfg(feature = "graphs")]
pub mod models;
#[cfg(feature = "graphs")]
mod picture;

#[cfg(feature = "graphs")]
pub use routefuse_ir::text;
#[cfg(feature = "cuda")]
pub use routefuse_runtime::cuda;
#[cfg(feature = "hip")]
pub use routefuse_runtime::hip;

pub use engine::Engine;
pub use error::Error;
#[cfg(feature = "graphs")]
pub use routefuse_ir::Graph;
pub use routefuse_ir::target::Target;
pub use routefuse_ir::{DType, Tensor, Verified};
#[cfg(feature = "graphs")]
pub use routefuse_passes::pipeline::Options;
pub use routefuse_runtime::{Args, HostPlan, Plan, TensorMut, TensorRef};

#[cfg(all(test, feature = "graphs"))]
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
