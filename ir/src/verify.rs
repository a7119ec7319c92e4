//! Verification: a value that the next stage takes.

use std::ops::Deref;

/// A `T` that passed its level's verifier. It can only be made by one.
#[derive(Clone, Debug)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) fn new_unchecked(value: T) -> Verified<T> {
        Verified(value)
    }

    /// The value, to be changed: it must be verified again.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The highest rank of a tensor.
pub const MAX_RANK: usize = 6;
