//! Whose memory is at an address.

use super::library::Runtime;
use crate::args::Device;
use crate::gpu::Whose;
use std::ffi::{c_int, c_uint, c_void};

/// `hipPointerAttribute_t`, as it has been since HIP 6.0.
#[repr(C)]
struct Attributes {
    /// `hipMemoryType`.
    kind: c_int,
    device: c_int,
    device_pointer: *mut c_void,
    host_pointer: *mut c_void,
    is_managed: c_int,
    flags: c_uint,
}

/// `hipMemoryTypeUnregistered`.
const UNKNOWN: c_int = 0;
/// `hipMemoryTypeDevice`.
const OF_A_DEVICE: c_int = 2;

/// Whose memory is at an address, as the HIP runtime knows it. None if there is no runtime, or if it knows nothing of the address,
/// as of most of the host's memory.
pub fn whose(address: u64) -> Option<Whose> {
    let (runtime, _) = Runtime::installed().ok()?;
    let null = std::ptr::null_mut();
    let mut found =
        Attributes { kind: UNKNOWN, device: 0, device_pointer: null, host_pointer: null, is_managed: 0, flags: 0 };
    // SAFETY: the pointer is to a live structure of the call; any address may be asked for.
    let asked = unsafe {
        (runtime.hipPointerGetAttributes)((&raw mut found).cast(), std::ptr::without_provenance(address as usize))
    };
    asked.result().ok()?;
    match found.kind {
        UNKNOWN => None,
        OF_A_DEVICE if found.is_managed == 0 => Some(Whose::Device(Device::Hip(u32::try_from(found.device).ok()?))),
        _ => Some(Whose::Shared),
    }
}
