//! The machine that is this processor, one lane at a time, and the functions run on it.

use super::ScalarMachine;

/// Plain Rust arithmetic on `f32`, `i32` and `bool`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl ScalarMachine for Native {
    type F32 = f32;
    type I32 = i32;
    type Bool = bool;

    #[inline(always)]
    fn f32(&mut self, value: f32) -> f32 {
        value
    }
    #[inline(always)]
    fn i32(&mut self, value: i32) -> i32 {
        value
    }
    #[inline(always)]
    fn fadd(&mut self, a: f32, b: f32) -> f32 {
        a + b
    }
    #[inline(always)]
    fn fsub(&mut self, a: f32, b: f32) -> f32 {
        a - b
    }
    #[inline(always)]
    fn fmul(&mut self, a: f32, b: f32) -> f32 {
        a * b
    }
    #[inline(always)]
    fn fdiv(&mut self, a: f32, b: f32) -> f32 {
        a / b
    }
    #[inline(always)]
    fn fsqrt(&mut self, a: f32) -> f32 {
        a.sqrt()
    }
    #[inline(always)]
    fn ffma(&mut self, a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
    #[inline(always)]
    fn fabs(&mut self, a: f32) -> f32 {
        a.abs()
    }
    #[inline(always)]
    fn fneg(&mut self, a: f32) -> f32 {
        -a
    }
    #[inline(always)]
    fn flt(&mut self, a: f32, b: f32) -> bool {
        a < b
    }
    #[inline(always)]
    fn fle(&mut self, a: f32, b: f32) -> bool {
        a <= b
    }
    #[inline(always)]
    fn is_nan(&mut self, a: f32) -> bool {
        a.is_nan()
    }
    #[inline(always)]
    fn iadd(&mut self, a: i32, b: i32) -> i32 {
        a.wrapping_add(b)
    }
    #[inline(always)]
    fn isub(&mut self, a: i32, b: i32) -> i32 {
        a.wrapping_sub(b)
    }
    #[inline(always)]
    fn iand(&mut self, a: i32, b: i32) -> i32 {
        a & b
    }
    #[inline(always)]
    fn ior(&mut self, a: i32, b: i32) -> i32 {
        a | b
    }
    #[inline(always)]
    fn ixor(&mut self, a: i32, b: i32) -> i32 {
        a ^ b
    }
    #[inline(always)]
    fn iumin(&mut self, a: i32, b: i32) -> i32 {
        a.cast_unsigned().min(b.cast_unsigned()).cast_signed()
    }
    #[inline(always)]
    fn ishl(&mut self, a: i32, amount: u32) -> i32 {
        a << amount
    }
    #[inline(always)]
    fn ishr(&mut self, a: i32, amount: u32) -> i32 {
        (a.cast_unsigned() >> amount).cast_signed()
    }
    #[inline(always)]
    fn isar(&mut self, a: i32, amount: u32) -> i32 {
        a >> amount
    }
    #[inline(always)]
    fn iult(&mut self, a: i32, b: i32) -> bool {
        a.cast_unsigned() < b.cast_unsigned()
    }
    #[inline(always)]
    fn ieq(&mut self, a: i32, b: i32) -> bool {
        a == b
    }
    #[inline(always)]
    fn iule(&mut self, a: i32, b: i32) -> bool {
        a.cast_unsigned() <= b.cast_unsigned()
    }
    #[inline(always)]
    fn isle(&mut self, a: i32, b: i32) -> bool {
        a <= b
    }
    #[inline(always)]
    fn isge(&mut self, a: i32, b: i32) -> bool {
        a >= b
    }
    #[inline(always)]
    fn select_f32(&mut self, condition: bool, a: f32, b: f32) -> f32 {
        if condition { a } else { b }
    }
    #[inline(always)]
    fn select_i32(&mut self, condition: bool, a: i32, b: i32) -> i32 {
        if condition { a } else { b }
    }
    #[inline(always)]
    fn bitcast_to_i32(&mut self, a: f32) -> i32 {
        a.to_bits().cast_signed()
    }
    #[inline(always)]
    fn bitcast_to_f32(&mut self, a: i32) -> f32 {
        f32::from_bits(a.cast_unsigned())
    }
    #[inline(always)]
    fn int_to_f32(&mut self, a: i32) -> f32 {
        a as f32
    }
}

