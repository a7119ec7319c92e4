//! Whose memory is at an address.

use super::version::DriverVersion;
use crate::args::Device;
use crate::gpu::Whose;
use cudarc::driver::sys::{self, CUpointer_attribute_enum as Attribute};

/// `CU_MEMORYTYPE_DEVICE`.
const OF_A_DEVICE: u32 = 2;

/// Whose memory is at an address, as NVIDIA's driver knows it. None if there is no driver, if this process has not begun to use it,
/// or if it knows nothing of the address, as of most of the host's memory.
pub fn whose(address: u64) -> Option<Whose> {
    DriverVersion::installed().ok()?;
    let ask = |attribute: Attribute| {
        let mut value = 0u32;
        // SAFETY: each of these attributes is a number of 32 bits or fewer; any address may be asked for.
        let asked = unsafe { sys::cuPointerGetAttribute((&raw mut value).cast(), attribute, address) };
        asked.result().ok().map(|()| value)
    };
    let is_managed = ask(Attribute::CU_POINTER_ATTRIBUTE_IS_MANAGED).is_some_and(|yes| yes & 0xff != 0);
    match ask(Attribute::CU_POINTER_ATTRIBUTE_MEMORY_TYPE)? {
        OF_A_DEVICE if !is_managed => {
            Some(Whose::Device(Device::Cuda(ask(Attribute::CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)?)))
        }
        _ => Some(Whose::Shared),
    }
}
