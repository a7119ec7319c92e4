//! Plans on GPUs: everything but the calls of a vendor's driver.
//!
//! A vendor's runtime is an implementation of [`Driver`]: what its GPU is, and a few calls, each of which does one thing. A
//! [`Gpu`] is a driver with the code that is loaded on it, a [`GpuPlan`] is a [`Plan`](crate::Plan) on such a GPU, and a
//! [`Launch`] says where and how one launch of it runs. Binding, every check, the choice among a kernel's variants, the
//! quick way of a launch, machine code that is kept, sealing and artifacts are the same for all drivers and stand here or
//! in front of here. `cuda` is the driver for NVIDIA's GPUs, `hip` the one for AMD's.

#[cfg(feature = "cuda")]
pub mod cuda;
#[cfg(feature = "hip")]
pub mod hip;
mod launch;
mod plan;
mod residency;
mod several;

pub use launch::Launch;
pub use plan::GpuPlan;
pub use residency::Gpu;

use crate::args::Device;
use routefuse_ir::artifact::CodeFormat;
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Code, Diagnostic};
use std::ffi::{CStr, c_void};
use std::fmt;

/// How a GPU takes code for a target; what is greater takes more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suits {
    /// Not at all.
    Not,
    /// As [source](Driver::SOURCE), of which the driver makes machine code for this GPU; the target's machine code is for
    /// another processor.
    AsSource,
    /// The target's machine code runs, though it is another processor's.
    AsMachineCode,
    /// The target is this very kind of processor.
    Own,
}

/// Who may use memory that a driver knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This device alone.
    Device(Device),
    /// The host and the driver's GPUs: memory of the host that is mapped for them, or memory that the driver moves to and fro.
    Shared,
}

/// One launch of one kernel.
#[derive(Debug)]
pub struct KernelLaunch<'p, D: Driver> {
    /// The kernel, loaded by the same driver.
    pub function: D::Function,
    /// The stream, of the driver's context.
    pub stream: D::Stream,
    /// Blocks of the grid, 1 to 2³¹ − 1, all in its first dimension.
    pub blocks: u32,
    /// Threads of a block, all in its first dimension.
    pub threads: u32,
    /// Shared memory that a block has beside what its code says, in bytes: as many as [`Driver::resident`] was told of.
    pub shared_bytes: u32,
    /// The kernel may be set up while the one in front of it runs: only for targets that
    /// [have it](routefuse_ir::target::Abilities::dependent_launch).
    pub dependent: bool,
    /// For each argument of the kernel, the address of its 8 bytes, which the call copies.
    pub parameters: &'p mut [*mut c_void],
}

