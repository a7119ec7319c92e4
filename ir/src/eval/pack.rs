//! Ids and weights in one 32-bit word (TensorRT-LLM's packed routing).

use crate::op::PackForm;

/// `(id << 16) | weight`; the id's high half is shifted out.
pub fn pack(form: PackForm, id: i32, weight: u16) -> i32 {
    let low = match form {
        PackForm::Masked => i32::from(weight),
        PackForm::SignExtended => i32::from(weight as i16),
    };
    (id << 16) | low
}

/// The id of a packed word, sign-extended from 16 bits.
pub fn unpack_id(packed: i32) -> i32 {
    packed >> 16
}

/// The `bf16` bits of a packed word.
pub fn unpack_weight(packed: i32) -> u16 {
    packed as u16
}
