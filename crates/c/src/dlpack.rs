//! Tensors of DLPack, borrowed.

use crate::boundary::{Out, bad_call, call, thing};
use crate::device::{number_of, routefuse_device};
use crate::error::{routefuse_error, routefuse_status};
use crate::tensor::{ROUTEFUSE_MAX_RANK, ROUTEFUSE_OUTPUT, routefuse_tensor};
use routefuse::Error;
use routefuse::diag::{Code, Diagnostic};
use routefuse_dlpack::{DataType, DlTensor, Managed, READ_ONLY};
use std::ffi::c_void;

fn wrong(code: Code, message: String, help: &str) -> Error {
    Diagnostic::new(code, message).help(help).into()
}

/// Bytes from the first element to behind the last, in a tensor that says no size of its memory.
///
/// # Safety
/// Extents and strides are there.
unsafe fn bytes_of(dl: &DlTensor, rank: usize, size: u64) -> Result<u64, Error> {
    let too_large =
        || wrong(Code::ExtentTooLarge, "the tensor's size does not fit 63 bits".to_owned(), "give smaller extents");
    let (mut elements, mut reach) = (1u64, 1u64);
    for d in (0..rank).rev() {
        // SAFETY: there are so many, and strides if there are any.
        let (extent, stride) = unsafe { (*dl.shape.add(d), (!dl.strides.is_null()).then(|| *dl.strides.add(d))) };
        let extent = u64::try_from(extent).map_err(|_| {
            wrong(
                Code::ArgumentExtent,
                format!("dim {d} of the tensor has the extent {extent}"),
                "an extent is 0 or more",
            )
        })?;
        let stride = match stride {
            None => elements,
            Some(stride) => u64::try_from(stride).map_err(|_| {
                wrong(
                    Code::BadStride,
                    format!("dim {d} of the tensor has the stride {stride}"),
                    "give a tensor without negative strides",
                )
            })?,
        };
        let step = extent.saturating_sub(1).checked_mul(stride).ok_or_else(too_large)?;
        reach = reach.checked_add(step).ok_or_else(too_large)?;
        elements = elements.checked_mul(extent).ok_or_else(too_large)?;
    }
    let reach = if elements == 0 { 0 } else { reach };
    reach.checked_mul(size).filter(|n| *n <= i64::MAX as u64).ok_or_else(too_large)
}

/// # Safety
/// The tensor is one: its extents and strides are there.
unsafe fn borrowed(dl: &DlTensor) -> Result<routefuse_tensor, Error> {
    let Some(dtype) = dl.dtype.dtype() else {
        let DataType { code, bits, lanes } = dl.dtype;
        let message =
            format!("the tensor has DLPack's dtype of code {code}, {bits} bits and {lanes} lanes, which no graph has");
        return Err(wrong(Code::ArgumentDType, message, "give bool, integers of 8 to 64 bits, f16, bf16 or f32"));
    };
    let Some(device) = dl.device.device() else {
        let message = format!(
            "the tensor is on DLPack's device {} of type {}, where routefuse runs nothing",
            dl.device.id, dl.device.kind
        );
        return Err(wrong(Code::WrongDevice, message, "give a tensor of the CPU (1), of CUDA (2) or of ROCm (10)"));
    };
    let Some(rank) = u32::try_from(dl.ndim).ok().filter(|rank| *rank <= ROUTEFUSE_MAX_RANK) else {
        return Err(wrong(
            Code::ArgumentRank,
            format!("the tensor has {} dims", dl.ndim),
            "a tensor has at most 6 dims",
        ));
    };
    if rank > 0 && dl.shape.is_null() {
        return Err(bad_call("the tensor has dims, and its `shape` is null", "give its extents"));
    }
    // SAFETY: the caller vouches for extents and strides.
    let bytes = unsafe { bytes_of(dl, rank as usize, dtype.size()) }?;
    let data = match dl.data.is_null() {
        true => dl.data,
        false => dl.data.wrapping_byte_add(dl.byte_offset as usize),
    };
    let (dtype, device) = (number_of(dtype), routefuse_device::of(device));
    Ok(routefuse_tensor { data, bytes, shape: dl.shape, strides: dl.strides, rank, dtype, device })
}

/// A view of a `DLTensor`, which keeps its memory, extents and strides: the view is good as long as they are. Its bytes are those
/// that extents and strides reach, since a `DLTensor` does not say how large its memory is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_tensor_from_dlpack(
    dl_tensor: *const c_void,
    tensor: *mut routefuse_tensor,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let (dl, out) = unsafe { (thing("dl_tensor", dl_tensor.cast::<DlTensor>())?, Out::of("tensor", tensor)?) };
        // SAFETY: the caller's promise.
        out.write(unsafe { borrowed(dl) }?);
        Ok(())
    })
}

/// As `routefuse_tensor_from_dlpack`, of a `DLManagedTensorVersioned` of version 1, which stays the caller's: its deleter is not
/// called. One that is read-only is refused for `ROUTEFUSE_OUTPUT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_tensor_from_dlpack_versioned(
    managed: *const c_void,
    role: u32,
    tensor: *mut routefuse_tensor,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let (managed, out) = unsafe { (thing("managed", managed.cast::<Managed>())?, Out::of("tensor", tensor)?) };
        if managed.version.major != 1 {
            let message =
                format!("the tensor is of DLPack's version {}.{}", managed.version.major, managed.version.minor);
            return Err(bad_call(message, "give a DLManagedTensorVersioned of version 1, or its DLTensor"));
        }
        if role == ROUTEFUSE_OUTPUT && managed.flags & READ_ONLY != 0 {
            return Err(bad_call("the tensor is read-only, and an output is written", "give another tensor"));
        }
        // SAFETY: the caller's promise.
        out.write(unsafe { borrowed(&managed.tensor) }?);
        Ok(())
    })
}
