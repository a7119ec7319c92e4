//! The built-in compiler: `routefuse-codegen`, as the runtime sees it.

use routefuse_codegen::{CodegenError, Dump, HostProcessor, Problem};
use routefuse_ir::artifact::Artifact;
use routefuse_ir::cancel::Cancel;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::{Code, Diagnostic, Verified};
use routefuse_runtime::Compiler;
use std::sync::OnceLock;

/// LLVM and MLIR, linked in.
pub(crate) struct Llvm {
    version: String,
    host_cpu: OnceLock<String>,
    cancel: Cancel,
}

impl Llvm {
    /// A compiler that gives up when it is cancelled.
    pub(crate) fn new(cancel: Cancel) -> Llvm {
        let (version, sources) = (env!("CARGO_PKG_VERSION"), env!("ROUTEFUSE_COMPILER_SOURCES"));
        let version = format!("routefuse {version} {sources} llvm {}", routefuse_codegen::llvm_version());
        Llvm { version, host_cpu: OnceLock::new(), cancel }
    }
}

// SAFETY: code generation is bit-exact to the interpreter's meaning of the kernel, checked by the tests of the workspace,
// and touches only elements of the kernel's parameters.
unsafe impl Compiler for Llvm {
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic> {
        let compiled = routefuse_codegen::compile_until(kernel, variant, Dump::default(), &self.cancel);
        Ok(compiled.map_err(|e| diagnostic(&e))?.artifact)
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn host_cpu(&self) -> &str {
        self.host_cpu.get_or_init(|| {
            let HostProcessor { name, features, triple } = HostProcessor::detect();
            format!("{triple} {name} {features}")
        })
    }
}

/// With its code, and what to do.
pub(crate) fn diagnostic(e: &CodegenError) -> Diagnostic {
    let (code, help) = match e.problem() {
        Problem::Cancelled => return Diagnostic::new(Code::Cancelled, e.to_string()),
        Problem::Export(_) => return Diagnostic::new(Code::CannotExport, e.to_string()),
        Problem::HostFeature { .. } => {
            (Code::HostUnsupported, "named targets, such as x86-64-v2 and sm_90, compile on any processor")
        }
        Problem::UndefinedSymbols { .. } => (Code::UndefinedSymbol, DEFECT),
        _ => (Code::CompileFailed, DEFECT),
    };
    Diagnostic::new(code, e.to_string()).help(help)
}

const DEFECT: &str = "this is a defect in routefuse; please report the graph and the target";

#[cfg(test)]
mod tests {
    use super::*;
    use routefuse_ir::diag::Page;
    use routefuse_ir::target::Target;

    #[test]
    fn failures_say_what_is_missing_and_what_to_do() {
        let missing = Problem::HostFeature { cpu: "core2".to_owned(), feature: "sse4.2" };
        let missing = CodegenError::new(Target::host(), missing);
        let text = diagnostic(&missing).to_string();
        assert!(text.starts_with("RF0803: ") && text.contains("core2") && text.contains("sse4.2"), "{text}");
        assert_eq!(text, Page::of(Code::HostUnsupported).message);
        let undefined =
            Problem::UndefinedSymbols { symbols: vec!["__ockl_get_local_size".to_owned()], allowed: vec![] };
        let gfx942 = Target::named("gfx942").expect("a known target");
        let undefined = CodegenError::new(gfx942, undefined);
        let text = diagnostic(&undefined).to_string();
        assert!(text.starts_with("RF0804: ") && text.contains("gfx942") && text.contains("__ockl"), "{text}");
        assert_eq!(text, Page::of(Code::UndefinedSymbol).message);
    }
}
