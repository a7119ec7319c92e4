//! MLIR types of dtypes.

use crate::mlir::builder::Builder;
use melior::ir::Type;
use routefuse_ir::DType;

/// The type of a dtype in memory: `bool` is a byte, 16-bit floats are their bits.
pub(in crate::emit) fn memory_type<'m>(b: &Builder<'m>, dtype: DType) -> Type<'m> {
    match dtype {
        DType::F32 => b.f32(),
        other => b.int(other.size() as u32 * 8),
    }
}

/// The type of a dtype as a value.
pub(in crate::emit) fn value_type<'m>(b: &Builder<'m>, dtype: DType) -> Type<'m> {
    match dtype {
        DType::Bool => b.int(1),
        other => memory_type(b, other),
    }
}
