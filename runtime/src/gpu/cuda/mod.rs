//! NVIDIA GPUs, through the driver alone: no toolkit is needed, at build time or later.
//!
//! A [`Gpu`] is a device in a context of the caller's. [`CudaPlan`] is a [`Plan`](crate::Plan) on it: `prepare` loads every
//! variant of every kernel, and from then on its `launch` calls nothing but the driver's launch, on any stream of
//! the context, from any thread, also while the stream is being captured into a CUDA graph.
//!
//! ```no_run
//! # fn once(plan: std::sync::Arc<routefuse_runtime::Plan>) -> Result<(), Box<dyn std::error::Error>> {
//! use routefuse_runtime::{Args, TensorMut, TensorRef, cuda::{CudaPlan, Gpu, cudarc::driver::CudaContext}};
//!
//! let context = CudaContext::new(0)?;            // the caller's
//! let gpu = Gpu::of(&context)?;                  // gpu.target() is what to compile for
//! let plan = CudaPlan::new(plan, &gpu)?;
//! plan.prepare()?;                               // from here on nothing compiles or loads
//!
//! let stream = context.new_stream()?;
//! let ids = stream.clone_htod(&[3i32, 0, 1, 2])?;
//! let mut out = stream.alloc_zeros::<i32>(4)?;
//! {
//!     let (ids, _reads) = TensorRef::cuda(&ids, &stream, &[2, 2]);
//!     let (out, _writes) = TensorMut::cuda(&mut out, &stream, &[2, 2]);
//!     let mut args = Args::new();
//!     args.input(ids).output(out);
//!     plan.launch(&stream, &args)?;
//! }
//! let out = stream.clone_dtoh(&out)?;
//! # let _ = out; Ok(())
//! # }
//! ```
//!
//! # Machine code
//! The driver's linker makes machine code of PTX. The plan's `artifacts` have it: a plan of those
//! ([`Plan::from_artifacts`](crate::Plan::from_artifacts)) loads without the linker, on processors of that kind.
//!
//! # Lifetimes
//! A launch returns before the GPU has run it. Memory stays allocated, and the [`Gpu`] and the plan alive, until it has;
//! for a launch that was captured, as long as the graph may be replayed. Letting go of the last handle of a [`Gpu`] and
//! its plans waits for the context to finish, then unloads.

mod device;
mod driver;
mod library;
mod link;
mod replay;
mod stream;
mod tensor;
mod version;
mod whose;

pub use crate::gpu::Whose;
pub use cudarc;
pub use device::{Cuda, GpuInfo};
pub use replay::Replay;
pub use version::DriverVersion;
pub use whose::whose;

use crate::gpu;

/// A GPU of NVIDIA's, in a context of the caller's, with the code that is loaded there.
pub type Gpu = gpu::Gpu<Cuda>;
/// A plan with its kernels on one GPU of NVIDIA's.
pub type CudaPlan = gpu::GpuPlan<Cuda>;
/// Where and how a launch of a [`CudaPlan`] runs.
pub type Launch<'s> = gpu::Launch<'s, Cuda>;
