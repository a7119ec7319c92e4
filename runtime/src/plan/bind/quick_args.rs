//! The arguments of nearly every launch: in the order of declaration, row-major tensors that are not empty and lie apart. What does not
//! depend on the call is worked out beforehand, and what is left takes a few instructions an argument.

use super::ports::Port;
use super::slots::Source;
use super::{NARROW, PORTS};
use crate::args::{Args, Argument, Location, NameStart, View};
use crate::plan::Plan;
use routefuse_ir::{Alias, DType, Layout};
use std::mem::{MaybeUninit, offset_of};

/// Rows, bytes of a row and of a stride below this multiply without overflow.
pub(super) const SMALL: u64 = 1 << 31;
/// Dims of a tensor.
const RANK: usize = 3;

/// What the arguments are compared with, in order: inputs, but those in whose memory an output lies, then outputs, then the error word.
pub(super) struct QuickArgs {
    ports: Box<[QuickPort]>,
    /// How many of them are inputs.
    inputs: usize,
    /// Names that are not whole at their start, with the arguments that have them.
    long: Box<[(u8, Box<str>)]>,
}

/// Where in the arguments what is asked for is.
pub(super) struct Places {
    /// Which argument each port is: one of its own, or that of the output which lies in its memory.
    positions: Vec<u8>,
    /// The argument whose leading extent is that of each symbol of the program.
    symbols: Vec<Option<u8>>,
}

/// The bytes of each argument, from the first to behind the last.
pub(super) struct Bytes {
    begins: [MaybeUninit<u64>; PORTS],
    ends: [MaybeUninit<u64>; PORTS],
}

/// What holds of arguments that are right.
#[derive(Clone, Copy)]
pub(super) struct Holds {
    /// What a kernel touches begins at multiples of 16 bytes.
    pub(super) aligned: bool,
    /// 31 bits reach every element of it.
    pub(super) narrow: bool,
}

/// One argument, as it must be.
struct QuickPort {
    name: NameStart,
    kind: Kind,
    /// The argument that says the leading extent; itself if it is constant.
    rows_of: u8,
    symbolic: bool,
    strided_rows: bool,
    /// Bits of the address that decide about alignment; none if no kernel touches it.
    decides: u8,
    /// Logarithm of the element's size.
    shift: u8,
    shape: [u64; RANK],
    strides: [i64; RANK],
    /// Elements of all dims but the leading one, if that is symbolic or has a stride of its own; else all.
    row_elements: u64,
    /// The most elements that 31 bits reach; without end if no kernel touches it.
    narrow: u64,
}

/// What does not vary of an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kind {
    dtype: DType,
    rank: u8,
    writable: bool,
}

impl QuickArgs {
    /// `None` for a plan whose arguments are always looked at thoroughly.
    pub(super) fn new(plan: &Plan) -> Option<(QuickArgs, Places)> {
        let inputs = plan.program.inputs.len();
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
            plan.steps.iter().any(|step| step.sources.iter().any(at))
        };
        let mut ports = Vec::with_capacity(order.len());
        for (position, p) in order.iter().enumerate() {
            let port = &plan.ports[*p];
            let rows_of = port.symbol.map_or(Some(position as u8), &defines)?;
            ports.push(QuickPort::new(port, rows_of, touched(position as u8))?);
        }
        let symbols = (0..plan.program.symbols.len() as u32).map(defines).collect();
        let name = |(at, p): (usize, &usize)| (at as u8, plan.ports[*p].name.clone());
        let long = order.iter().enumerate().map(name).filter(|(_, name)| !NameStart::of(name).is_whole()).collect();
        let args = QuickArgs { inputs: order.iter().filter(|p| **p < inputs).count(), ports: ports.into(), long };
        Some((args, Places { positions, symbols }))
    }

    /// What holds of the arguments if they are right, and in `bytes` where they are; `None` says nothing.
    #[inline(always)]
    pub(super) fn check(&self, args: &Args<'_>, location: Location, bytes: &mut Bytes) -> Option<Holds> {
        let arguments = args.arguments();
        if arguments.len() != self.ports.len() {
            return None;
        }
        let named = arguments.first()?.is_named();
        let is_other = |(at, name): &(u8, Box<str>)| args.name(&arguments[usize::from(*at)]) != Some(&**name);
        if named && self.long.iter().any(is_other) {
            return None;
        }
        let (mut low, mut wide, mut meets) = (0u64, false, false);
        let (begins, ends) = (bytes.begins.get_mut(..arguments.len())?, bytes.ends.get_mut(..arguments.len())?);
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
        (!meets).then_some(Holds { aligned: low == 0, narrow: !wide })
    }

    /// Whether an argument has one of these bytes, of arguments that were checked.
    #[inline]
    pub(super) fn meets(&self, bytes: &Bytes, (begin, end): (u64, u64)) -> bool {
        let arguments = bytes.begins.iter().zip(&bytes.ends).take(self.ports.len());
        arguments.fold(false, |meets, (other, other_end)| {
            // SAFETY: the check wrote as many as there are ports.
            let (other, other_end) = unsafe { (other.assume_init(), other_end.assume_init()) };
            meets | ((begin < other_end) & (other < end))
        })
    }
}

impl Bytes {
    /// Of no argument yet.
    #[inline(always)]
    pub(super) fn new() -> Bytes {
        Bytes { begins: [const { MaybeUninit::uninit() }; PORTS], ends: [const { MaybeUninit::uninit() }; PORTS] }
    }
}

impl Places {
    /// Where the parameter of a kernel is, in bytes from the first argument; none if it is no argument's.
    pub(super) fn parameter(&self, source: &Source) -> Option<u32> {
        let argument = |n: u8| usize::from(n) * size_of::<Argument>() + offset_of!(Argument, view);
        Some(match *source {
            Source::Port(p) => argument(self.positions[p as usize]) + offset_of!(View, ptr),
            Source::Stride(p, dim) if dim < RANK as u32 => {
                argument(self.positions[p as usize]) + offset_of!(View, strides) + 8 * dim as usize
            }
            Source::Extent(s) => argument(self.symbol(s)?) + offset_of!(View, shape),
            Source::Stride(..) | Source::Intermediate(_) | Source::Fixed(_) => return None,
        } as u32)
    }

    /// The argument whose leading extent is that of a symbol.
    pub(super) fn symbol(&self, symbol: u32) -> Option<u8> {
        self.symbols.get(symbol as usize).copied().flatten()
    }
}

impl QuickPort {
    fn new(port: &Port, rows_of: u8, touched: bool) -> Option<QuickPort> {
        let Port { ref name, writable, alias, dtype, rank, layout, symbol, .. } = *port;
        let name = NameStart::of(name);
        let guarded = matches!(alias, Alias::Guarded(_));
        if guarded || layout == Layout::Strided || usize::from(rank) > RANK {
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
