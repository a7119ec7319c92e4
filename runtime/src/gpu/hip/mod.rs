//! AMD GPUs, through the HIP runtime alone: nothing of ROCm is needed at build time, and no toolkit later.
//!
//! A [`Gpu`] is a device. [`HipPlan`] is a [`Plan`](crate::Plan) on it: `prepare` loads every variant of every kernel, and
//! from then on its `launch` calls nothing but the runtime's launch, on any stream of the device, from any thread, also while
//! the stream is being captured into a HIP graph.
//!
//! ```no_run
//! # fn once(plan: std::sync::Arc<routefuse_runtime::Plan>) -> Result<(), Box<dyn std::error::Error>> {
//! use routefuse_runtime::{Args, TensorMut, TensorRef, hip::{Gpu, HipPlan, Memory, Stream}};
//!
//! let gpu = Gpu::open(0)?;                       // gpu.target() is what to compile for
//! let plan = HipPlan::new(plan, &gpu)?;
//! plan.prepare()?;                               // from here on nothing compiles or loads
//!
//! let stream = Stream::new(&gpu)?;
//! let ids = Memory::of(&gpu, &stream, &[3i32, 0, 1, 2].map(i32::to_ne_bytes).concat())?;
//! let mut out = Memory::new(&gpu, 16)?;
//! let mut args = Args::new();
//! args.input(TensorRef::hip::<i32>(&ids, &[2, 2])).output(TensorMut::hip::<i32>(&mut out, &[2, 2]));
//! plan.launch(&stream, &args)?;
//! drop(args);
//! let out = out.read(&stream)?;
//! # let _ = out; Ok(())
//! # }
//! ```
//! Streams and memory may be any library's of this process: [`Launch::on_raw`] and [`Stream::borrowed`] take a `hipStream_t`,
//! and [`TensorRef::from_raw`](crate::TensorRef::from_raw) an address, which is said to be [on](crate::TensorRef::on)
//! [`Device::Hip`](crate::Device::Hip).
//!
//! # Which runtime
//! The library is `libamdhip64.so`, of version 6.0 or later. A copy that the process has loaded already is taken first, as
//! two copies share neither streams nor memory: a program that uses PyTorch imports it before it asks for a GPU. After that
//! come the system's, that of the folder in `ROCM_PATH`, and `/opt/rocm`.
//!
//! # Machine code
//! The compiler makes code objects, which are machine code: what a bundle or a cache has is loaded as it is. A processor
//! without a target of its own runs the code of a generic target that stands for it, such as `gfx11-generic`.
//!
//! # Lifetimes
//! A launch returns before the GPU has run it. Memory stays allocated, and the [`Gpu`] and the plan alive, until it has;
//! for a launch that was captured, as long as the graph may be replayed. Letting go of the last handle of a [`Gpu`] and
//! its plans waits for the device to finish, then unloads.
//!
//! # Current devices
//! Whichever device is a thread's current one, a launch runs on the device of its plan, and the current device is the same
//! afterwards. The null stream is that of the plan's device; a launch on it makes more calls than one.

mod device;
mod driver;
mod library;
mod memory;
mod stream;
mod target_id;
mod whose;

pub use crate::gpu::Whose;
pub use device::{GpuInfo, Hip};
pub use driver::RawStream;
pub use library::DriverVersion;
pub use memory::Memory;
pub use stream::{Event, Graph, Stream};
pub use whose::whose;

use crate::gpu;

/// A GPU of AMD's, with the code that is loaded there.
pub type Gpu = gpu::Gpu<Hip>;
/// A plan with its kernels on one GPU of AMD's.
pub type HipPlan = gpu::GpuPlan<Hip>;
/// Where and how a launch of a [`HipPlan`] runs.
pub type Launch<'s> = gpu::Launch<'s, Hip>;
