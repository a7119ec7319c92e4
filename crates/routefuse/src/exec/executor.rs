//! A device that runs plans with memory of their own, whichever it is.

#[cfg(any(feature = "cuda", feature = "hip"))]
use super::gpu::{GpuExecution, Room};
use super::{HostExecution, Input, Outcome, no_device};
use crate::error::Error;
use rayon::ThreadPool;
#[cfg(any(feature = "cuda", feature = "hip"))]
use routefuse_ir::Diagnostic;
use routefuse_ir::Tensor;
use routefuse_ir::target::Target;
#[cfg(feature = "cuda")]
use routefuse_runtime::cuda::Cuda;
#[cfg(any(feature = "cuda", feature = "hip"))]
use routefuse_runtime::gpu::{Gpu, GpuPlan};
#[cfg(feature = "hip")]
use routefuse_runtime::hip::Hip;
use routefuse_runtime::{Device, HostPlan, Plan};
use std::sync::Arc;

/// A device: the host, or a GPU with a stream of the executor's own.
#[derive(Debug)]
pub struct Executor {
    on: On,
}

#[derive(Debug)]
enum On {
    Host,
    #[cfg(feature = "cuda")]
    Cuda(OnGpu<Cuda>),
    #[cfg(feature = "hip")]
    Hip(OnGpu<Hip>),
}

/// A GPU and a stream there.
#[cfg(any(feature = "cuda", feature = "hip"))]
struct OnGpu<D: Room> {
    gpu: Gpu<D>,
    stream: Arc<D::Own>,
}

#[cfg(any(feature = "cuda", feature = "hip"))]
impl<D: Room> OnGpu<D> {
    fn new(gpu: Gpu<D>) -> Result<OnGpu<D>, Diagnostic> {
        let stream = D::stream(&gpu)?;
        Ok(OnGpu { gpu, stream })
    }

    fn load(
        &self,
        plan: Arc<Plan>,
        pool: Option<&ThreadPool>,
        inputs: &[Input<'_>],
        given: &[(&str, u64)],
    ) -> Result<GpuExecution<D>, Error> {
        let plan = GpuPlan::new(plan, &self.gpu)?;
        pool.map_or_else(|| plan.prepare(), |pool| plan.prepare_on(pool))?;
        GpuExecution::with(Arc::new(plan), &self.stream, inputs, given)
    }
}

#[cfg(any(feature = "cuda", feature = "hip"))]
impl<D: Room> std::fmt::Debug for OnGpu<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.gpu.fmt(f)
    }
}

impl Executor {
    /// An executor on this device.
    ///
    /// # Errors
    /// `RF0809` if there is no such GPU or no driver, or if this build does not run plans there.
    pub fn on(device: Device) -> Result<Executor, Error> {
        match device {
            Device::Host => Ok(Executor { on: On::Host }),
            #[cfg(feature = "cuda")]
            Device::Cuda(ordinal) => Ok(Executor { on: On::Cuda(OnGpu::new(Gpu::<Cuda>::open(ordinal)?)?) }),
            #[cfg(feature = "hip")]
            Device::Hip(ordinal) => Ok(Executor { on: On::Hip(OnGpu::new(Gpu::<Hip>::open(ordinal)?)?) }),
            other => Err(no_device(other).into()),
        }
    }

    /// The target that plans for this device are compiled for.
    ///
    /// # Errors
    /// `RF0801` for a GPU that no target of the table is for.
    pub fn target(&self) -> Result<Target, Error> {
        match &self.on {
            On::Host => Ok(Target::host()),
            #[cfg(feature = "cuda")]
            On::Cuda(on) => Ok(on.gpu.target()?),
            #[cfg(feature = "hip")]
            On::Hip(on) => Ok(on.gpu.target()?),
        }
    }

    /// The plan, prepared here, with memory for one set of arguments: see [`HostExecution::new`]. With a pool, its threads
    /// share what is compiled.
    ///
    /// # Errors
    /// `RF0806` for a plan of another target; what preparing it reports; inputs that do not fit (`RF0601` to `RF0606`,
    /// `RF0614`); `RF0808` if the GPU's memory is short.
    pub fn load(
        &self,
        plan: Arc<Plan>,
        pool: Option<&ThreadPool>,
        inputs: &[Tensor],
        given: &[(&str, u64)],
    ) -> Result<Execution, Error> {
        let inputs: Vec<Input<'_>> = inputs.iter().map(Input::from).collect();
        self.load_with(plan, pool, &inputs, given)
    }

