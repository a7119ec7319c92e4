//! Views of `cudarc`'s memory.

use crate::args::{Device, Element, TensorMut, TensorRef};
use cudarc::driver::{CudaStream, DevicePtr, DevicePtrMut, DeviceSlice, SyncOnDrop};

fn device<T>(slice: &impl DeviceSlice<T>) -> Device {
    Device::Cuda(slice.stream().context().ordinal() as u32)
}

impl<'a> TensorRef<'a> {
    /// A `CudaSlice` or `CudaView` that a launch on `stream` reads: row-major without gaps; the slice may be longer than the
    /// shape needs. Makes the stream wait for what `cudarc` knows is still written there. Drop the second value after the
    /// launch: it tells `cudarc` of the read.
    ///
    /// Neither calls the driver if `cudarc` tracks no events (a context of one stream, or after
    /// `disable_event_tracking`).
    pub fn cuda<T: Element, S: DevicePtr<T>>(
        slice: &'a S,
        stream: &'a CudaStream,
        shape: &[u64],
    ) -> (TensorRef<'a>, SyncOnDrop<'a>) {
        let (ptr, sync) = slice.device_ptr(stream);
        let bytes = slice.num_bytes() as u64;
        // SAFETY: the slice is borrowed for 'a, and its allocation is freed in the order of its stream; `sync` has other
        // streams wait.
        let tensor =
            unsafe { TensorRef::contiguous(std::ptr::with_exposed_provenance(ptr as usize), bytes, T::DTYPE, shape) };
        (tensor.on(device(slice)), sync)
    }
}

impl<'a> TensorMut<'a> {
    /// As [`TensorRef::cuda`], for memory that a launch on `stream` writes.
    pub fn cuda<T: Element, S: DevicePtrMut<T>>(
        slice: &'a mut S,
        stream: &'a CudaStream,
        shape: &[u64],
    ) -> (TensorMut<'a>, SyncOnDrop<'a>) {
        let (bytes, device) = (slice.num_bytes() as u64, device(slice));
        let (ptr, sync) = slice.device_ptr_mut(stream);
        // SAFETY: the slice is borrowed exclusively for 'a, and its allocation is freed in the order of its stream; `sync`
        // has other streams wait.
        let tensor = unsafe {
            TensorMut::contiguous(std::ptr::with_exposed_provenance_mut(ptr as usize), bytes, T::DTYPE, shape)
        };
        (tensor.on(device), sync)
    }
}
