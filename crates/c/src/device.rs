//! Devices and dtypes by their numbers.

use crate::boundary::bad_call;
use routefuse::exec::Device;
use routefuse::{DType, Error};

/// What a device is: a number of DLPack's.
pub type routefuse_device_kind = i32;
/// This process's own memory and processor.
pub const ROUTEFUSE_HOST: i32 = 1;
/// A GPU of NVIDIA's.
pub const ROUTEFUSE_CUDA: i32 = 2;
/// A GPU of AMD's.
pub const ROUTEFUSE_HIP: i32 = 10;

/// A device: DLPack's `DLDevice`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct routefuse_device {
    /// `ROUTEFUSE_HOST`, `ROUTEFUSE_CUDA` or `ROUTEFUSE_HIP`.
    pub kind: routefuse_device_kind,
    /// The driver's number of the GPU; 0 for the host.
    pub ordinal: i32,
}

/// What the elements of a tensor are.
pub type routefuse_dtype = u32;
/// One byte, 0 or 1.
pub const ROUTEFUSE_BOOL: u32 = 1;
/// int8_t
pub const ROUTEFUSE_I8: u32 = 2;
/// int16_t
pub const ROUTEFUSE_I16: u32 = 3;
/// int32_t
pub const ROUTEFUSE_I32: u32 = 4;
/// int64_t
pub const ROUTEFUSE_I64: u32 = 5;
/// uint8_t
pub const ROUTEFUSE_U8: u32 = 6;
/// uint16_t
pub const ROUTEFUSE_U16: u32 = 7;
/// uint32_t
pub const ROUTEFUSE_U32: u32 = 8;
/// uint64_t
pub const ROUTEFUSE_U64: u32 = 9;
/// IEEE 754 binary16.
pub const ROUTEFUSE_F16: u32 = 10;
/// The upper half of a binary32.
pub const ROUTEFUSE_BF16: u32 = 11;
/// float
pub const ROUTEFUSE_F32: u32 = 12;

const DTYPES: [(u32, DType); 12] = [
    (ROUTEFUSE_BOOL, DType::Bool),
    (ROUTEFUSE_I8, DType::I8),
    (ROUTEFUSE_I16, DType::I16),
    (ROUTEFUSE_I32, DType::I32),
    (ROUTEFUSE_I64, DType::I64),
    (ROUTEFUSE_U8, DType::U8),
    (ROUTEFUSE_U16, DType::U16),
    (ROUTEFUSE_U32, DType::U32),
    (ROUTEFUSE_U64, DType::U64),
    (ROUTEFUSE_F16, DType::F16),
    (ROUTEFUSE_BF16, DType::Bf16),
    (ROUTEFUSE_F32, DType::F32),
];

/// The dtype of a number, which is one more than its place in the table.
#[inline]
pub(crate) fn dtype_of(number: routefuse_dtype) -> Option<DType> {
    DTYPES.get((number as usize).wrapping_sub(1)).map(|d| d.1)
}

/// The number of a dtype.
pub(crate) fn number_of(dtype: DType) -> routefuse_dtype {
    DTYPES.iter().find(|d| d.1 == dtype).map_or(0, |d| d.0)
}

impl routefuse_device {
    /// The device, if it is one.
    #[inline]
    pub(crate) fn known(self) -> Option<Device> {
        let ordinal = u32::try_from(self.ordinal).ok()?;
        match self.kind {
            ROUTEFUSE_HOST => Some(Device::Host),
            ROUTEFUSE_CUDA => Some(Device::Cuda(ordinal)),
            ROUTEFUSE_HIP => Some(Device::Hip(ordinal)),
            _ => None,
        }
    }

    /// The device.
    ///
    /// # Errors
    /// `RF1102` if it is none.
    pub(crate) fn checked(self) -> Result<Device, Error> {
        self.known().ok_or_else(|| {
            bad_call(
                format!("there is no device of kind {} and ordinal {}", self.kind, self.ordinal),
                "the kinds are ROUTEFUSE_HOST (1), ROUTEFUSE_CUDA (2) and ROUTEFUSE_HIP (10), the ordinals the driver's",
            )
        })
    }

    /// In numbers.
    pub(crate) fn of(device: Device) -> routefuse_device {
        match device {
            Device::Cuda(ordinal) => routefuse_device { kind: ROUTEFUSE_CUDA, ordinal: ordinal as i32 },
            Device::Hip(ordinal) => routefuse_device { kind: ROUTEFUSE_HIP, ordinal: ordinal as i32 },
            _ => routefuse_device { kind: ROUTEFUSE_HOST, ordinal: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dtypes_are_one_to_one() {
        assert!(DTYPES.iter().enumerate().all(|(i, (number, _))| *number == i as u32 + 1));
        assert!(DTYPES.iter().all(|(number, dtype)| dtype_of(*number) == Some(*dtype) && number_of(*dtype) == *number));
        assert_eq!((dtype_of(0), dtype_of(13), dtype_of(u32::MAX)), (None, None, None));
    }

    #[test]
    fn devices_are_dlpacks() {
        for device in [Device::Host, Device::Cuda(3), Device::Hip(1)] {
            assert_eq!(routefuse_device::of(device).known(), Some(device));
        }
        for (kind, ordinal) in [(0, 0), (3, 0), (2, -1)] {
            let e = routefuse_device { kind, ordinal }.checked().unwrap_err().to_string();
            assert!(
                e.starts_with(&format!("RF1102: there is no device of kind {kind} and ordinal {ordinal}\n")),
                "{e}"
            );
        }
    }
}
