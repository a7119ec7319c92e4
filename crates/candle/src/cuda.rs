//! NVIDIA's GPUs: candle's storages there, and launches on the stream of candle's device.

use crate::error::failed;
use crate::view::Region;
use candle_core::backend::BackendDevice;
use candle_core::cuda_backend::CudaStorageSlice as Slice;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DevicePtrMut, SyncOnDrop};
use candle_core::{CudaDevice, CudaStorage, DType, Error, Result, Shape, Storage};
use routefuse::cuda::{CudaPlan, Launch};
use routefuse::exec::Device;
use routefuse::{Args, DType as Element, Plan, TensorMut};
use std::sync::{Arc, Mutex};

/// The memory of a storage, to be read by work on the stream of its device. Drop the second value when the work is on the stream.
pub(crate) fn region(storage: &CudaStorage) -> (Region, SyncOnDrop<'_>) {
    fn of<'s, T>(slice: &'s CudaSlice<T>, stream: &'s CudaStream) -> (Region, SyncOnDrop<'s>) {
        let (ptr, reads) = slice.device_ptr(stream);
        (address(ptr, slice.num_bytes()), reads)
    }
    macro_rules! each {
        ($($kind:ident)+) => { match &storage.slice { $(Slice::$kind(s) => of(s, s.stream()),)+ } };
    }
    each!(U8 U32 I16 I32 I64 BF16 F16 F32 F64 F8E4M3 F6E2M3 F6E3M2 F4 F8E8M0)
}

/// As [`region`], to be written too.
pub(crate) fn region_mut(storage: &mut CudaStorage) -> (Region, SyncOnDrop<'_>) {
    fn of<'s, T>(slice: &'s mut CudaSlice<T>, stream: &'s CudaStream) -> (Region, SyncOnDrop<'s>) {
        let bytes = slice.num_bytes();
        let (ptr, writes) = slice.device_ptr_mut(stream);
        (address(ptr, bytes), writes)
    }
    macro_rules! each {
        ($stream:ident: $($kind:ident)+) => { match &mut storage.slice { $(Slice::$kind(s) => of(s, $stream),)+ } };
    }
    // The device that the storage was allocated on keeps its stream for longer than the storage.
    let stream = storage.device.cuda_stream();
    // SAFETY: the device, which lives in the storage, holds this stream; the storage is borrowed for the result's lifetime.
    let stream: &CudaStream = unsafe { &*Arc::as_ptr(&stream) };
    each!(stream: U8 U32 I16 I32 I64 BF16 F16 F32 F64 F8E4M3 F6E2M3 F6E3M2 F4 F8E8M0)
}

fn address(ptr: u64, bytes: usize) -> Region {
    let address = usize::try_from(ptr).unwrap_or(0);
    Region { ptr: std::ptr::with_exposed_provenance_mut(address), bytes: bytes as u64 }
}

/// A plan on one of candle's GPUs.
pub(crate) struct OnCuda {
    plan: CudaPlan,
    device: CudaDevice,
    /// Where kernels say that an index was out of range, for a plan whose gathers trap, and its address.
    trap: Option<(Mutex<CudaSlice<u32>>, u64)>,
}

impl OnCuda {
    pub(crate) fn new(plan: CudaPlan, device: &CudaDevice) -> Result<OnCuda> {
        let trap = match plan.plan().program().has_trap {
            false => None,
            true => {
                let word = device.alloc_zeros::<u32>(1)?;
                let address = word.device_ptr(&device.cuda_stream()).0;
                Some((Mutex::new(word), address))
            }
        };
        Ok(OnCuda { plan, device: device.clone(), trap })
    }

    pub(crate) fn plan(&self) -> &Arc<Plan> {
        self.plan.plan()
    }

    #[inline]
    pub(crate) fn device(&self) -> Device {
        self.plan.gpu().device()
    }

    /// # Safety
    /// Every element is written before it is read.
    pub(crate) unsafe fn allocate(&self, shape: &Shape, dtype: DType) -> Result<Storage> {
        // SAFETY: the caller's promise.
        Ok(Storage::Cuda(unsafe { self.device.alloc_uninit(shape, dtype) }?))
    }

    pub(crate) fn launch(&self, mut args: Args<'_>, bytes: u64, about: &str) -> Result<()> {
        let stream = self.device.cuda_stream();
        if let Some((_, word)) = &self.trap {
            let Region { ptr, bytes } = address(*word, 4);
            // SAFETY: the word lives as long as this plan; launches write nothing there but 1.
            let word = unsafe { TensorMut::contiguous(ptr, bytes, Element::U32, &[]) };
            args.output(word.on(self.device()));
        }
        let launch = Launch::on(&stream);
        if bytes == 0 {
            return self.plan.launch(launch, &args).map_err(|e| failed(e, about));
        }
        // SAFETY: kernels write what they read there.
        let workspace = unsafe { self.device.alloc::<u8>(usize::try_from(bytes).map_err(Error::wrap)?) }?;
        let (address, _writes) = workspace.device_ptr(&stream);
        // SAFETY: the memory is freed in the order of the stream, so behind this launch, and is nobody else's until then.
        let launch = unsafe { launch.workspace(address, bytes) };
        self.plan.launch(launch, &args).map_err(|e| failed(e, about))
    }

    /// Whether an index was out of range since this was last asked. Waits for the stream.
    pub(crate) fn take_trap(&self) -> Result<bool> {
        let Some((word, _)) = &self.trap else { return Ok(false) };
        let mut word = word.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let trapped = self.device.clone_dtoh(&*word)?;
        self.device.memcpy_htod(&[0u32], &mut *word)?;
        Ok(trapped.iter().any(|w| *w != 0))
    }
}

impl std::fmt::Debug for OnCuda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.plan.fmt(f)
    }
}
