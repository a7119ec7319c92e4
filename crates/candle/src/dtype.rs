//! Dtypes of candle's tensors and of graphs.

use candle_core::DType as Candle;
use routefuse::DType;

/// The dtype of a graph for candle's, if graphs have it. candle's `U8` are a graph's too.
pub(crate) fn of_candle(dtype: Candle) -> Option<DType> {
    Some(match dtype {
        Candle::U8 => DType::U8,
        Candle::U32 => DType::U32,
        Candle::I16 => DType::I16,
        Candle::I32 => DType::I32,
        Candle::I64 => DType::I64,
        Candle::BF16 => DType::Bf16,
        Candle::F16 => DType::F16,
        Candle::F32 => DType::F32,
        _ => return None,
    })
}

/// Whether memory of candle's dtype may be an argument of the graph's: of one meaning, or the same bits of an id.
#[inline]
pub(crate) fn fits(given: Candle, wanted: DType) -> bool {
    match wanted {
        DType::I32 | DType::U32 => matches!(given, Candle::U32 | Candle::I32),
        // Code takes a bool for true where it is not 0.
        DType::Bool => given == Candle::U8,
        _ => of_candle(given) == Some(wanted),
    }
}

/// What an output of the graph is in candle, if candle has it.
pub(crate) fn to_candle(dtype: DType, gives_i32: bool) -> Option<Candle> {
    Some(match dtype {
        DType::I32 if gives_i32 => Candle::I32,
        DType::I32 | DType::U32 => Candle::U32,
        DType::Bool | DType::U8 => Candle::U8,
        DType::I16 => Candle::I16,
        DType::I64 => Candle::I64,
        DType::Bf16 => Candle::BF16,
        DType::F16 => Candle::F16,
        DType::F32 => Candle::F32,
        DType::I8 | DType::U16 | DType::U64 => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a router gives, a router takes; what candle lacks is neither given nor taken.
    #[test]
    fn what_is_given_is_taken() {
        for dtype in DType::ALL {
            for gives_i32 in [false, true] {
                match to_candle(dtype, gives_i32) {
                    Some(given) => {
                        assert!(fits(given, dtype), "{given:?} {dtype}");
                        assert_eq!(given.size_in_bytes() as u64, dtype.size());
                    }
                    None => assert!(matches!(dtype, DType::I8 | DType::U16 | DType::U64), "{dtype}"),
                }
            }
        }
        assert!(!fits(Candle::F32, DType::I32) && !fits(Candle::F64, DType::F32) && !fits(Candle::BF16, DType::F16));
    }
}
