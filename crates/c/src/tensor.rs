//! Tensors and arguments as C has them.

use crate::boundary;
use crate::device::{dtype_of, routefuse_device, routefuse_dtype};
use crate::port::KnownName;
use routefuse::diag::{Code, Diagnostic};
use routefuse::exec::Device;
use routefuse::{Args, DType, Error, TensorMut, TensorRef};
use std::ffi::{c_char, c_void};

/// The most dims of a tensor.
pub const ROUTEFUSE_MAX_RANK: u32 = 6;

/// Memory of the caller's, borrowed for a call: on a GPU until the stream has run the launch.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct routefuse_tensor {
    /// The first element; null for a tensor without elements.
    pub data: *mut c_void,
    /// How many bytes may be used from `data` on: a launch refuses extents and strides that lead beyond.
    pub bytes: u64,
    /// The extents, as many as `rank` says.
    pub shape: *const i64,
    /// The strides in elements, as many; null for a tensor in row-major order without gaps.
    pub strides: *const i64,
    /// How many dims it has, 0 for a scalar.
    pub rank: u32,
    /// What its elements are.
    pub dtype: routefuse_dtype,
    /// Where its memory is.
    pub device: routefuse_device,
}

/// What is read.
pub const ROUTEFUSE_INPUT: u32 = 1;
/// What is written; after the last output, the error word.
pub const ROUTEFUSE_OUTPUT: u32 = 2;

/// An argument of a launch.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct routefuse_argument {
    /// The name of the input or output; null for the next one in the order of the plan.
    pub name: *const c_char,
    /// `ROUTEFUSE_INPUT` or `ROUTEFUSE_OUTPUT`.
    pub role: u32,
    /// 0.
    pub reserved: u32,
    /// Its memory.
    pub tensor: routefuse_tensor,
}

/// A tensor with what its pointers name.
struct Read<'a> {
    at: *mut u8,
    bytes: u64,
    dtype: DType,
    device: Device,
    shape: &'a [u64],
    strides: Option<&'a [i64]>,
}

/// Adds arguments to the runtime's. Those are large: they are filled where they are, and not given back. `names` are those of the
/// plan's arguments, which mostly come in order.
///
/// # Errors
/// `RF0603` for a number that is no dtype, `RF0604` for more dims than there can be, `RF0605` for a negative extent, `RF0611` for
/// what is no device, `RF1102` for what else is nothing that a call takes.
///
/// # Safety
/// Names are texts, extents and strides are there, for `'a`; the memory is what a launch may read or write.
#[inline]
pub(crate) unsafe fn fill<'a>(
    args: &mut Args<'a>,
    arguments: &'a [routefuse_argument],
    names: &'a [KnownName],
) -> Result<(), Error> {
    for (index, argument) in arguments.iter().enumerate() {
        // SAFETY: the caller vouches for it.
        unsafe { push(args, index, argument, names.get(index)) }?;
    }
    Ok(())
}

