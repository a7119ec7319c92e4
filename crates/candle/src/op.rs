//! A router as a custom op of candle's.

use crate::router::Router;
use crate::view::Region;
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage};

impl Router {
    /// Whether storages are the memory of the router's kind of device, and the results taken out of what is given for them.
    fn on_cpu(&self, inputs: &[(&CpuStorage, &Layout)]) -> Result<(CpuStorage, Shape)> {
        self.same_device("the CPU", self.device().is_cpu())?;
        let inputs: Vec<_> = inputs.iter().map(|(s, l)| (Region::of_cpu(s), s.dtype(), *l)).collect();
        match self.apply(&inputs)? {
            (Storage::Cpu(storage), shape) => Ok((storage, shape)),
            _ => candle_core::bail!("a result on another device"),
        }
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, inputs: &[(&CudaStorage, &Layout)]) -> Result<(CudaStorage, Shape)> {
        let here = |s: &CudaStorage| self.device().same_device(&candle_core::Device::Cuda(s.device().clone()));
        self.same_device("another GPU", inputs.iter().all(|(s, _)| here(s)))?;
        let held: Vec<_> = inputs.iter().map(|(s, _)| crate::cuda::region(s)).collect();
        let inputs: Vec<_> = inputs.iter().zip(&held).map(|((s, l), r)| (r.0, s.dtype(), *l)).collect();
        match self.apply(&inputs)? {
            (Storage::Cuda(storage), shape) => Ok((storage, shape)),
            _ => candle_core::bail!("a result on another device"),
        }
    }

    fn same_device(&self, there: &str, same: bool) -> Result<()> {
        match same {
            true => Ok(()),
            false => candle_core::bail!("tensors are on {there}, and the router on {:?}", self.device().location()),
        }
    }
}

/// A router of one input and one output is an op of candle's: `x.apply_op1_no_bwd(&router)`. A tensor that is not contiguous is taken
/// where the graph's input has a layout for it.
impl CustomOp1 for Router {
    fn name(&self) -> &'static str {
        "routefuse"
    }

    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        self.on_cpu(&[(s, l)])
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, s: &CudaStorage, l: &Layout) -> Result<(CudaStorage, Shape)> {
        self.on_cuda(&[(s, l)])
    }
}

/// As for one input.
impl CustomOp2 for Router {
    fn name(&self) -> &'static str {
        "routefuse"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        self.on_cpu(&[(s1, l1), (s2, l2)])
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, s1: &CudaStorage, l1: &Layout, s2: &CudaStorage, l2: &Layout) -> Result<(CudaStorage, Shape)> {
        self.on_cuda(&[(s1, l1), (s2, l2)])
    }
}

/// As for one input.
impl CustomOp3 for Router {
    fn name(&self) -> &'static str {
        "routefuse"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.on_cpu(&[(s1, l1), (s2, l2), (s3, l3)])
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        s1: &CudaStorage,
        l1: &Layout,
        s2: &CudaStorage,
        l2: &Layout,
        s3: &CudaStorage,
        l3: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.on_cuda(&[(s1, l1), (s2, l2), (s3, l3)])
    }
}
