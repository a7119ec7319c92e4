//! Memory of a GPU, for who has none of another library's.

use super::device::Hip;
use super::library::Runtime;
use super::{Gpu, Stream};
use crate::args::{Device, Element, TensorMut, TensorRef};
use routefuse_ir::{Code, Diagnostic};
use std::ffi::c_void;

/// `hipMemcpyDefault`: the addresses say which way.
const EITHER_WAY: i32 = 4;

/// Bytes of a GPU's memory, freed when dropped.
#[derive(Debug)]
pub struct Memory {
    address: u64,
    bytes: usize,
    ordinal: u32,
    runtime: &'static Runtime,
}

impl Memory {
    /// So many bytes, in which is what was there.
    ///
    /// # Errors
    /// `RF0808` if memory is short.
    pub fn new(gpu: &Gpu, bytes: usize) -> Result<Memory, Diagnostic> {
        let Hip { runtime, ordinal, .. } = *gpu.driver();
        let about = format!("{bytes} bytes on {}", gpu.device());
        let _entered = runtime.enter(ordinal, &about)?;
        let mut address: *mut c_void = std::ptr::null_mut();
        // The runtime gives no address for no bytes.
        // SAFETY: the pointer is to a live address.
        let made = unsafe { (runtime.hipMalloc)(&raw mut address, bytes.max(1)) };
        made.result().map_err(|e| runtime.failed("hipMalloc", e, &about))?;
        Ok(Memory { address: address.expose_provenance() as u64, bytes, ordinal, runtime })
    }

    /// A copy of these bytes; it is there when this returns.
    ///
    /// # Errors
    /// `RF0808` if memory is short.
    pub fn of(gpu: &Gpu, stream: &Stream, bytes: &[u8]) -> Result<Memory, Diagnostic> {
        let mut memory = Memory::new(gpu, bytes.len())?;
        memory.write(stream, bytes)?;
        Ok(memory)
    }

    /// Its address.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where it is.
    pub fn device(&self) -> Device {
        Device::Hip(self.ordinal)
    }

    /// Writes to its begin, behind all that the stream was given, and waits.
    ///
    /// # Errors
    /// `RF0607` for more bytes than it has; `RF0808` if the copy, or something before it on the stream, failed.
    pub fn write(&mut self, stream: &Stream, bytes: &[u8]) -> Result<(), Diagnostic> {
        if bytes.len() > self.bytes {
            let message = format!("{} bytes are written to {} bytes of {}", bytes.len(), self.bytes, self.device());
            return Err(Diagnostic::new(Code::BufferTooSmall, message).help("make larger memory"));
        }
        let to = std::ptr::with_exposed_provenance_mut(self.address as usize);
        // SAFETY: the memory has as many bytes, is borrowed exclusively, and the copy is waited for.
        unsafe { copy(stream, to, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// All of its bytes, after all that the stream was given.
    ///
    /// # Errors
    /// `RF0808` if the copy, or something before it on the stream, failed.
    pub fn read(&self, stream: &Stream) -> Result<Vec<u8>, Diagnostic> {
        let mut bytes = vec![0u8; self.bytes];
        let from = std::ptr::with_exposed_provenance(self.address as usize);
        // SAFETY: both have as many bytes, and the copy is waited for.
        unsafe { copy(stream, bytes.as_mut_ptr().cast(), from, self.bytes) }?;
        Ok(bytes)
    }

    /// Has the stream copy all of the bytes to the begin of other memory on this device; nothing is waited for.
    ///
    /// # Errors
    /// `RF0607` if the other one has fewer; `RF0808` if the runtime refuses the copy.
    ///
    /// # Safety
    /// Both are alive until the stream has run the copy.
    pub unsafe fn copy_to(&self, other: &mut Memory, stream: &Stream) -> Result<(), Diagnostic> {
        if other.bytes < self.bytes {
            let message = format!("{} bytes are copied to {} bytes of {}", self.bytes, other.bytes, other.device());
            return Err(Diagnostic::new(Code::BufferTooSmall, message).help("make larger memory"));
        }
        let to = std::ptr::with_exposed_provenance_mut(other.address as usize);
        let from = std::ptr::with_exposed_provenance(self.address as usize);
        // SAFETY: both have as many bytes; the caller vouches that they live.
        unsafe { begin_copy(stream, to, from, self.bytes) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let Ok(_entered) = self.runtime.enter(self.ordinal, "the end of memory") else { return };
        // SAFETY: allocated by `new`, freed once; the runtime waits for what uses it.
        let freed = unsafe { (self.runtime.hipFree)(std::ptr::with_exposed_provenance_mut(self.address as usize)) };
        if let Err(e) = freed.result() {
            self.runtime.log("hipFree", e, "memory");
        }
    }
}

/// # Safety
/// Both addresses have so many bytes until the stream has run the copy.
unsafe fn begin_copy(stream: &Stream, to: *mut c_void, from: *const c_void, bytes: usize) -> Result<(), Diagnostic> {
    if bytes == 0 {
        return Ok(());
    }
    let _entered = stream.enter()?;
    // SAFETY: the caller vouches for the addresses; the stream lives.
    let begun = unsafe { (stream.runtime.hipMemcpyAsync)(to, from, bytes, EITHER_WAY, stream.raw) };
    begun.result().map_err(|e| stream.failed("hipMemcpyAsync", e))
}

/// # Safety
/// Both addresses have so many bytes.
unsafe fn copy(stream: &Stream, to: *mut c_void, from: *const c_void, bytes: usize) -> Result<(), Diagnostic> {
    // SAFETY: the caller's promise, and the copy is waited for.
    unsafe { begin_copy(stream, to, from, bytes) }?;
    stream.synchronize()
}

impl<'a> TensorRef<'a> {
    /// Memory of a GPU that a launch reads: row-major without gaps; it may have more bytes than the shape needs.
    pub fn hip<T: Element>(memory: &'a Memory, shape: &[u64]) -> TensorRef<'a> {
        let address = std::ptr::with_exposed_provenance(memory.address as usize);
        // SAFETY: the memory is borrowed for 'a, and freeing it waits for what uses it.
        let tensor = unsafe { TensorRef::contiguous(address, memory.bytes as u64, T::DTYPE, shape) };
        tensor.on(memory.device())
    }
}

impl<'a> TensorMut<'a> {
    /// As [`TensorRef::hip`], for memory that a launch writes.
    pub fn hip<T: Element>(memory: &'a mut Memory, shape: &[u64]) -> TensorMut<'a> {
        let (address, device) = (std::ptr::with_exposed_provenance_mut(memory.address as usize), memory.device());
        // SAFETY: the memory is borrowed exclusively for 'a, and freeing it waits for what uses it.
        let tensor = unsafe { TensorMut::contiguous(address, memory.bytes as u64, T::DTYPE, shape) };
        tensor.on(device)
    }
}
