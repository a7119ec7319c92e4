//! Plans: where they run, and that they are ready.

use crate::boundary::{Out, call};
use crate::engine::Shared;
use crate::error::{routefuse_error, routefuse_status};
use crate::handle::{Kind, Table, Used};
use crate::pool;
use crate::port::Description;
use crate::text::{self, routefuse_text};
use rayon::ThreadPool;
use routefuse::diag::{Code, Diagnostic};
use routefuse::exec::Device;
use routefuse::{Error, HostPlan, Plan, cuda, hip};
use std::ptr;
use std::sync::Arc;

/// A plan on a device. Free it with `routefuse_plan_free`.
pub struct routefuse_plan {
    _opaque: [u8; 0],
}

/// Where a plan runs.
pub(crate) enum Place {
    Host(HostPlan),
    Cuda(cuda::CudaPlan),
    Hip(hip::HipPlan),
}

/// The graph that a plan was compiled from, and how.
#[cfg(feature = "compiler")]
pub(crate) type Origin = (Arc<routefuse::Verified<routefuse::Graph>>, routefuse::Options);
/// A library without the compiler has plans of bundles alone.
#[cfg(not(feature = "compiler"))]
pub(crate) type Origin = std::convert::Infallible;

/// A plan with what is told of it.
pub(crate) struct Placed {
    pub place: Place,
    pub description: Description,
    #[cfg_attr(not(feature = "compiler"), allow(dead_code))]
    engine: Arc<Shared>,
    #[cfg_attr(not(feature = "compiler"), allow(dead_code))]
    origin: Option<Origin>,
}

static PLANS: Table<Placed> = Table::new(Kind::Plan);

/// The plan of a handle.
#[inline]
pub(crate) fn plan(plan: *const routefuse_plan) -> Result<Used<'static, Placed>, Error> {
    PLANS.get(plan)
}

/// A plan on its device.
pub(crate) fn placed(
    engine: &Arc<Shared>,
    plan: &Arc<Plan>,
    device: Device,
    origin: Option<Origin>,
) -> Result<Placed, Error> {
    let place = engine.place(plan, device)?;
    Ok(Placed { place, description: Description::of(plan, device), engine: Arc::clone(engine), origin })
}

/// A handle of a plan on its device.
pub(crate) fn handle(
    engine: &Arc<Shared>,
    plan: &Arc<Plan>,
    device: Device,
    origin: Option<Origin>,
) -> Result<*mut routefuse_plan, Error> {
    PLANS.insert(placed(engine, plan, device, origin)?)
}

/// Handles of plans: all of them or none.
#[cfg(feature = "compiler")]
pub(crate) fn handles(placed: Vec<Placed>) -> Result<Vec<*mut routefuse_plan>, Error> {
    let mut made = Vec::with_capacity(placed.len());
    for plan in placed {
        match PLANS.insert(plan) {
            Ok(handle) => made.push(handle),
            Err(e) => {
                made.into_iter().try_for_each(|h: *mut routefuse_plan| PLANS.remove(h).map(drop))?;
                return Err(e);
            }
        }
    }
    Ok(made)
}

impl Placed {
    /// The plan.
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        match &self.place {
            Place::Host(plan) => plan.plan(),
            Place::Cuda(plan) => plan.plan(),
            Place::Hip(plan) => plan.plan(),
        }
    }

    /// Compiles and loads what is not there, shared by a pool's threads if there is one.
    pub(crate) fn prepare(&self, pool: Option<&ThreadPool>) -> Result<(), Error> {
        Ok(match (&self.place, pool) {
            (Place::Host(plan), None) => plan.prepare(),
            (Place::Host(plan), Some(pool)) => plan.prepare_on(pool),
            (Place::Cuda(plan), None) => plan.prepare(),
            (Place::Cuda(plan), Some(pool)) => plan.prepare_on(pool),
            (Place::Hip(plan), None) => plan.prepare(),
            (Place::Hip(plan), Some(pool)) => plan.prepare_on(pool),
        }?)
    }

    #[cfg(feature = "compiler")]
    fn explain(&self) -> Result<String, Error> {
        let Some((graph, options)) = &self.origin else { return Err(no_graph()) };
        Ok(self.engine.engine.explain(graph, options)?.to_string())
    }

    #[cfg(not(feature = "compiler"))]
    fn explain(&self) -> Result<String, Error> {
        Err(no_graph())
    }
}

#[cold]
fn no_graph() -> Error {
    Diagnostic::new(Code::NotInBundle, "the plan is a bundle's, which has no report")
        .help("`routefuse explain` prints the report of a graph's file, and `routefuse_engine_explain` gives it of a graph")
        .into()
}

/// Compiles and loads every kernel of the plan on its device, but those that are there. Afterwards no launch compiles or loads
/// anything. `threads` share the work; 0 and 1 are the calling thread.
///
/// RF0810 if the engine is sealed and something is not loaded; RF0805 if code cannot be loaded; RF0808 if a driver fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_plan_prepare(
    plan: *const routefuse_plan,
    threads: u32,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // What takes long keeps the plan, and not its handle: that may be freed meanwhile.
        let plan = self::plan(plan)?.shared();
        plan.prepare(pool::of_threads(threads)?.as_ref())
    })
}

/// What became of the plan's graph and why, in words. Free it with `routefuse_text_free`.
///
/// RF0812 for a plan of a bundle, which has no report.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_plan_explain(
    plan: *const routefuse_plan,
    text: *mut *mut routefuse_text,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("text", text) }?;
        let plan = self::plan(plan)?.shared();
        out.write(text::handle(&plan.explain()?)?);
        Ok(())
    })
}

/// Frees a plan, once no call uses it. On a GPU this waits for its launches if nothing else holds its kernels, and must not be done
/// before graphs that have captured its launches are done with. Null is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_plan_free(plan: *mut routefuse_plan) -> routefuse_status {
    call(ptr::null_mut(), || PLANS.remove(plan).map(drop))
}
