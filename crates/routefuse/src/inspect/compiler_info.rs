//! What the built-in compiler and this machine's processor are.

use routefuse_codegen::HostProcessor;

/// The compiler that is linked in, and the processor that it makes host code for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompilerInfo {
    /// The version of LLVM, MLIR and LLD, such as `22.1.8`.
    pub llvm: &'static str,
    /// LLVM's triple of this machine.
    pub triple: String,
    /// LLVM's name of the processor.
    pub cpu: String,
    /// The features that the processor has, by LLVM's names.
    pub features: Vec<String>,
    /// Those that host code needs and the processor lacks: if there are any, only GPU targets compile here.
    pub missing: Vec<&'static str>,
}

/// Asks LLVM.
pub fn compiler_info() -> CompilerInfo {
    let host = HostProcessor::detect();
    let features = host.features.split(',').filter_map(|f| f.strip_prefix('+')).map(str::to_owned).collect();
    CompilerInfo {
        llvm: routefuse_codegen::llvm_version(),
        missing: host.missing(),
        features,
        triple: host.triple,
        cpu: host.name,
    }
}
