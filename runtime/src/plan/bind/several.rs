//! The way of nearly every launch of several kernels, or of one with memory between its phases. The arguments are looked at once, as for
//! one kernel ([`super::quick_args`]), and each kernel's parameters are found where they are. Memory is aligned and 31 bits reach it, as
//! they nearly always do. Anything else is for the thorough way.

use super::quick_args::{Bytes, QuickArgs};
use super::slots::Source;
use super::{NARROW, SYMBOLS, Span};
use crate::args::{Args, Location, WORKSPACE_ALIGN};
use crate::plan::Plan;
use crate::plan::bind::quick::PARAMETERS;
use routefuse_ir::kernel::schedule::Scheduled;
use routefuse_ir::program::Taken;
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// Buffers of the workspace that have room on the stack.
const SPACES: usize = 16;
/// Numbers of shapes of variants.
const SHAPES: usize = 8;

/// What launches are compared with.
pub(crate) struct Several {
    args: QuickArgs,
    /// The argument whose leading extent is that of each symbol.
    symbols: Box<[u8]>,
    spaces: Box<[Space]>,
    pub(crate) steps: Box<[QuickStep]>,
}

/// A buffer of the workspace.
struct Space {
    /// The symbol of its rows; none for one row.
    rows: Option<u32>,
    row_elements: u64,
    row_bytes: u64,
}

/// One kernel.
pub(crate) struct QuickStep {
    /// The symbol that counts its rows; none for one row.
    rows: Option<u32>,
    taken: Option<Taken>,
    parameters: Box<[Parameter]>,
    /// The variant of each shape that assumes most.
    variants: [Option<u8>; SHAPES],
}

/// Where the parameter of a kernel is.
enum Parameter {
    /// So many bytes from the first argument.
    Argument(u32),
    /// The address of a buffer of the workspace.
    Space(u8),
    /// Here.
    Fixed(u64),
}

/// What the kernels of a launch find.
pub(crate) struct Found {
    extents: [u64; SYMBOLS],
    /// The addresses of the workspace's buffers.
    spaces: [u64; SPACES],
}

impl Several {
    /// `None` for a plan that always goes the thorough way.
    pub(crate) fn new(plan: &Plan) -> Option<Several> {
        let fits = plan.program.symbols.len() <= SYMBOLS && plan.program.intermediates.len() <= SPACES;
        if !fits || plan.steps.is_empty() {
            return None;
        }
        let (args, places) = QuickArgs::new(plan)?;
        let symbols = (0..plan.program.symbols.len() as u32).map(|s| places.symbol(s)).collect::<Option<_>>()?;
        let spaces = plan.program.intermediates.iter().map(|i| {
            let (rows, row_elements) = (i.ty.row_symbol().map(|s| s.0), i.ty.row_elements()?);
            Some(Space { rows, row_elements, row_bytes: row_elements.checked_mul(i.ty.dtype.size())? })
        });
        let steps = plan.steps.iter().zip(&plan.kernels).map(|(step, scheduled)| {
            let (scheduled, sources): (&Scheduled, _) = (scheduled, &step.sources);
            if step.ordered || step.guarded.is_some() || !step.fixed_aligned || sources.len() > PARAMETERS {
                return None;
            }
            let parameter = |source: &Source| match *source {
                Source::Intermediate(i) => Some(Parameter::Space(i as u8)),
                Source::Fixed(value) => Some(Parameter::Fixed(value)),
                _ => places.parameter(source).map(Parameter::Argument),
            };
            let mut variants = [None; SHAPES];
            // The most special first.
            for (n, variant) in scheduled.variants().iter().enumerate().rev() {
                *variants.get_mut(usize::from(variant.shape))? = Some(n as u8);
            }
            let parameters = sources.iter().map(parameter).collect::<Option<_>>()?;
            Some(QuickStep { rows: step.rows, taken: step.taken, parameters, variants })
        });
        Some(Several { args, symbols, spaces: spaces.collect::<Option<_>>()?, steps: steps.collect::<Option<_>>()? })
    }

    /// What the kernels find, if the arguments and the workspace are right and as they nearly always are; `None` says nothing.
    #[inline]
    pub(crate) fn find(&self, plan: &Plan, args: &Args<'_>, location: Location, workspace: Span) -> Option<Found> {
        let mut bytes = Bytes::new();
        let holds = self.args.check(args, location, &mut bytes)?;
        if !holds.aligned || !holds.narrow {
            return None;
        }
        let mut found = Found { extents: [0; SYMBOLS], spaces: [0; SPACES] };
        for (extent, of) in found.extents.iter_mut().zip(&self.symbols) {
            *extent = args.arguments()[usize::from(*of)].view.shape[0];
            if *extent > NARROW {
                return None;
            }
        }
        let extents = &found.extents[..self.symbols.len()];
        let is_more = plan.most_rows.iter().any(|(s, most)| extents[*s as usize] > *most);
        if is_more || routefuse_ir::bound::broken(&plan.bounds, extents).is_some() {
            return None;
        }
        let align = WORKSPACE_ALIGN as u64;
        let mut end = workspace.begin;
        for (address, space) in found.spaces.iter_mut().zip(&self.spaces) {
            let rows = space.rows.map_or(1, |s| extents[s as usize]);
            if rows.checked_mul(space.row_elements)? > NARROW {
                return None;
            }
            *address = end;
            end = end.checked_add(rows.checked_mul(space.row_bytes)?.checked_next_multiple_of(align)?)?;
        }
        let (begin, size) = (workspace.begin, end - workspace.begin);
        if size > 0 && (size > workspace.bytes || begin % align != 0 || self.args.meets(&bytes, (begin, end))) {
            return None;
        }
        Some(found)
    }
}

impl QuickStep {
    /// For how many rows it runs; none if it is not taken.
    #[inline]
    pub(crate) fn rows(&self, found: &Found) -> Option<u64> {
        let taken = self.taken.is_none_or(|t| t.by(found.extents[t.symbol.0 as usize]));
        taken.then(|| self.rows.map_or(1, |s| found.extents[s as usize]))
    }

    /// The position of the variant of this shape.
    #[inline]
    pub(crate) fn variant(&self, shape: u8) -> Option<usize> {
        self.variants.get(usize::from(shape)).copied().flatten().map(usize::from)
    }

    /// Where the kernel's parameters are: in the arguments themselves, in what was found, and here.
    #[inline]
    pub(crate) fn parameters<'m>(
        &self,
        args: &Args<'_>,
        found: &Found,
        room: &'m mut [MaybeUninit<*mut c_void>; PARAMETERS],
    ) -> &'m mut [*mut c_void] {
        let base = args.arguments().as_ptr().cast::<u8>();
        for (parameter, at) in room.iter_mut().zip(&self.parameters) {
            parameter.write(match at {
                Parameter::Argument(at) => base.wrapping_add(*at as usize).cast_mut().cast(),
                Parameter::Space(n) => (&raw const found.spaces[usize::from(*n)]).cast_mut().cast(),
                Parameter::Fixed(value) => (&raw const *value).cast_mut().cast(),
            });
        }
        // SAFETY: so many were just written; there are no more than there is room for.
        unsafe { std::slice::from_raw_parts_mut(room.as_mut_ptr().cast(), self.parameters.len()) }
    }
}
