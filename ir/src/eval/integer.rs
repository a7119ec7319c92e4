//! Integers and `bool`.

use super::ScalarFn;
use super::element::{Element, Integer};
use crate::dtype::DType;
use crate::op::{BinaryOp, CompareOp, UnaryOp};

/// `$f::<I>` for the dtype's integer type; `None` for other dtypes.
macro_rules! for_integer {
    ($dtype:expr, $f:ident) => {
        for_integer!($dtype, $f, I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64)
    };
    ($dtype:expr, $f:ident, $($name:ident $int:ident),+) => {
        match $dtype {
            $(DType::$name => Some($f::<$int> as ScalarFn),)+
            _ => None,
        }
    };
}

macro_rules! binary_function {
    ($($name:ident: |$a:ident, $b:ident| $e:expr;)+) => {$(
        fn $name<I: Integer>(a: u64, b: u64, _: u64) -> u64 {
            let ($a, $b) = (I::of(a), I::of(b));
            $e.bits()
        }
    )+};
}

binary_function! {
    add: |a, b| a.add(b);
    sub: |a, b| a.sub(b);
    mul: |a, b| a.mul(b);
    div: |a, b| a.div(b);
    rem: |a, b| a.rem(b);
    div_floor: |a, b| a.div_floor(b);
    rem_floor: |a, b| a.rem_floor(b);
    min: |a, b| Ord::min(a, b);
    max: |a, b| Ord::max(a, b);
    shl: |a, b| a.shl(b);
    shr: |a, b| a.shr(b);
}

fn neg<I: Integer>(x: u64, _: u64, _: u64) -> u64 {
    I::of(x).neg().bits()
}

fn abs<I: Integer>(x: u64, _: u64, _: u64) -> u64 {
    I::of(x).abs().bits()
}

fn not<I: Integer>(x: u64, _: u64, _: u64) -> u64 {
    I::of(!x).bits()
}

macro_rules! compare_function {
    ($($name:ident: $op:tt;)+) => {$(
        fn $name<E: Element + PartialOrd>(a: u64, b: u64, _: u64) -> u64 {
            u64::from(E::of(a) $op E::of(b))
        }
    )+};
}

compare_function! { eq: ==; ne: !=; lt: <; le: <=; gt: >; ge: >=; }

/// `None` where inference refuses the dtype.
pub(super) fn unary(op: UnaryOp, dtype: DType) -> Option<ScalarFn> {
    match (op, dtype) {
        (UnaryOp::Not, DType::Bool) => Some(|x, _, _| x ^ 1),
        (UnaryOp::Not, _) => for_integer!(dtype, not),
        (UnaryOp::Neg, _) => for_integer!(dtype, neg),
        (UnaryOp::Abs, _) => for_integer!(dtype, abs),
        _ => None,
    }
}

/// `None` where inference refuses the dtype.
pub(super) fn binary(op: BinaryOp, dtype: DType) -> Option<ScalarFn> {
    match op {
        // Bits above the width are 0 in both operands and stay 0.
        BinaryOp::And => Some(|a, b, _| a & b),
        BinaryOp::Or => Some(|a, b, _| a | b),
        BinaryOp::Xor => Some(|a, b, _| a ^ b),
        // Neither integers nor bool have a NaN.
        BinaryOp::Min(_) if dtype == DType::Bool => Some(|a, b, _| a & b),
        BinaryOp::Max(_) if dtype == DType::Bool => Some(|a, b, _| a | b),
        BinaryOp::Add => for_integer!(dtype, add),
        BinaryOp::Sub => for_integer!(dtype, sub),
        BinaryOp::Mul => for_integer!(dtype, mul),
        BinaryOp::Div => for_integer!(dtype, div),
        BinaryOp::Rem => for_integer!(dtype, rem),
        BinaryOp::DivFloor => for_integer!(dtype, div_floor),
        BinaryOp::RemFloor => for_integer!(dtype, rem_floor),
        BinaryOp::Min(_) => for_integer!(dtype, min),
        BinaryOp::Max(_) => for_integer!(dtype, max),
        BinaryOp::Shl => for_integer!(dtype, shl),
        BinaryOp::Shr => for_integer!(dtype, shr),
    }
}

/// `None` where inference refuses the dtype. `false` is below `true`.
pub(super) fn compare(op: CompareOp, dtype: DType) -> Option<ScalarFn> {
    // `bool` is 0 or 1, so it compares as a byte does.
    let dtype = if dtype == DType::Bool { DType::U8 } else { dtype };
    match op {
        CompareOp::Eq => for_integer!(dtype, eq),
        CompareOp::Ne => for_integer!(dtype, ne),
        CompareOp::Lt => for_integer!(dtype, lt),
        CompareOp::Le => for_integer!(dtype, le),
        CompareOp::Gt => for_integer!(dtype, gt),
        CompareOp::Ge => for_integer!(dtype, ge),
    }
}
