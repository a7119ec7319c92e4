//! What can go wrong between a kernel and its machine code.

use routefuse_ir::target::Target;
use std::fmt;

/// An error of code generation: for which target, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodegenError {
    target: Target,
    problem: Problem,
}

/// What went wrong, with the message of the library that refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// This host's processor lacks an instruction set that host code needs.
    HostFeature {
        /// Name of the processor as LLVM knows it.
        cpu: String,
        /// Missing feature.
        feature: &'static str,
    },
    /// A kind of schedule that this version does not know.
    Schedule {
        /// Kernel name.
        kernel: String,
        /// What does not fit.
        message: String,
    },
    /// Compiling was cancelled.
    Cancelled,
    /// MLIR rejects the module that was built: an error in this crate's emitters. With MLIR's diagnostics.
    Verify(String),
    /// An MLIR pass failed. With MLIR's diagnostics.
    Passes(String),
    /// The module could not be translated to LLVM IR. With MLIR's diagnostics.
    Translate(String),
    /// LLVM has no such target machine.
    TargetMachine {
        /// LLVM triple.
        triple: String,
        /// LLVM processor name.
        cpu: String,
        /// LLVM's message.
        message: String,
    },
    /// LLVM's optimiser refused the module. With LLVM's message.
    Optimise(String),
    /// LLVM could not write machine code. With LLVM's message.
    Emit(String),
    /// LLD could not link the object. With LLD's messages, or the error of the temporary files that it works on.
    Link(String),
    /// What cannot be exported, and why.
    Export(String),
    /// The linked code would call something that does not exist where it is loaded.
    UndefinedSymbols {
        /// The undefined symbols.
        symbols: Vec<String>,
        /// The symbols that the loader provides.
        allowed: Vec<&'static str>,
    },
}

impl CodegenError {
    /// A problem with code for this target.
    pub fn new(target: Target, problem: Problem) -> CodegenError {
        CodegenError { target, problem }
    }

    /// The target that code was generated for.
    pub fn target(&self) -> Target {
        self.target
    }

    /// What went wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl std::error::Error for CodegenError {}

impl fmt::Display for CodegenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.target;
        match &self.problem {
            Problem::HostFeature { cpu, feature } => write!(
                f,
                "the host processor `{cpu}` has no {feature} instructions, which host code needs; compile for \
                 another target, or run on a processor that has them"
            ),
            Problem::Cancelled => write!(f, "compiling for `{target}` was cancelled"),
            Problem::Schedule { kernel, message } => {
                write!(f, "the schedule of kernel `{kernel}` for `{target}` does not fit: {message}")
            }
            Problem::Verify(message) => write!(f, "MLIR rejects the module built for `{target}`: {message}"),
            Problem::Passes(message) => write!(f, "MLIR passes for `{target}` failed: {message}"),
            Problem::Translate(message) => write!(f, "translation to LLVM IR for `{target}` failed: {message}"),
            Problem::TargetMachine { triple, cpu, message } => {
                write!(f, "LLVM has no target machine for `{target}` (triple {triple}, cpu {cpu}): {message}")
            }
            Problem::Optimise(message) => write!(f, "LLVM's optimiser failed for `{target}`: {message}"),
            Problem::Emit(message) => write!(f, "LLVM could not emit code for `{target}`: {message}"),
            Problem::Export(message) => f.write_str(message),
            Problem::Link(message) => write!(f, "LLD could not link the object for `{target}`: {message}"),
            Problem::UndefinedSymbols { symbols, allowed } => {
                let allowed = if allowed.is_empty() { "no outside symbols".to_owned() } else { allowed.join(", ") };
                write!(
                    f,
                    "the code for `{target}` calls {}, which nothing defines where it is loaded; allowed are {allowed}",
                    symbols.join(", ")
                )
            }
        }
    }
}
