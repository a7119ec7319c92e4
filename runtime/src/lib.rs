//! Load, check, cache and launch compiled kernels. No LLVM: a process that is given artifacts needs nothing else.
//!
//! A [`Plan`] is a program with a kernel for each step and variant, and with what compiles them (a [`Compiler`]). It is
//! launched as a [`HostPlan`] or, on a GPU, as a [`GpuPlan`](gpu::GpuPlan), which have the same methods: `new`, `prepare`,
//! `prepare_on`, `launch` and `plan`. `prepare` compiles and loads every kernel; after it nothing compiles, loads or
//! allocates. `launch` takes the caller's memory as [`Args`] and checks all of it before anything runs:
//!
//! | code | checked |
//! |---|---|
//! | `RF0601`, `RF0602` | every input and output has an argument, and no argument is left over |
//! | `RF0603`, `RF0604`, `RF0605` | dtype, rank, constant dims |
//! | `RF0606` | one symbol has one extent in every argument |
//! | `RF0607`, `RF0614` | the elements lie in the buffer; sizes fit 63 bits |
//! | `RF0608`, `RF0612` | what is written overlaps nothing that its declaration does not allow |
//! | `RF0609`, `RF0610` | alignment to the element, strides as the layout says |
//! | `RF0611` | the memory is on the plan's device |
//! | `RF0613` | the workspace of a plan of several kernels |
//!
//! # Memory
//! The caller owns all of it. [`TensorRef`] and [`TensorMut`] are views: an address, a dtype, a shape and strides in
//! elements. Inputs may overlap each other. An output is disjoint from every other argument, unless the graph declares
//! that it lies in an input's memory ([`Alias`](routefuse_ir::Alias)).
//!
//! # Threads
//! A plan is `Send + Sync`; any number of threads launch it at once, each with its own [`Args`]. A launch runs on the
//! calling thread, or shares its rows on a rayon pool that is handed in ([`HostPlan::launch_on`]).
//!
//! # GPUs
//! The module [`gpu`] has plans on GPUs, launched on a stream with the same [`Args`] and the same checks, for any vendor's
//! driver that implements [`gpu::Driver`]. With the feature `cuda`, the module `cuda` is the driver for NVIDIA's GPUs; with
//! `hip`, the module `hip` is the one for AMD's.
//!
//! # Caches
//! A [`KernelCache`] holds loaded kernels; behind it are bundles, a directory ([`DiskCache`]) and, with the feature
//! `remote`, an object store that machines share (`RemoteCache`).

mod args;
mod cache;
mod elf;
pub mod gpu;
mod host;
mod longest_first;
mod plan;

pub use args::{Args, Device, Element, TensorMut, TensorRef, WORKSPACE_ALIGN, Workspace};
#[cfg(feature = "signatures")]
pub use cache::{BadKey, PublicKey, SigningKey};
pub use cache::{
    Bundle, BundleWriter, BundledGraph, Collected, Compiler, Content, Counters, DiskCache, DiskCounters, DiskOptions,
    Entry, KeptTuning, KernelCache, Key, KeyText, Listed, LoadedKernel, Malformed, Origin, Trouble, Trust,
    TrustedBundle, Untrusted,
};
#[cfg(feature = "remote")]
pub use cache::{RemoteCache, RemoteCounters, RemoteOptions};
#[cfg(feature = "cuda")]
pub use gpu::cuda;
#[cfg(feature = "hip")]
pub use gpu::hip;
pub use host::{HostPlan, processor_lacks};
pub use plan::{Plan, Progress};
