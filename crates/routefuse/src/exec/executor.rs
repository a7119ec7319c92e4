//! A device that runs plans with memory of their own, whichever it is.

#[cfg(feature = "cuda")]
use super::CudaExecution;
use super::{HostExecution, Input, Outcome};
use crate::error::Error;
use rayon::ThreadPool;
use routefuse_ir::target::Target;
use routefuse_ir::{Code, Diagnostic, Tensor};
#[cfg(feature = "cuda")]
use routefuse_runtime::cuda::{CudaPlan, Gpu, cudarc::driver::CudaStream};
use routefuse_runtime::{Device, HostPlan, Plan};
use std::sync::Arc;

/// A device: the host, or an NVIDIA GPU with a stream of the executor's own.
#[derive(Debug)]
pub struct Executor {
    on: On,
}

#[derive(Debug)]
enum On {
    Host,
    #[cfg(feature = "cuda")]
    Cuda {
        gpu: Gpu,
        stream: Arc<CudaStream>,
    },
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
            Device::Cuda(ordinal) => {
                let gpu = Gpu::open(ordinal)?;
                // One stream has nothing to wait for, and events that are recorded outside would break a capture.
                // SAFETY: an executor uses its context's memory on the one stream that it makes.
                unsafe { gpu.context().disable_event_tracking() };
                let failed = |e| Diagnostic::new(Code::DriverFailed, format!("a stream: {e}"));
                let stream = gpu.context().new_stream().map_err(failed)?;
                Ok(Executor { on: On::Cuda { gpu, stream } })
            }
            #[cfg(not(feature = "cuda"))]
            Device::Cuda(_) => Err(Diagnostic::new(Code::NoDevice, "this build of routefuse runs on the host only")
                .help("build it with the feature `cuda`")
                .into()),
            other => {
                let message = format!("this build of routefuse does not run on {other}");
                Err(Diagnostic::new(Code::NoDevice, message)
                    .help("compile for its target, and load the code object by other means")
                    .into())
            }
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
            On::Cuda { gpu, .. } => Ok(gpu.target()?),
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
                Ok(Execution { with: With::Host(HostExecution::with(plan, inputs, given)?) })
            }
            #[cfg(feature = "cuda")]
            On::Cuda { gpu, stream } => {
                let plan = CudaPlan::new(plan, gpu)?;
                pool.map_or_else(|| plan.prepare(), |pool| plan.prepare_on(pool))?;
                Ok(Execution { with: With::Cuda(CudaExecution::with(Arc::new(plan), stream, inputs, given)?) })
            }
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
    Host(HostExecution),
    #[cfg(feature = "cuda")]
    Cuda(CudaExecution),
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
        }
    }

    /// The bytes of all inputs, and of all outputs: see [`HostExecution::bytes`].
    pub fn bytes(&self) -> (u64, u64) {
        match &self.with {
            With::Host(e) => e.bytes(),
            #[cfg(feature = "cuda")]
            With::Cuda(e) => e.bytes(),
        }
    }
}
