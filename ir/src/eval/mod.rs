//! The meaning of one element: every [`ScalarOp`], index policy and packing, over raw bits.
//!
//! The interpreters, constant folding and the tests of every target share this module; nothing else says what an
//! element is. The crate's front page states the rules in prose.
//!
//! Values are raw bits: the element's own bits, zero-extended to 64, as in [`Literal::bits`].

pub mod bins;
mod cast;
mod element;
mod float;
mod index;
mod integer;
mod pack;
mod philox;
pub mod row;

pub use index::{Position, as_index, gather_element, gather_index, pass_value};
pub use pack::{pack, unpack_id, unpack_weight};
pub use philox::philox4x32_10;

use crate::dtype::DType;
use crate::infer;
use crate::literal::Literal;
use crate::op::{Op, ScalarOp};
use crate::tensor_type::TensorType;

/// A function over raw bits. Operands that the op does not take are ignored.
pub type ScalarFn = fn(u64, u64, u64) -> u64;

/// An op resolved for its operands' dtypes, to be applied to many elements.
#[derive(Clone, Copy, Debug)]
pub struct Evaluator {
    function: ScalarFn,
    arity: usize,
    dtype: DType,
}

impl Evaluator {
    /// The op on operands of these dtypes; `None` exactly where [`infer`] refuses them.
    pub fn resolve(op: ScalarOp, operands: &[DType]) -> Option<Evaluator> {
        let types: Vec<TensorType> = operands.iter().map(|d| TensorType::scalar(*d)).collect();
        let dtype = infer::infer(&Op::Scalar(op), &types, &[]).ok()?.dtype;
        let first = *operands.first()?;
        let function = match op {
            ScalarOp::Unary(op) => match first {
                DType::F32 => float::unary(op),
                DType::F16 | DType::Bf16 => float::unary_16(op, first),
                _ => integer::unary(op, first),
            },
            ScalarOp::Binary(op) => match first {
                DType::F32 => float::binary(op),
                _ => integer::binary(op, first),
            },
            ScalarOp::Compare(op) => match first {
                DType::F32 => Some(float::compare(op)),
                _ => integer::compare(op, first),
            },
            ScalarOp::Fma => Some(float::fma as ScalarFn),
            ScalarOp::Select => Some((|condition, a, b| if condition != 0 { a } else { b }) as ScalarFn),
            ScalarOp::Cast(to) => Some(cast::cast(first, to)),
            ScalarOp::Bitcast(_) => Some((|x, _, _| x) as ScalarFn),
            ScalarOp::Philox => Some(philox::element as ScalarFn),
        }?;
        Some(Evaluator { function, arity: op.arity(), dtype })
    }

    /// The function over raw bits.
    pub fn function(&self) -> ScalarFn {
        self.function
    }

    /// The number of operands.
    pub fn arity(&self) -> usize {
        self.arity
    }

    /// The dtype of the result.
    pub fn dtype(&self) -> DType {
        self.dtype
    }
}

/// The op on one element.
///
/// # Panics
/// If [`infer`] refuses the operands' number or dtypes; [`Evaluator::resolve`] is the form that asks.
pub fn scalar(op: ScalarOp, operands: &[Literal]) -> Literal {
    let dtypes: Vec<DType> = operands.iter().map(|l| l.dtype()).collect();
    let Some(evaluator) = Evaluator::resolve(op, &dtypes) else {
        panic!("`{}` does not take operands of {dtypes:?}", op.mnemonic());
    };
    let bits = |i: usize| operands.get(i).map_or(0, |l| l.bits());
    Literal::from_bits(evaluator.dtype, (evaluator.function)(bits(0), bits(1), bits(2)))
}

#[cfg(test)]
mod tests;
