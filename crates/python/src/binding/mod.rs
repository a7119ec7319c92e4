//! From Python's tensors to addresses, extents and strides.
//!
//! Three kinds of object are taken. Tensors of torch come by DLPack's C exchange (`exchange`), and where torch is too old for
//! that by their attributes (`torch`). Everything else that has `__array_interface__`, as numpy's arrays have, comes by that
//! (`array`).

pub mod array;
mod exchange;
pub mod torch;
pub mod view;

use crate::failure::{kind_of, wrong};
use ::routefuse::diag::Code;
pub use exchange::Block;
use pyo3::prelude::*;
use torch::Torch;
pub use view::View;

/// Whose tensors a launch takes, and gives.
#[derive(Clone, Copy)]
pub enum Family {
    /// Arrays of this process's memory.
    Array,
    /// Tensors of torch.
    Torch(&'static Torch),
}

impl Family {
    /// The family of an object; none if it is neither.
    #[inline]
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Option<Family>> {
        if let Some(torch) = Torch::of(object)? {
            return Ok(Some(Family::Torch(torch)));
        }
        Ok(array::is_array(object)?.then_some(Family::Array))
    }

    /// Whether an object is of this family.
    #[inline]
    pub fn has(self, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        match self {
            Family::Torch(torch) if torch.is_plain(object) => Ok(true),
            _ => Ok(matches!(
                (self, Family::of(object)?),
                (Family::Array, Some(Family::Array)) | (Family::Torch(_), Some(Family::Torch(_)))
            )),
        }
    }

    /// Where an object's elements are. `name` is the argument's, for errors. One that is written has to be writable.
    #[inline]
    pub fn read(self, name: &str, object: &Bound<'_, PyAny>, written: bool) -> PyResult<View> {
        match self {
            Family::Array => array::read(name, object, written),
            Family::Torch(torch) => torch.read(name, object),
        }
    }
}

/// The error of an object that is no tensor.
#[cold]
pub fn no_tensor(name: &str, object: &Bound<'_, PyAny>) -> PyErr {
    let message = format!("`{name}` is a {}, which is no tensor", kind_of(object));
    wrong(object.py(), Code::MissingArgument, message, "give a torch.Tensor, or an array as numpy's")
}
