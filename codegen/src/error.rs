//! What can go wrong between a kernel and its machine code.

/// An error of code generation. It names the target, the phase and the message of the library that refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodegenError {
    /// The host's processor lacks an instruction set that bit-exact code needs.
    #[error(
        "the host processor `{cpu}` has no {feature} instructions, which bit-exact host code needs; compile for a GPU \
         target, or run on a processor that has them"
    )]
    HostFeature {
        /// Name of the processor as LLVM knows it.
        cpu: String,
        /// Missing feature.
        feature: &'static str,
    },
    /// A schedule that does not fit its kernel or target: a defect of the scheduler.
    #[error("the schedule of kernel `{kernel}` for `{target}` does not fit: {message}")]
    Schedule {
        /// Kernel name.
        kernel: String,
        /// Target name.
        target: String,
        /// What does not fit.
        message: String,
    },
    /// More of one row has to be kept than the target has room for.
    #[error(
        "kernel `{kernel}` for `{target}` keeps too much of a row at once: {needed} {unit}, and there is room for {most}"
    )]
    RowTooWide {
        /// Kernel name.
        kernel: String,
        /// Target name.
        target: String,
        /// What is needed.
        needed: u64,
        /// What there is.
        most: u64,
        /// Of what.
        unit: &'static str,
    },
    /// The module that was built does not verify: an error in this crate's emitter.
    #[error("MLIR rejects the module built for `{target}`: {message}")]
    Verify {
        /// Target name.
        target: String,
        /// MLIR's diagnostics.
        message: String,
    },
    /// An MLIR pass failed.
    #[error("MLIR passes for `{target}` failed: {message}")]
    Passes {
        /// Target name.
        target: String,
        /// MLIR's diagnostics.
        message: String,
    },
    /// The module could not be translated to LLVM IR.
    #[error("translation to LLVM IR for `{target}` failed: {message}")]
    Translate {
        /// Target name.
        target: String,
        /// MLIR's diagnostics.
        message: String,
    },
    /// LLVM has no such target machine.
    #[error("LLVM has no target machine for `{target}` (triple {triple}, cpu {cpu}): {message}")]
    TargetMachine {
        /// Target name.
        target: String,
        /// LLVM triple.
        triple: String,
        /// LLVM processor name.
        cpu: String,
        /// LLVM's message.
        message: String,
    },
    /// LLVM's optimiser refused the module.
    #[error("LLVM's optimiser failed for `{target}`: {message}")]
    Optimise {
        /// Target name.
        target: String,
        /// LLVM's message.
        message: String,
    },
    /// LLVM could not write machine code.
    #[error("LLVM could not emit code for `{target}`: {message}")]
    Emit {
        /// Target name.
        target: String,
        /// LLVM's message.
        message: String,
    },
    /// LLD could not link the object.
    #[error("LLD could not link the object for `{target}`: {message}")]
    Link {
        /// Target name.
        target: String,
        /// LLD's messages, or the error of the temporary files it works on.
        message: String,
    },
    /// The linked code would call something that does not exist where it is loaded.
    #[error(
        "the code for `{target}` calls {}, which nothing defines where it is loaded; allowed are {}",
        symbols.join(", "),
        if allowed.is_empty() { "no outside symbols".to_owned() } else { allowed.join(", ") }
    )]
    UndefinedSymbols {
        /// Target name.
        target: String,
        /// The undefined symbols.
        symbols: Vec<String>,
        /// The symbols that the loader provides.
        allowed: Vec<&'static str>,
    },
}
