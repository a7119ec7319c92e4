//! Where a router runs: candle's devices, and launches there.

use crate::error::failed;
use crate::view::Region;
use candle_core::backend::BackendDevice;
use candle_core::cpu_backend::CpuDevice;
use candle_core::{DType, Result, Shape, Storage};
use rayon::ThreadPool;
use routefuse::diag::Diagnostic;
use routefuse::exec::{Device, Workspace};
use routefuse::{Args, DType as Element, HostPlan, Plan, TensorMut};
use std::sync::Arc;

/// A plan on one of candle's devices.
#[derive(Debug)]
pub(crate) enum Place {
    Cpu(HostPlan),
    #[cfg(feature = "cuda")]
    Cuda(Box<crate::cuda::OnCuda>),
}

impl Place {
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        match self {
            Place::Cpu(plan) => plan.plan(),
            #[cfg(feature = "cuda")]
            Place::Cuda(on) => on.plan(),
        }
    }

    /// The device in routefuse's words.
    #[inline]
    pub(crate) fn device(&self) -> Device {
        match self {
            Place::Cpu(_) => Device::Host,
            #[cfg(feature = "cuda")]
            Place::Cuda(on) => on.device(),
        }
    }

    /// Memory of candle's own allocator for a result.
    ///
    /// # Safety
    /// Every element is written before it is read.
    ///
    /// # Errors
    /// candle's.
    #[inline]
    pub(crate) unsafe fn allocate(&self, shape: &Shape, dtype: DType) -> Result<Storage> {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Place::Cpu(_) => Ok(Storage::Cpu(CpuDevice.alloc_uninit(shape, dtype)?)),
                #[cfg(feature = "cuda")]
                Place::Cuda(on) => on.allocate(shape, dtype),
            }
        }
    }

    /// Launches the plan. What a launch takes besides, an error word and memory between kernels, is added here.
    ///
    /// # Errors
    /// What a launch reports; on the CPU, that an index was out of range where a gather traps.
    #[inline]
    pub(crate) fn launch(&self, args: Args<'_>, extents: &[u64], pool: Option<&ThreadPool>, about: &str) -> Result<()> {
        let wrong = |e: Diagnostic| failed(e, about);
        let program = self.plan().program();
        let bytes = match program.intermediates.is_empty() {
            true => 0,
            false => self.plan().workspace_size(extents).map_err(wrong)?,
        };
        match self {
            Place::Cpu(plan) => match on_cpu(plan, args, bytes, pool).map_err(wrong)? {
                false => Ok(()),
                true => candle_core::bail!("{about}: a gather with `out_of_range = trap` met an index out of range"),
            },
            #[cfg(feature = "cuda")]
            Place::Cuda(on) => on.launch(args, bytes, about),
        }
    }
}

/// Whether a gather trapped.
#[inline]
fn on_cpu(
    plan: &HostPlan,
    mut args: Args<'_>,
    bytes: u64,
    pool: Option<&ThreadPool>,
) -> std::result::Result<bool, Diagnostic> {
    let mut word = 0u32;
    if plan.plan().program().has_trap {
        let ptr = (&raw mut word).cast();
        // SAFETY: the word lives until the launch has returned, and is read only then.
        args.output(unsafe { TensorMut::contiguous(ptr, 4, Element::U32, &[]) });
    }
    let mut workspace = (bytes > 0).then(|| Workspace::new(usize::try_from(bytes).unwrap_or(usize::MAX)));
    let workspace: &mut [u8] = workspace.as_deref_mut().unwrap_or_default();
    match pool {
        None => plan.launch_with(&args, workspace)?,
        Some(pool) => plan.launch_on_with(pool, &args, workspace)?,
    }
    Ok(word != 0)
}

/// Held while work that writes a storage is put on its stream: the driver's crate learns of the write when it is dropped.
#[cfg(feature = "cuda")]
pub(crate) type Writes<'s> = Option<candle_core::cuda_backend::cudarc::driver::SyncOnDrop<'s>>;
/// What the CPU has in its place.
#[cfg(not(feature = "cuda"))]
pub(crate) type Writes<'s> = std::marker::PhantomData<&'s mut Storage>;

/// The memory of a storage that nobody else has yet.
///
/// # Errors
/// It is on a device that routers do not run on.
pub(crate) fn region_of_new(storage: &mut Storage) -> Result<(Region, Writes<'_>)> {
    match storage {
        Storage::Cpu(storage) => Ok((Region::of_cpu_mut(storage), Writes::default())),
        #[cfg(feature = "cuda")]
        Storage::Cuda(storage) => {
            let (region, writes) = crate::cuda::region_mut(storage);
            Ok((region, Some(writes)))
        }
        _ => candle_core::bail!("routefuse runs nothing on this device"),
    }
}