/// [`exp`](super::exp()) of one number.
pub fn exp(x: f32) -> f32 {
    super::exp(&mut Native, x)
}

/// [`log`](super::log()) of one number.
pub fn log(x: f32) -> f32 {
    super::log(&mut Native, x)
}

/// [`exp2`](super::exp2()) of one number.
pub fn exp2(x: f32) -> f32 {
    super::exp2(&mut Native, x)
}

/// [`log2`](super::log2()) of one number.
pub fn log2(x: f32) -> f32 {
    super::log2(&mut Native, x)
}

/// [`rsqrt`](super::rsqrt()) of one number, its NaN canonical.
pub fn rsqrt(x: f32) -> f32 {
    canonical(super::rsqrt(&mut Native, x))
}

/// [`floor`](super::floor()) of one number, its NaN canonical.
pub fn floor(x: f32) -> f32 {
    canonical(super::floor(&mut Native, x))
}

/// [`ceil`](super::ceil()) of one number, its NaN canonical.
pub fn ceil(x: f32) -> f32 {
    canonical(super::ceil(&mut Native, x))
}

/// [`round`](super::round()) of one number, its NaN canonical.
pub fn round(x: f32) -> f32 {
    canonical(super::round(&mut Native, x))
}

/// [`trunc`](super::trunc()) of one number, its NaN canonical.
pub fn trunc(x: f32) -> f32 {
    canonical(super::trunc(&mut Native, x))
}

/// The canonical NaN for any. It selects integers: to LLVM one NaN is as good as another, and a selection of floats may go.
fn canonical(x: f32) -> f32 {
    f32::from_bits(if x.is_nan() { super::F32_NAN.to_bits() } else { x.to_bits() })
}

/// [`sigmoid`](super::sigmoid()) of one number.
pub fn sigmoid(x: f32) -> f32 {
    super::sigmoid(&mut Native, x)
}

/// [`softplus`](super::softplus()) of one number.
pub fn softplus(x: f32) -> f32 {
    super::softplus(&mut Native, x)
}

/// [`tanh`](super::tanh()) of one number.
pub fn tanh(x: f32) -> f32 {
    super::tanh(&mut Native, x)
}

/// [`erf`](super::erf()) of one number.
pub fn erf(x: f32) -> f32 {
    super::erf(&mut Native, x)
}

/// [`fmod`](super::fmod()) of two numbers, its NaN canonical.
pub fn fmod(a: f32, b: f32) -> f32 {
    canonical(super::fmod(&mut Native, a, b))
}

/// [`rem_floor`](super::rem_floor()) of two numbers, its NaN canonical.
pub fn rem_floor(a: f32, b: f32) -> f32 {
    canonical(super::rem_floor(&mut Native, a, b))
}

/// [`div_floor`](super::div_floor()) of two numbers, its NaN canonical.
pub fn div_floor(a: f32, b: f32) -> f32 {
    canonical(super::div_floor(&mut Native, a, b))
}

/// [`f32_to_bf16`](super::f32_to_bf16) of one number, as bits.
pub fn f32_to_bf16(x: f32) -> u16 {
    super::f32_to_bf16(&mut Native, x) as u16
}

/// [`bf16_to_f32`](super::bf16_to_f32) of the bits of one number.
pub fn bf16_to_f32(x: u16) -> f32 {
    super::bf16_to_f32(&mut Native, i32::from(x))
}

/// [`f32_to_f16`](super::f32_to_f16) of one number, as bits.
pub fn f32_to_f16(x: f32) -> u16 {
    super::f32_to_f16(&mut Native, x) as u16
}

/// [`f16_to_f32`](super::f16_to_f32) of the bits of one number.
pub fn f16_to_f32(x: u16) -> f32 {
    super::f16_to_f32(&mut Native, i32::from(x))
}
