//! An MLIR context with only the dialects and passes of one kind of target, and its pass pipeline.

use crate::{error::CodegenError, ffi};
use melior::{
    Context,
    dialect::DialectRegistry,
    ir::{
        Module,
        operation::{OperationLike, OperationRef},
    },
    pass::PassManager,
    utility::parse_pass_pipeline,
};
use mlir_sys as sys;
use routefuse_ir::target::{Target, TargetKind};
use std::{cell::RefCell, rc::Rc, sync::Once};

/// An MLIR context for one target. Diagnostics are kept instead of printed.
pub struct MlirSession {
    context: Context,
    diagnostics: Rc<RefCell<Vec<String>>>,
    target: Target,
}

impl MlirSession {
    /// A fresh context with the dialects that code for `target` uses.
    pub fn new(target: Target) -> Self {
        register_passes();
        let registry = DialectRegistry::new();
        // SAFETY: dialect handles are static; the registry is live for the whole block.
        unsafe {
            let mut handles = vec![
                sys::mlirGetDialectHandle__func__(),
                sys::mlirGetDialectHandle__arith__(),
                sys::mlirGetDialectHandle__scf__(),
                sys::mlirGetDialectHandle__cf__(),
                sys::mlirGetDialectHandle__llvm__(),
            ];
            ffi::routefuse_register_host(registry.to_raw());
            match target.kind() {
                TargetKind::Host => {}
                TargetKind::Nvptx => {
                    handles.push(sys::mlirGetDialectHandle__gpu__());
                    handles.push(sys::mlirGetDialectHandle__nvvm__());
                    ffi::routefuse_register_nvvm(registry.to_raw());
                }
                TargetKind::Amdgpu => {
                    handles.push(sys::mlirGetDialectHandle__gpu__());
                    handles.push(sys::mlirGetDialectHandle__rocdl__());
                    ffi::routefuse_register_rocdl(registry.to_raw());
                }
            }
            for handle in handles {
                sys::mlirDialectHandleInsertDialect(handle, registry.to_raw());
            }
        }
        let context = Context::new_with_registry(&registry, false);
        // A type or attribute of a dialect that is registered but not loaded is a crash, not an error.
        context.load_all_available_dialects();
        let diagnostics = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&diagnostics);
        context.attach_diagnostic_handler(move |diagnostic| {
            sink.borrow_mut().push(diagnostic.to_string());
            true
        });
        Self { context, diagnostics, target }
    }

    /// The MLIR context.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Runs MLIR's verifier.
    pub fn verify(&self, module: &Module) -> Result<(), CodegenError> {
        self.diagnostics.borrow_mut().clear();
        if module.as_operation().verify() {
            return Ok(());
        }
        Err(CodegenError::Verify { target: self.target.name().to_owned(), message: self.take_diagnostics() })
    }

    /// Lowers `module` to the llvm dialect in place.
    pub fn run_passes(&self, module: &mut Module) -> Result<(), CodegenError> {
        self.diagnostics.borrow_mut().clear();
        let failed = |message: String| CodegenError::Passes { target: self.target.name().to_owned(), message };
        let manager = PassManager::new(&self.context);
        parse_pass_pipeline(manager.as_operation_pass_manager(), &self.pipeline())
            .map_err(|error| failed(error.to_string()))?;
        manager.run(module).map_err(|_| failed(self.take_diagnostics()))
    }

    /// Translates a module in the llvm dialect into `llvm`, which the result borrows.
    ///
    /// For a GPU the `gpu.module` inside is what gets translated.
    pub fn translate<'l>(
        &self,
        module: &Module,
        llvm: &'l inkwell::context::Context,
    ) -> Result<inkwell::module::Module<'l>, CodegenError> {
        self.diagnostics.borrow_mut().clear();
        let raw = match self.target.kind() {
            TargetKind::Host => module.as_operation().to_raw(),
            TargetKind::Nvptx | TargetKind::Amdgpu => gpu_module(module)
                .ok_or_else(|| CodegenError::Translate {
                    target: self.target.name().to_owned(),
                    message: "the module holds no gpu.module".to_owned(),
                })?
                .to_raw(),
        };
        // SAFETY: the operation is live, and `llvm.raw()` is the context that the returned module is created in; the
        // two bindings spell the same C type differently.
        let translated = unsafe { sys::mlirTranslateModuleToLLVMIR(raw, llvm.raw() as sys::LLVMContextRef) };
        if translated.is_null() {
            return Err(CodegenError::Translate {
                target: self.target.name().to_owned(),
                message: self.take_diagnostics(),
            });
        }
        // SAFETY: a fresh module in `llvm`, owned by nobody else.
        Ok(unsafe { inkwell::module::Module::new(translated.cast()) })
    }

    /// The textual pass pipeline (melior's pass constructors take no options). It lowers only: the emitter shares what it
    /// has emitted, and the rest is LLVM's work.
    fn pipeline(&self) -> String {
        match self.target.kind() {
            TargetKind::Host => {
                "builtin.module(convert-scf-to-cf,convert-to-llvm,reconcile-unrealized-casts)".to_owned()
            }
            TargetKind::Nvptx => "builtin.module(gpu.module(convert-scf-to-cf,\
                 convert-gpu-to-nvvm{index-bitwidth=64},reconcile-unrealized-casts))"
                .to_owned(),
            TargetKind::Amdgpu => format!(
                "builtin.module(gpu.module(convert-scf-to-cf,\
                 convert-gpu-to-rocdl{{index-bitwidth=64 chipset={} runtime=HIP}},reconcile-unrealized-casts))",
                self.target.name()
            ),
        }
    }

    fn take_diagnostics(&self) -> String {
        let lines = std::mem::take(&mut *self.diagnostics.borrow_mut());
        if lines.is_empty() { "no diagnostic was given".to_owned() } else { lines.join("; ") }
    }
}

fn gpu_module<'c, 'a>(module: &'a Module<'c>) -> Option<OperationRef<'c, 'a>> {
    use melior::ir::BlockLike;
    let mut operation = module.body().first_operation();
    while let Some(current) = operation {
        if current.name().as_string_ref().as_str() == Ok("gpu.module") {
            return Some(current);
        }
        operation = current.next_in_block();
    }
    None
}

/// Registers the passes that the textual pipelines name; registering twice is an error in MLIR.
fn register_passes() {
    static ONCE: Once = Once::new();
    // SAFETY: called once in the process, before any pipeline is parsed.
    ONCE.call_once(|| unsafe {
        sys::mlirRegisterConversionSCFToControlFlowPass();
        sys::mlirRegisterConversionConvertToLLVMPass();
        sys::mlirRegisterConversionReconcileUnrealizedCastsPass();
        sys::mlirRegisterConversionConvertGpuOpsToNVVMOps();
        sys::mlirRegisterConversionConvertGpuOpsToROCDLOps();
    });
}
