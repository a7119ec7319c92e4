//! What several routers of one device share.

use crate::device::Place;
use crate::error::failed;
use crate::router::Router;
use candle_core::{Device, Result};
use routefuse::diag::{Code, Diagnostic};
#[cfg(feature = "compiler")]
use routefuse::models::IntoGraph;
use routefuse::{Engine, HostPlan, Plan, Target};
use std::sync::Arc;

/// Makes routers for one of candle's devices. They share an engine, with its caches and bundles, and what is loaded on the device: a
/// kernel that several of them have is compiled and loaded once.
///
/// ```
/// # #[cfg(feature = "compiler")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use candle_core::Device;
/// use routefuse_candle::Routers;
/// use routefuse_candle::routefuse::{Engine, chains};
///
/// let routers = Routers::new(Engine::builder().build()?, &Device::Cpu)?; // the builder also takes a cache on disk
/// let router = routers.router("deepseek-v3")?;
/// let pack = routers.router(chains::Pack::default().graph()?)?;
/// assert_eq!((router.inputs().count(), pack.inputs().count()), (2, 2));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "compiler"))]
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct Routers {
    engine: Arc<Engine>,
    device: Device,
    #[cfg(feature = "cuda")]
    gpu: Option<routefuse::cuda::Gpu>,
}

impl Routers {
    /// For this device, with this engine: one that compiles (`Engine::builder`), or one of a bundle (`Engine::from_bundle`).
    ///
    /// # Errors
    /// `RF0809` for a device that routefuse has no code for (Metal), or that this build does not run plans on.
    pub fn new(engine: impl Into<Arc<Engine>>, device: &Device) -> Result<Routers> {
        #[cfg(feature = "cuda")]
        let gpu = match device {
            Device::Cuda(device) => {
                let gpu = routefuse::cuda::Gpu::of(device.cuda_stream().context());
                Some(gpu.map_err(|e| failed(e, "a GPU of candle's"))?)
            }
            _ => None,
        };
        match device {
            Device::Cpu => {}
            #[cfg(feature = "cuda")]
            Device::Cuda(_) => {}
            other => {
                let message = format!("routefuse runs nothing on candle's device {:?}", other.location());
                let help = "use the CPU, or a GPU of NVIDIA's with the feature `cuda`";
                return Err(failed(Diagnostic::new(Code::NoDevice, message).help(help), "routefuse-candle"));
            }
        }
        Ok(Routers {
            engine: engine.into(),
            device: device.clone(),
            #[cfg(feature = "cuda")]
            gpu,
        })
    }

    /// The router of a graph or a preset, compiled and loaded: from here on nothing compiles, for any number of tokens.
    ///
    /// # Errors
    /// `RF1001` for a name that no preset has; what compiling and loading report; `RF0304` for a graph with a dtype that candle
    /// lacks.
    #[cfg(feature = "compiler")]
    pub fn router<'g>(&self, graph: impl IntoGraph<'g>) -> Result<Router> {
        let graph = graph.into_graph().map_err(|e| failed(e, "routefuse-candle"))?;
        let about = about(&graph.name);
        let target = self.target(&about)?;
        let plan = self.engine.compile(&graph, &target, &routefuse::Options::default());
        self.of_plan(plan.map_err(|e| failed(e, &about))?)
    }

    /// The router of a graph in the engine's bundles, by the name that it has there, loaded.
    ///
    /// # Errors
    /// `RF0812` if no bundle has a graph of this name for the device; what loading reports; `RF0304` for a graph with a dtype that
    /// candle lacks.
    pub fn bundled(&self, name: &str) -> Result<Router> {
        let about = about(name);
        let plan = self.engine.plan_for(name, &self.target(&about)?);
        self.of_plan(plan.map_err(|e| failed(e, &about))?)
    }

    /// The router of a plan for this device's target, prepared.
    ///
    /// # Errors
    /// `RF0806` for a plan of another target; what loading reports; `RF0304` for a graph with a dtype that candle lacks.
    pub fn of_plan(&self, plan: Arc<Plan>) -> Result<Router> {
        let about = about(&plan.program().name);
        let wrong = |e: Diagnostic| failed(e, &about);
        let place = match &self.device {
            #[cfg(feature = "cuda")]
            Device::Cuda(device) => {
                let Some(gpu) = &self.gpu else { candle_core::bail!("{about}: no GPU") };
                let plan = routefuse::cuda::CudaPlan::new(plan, gpu).map_err(wrong)?;
                plan.prepare().map_err(wrong)?;
                Place::Cuda(Box::new(crate::cuda::OnCuda::new(plan, device)?))
            }
            _ => {
                let plan = HostPlan::new(plan).map_err(wrong)?;
                plan.prepare().map_err(wrong)?;
                Place::Cpu(plan)
            }
        };
        Router::of_place(place, &self.device, about.clone()).map_err(wrong)
    }

    /// What plans for this device are compiled for.
    ///
    /// # Errors
    /// `RF0801` for a GPU that no target is for.
    pub fn target_of_device(&self) -> Result<Target> {
        self.target("routefuse-candle")
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    fn target(&self, about: &str) -> Result<Target> {
        #[cfg(feature = "cuda")]
        if let Some(gpu) = &self.gpu {
            return gpu.target().map_err(|e| failed(e, about));
        }
        let _ = about;
        Ok(Target::host())
    }
}

/// "router `deepseek_v3`", for errors.
fn about(name: &str) -> String {
    format!("router `{name}`")
}
