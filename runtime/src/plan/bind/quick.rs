//! The way of nearly every launch: one kernel, arguments in the order of declaration, row-major tensors that are not empty
//! and lie apart. What does not depend on the call is worked out beforehand, and what is left takes a few instructions an
//! argument. Anything else, and anything that might be wrong, is for the thorough way, which says what it is.

use super::ports::Port;
use super::slots::Source;
use super::{NARROW, PORTS};
use crate::args::{Args, Argument, Location, NameStart, View};
use crate::plan::Plan;
use routefuse_ir::kernel::schedule::{MOST_SHAPES, Scheduled, Variant};
use routefuse_ir::{Alias, DType, Layout};
use std::ffi::c_void;
use std::mem::{MaybeUninit, offset_of};

/// Rows, bytes of a row and of a stride below this multiply without overflow.
const SMALL: u64 = 1 << 31;
/// Dims of a tensor.
const RANK: usize = 3;
/// Parameters of a kernel.
pub(crate) const PARAMETERS: usize = 80;

/// What a launch is compared with.
pub(crate) struct Quick {
    /// Arguments in order: inputs, but those in whose memory an output lies, then outputs, then the error word.
    ports: Box<[QuickPort]>,
    /// How many of them are inputs.
    inputs: usize,
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

/// One argument, as it must be.
struct QuickPort {
    name: NameStart,
    kind: Kind,
    /// The argument that says the leading extent; itself if it is constant.
    rows_of: u8,
    symbolic: bool,
    strided_rows: bool,
    /// Bits of the address that decide about alignment; none if the kernel does not touch it.
    decides: u8,
    /// Logarithm of the element's size.
    shift: u8,
    shape: [u64; RANK],
    strides: [i64; RANK],
    /// Elements of all dims but the leading one, if that is symbolic or has a stride of its own; else all.
    row_elements: u64,
    /// The most elements that 31 bits reach; without end if the kernel does not touch it.
    narrow: u64,
}

/// What does not vary of an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kind {
    dtype: DType,
    rank: u8,
    writable: bool,
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
        let inputs = plan.program.inputs.len();
        // Which argument each port is: one of its own, or that of the output which lies in its memory.
        let mut positions = Vec::with_capacity(plan.ports.len());
        let mut taken = 0u8;
        for p in 0..plan.ports.len() {
            let shared = plan.shared.get(p).copied().flatten();
            positions.push(if shared.is_some() { u8::MAX } else { taken });
            taken += u8::from(shared.is_none());
            if usize::from(taken) > PORTS {
                return None;
            }
        }
        for (i, output) in plan.shared.iter().enumerate() {
            let Some(o) = output.map(|o| o as usize) else { continue };
            if !alike(&plan.ports[i], &plan.ports[o]) {
                return None;
            }
            positions[i] = positions[o];
        }
        let in_order = |p: &usize| plan.shared.get(*p).copied().flatten().is_none();
        let order: Vec<usize> = (0..plan.ports.len()).filter(in_order).collect();
        let defines = |s: u32| order.iter().position(|p| plan.ports[*p].symbol == Some(s)).map(|n| n as u8);
        let touched = |position: u8| {
            let at = |s: &Source| matches!(s, Source::Port(p) if positions[*p as usize] == position);
            step.sources.iter().any(at)
        };
        let mut ports = Vec::with_capacity(order.len());
        for (position, p) in order.iter().enumerate() {
            let port = &plan.ports[*p];
            let rows_of = port.symbol.map_or(Some(position as u8), &defines)?;
            ports.push(QuickPort::new(port, rows_of, touched(position as u8))?);
        }
        let argument = |n: u8| usize::from(n) * size_of::<Argument>() + offset_of!(Argument, view);
        let parameter = |source: &Source| {
            Some(match *source {
                Source::Port(p) => argument(positions[p as usize]) + offset_of!(View, ptr),
                Source::Stride(p, dim) if dim < RANK as u32 => {
                    argument(positions[p as usize]) + offset_of!(View, strides) + 8 * dim as usize
                }
                Source::Extent(s) => argument(defines(s)?) + offset_of!(View, shape),
                Source::Stride(..) | Source::Intermediate(_) | Source::Fixed(_) => return None,
            } as u32)
        };
        let rows = match step.rows {
            Some(s) => Some(defines(s)?),
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
            inputs: order.iter().filter(|p| **p < inputs).count(),
            ports: ports.into(),
            parameters: step.sources.iter().map(parameter).collect::<Option<_>>()?,
            rows,
            most_rows: std::array::from_fn(|number| shapes.get(number).and_then(|s| s.most_rows).unwrap_or(u64::MAX)),
            by_what_holds,
            variants: variants.iter().map(|v| QuickVariant::new(scheduled, *v)).collect::<Option<_>>()?,
        })
    }

    /// Whether the arguments are right, and what to launch; `None` says nothing.
    #[inline]
    pub(crate) fn find(&self, args: &Args<'_>, location: Location) -> Option<Found> {
        let arguments = args.arguments();
        if arguments.len() != self.ports.len() {
            return None;
        }
        let named = arguments.first()?.is_named();
        let mut begins = [const { MaybeUninit::<u64>::uninit() }; PORTS];
        let mut ends = [const { MaybeUninit::<u64>::uninit() }; PORTS];
        let (begins, ends) = (begins.get_mut(..arguments.len())?, ends.get_mut(..arguments.len())?);
        let (mut low, mut wide, mut meets) = (0u64, false, false);
        for (i, (port, argument)) in self.ports.iter().zip(arguments).enumerate() {
            let view = &argument.view;
            let kind = Kind { dtype: view.dtype, rank: view.rank, writable: argument.writable };
            let called = if named { argument.is_called(port.name) } else { !argument.is_named() };
            if kind != port.kind || view.location != location || !called {
                return None;
            }
            // At most 1 for a tensor without a symbolic leading dim, whose extents are all compared below.
            let mut rows = 1;
            let mut stride = 0;
            if usize::from(kind.rank) > 0 {
                let first = usize::from(port.symbolic);
                if port.symbolic {
                    rows = view.shape[0];
                    if rows != arguments[usize::from(port.rows_of)].view.shape[0] {
                        return None;
                    }
                }
                for d in first..usize::from(kind.rank) {
                    if view.shape[d] != port.shape[d] {
                        return None;
                    }
                }
                let first = usize::from(port.strided_rows);
                if port.strided_rows {
                    rows = view.shape[0];
                    if rows > 1 {
                        stride = view.strides[0] as u64;
                        // A stride under a row's elements would have rows overlap, which inputs may.
                        if stride < port.row_elements && kind.writable || stride >= SMALL >> 3 {
                            return None;
                        }
                    }
                }
                for d in first..usize::from(kind.rank) {
                    if view.strides[d] != port.strides[d] && view.shape[d] > 1 {
                        return None;
                    }
                }
            }
            if rows.wrapping_sub(1) >= SMALL {
                return None;
            }
            let elements =
                if port.strided_rows { (rows - 1) * stride + port.row_elements } else { rows * port.row_elements };
            let (begin, bytes) = (view.ptr.addr() as u64, elements << port.shift);
            let end = begin.wrapping_add(bytes);
            if bytes > view.bytes || end <= begin || begin & ((1 << port.shift) - 1) != 0 {
                return None;
            }
            low |= (begin | stride << port.shift) & u64::from(port.decides);
            wide |= elements > port.narrow;
            begins[i].write(begin);
            ends[i].write(end);
        }
        for o in self.inputs..arguments.len() {
            // SAFETY: the loop before wrote all of them.
            let (begin, end) = unsafe { (begins[o].assume_init(), ends[o].assume_init()) };
            for (other, other_end) in begins[..o].iter().zip(&ends[..o]) {
                // SAFETY: these come before `o`, and the loop before wrote all of them.
                let (other, other_end) = unsafe { (other.assume_init(), other_end.assume_init()) };
                meets |= (begin < other_end) & (other < end);
            }
        }
        if meets {
            return None;
        }
        let rows = self.rows.map_or(1, |n| arguments[usize::from(n)].view.shape[0]);
        wide |= rows > NARROW;
        let what = usize::from(low == 0) | usize::from(!wide) << 1;
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

impl QuickPort {
    fn new(port: &Port, rows_of: u8, touched: bool) -> Option<QuickPort> {
        let Port { ref name, writable, alias, dtype, rank, layout, symbol, .. } = *port;
        let name = NameStart::of(name);
        let guarded = matches!(alias, Alias::Guarded(_));
        if !name.is_whole() || guarded || layout == Layout::Strided || usize::from(rank) > RANK {
            return None;
        }
        let strided_rows = layout == Layout::Rows;
        // A scalar has no rows, whatever its layout is called.
        if strided_rows && rank == 0 {
            return None;
        }
        let row_elements = if strided_rows { port.inner_elements } else { port.row_elements };
        if row_elements == 0 || row_elements.checked_mul(dtype.size())? >= SMALL {
            return None;
        }
        let first = |a: &[u64]| [a[0], a[1], a[2]];
        Some(QuickPort {
            name,
            kind: Kind { dtype, rank, writable },
            rows_of,
            symbolic: symbol.is_some(),
            strided_rows,
            decides: if touched { 15 } else { 0 },
            shift: dtype.size().trailing_zeros() as u8,
            shape: first(&port.shape),
            strides: [port.strides[0], port.strides[1], port.strides[2]],
            row_elements,
            narrow: if touched { NARROW } else { u64::MAX },
        })
    }
}

/// The two take the same views, so that one check does for both.
fn alike(a: &Port, b: &Port) -> bool {
    let form = |p: &Port| (p.dtype, p.rank, p.layout, p.symbol, p.shape, p.strides);
    form(a) == form(b)
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
