//! Casts by value.

use super::ScalarFn;
use super::element::{Bf16, Element, F16};
use crate::dtype::DType;

/// Through `f32` if either side is a float, so that an integer rounds to `f32` before it rounds to 16 bits; through the
/// low 64 bits otherwise. A float cast to its own dtype keeps its value and makes a NaN canonical.
fn element<S: Element, D: Element>(x: u64, _: u64, _: u64) -> u64 {
    let x = S::of(x);
    if S::FLOAT || D::FLOAT { D::from_f32(x.to_f32()).bits() } else { D::from_extended(x.extended()).bits() }
}

fn to<S: Element>(to: DType) -> ScalarFn {
    match to {
        DType::Bool => element::<S, bool>,
        DType::I8 => element::<S, i8>,
        DType::I16 => element::<S, i16>,
        DType::I32 => element::<S, i32>,
        DType::I64 => element::<S, i64>,
        DType::U8 => element::<S, u8>,
        DType::U16 => element::<S, u16>,
        DType::U32 => element::<S, u32>,
        DType::U64 => element::<S, u64>,
        DType::F16 => element::<S, F16>,
        DType::Bf16 => element::<S, Bf16>,
        DType::F32 => element::<S, f32>,
    }
}

/// Every dtype to every dtype.
pub(super) fn cast(from: DType, into: DType) -> ScalarFn {
    match from {
        DType::Bool => to::<bool>(into),
        DType::I8 => to::<i8>(into),
        DType::I16 => to::<i16>(into),
        DType::I32 => to::<i32>(into),
        DType::I64 => to::<i64>(into),
        DType::U8 => to::<u8>(into),
        DType::U16 => to::<u16>(into),
        DType::U32 => to::<u32>(into),
        DType::U64 => to::<u64>(into),
        DType::F16 => to::<F16>(into),
        DType::Bf16 => to::<Bf16>(into),
        DType::F32 => to::<f32>(into),
    }
}