    /// As [`Executor::load`], with inputs whose rows may lie in wider buffers.
    ///
    /// # Errors
    /// Those of [`Executor::load`]; rows that would overlap.
    pub fn load_with(
        &self,
        plan: Arc<Plan>,
        pool: Option<&ThreadPool>,
        inputs: &[Input<'_>],
        given: &[(&str, u64)],
    ) -> Result<Execution, Error> {
        match &self.on {
            On::Host => {
                let plan = HostPlan::new(plan)?;
                pool.map_or_else(|| plan.prepare(), |pool| plan.prepare_on(pool))?;
                Ok(Execution { with: With::Host(Box::new(HostExecution::with(plan, inputs, given)?)) })
            }
            #[cfg(feature = "cuda")]
            On::Cuda(on) => Ok(Execution { with: With::Cuda(on.load(plan, pool, inputs, given)?) }),
            #[cfg(feature = "hip")]
            On::Hip(on) => Ok(Execution { with: With::Hip(on.load(plan, pool, inputs, given)?) }),
        }
    }

    /// One launch: loads the plan, launches it, waits, and gives what it made.
    ///
    /// # Errors
    /// Those of [`Executor::load`] and [`Execution::launch`].
    pub fn run(&self, plan: Arc<Plan>, inputs: &[Tensor], given: &[(&str, u64)]) -> Result<Outcome, Error> {
        let inputs: Vec<Input<'_>> = inputs.iter().map(Input::from).collect();
        self.run_with(plan, &inputs, given)
    }

    /// As [`Executor::run`], with inputs whose rows may lie in wider buffers.
    ///
    /// # Errors
    /// Those of [`Executor::load_with`] and [`Execution::launch`].
    pub fn run_with(&self, plan: Arc<Plan>, inputs: &[Input<'_>], given: &[(&str, u64)]) -> Result<Outcome, Error> {
        let mut execution = self.load_with(plan, None, inputs, given)?;
        execution.launch(1)?;
        execution.outcome()
    }
}

/// A plan on a device, with memory for one set of arguments.
#[derive(Debug)]
pub struct Execution {
    with: With,
}

#[derive(Debug)]
enum With {
    Host(Box<HostExecution>),
    #[cfg(feature = "cuda")]
    Cuda(GpuExecution<Cuda>),
    #[cfg(feature = "hip")]
    Hip(GpuExecution<Hip>),
}

impl Execution {
    /// So many launches with the same arguments. Those on a GPU are not waited for.
    ///
    /// # Errors
    /// What a launch reports.
    pub fn launch(&mut self, times: u64) -> Result<(), Error> {
        match &mut self.with {
            With::Host(e) => e.launch(times)?,
            #[cfg(feature = "cuda")]
            With::Cuda(e) => e.launch(times)?,
            #[cfg(feature = "hip")]
            With::Hip(e) => e.launch(times)?,
        }
        Ok(())
    }

    /// Waits for the launches, and gives what they made.
    ///
    /// # Errors
    /// `RF0808` if a kernel failed on a GPU.
    pub fn outcome(&self) -> Result<Outcome, Error> {
        match &self.with {
            With::Host(e) => Ok(e.outcome()),
            #[cfg(feature = "cuda")]
            With::Cuda(e) => Ok(e.outcome()?),
            #[cfg(feature = "hip")]
            With::Hip(e) => Ok(e.outcome()?),
        }
    }

    /// The bytes of all inputs, and of all outputs: see [`HostExecution::bytes`].
    pub fn bytes(&self) -> (u64, u64) {
        match &self.with {
            With::Host(e) => e.bytes(),
            #[cfg(feature = "cuda")]
            With::Cuda(e) => e.bytes(),
            #[cfg(feature = "hip")]
            With::Hip(e) => e.bytes(),
        }
    }
}
