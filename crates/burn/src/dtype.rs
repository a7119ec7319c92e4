//! Dtypes of burn's tensors and of graphs.

use burn_backend::{BoolStore, DType as Burn};
use routefuse::DType;

/// The dtype of a graph for burn's, if graphs have it.
pub(crate) fn of_burn(dtype: Burn) -> Option<DType> {
    Some(match dtype {
        Burn::F32 => DType::F32,
        Burn::F16 => DType::F16,
        Burn::BF16 => DType::Bf16,
        Burn::I64 => DType::I64,
        Burn::I32 => DType::I32,
        Burn::I16 => DType::I16,
        Burn::I8 => DType::I8,
        Burn::U64 => DType::U64,
        Burn::U32 => DType::U32,
        Burn::U16 => DType::U16,
        Burn::U8 => DType::U8,
        Burn::Bool(BoolStore::Native | BoolStore::U8) => DType::Bool,
        Burn::Bool(BoolStore::U32) | Burn::F64 | Burn::Flex32 | Burn::QFloat(_) => return None,
    })
}

/// What an output of a graph is in burn.
pub(crate) fn to_burn(dtype: DType) -> Burn {
    match dtype {
        DType::Bool => Burn::Bool(BoolStore::Native),
        DType::I8 => Burn::I8,
        DType::I16 => Burn::I16,
        DType::I32 => Burn::I32,
        DType::I64 => Burn::I64,
        DType::U8 => Burn::U8,
        DType::U16 => Burn::U16,
        DType::U32 => Burn::U32,
        DType::U64 => Burn::U64,
        DType::F16 => Burn::F16,
        DType::Bf16 => Burn::BF16,
        DType::F32 => Burn::F32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_taken() {
        for dtype in DType::ALL {
            assert_eq!(of_burn(to_burn(dtype)), Some(dtype));
            assert_eq!(to_burn(dtype).size() as u64, dtype.size());
        }
    }
}
