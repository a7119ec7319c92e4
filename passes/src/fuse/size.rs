//! How large a kernel is, whatever the target: what decides whether it has to be cut.
//!
//! Kernels are a function of the graph alone, so one that is too large for any target is cut for all of them. Schedules are a
//! function of a target's kind, of its warp and of its abilities: the first target of each stands for all.

use crate::schedule::schedule_of;
use routefuse_ir::kernel::Kernel;
use routefuse_ir::kernel::schedule::code_size::{
    CodeSize, MOST_DEPTH, MOST_INSTRUCTIONS, MOST_STORED, depths, stores_by_domain,
};
use routefuse_ir::kernel::schedule::room::{Taken, needs};
use routefuse_ir::kernel::schedule::{Schedule, Variant};
use routefuse_ir::target::{Target, TargetKind};

/// The size of what just fits.
pub(super) const MOST: u64 = 1000;

/// The size of a kernel in thousandths of what one may have, of instructions, of depth or of room. Of what is far too large,
/// only that.
pub(super) fn size(kernel: &Kernel) -> u64 {
    let depth = depths(kernel, &[]).into_iter().max().unwrap_or(0);
    let mut most = depth * MOST / MOST_DEPTH;
    for (schedule, target) in schedules(kernel) {
        for need in needs(kernel, &schedule, target) {
            most = most.max(need.amount.saturating_mul(MOST).div_ceil(need.most));
        }
        for variant in shapes(&schedule, target) {
            if most > MOST {
                return most;
            }
            let mut size = CodeSize::new(kernel, &schedule, target, variant);
            size.add_stores();
            most = most.max((size.instructions() * MOST).div_ceil(MOST_INSTRUCTIONS));
            most = most.max((size.stored_at_once() * MOST).div_ceil(MOST_STORED));
        }
    }
    most
}

/// Whether the kernel is not too large.
pub(crate) fn fits(kernel: &Kernel) -> bool {
    size(kernel) <= MOST
}

/// The stores of a kernel in groups, each of as many neighbours as fit one kernel, as positions. Stores of one number of
/// columns are neighbours, as they are where the kernel's own size is counted; all stores of one value are in one group.
pub(super) fn groups(kernel: &Kernel) -> Vec<Vec<usize>> {
    let schedules: Vec<(Schedule, Target)> = schedules(kernel).collect();
    let empty = || -> Vec<CodeSize<'_>> {
        let of = |(schedule, target)| shapes(schedule, target).map(move |v| CodeSize::new(kernel, schedule, target, v));
        schedules.iter().flat_map(|(schedule, target)| of((schedule, *target))).collect()
    };
    let host = schedules.iter().find(|(_, target)| target.kind() == TargetKind::Host);
    let nothing = || Taken::new(kernel, host.map_or(&[][..], |(schedule, _)| schedule.held()));
    let mut groups: Vec<Vec<usize>> = vec![];
    let (mut group, mut sizes, mut taken) = (vec![], empty(), nothing());
    let order = stores_by_domain(kernel);
    for of_value in order.chunk_by(|one, other| kernel.stores[*one].value == kernel.stores[*other].value) {
        let grow = |sizes: &mut Vec<CodeSize<'_>>, taken: &mut Taken<'_>| {
            for store in of_value {
                sizes.iter_mut().for_each(|s| s.add_store(*store));
                taken.add_store(*store);
            }
            sizes.iter().any(CodeSize::is_too_large) || taken.is_too_much()
        };
        if grow(&mut sizes, &mut taken) && !group.is_empty() {
            groups.push(std::mem::take(&mut group));
            (sizes, taken) = (empty(), nothing());
            grow(&mut sizes, &mut taken);
        }
        group.extend(of_value);
    }
    groups.push(group);
    groups
}

fn schedules(kernel: &Kernel) -> impl Iterator<Item = (Schedule, Target)> {
    let has = |t: Target| (t.kind(), t.info().warp, t.info().vectors.lanes(), t.abilities());
    let alike = move |x: Target, y: Target| has(x) == has(y);
    let first = move |target: &Target| Target::all().find(|other| alike(*target, *other)) == Some(*target);
    Target::all().filter(first).map(|target| (schedule_of(kernel, target), target))
}

/// Variants that differ in their shape: how addresses lie changes little.
fn shapes(schedule: &Schedule, target: Target) -> impl Iterator<Item = Variant> + use<> {
    schedule.variants(target.kind()).iter().copied().filter(|v| !v.aligned && !v.narrow)
}