/// # Safety
/// That of [`fill`].
#[inline]
unsafe fn push<'a>(
    args: &mut Args<'a>,
    index: usize,
    argument: &'a routefuse_argument,
    likely: Option<&'a KnownName>,
) -> Result<(), Error> {
    boundary::reserved("argument", argument.reserved)?;
    let name = if argument.name.is_null() {
        None
    } else {
        // SAFETY: the caller vouches for the name.
        match likely.and_then(|likely| unsafe { likely.if_same(argument.name) }) {
            // SAFETY: as above.
            None => Some(unsafe { boundary::text("argument.name", argument.name) }?),
            same => same,
        }
    };
    // SAFETY: the caller vouches for extents and strides.
    let Read { at, bytes, dtype, device, shape, strides } = unsafe { read(index, name, &argument.tensor) }?;
    match (argument.role, strides) {
        (ROUTEFUSE_INPUT, strides) => {
            // SAFETY: the caller vouches for the memory; a launch follows no address beyond its bytes.
            let tensor = unsafe {
                match strides {
                    // Of a known rank, extents are moved without a loop.
                    None => match *shape {
                        [] => TensorRef::contiguous(at, bytes, dtype, &[]),
                        [a] => TensorRef::contiguous(at, bytes, dtype, &[a]),
                        [a, b] => TensorRef::contiguous(at, bytes, dtype, &[a, b]),
                        _ => TensorRef::contiguous(at, bytes, dtype, shape),
                    },
                    Some(strides) => TensorRef::from_raw(at, bytes, dtype, shape, strides),
                }
            };
            match name {
                None => args.input(tensor.on(device)),
                Some(name) => args.named_input(name, tensor.on(device)),
            };
        }
        (ROUTEFUSE_OUTPUT, strides) => {
            // SAFETY: the caller vouches for the memory; a launch follows no address beyond its bytes.
            let tensor = unsafe {
                match strides {
                    // Of a known rank, extents are moved without a loop.
                    None => match *shape {
                        [] => TensorMut::contiguous(at, bytes, dtype, &[]),
                        [a] => TensorMut::contiguous(at, bytes, dtype, &[a]),
                        [a, b] => TensorMut::contiguous(at, bytes, dtype, &[a, b]),
                        _ => TensorMut::contiguous(at, bytes, dtype, shape),
                    },
                    Some(strides) => TensorMut::from_raw(at, bytes, dtype, shape, strides),
                }
            };
            match name {
                None => args.output(tensor.on(device)),
                Some(name) => args.named_output(name, tensor.on(device)),
            };
        }
        (role, _) => {
            let message = format!("{} has the role {role}", called(index, name));
            return Err(boundary::bad_call(message, "the roles are ROUTEFUSE_INPUT (1) and ROUTEFUSE_OUTPUT (2)"));
        }
    }
    Ok(())
}

/// # Safety
/// Extents and strides are there, for `'a`.
#[inline]
unsafe fn read<'a>(index: usize, name: Option<&str>, tensor: &routefuse_tensor) -> Result<Read<'a>, Error> {
    let refuse = |code, message: String, help: &str| {
        Err(Diagnostic::new(code, format!("{} {message}", called(index, name))).help(help).into())
    };
    let Some(dtype) = dtype_of(tensor.dtype) else {
        let message = format!("has the dtype {}, which is none", tensor.dtype);
        return refuse(Code::ArgumentDType, message, "the dtypes are ROUTEFUSE_BOOL (1) to ROUTEFUSE_F32 (12)");
    };
    let Some(device) = tensor.device.known() else {
        let routefuse_device { kind, ordinal } = tensor.device;
        let message = format!("is on a device of kind {kind} and ordinal {ordinal}, which is none");
        return refuse(
            Code::WrongDevice,
            message,
            "the kinds are ROUTEFUSE_HOST (1), ROUTEFUSE_CUDA (2) and ROUTEFUSE_HIP (10)",
        );
    };
    // More than there can be are not looked at.
    if tensor.rank > ROUTEFUSE_MAX_RANK {
        let message = format!("has {} dims", tensor.rank);
        return refuse(Code::ArgumentRank, message, "a tensor has at most 6 dims");
    }
    let rank = tensor.rank as usize;
    // SAFETY: the caller vouches for it.
    let shape = unsafe { boundary::array("tensor.shape", tensor.shape.cast::<u64>(), rank) }?;
    if let Some(negative) = shape.iter().find(|n| **n > i64::MAX as u64) {
        let message = format!("has the extent {}", *negative as i64);
        return refuse(Code::ArgumentExtent, message, "an extent is 0 or more");
    }
    let strides = match tensor.strides.is_null() {
        true => None,
        // SAFETY: the caller vouches for it.
        false => Some(unsafe { boundary::array("tensor.strides", tensor.strides, rank) }?),
    };
    Ok(Read { at: tensor.data.cast(), bytes: tensor.bytes, dtype, device, shape, strides })
}

/// An argument in messages.
#[cold]
pub(crate) fn called(index: usize, name: Option<&str>) -> String {
    name.map_or_else(|| format!("argument {index}"), |name| format!("argument `{name}`"))
}