/// The calls of a vendor's driver, for one GPU in one context: of its value there is one a [`Gpu`].
///
/// Nothing here checks a plan or an argument; who calls has done so. Every method may be called from any thread, and those
/// that load, assemble or ask make the context current by themselves. Errors name the driver's call, what it said, and
/// `about`, which is text such as: kernel `post_chain` align16/i32.
///
/// # Safety
/// [`Driver::nothing`] is the address of 64 readable bytes of the GPU's memory. A loaded function is the code's entry point.
/// A launch runs that function on that stream, with copies of those arguments, after everything that the stream was given
/// before, and calls nothing else.
pub unsafe trait Driver: Send + Sync + Sized + 'static {
    /// The vendor, in errors: "NVIDIA".
    const VENDOR: &'static str;
    /// The kind of the targets that its GPUs run.
    const TARGETS: TargetKind;
    /// The form of the code that it loads.
    const MACHINE_CODE: CodeFormat;
    /// The form of the code of which it makes machine code, if there is such a form.
    const SOURCE: Option<CodeFormat>;
    /// The most threads of one launch, of all blocks together; `u64::MAX` where only the number of blocks has a limit.
    const MOST_THREADS: u64;

    /// What tells one context from another.
    type Context: Copy + PartialEq + fmt::Debug + Send + Sync;
    /// A stream, as the driver's launch takes it.
    type Stream: Copy + fmt::Debug;
    /// An entry point, as the driver's launch takes it.
    type Function: Copy + fmt::Debug + Send + Sync;
    /// Loaded code. When it is dropped, it waits for the launches of its functions and unloads them.
    type Module: Send + Sync;
    /// What the driver says when it refuses a launch.
    type Error: Copy;

    /// Where tensors in this GPU's memory are said to be.
    fn device(&self) -> Device;

    /// The processor's name, as targets are named: "sm_90", "gfx942".
    fn processor(&self) -> &str;

    /// Processor, driver and assembler, which make equal machine code of equal source: "sm_90 CUDA 13.0 580.159.04". It is a
    /// part of the key under which machine code is kept.
    fn identity(&self) -> &str;

    /// How the GPU takes code for this target.
    fn suits(&self, target: Target) -> Suits;

    /// How many multiprocessors (compute units) share the blocks of a grid.
    fn multiprocessors(&self) -> u32;

    /// The address of 64 bytes of the GPU's memory, to which empty tensors point: code may load from a clamped index and
    /// throw the value away.
    fn nothing(&self) -> u64;

    /// The context that code is loaded in.
    fn context(&self) -> Self::Context;

    /// Makes machine code of code in the form [`Driver::SOURCE`].
    ///
    /// # Errors
    /// `RF0805` if the driver is too old for the code; `RF0808`, with the assembler's words, if it refuses it.
    fn assemble(&self, code: &[u8], about: &str) -> Result<Vec<u8>, Diagnostic>;

    /// Loads machine code, whole, so that no launch has anything left to load.
    ///
    /// # Errors
    /// `RF0808` if the driver refuses the code, or there is no such entry point.
    ///
    /// # Safety
    /// The code stays where it is until the module is dropped.
    unsafe fn load(&self, code: &[u8], entry: &CStr, about: &str)
    -> Result<(Self::Module, Self::Function), Diagnostic>;

    /// How many blocks of so many threads, each with so many bytes of shared memory beside what the code says, run on one
    /// multiprocessor at once. From then on launches may ask for as many bytes.
    ///
    /// # Errors
    /// `RF0808` if the driver does not say.
    fn resident(
        &self,
        function: Self::Function,
        threads: u32,
        shared_bytes: u32,
        about: &str,
    ) -> Result<u32, Diagnostic>;

    /// Has the driver do what takes it long at its first use, such as loading its assembler. Threads that have nothing else
    /// to do while something compiles call it, any number of times.
    fn warm_up(&self) {}

    /// One call of the driver: the launch of a kernel. It neither waits nor allocates.
    ///
    /// # Errors
    /// What the driver says; then nothing was launched.
    ///
    /// # Safety
    /// The function is loaded and the stream alive, both in this driver's context. The parameters are what the function
    /// takes, each behind its address, and what it touches may be touched until the stream has run it.
    unsafe fn launch(&self, launch: &mut KernelLaunch<'_, Self>) -> Result<(), Self::Error>;

    /// Whether a launch was refused only because the calling thread has no current context. If so, the context is now
    /// current, and the launch is to be tried again.
    ///
    /// # Errors
    /// `RF0808` if the context cannot be made current.
    fn enters(&self, error: Self::Error, about: &str) -> Result<bool, Diagnostic>;

    /// The error of a refused launch: `RF0808`, with the name of the call and what the driver said.
    fn refused(&self, error: Self::Error, about: &str) -> Diagnostic;
}

/// The target that suits a GPU best: its own; or else one whose machine code runs on it; or else one whose source does; and
/// of several the last in the table, where newer processors come after older ones.
fn best_target(suits: impl Fn(Target) -> Suits) -> Option<Target> {
    Target::all().filter(|t| suits(*t) > Suits::Not).max_by_key(|t| suits(*t))
}

/// No target suits the GPU.
#[cold]
fn no_target<D: Driver>(driver: &D) -> Diagnostic {
    let names: Vec<&str> = Target::all().filter(|t| t.kind() == D::TARGETS).map(Target::name).collect();
    let message = format!("no target is for the processor of {}, {}", driver.device(), driver.processor());
    Diagnostic::new(Code::NoDevice, message).help(format!("the targets are {}", names.join(", ")))
}
