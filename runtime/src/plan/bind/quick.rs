//! The way of nearly every launch of one kernel. What does not depend on the call is worked out beforehand, and what is left takes a few
//! instructions an argument. Anything else, and anything that might be wrong, is for the thorough way, which says what it is.

use super::NARROW;
use super::quick_args::{Bytes, QuickArgs, SMALL};
use crate::args::{Args, Location};
use crate::plan::Plan;
use routefuse_ir::kernel::schedule::{MOST_SHAPES, Scheduled, Variant};
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// Parameters of a kernel.
pub(crate) const PARAMETERS: usize = 80;

/// What a launch is compared with.
pub(crate) struct Quick {
    args: QuickArgs,
    /// Where in the arguments each parameter of the kernel is, in bytes from the first one.
    parameters: Box<[u32]>,
    /// The argument whose leading extent is the number of rows.
    rows: Option<u8>,
    /// The most rows of each shape that is not the last; no number is more where there is none.
    most_rows: [u64; MOST_SHAPES - 1],
    /// The variant to launch, by the number of the shape and by what holds: 1 aligned, 2 narrow.
    by_what_holds: [[u8; 4]; MOST_SHAPES],
    variants: Box<[QuickVariant]>,
}

/// How many blocks a variant's grid has: `rows * times`, divided and rounded up.
struct QuickVariant {
    threads: u32,
    times: u64,
    /// Logarithm of what it is divided by.
    shift: u32,
    persistent: bool,
}

/// A launch that the quick way found right.
pub(crate) struct Found {
    /// The position of the variant.
    pub(crate) variant: usize,
    pub(crate) threads: u32,
    /// Blocks, before a persistent shape is cut to what is resident.
    pub(crate) blocks: u64,
    pub(crate) persistent: bool,
}

impl Quick {
    /// `None` for a plan that always goes the thorough way.
    pub(crate) fn new(plan: &Plan) -> Option<Quick> {
        let ([step], [scheduled]) = (&*plan.steps, &*plan.kernels) else { return None };
        if step.ordered
            || !plan.bounds.is_empty()
            || step.guarded.is_some()
            || !step.fixed_aligned
            || step.sources.len() > PARAMETERS
        {
            return None;
        }
        let (args, places) = QuickArgs::new(plan)?;
        let rows = match step.rows {
            Some(s) => Some(places.symbol(s)?),
            None => None,
        };
        let variants = scheduled.variants();
        let shapes = scheduled.schedule.shapes();
        let mut by_what_holds = [[0; 4]; MOST_SHAPES];
        for (shape, of_shape) in by_what_holds.iter_mut().enumerate().take(shapes.len().max(1)) {
            for (what, variant) in of_shape.iter_mut().enumerate() {
                let (aligned, narrow) = (what & 1 != 0, what & 2 != 0);
                let holds =
                    |v: &Variant| (aligned || !v.aligned) && (narrow || !v.narrow) && usize::from(v.shape) == shape;
                *variant = variants.iter().position(holds)? as u8;
            }
        }
        Some(Quick {
            args,
            parameters: step.sources.iter().map(|source| places.parameter(source)).collect::<Option<_>>()?,
            rows,
            most_rows: std::array::from_fn(|number| shapes.get(number).and_then(|s| s.most_rows).unwrap_or(u64::MAX)),
            by_what_holds,
            variants: variants.iter().map(|v| QuickVariant::new(scheduled, *v)).collect::<Option<_>>()?,
        })
    }

    /// Whether the arguments are right, and what to launch; `None` says nothing.
    #[inline]
    pub(crate) fn find(&self, args: &Args<'_>, location: Location) -> Option<Found> {
        let holds = self.args.check(args, location, &mut Bytes::new())?;
        let arguments = args.arguments();
        let rows = self.rows.map_or(1, |n| arguments[usize::from(n)].view.shape[0]);
        let narrow = holds.narrow & (rows <= NARROW);
        let what = usize::from(holds.aligned) | usize::from(narrow) << 1;
        let shape = self.most_rows.iter().filter(|most| **most < rows).count();
        let variant = usize::from(self.by_what_holds[shape][what]);
        let QuickVariant { threads, times, shift, persistent } = self.variants[variant];
        let blocks = (rows * times + ((1 << shift) - 1)) >> shift;
        (blocks < SMALL).then_some(Found { variant, threads, blocks, persistent })
    }

    /// Where the kernel's parameters are: in the arguments themselves, which nothing is copied out of.
    #[inline]
    pub(crate) fn parameters<'m>(
        &self,
        args: &Args<'_>,
        room: &'m mut [MaybeUninit<*mut c_void>; PARAMETERS],
    ) -> &'m mut [*mut c_void] {
        let base = args.arguments().as_ptr().cast::<u8>();
        for (parameter, at) in room.iter_mut().zip(&self.parameters) {
            parameter.write(base.wrapping_add(*at as usize).cast_mut().cast());
        }
        // SAFETY: so many were just written; there are no more than there is room for.
        unsafe { std::slice::from_raw_parts_mut(room.as_mut_ptr().cast(), self.parameters.len()) }
    }
}

impl QuickVariant {
    fn new(scheduled: &Scheduled, variant: Variant) -> Option<QuickVariant> {
        let (times, per_block) = scheduled.schedule.blocks_of_rows(variant)?;
        if times >= SMALL || !per_block.is_power_of_two() || per_block >= SMALL {
            return None;
        }
        Some(QuickVariant {
            threads: scheduled.schedule.threads(variant),
            times,
            shift: per_block.trailing_zeros(),
            persistent: scheduled.schedule.is_persistent(variant),
        })
    }
}
