//! The published definition of the transcendental functions, of the floating-point casts, and of the order of floats
//! ([`order`]).
//!
//! Every function here is one fixed sequence of IEEE `f32` operations and 32-bit integer operations, written once
//! against [`ScalarMachine`]. The interpreter runs it on [`native::Native`]; the code generator runs it on a machine
//! whose operations emit code. Since every operation of the machine has exactly one correct result (round to nearest
//! even, no contraction, no flush to zero), interpreter, host, NVIDIA and AMD code agree bit for bit.
//!
//! There are no branches, no tables and no library calls, and every constant is given by its bits.
//!
//! # NaN
//! A NaN result is always the canonical quiet NaN of its format ([`F32_NAN`], [`BF16_NAN`], [`F16_NAN`]), positive and
//! without payload, whatever NaN went in. Targets differ in the payloads their arithmetic makes, so no NaN that an
//! operation produced ever reaches a result: each function ends in a selection of the constant. Only [`rsqrt`], the
//! roundings ([`floor`], [`ceil`], [`round`], [`trunc`]) and the divisions with a remainder ([`fmod`], [`rem_floor`],
//! [`div_floor`]) do not, as IEEE operations do not: whoever uses them makes a NaN canonical, as after an addition.
//!
//! # Edges
//! | | −∞ | < 0 | −0 | +0 | +∞ |
//! |---|---|---|---|---|---|
//! | [`exp`] | +0 | | 1 | 1 | +∞ |
//! | [`exp2`] | +0 | | 1 | 1 | +∞ |
//! | [`log`] | NaN | NaN | −∞ | −∞ | +∞ |
//! | [`log2`] | NaN | NaN | −∞ | −∞ | +∞ |
//! | [`rsqrt`] | NaN | NaN | −∞ | +∞ | +0 |
//! | [`sigmoid`] | +0 | | 0.5 | 0.5 | 1 |
//! | [`softplus`] | +0 | | ln 2 | ln 2 | +∞ |
//! | [`tanh`] | −1 | | −0 | +0 | 1 |
//! | [`erf`] | −1 | | −0 | +0 | 1 |
//!
//! Denormal arguments and results keep their full precision.
//!
//! # Accuracy
//! [`MAX_ULP`] holds the largest error of each function over all 2³² arguments, measured against `f64` by
//! `ir/tests/exhaustive.rs`, in units of the last place of the exact result (2⁻¹⁴⁹ where that is denormal).
//!
//! # Where the coefficients come from
//! Each polynomial is a Remez minimax fit, in 40-digit arithmetic, of the relative error of the function on its reduced
//! interval, with the leading coefficients fixed so that small arguments stay exact. The coefficients were rounded to
//! `f32` and then moved by a few units in the last place, by random descent on the measured error of the whole rounded
//! sequence.

mod casts;
mod erf;
mod exp;
mod log;
mod machine;
pub mod native;
pub mod order;
mod remainder;
mod rounding;
mod sigmoid;
mod softplus;
mod tanh;

pub use casts::{BF16_NAN, F16_NAN, bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
pub use erf::erf;
pub use exp::{exp, exp_not_above_0, exp_of_difference, exp_of_number_not_above_0, exp2, in_units};
pub use log::{log, log2};
pub use machine::ScalarMachine;
pub use remainder::{div_floor, fmod, rem_floor};
pub use rounding::{ceil, floor, round, rsqrt, trunc};
pub use sigmoid::{sigmoid, sigmoid_fraction, sigmoid_of_16_bits};
pub use softplus::softplus;
pub use tanh::tanh;

/// The one `f32` NaN that a function or cast of this module returns: quiet, positive, without payload (`0x7FC00000`).
pub const F32_NAN: f32 = f32::from_bits(0x7FC0_0000);

/// The largest error of each function over all `f32` arguments, in units of the last place of the exact result,
/// rounded up to four decimals. An overflow to +∞ counts as 2¹²⁸.
pub const MAX_ULP: [(&str, f64); 9] = [
    ("exp", 0.9036),
    ("exp2", 0.9114),
    ("log", 0.9568),
    ("log2", 1.3522),
    ("rsqrt", 1.4904),
    ("sigmoid", 2.4019),
    ("softplus", 1.6532),
    ("tanh", 1.5614),
    ("erf", 1.0142),
];
