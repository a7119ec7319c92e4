//! LLVM: from IR to machine code, and LLD.

mod code_generator;
pub(crate) mod link;

use crate::error::{CodegenError, Problem};
use crate::machine;
use inkwell::context::Context;
use inkwell::memory_buffer::MemoryBuffer;
use routefuse_ir::target::Target;

pub use code_generator::llvm_version;
pub(crate) use code_generator::{CodeGenerator, initialise};

/// The relocatable object of LLVM IR that is text.
pub(crate) fn assemble(target: Target, text: &str) -> Result<Vec<u8>, CodegenError> {
    let machine = machine::of(target, 0)?;
    let generator = CodeGenerator::new(&*machine)?;
    let context = Context::create();
    let buffer = MemoryBuffer::create_from_memory_range_copy(text.as_bytes(), "text");
    let failed = |message: String| CodegenError::new(target, Problem::Emit(message));
    let module = context.create_module_from_ir(buffer).map_err(|error| failed(error.to_string()))?;
    generator.prepare(&context, &module);
    generator.object(&context, &module)
}
