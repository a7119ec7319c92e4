//! DLPack's layouts and numbers, as the C interface and the Python module read them.
//!
//! The layouts are those of `dlpack.h` (Apache-2.0, by the DLPack contributors): `DLTensor` has been the same in all versions,
//! `DLManagedTensorVersioned` in all of version 1. Here is what they say; whoever follows their pointers vouches for them.

#![forbid(unsafe_code)]

use routefuse::DType;
use routefuse::exec::Device;
use std::ffi::c_void;

/// `DLPackVersion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Version {
    /// Layouts of one major version fit together.
    pub major: u32,
    /// What was added to it.
    pub minor: u32,
}

/// `DLDevice`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct DlDevice {
    /// `DLDeviceType`.
    pub kind: i32,
    /// Which of its kind.
    pub id: i32,
}

/// `DLDataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct DataType {
    /// `DLDataTypeCode`.
    pub code: u8,
    /// Bits of one lane.
    pub bits: u8,
    /// 1, but for vectors.
    pub lanes: u16,
}

/// `DLTensor`.
#[derive(Debug)]
#[repr(C)]
pub struct DlTensor {
    /// Its memory.
    pub data: *mut c_void,
    /// Where that is.
    pub device: DlDevice,
    /// How many dims it has.
    pub ndim: i32,
    /// What its elements are.
    pub dtype: DataType,
    /// As many extents.
    pub shape: *mut i64,
    /// As many strides, in elements; null for row-major order without gaps.
    pub strides: *mut i64,
    /// From `data` to the first element.
    pub byte_offset: u64,
}

/// `DLManagedTensorVersioned`.
#[derive(Debug)]
#[repr(C)]
pub struct Managed {
    /// Of this layout.
    pub version: Version,
    /// The owner's.
    pub context: *mut c_void,
    /// Lets go of it; from any thread, once.
    pub deleter: Option<unsafe extern "C" fn(*mut Managed)>,
    /// See [`READ_ONLY`].
    pub flags: u64,
    /// The tensor.
    pub tensor: DlTensor,
}

/// `DLPACK_FLAG_BITMASK_READ_ONLY`.
pub const READ_ONLY: u64 = 1;

const CPU: i32 = 1;
const CUDA: i32 = 2;
const ROCM: i32 = 10;
/// Memory of the host that a GPU reads too: CUDA's and ROCm's.
const PINNED: [i32; 2] = [3, 11];

impl DlDevice {
    /// The device in DLPack's numbers.
    #[inline]
    pub fn of(device: Device) -> DlDevice {
        match device {
            Device::Cuda(id) => DlDevice { kind: CUDA, id: id as i32 },
            Device::Hip(id) => DlDevice { kind: ROCM, id: id as i32 },
            _ => DlDevice { kind: CPU, id: 0 },
        }
    }

    /// The device that it names; none where plans run nowhere. Pinned memory is the host's.
    #[inline]
    pub fn device(self) -> Option<Device> {
        let id = u32::try_from(self.id).ok()?;
        match self.kind {
            CUDA => Some(Device::Cuda(id)),
            ROCM => Some(Device::Hip(id)),
            kind if kind == CPU || PINNED.contains(&kind) => Some(Device::Host),
            _ => None,
        }
    }
}

impl DataType {
    /// The dtype in DLPack's numbers.
    #[inline]
    pub fn of(dtype: DType) -> DataType {
        let code = match dtype {
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => 0,
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => 1,
            DType::F16 | DType::F32 => 2,
            DType::Bf16 => 4,
            DType::Bool => 6,
        };
        DataType { code, bits: 8 * dtype.size() as u8, lanes: 1 }
    }

    /// The dtype that it names; none that graphs lack.
    #[inline]
    pub fn dtype(self) -> Option<DType> {
        Some(match (self.code, self.bits, self.lanes) {
            (0, 8, 1) => DType::I8,
            (0, 16, 1) => DType::I16,
            (0, 32, 1) => DType::I32,
            (0, 64, 1) => DType::I64,
            (1, 8, 1) => DType::U8,
            (1, 16, 1) => DType::U16,
            (1, 32, 1) => DType::U32,
            (1, 64, 1) => DType::U64,
            (2, 16, 1) => DType::F16,
            (2, 32, 1) => DType::F32,
            (4, 16, 1) => DType::Bf16,
            (6, 8, 1) => DType::Bool,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_both_ways() {
        for dtype in DType::ALL {
            assert_eq!(DataType::of(dtype).dtype(), Some(dtype));
        }
        assert_eq!(DataType { code: 0, bits: 32, lanes: 4 }.dtype(), None);
        assert_eq!(DataType { code: 5, bits: 64, lanes: 1 }.dtype(), None);
        for device in [Device::Host, Device::Cuda(0), Device::Cuda(7), Device::Hip(3)] {
            assert_eq!(DlDevice::of(device).device(), Some(device));
        }
        // kDLCUDAHost, kDLROCMHost; kDLMetal; no number of a device.
        for (kind, id, device) in [(3, 1, Some(Device::Host)), (11, 0, Some(Device::Host)), (8, 0, None), (2, -1, None)]
        {
            assert_eq!(DlDevice { kind, id }.device(), device);
        }
    }

    #[test]
    fn layouts_are_those_of_the_header() {
        assert_eq!((size_of::<DlTensor>(), size_of::<Managed>()), (48, 80));
        assert_eq!(std::mem::offset_of!(DlTensor, shape), 24);
        assert_eq!(std::mem::offset_of!(Managed, tensor), 32);
    }
}
