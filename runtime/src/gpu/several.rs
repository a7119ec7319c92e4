//! Launching several kernels as lightly as one.

use super::launch::too_many_threads;
use super::residency::GpuKernel;
use super::{Driver, GpuPlan, Launch};
use crate::args::Args;
use crate::plan::bind::quick::PARAMETERS;
use crate::plan::bind::several::Several;
use routefuse_ir::Diagnostic;
use routefuse_ir::kernel::schedule::MOST_BLOCKS;
use std::mem::MaybeUninit;

/// Launches that have room on the stack; a plan that makes more goes the thorough way.
const MOST_LAUNCHES: usize = 16;

/// One launch, found right.
struct Found<'k, D: Driver> {
    step: usize,
    variant: usize,
    kernel: &'k GpuKernel<D>,
    blocks: u32,
    threads: u32,
}

impl<D: Driver> GpuPlan<D> {
    /// Launches the kernels if nothing is out of the ordinary; none says nothing, and then nothing was launched.
    #[inline]
    pub(super) fn run_several(
        &self,
        several: &Several,
        launch: &Launch<'_, D>,
        args: &Args<'_>,
    ) -> Option<Result<(), Diagnostic>> {
        let memory = several.find(&self.plan, args, self.location, launch.workspace)?;
        // Everything is found before the first kernel runs.
        let (mut all, mut count) = ([const { None::<Found<'_, D>> }; MOST_LAUNCHES], 0);
        let steps = several.steps.iter().zip(self.plan.kernels()).zip(&self.steps).enumerate();
        for (step, ((quick, scheduled), loaded)) in steps {
            let Some(rows) = quick.rows(&memory) else { continue };
            let schedule = &scheduled.schedule;
            for shape in schedule.shapes_for(rows) {
                let variant = quick.variant(shape)?;
                let (of, kernel) = &loaded.variants[variant];
                let kernel = kernel.get()?;
                let resident = u64::from(kernel.resident);
                let blocks = schedule.grid(rows, *of, || resident).filter(|blocks| *blocks <= MOST_BLOCKS)? as u32;
                let threads = schedule.threads(*of);
                if too_many_threads::<D>(blocks, threads) {
                    return None;
                }
                *all.get_mut(count)? = Some(Found { step, variant, kernel, blocks, threads });
                count += 1;
            }
        }
        #[cfg(debug_assertions)]
        let mut expected = self.thorough(launch, args).into_iter();
        let mut launch = *launch;
        let dependent = launch.dependent;
        for found in all[..count].iter().flatten() {
            let Found { step, variant, kernel, blocks, threads } = *found;
            let mut room = [const { MaybeUninit::uninit() }; PARAMETERS];
            let parameters = several.steps[step].parameters(args, &memory, &mut room);
            let ready = self.ready(&launch, kernel, (step, variant), blocks, threads, parameters);
            #[cfg(debug_assertions)]
            assert_eq!(expected.next(), Some(Self::said(&ready)));
            // SAFETY: the parameters are those of this kernel, whose artifact was checked against them; the quick way found that
            // every address behind them has the elements that the kernel touches, exclusively where it writes.
            if let Err(error) = unsafe { self.go(ready) } {
                return Some(Err(error));
            }
            launch.dependent = self.lets_go(dependent, blocks, &self.plan.kernels()[step].schedule);
        }
        #[cfg(debug_assertions)]
        assert_eq!(expected.next(), None);
        Some(Ok(()))
    }
}
