//! Machine code in the form in which another system loads it.

mod ir_text;
pub mod tvm_ffi;
