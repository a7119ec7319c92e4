//! What a call gives: which outputs, in which shapes, and in what.

use crate::binding::view::MAX_RANK;
use crate::binding::{Family, View, array};
use crate::failure::{refused, wrong};
use ::routefuse::DType;
use ::routefuse::diag::Code;
use ::routefuse::exec::Device;
use ::routefuse::ir::{Alias, Dim, Port};
use pyo3::prelude::*;
use smallvec::SmallVec;

/// Each output's elements begin at a multiple of so many bytes.
const ALIGN: u64 = 128;

/// An extent of a result: constant, or so many times the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Const(u64),
    /// Times the extent of this symbol of the program.
    Rows(u64, u32),
}

impl Extent {
    #[inline]
    fn of(self, extents: &[u64]) -> u64 {
        match self {
            Extent::Const(n) => n,
            Extent::Rows(factor, symbol) => factor.saturating_mul(extents[symbol as usize]),
        }
    }
}

/// An output of a kernel.
#[derive(Clone, Debug)]
pub struct OutPort {
    pub name: String,
    pub dtype: DType,
    /// The graph's own shape.
    pub shape: Vec<Extent>,
    /// The shape that a caller sees, of the same elements in the same order.
    pub seen: Vec<Extent>,
    /// The input that it overwrites.
    pub in_place: Option<usize>,
}

impl OutPort {
    pub fn of(port: &Port) -> OutPort {
        let extent = |d: &Dim| match d {
            Dim::Const(n) => Extent::Const(*n),
            Dim::Sym(s) => Extent::Rows(1, s.0),
        };
        let shape: Vec<Extent> = port.ty.shape.iter().map(extent).collect();
        let in_place = match port.alias {
            Alias::InPlace(i) => Some(i),
            _ => None,
        };
        OutPort { name: port.name.clone(), dtype: port.ty.dtype, seen: shape.clone(), shape, in_place }
    }

    /// The view of the graph's shape on memory that a caller sees in another one.
    ///
    /// # Errors
    /// The memory has another shape than the caller is to see, or is not row-major: then it cannot be seen in both.
    #[inline]
    pub fn view(&self, py: Python<'_>, seen: View, extents: &[u64]) -> PyResult<View> {
        if self.seen == self.shape { Ok(seen) } else { self.view_of_seen(py, seen, extents) }
    }

    #[inline(never)]
    fn view_of_seen(&self, py: Python<'_>, seen: View, extents: &[u64]) -> PyResult<View> {
        let shape = |of: &[Extent]| of.iter().map(|d| d.of(extents)).collect::<SmallVec<[u64; MAX_RANK]>>();
        let expected = shape(&self.seen);
        let row_major = View::of(seen.ptr, seen.dtype, seen.device, &expected, None);
        if seen.shape() != expected.as_slice() || !row_major.is_some_and(|r| r.bytes() == 0 || r.is_same(&seen)) {
            let message = format!(
                "output `{}` is a row-major tensor of shape {expected:?}, and one of {:?} is given",
                self.name,
                seen.shape()
            );
            return Err(wrong(py, Code::BadStride, message, "give a contiguous tensor of that shape"));
        }
        View::of(seen.ptr, seen.dtype, seen.device, &shape(&self.shape), None)
            .ok_or_else(|| refused(py, format!("output `{}` would be too large", self.name)))
    }

    fn seen_shape(&self, extents: &[u64], room: &mut [i64; MAX_RANK]) -> usize {
        for (to, d) in room.iter_mut().zip(&self.seen) {
            *to = d.of(extents) as i64;
        }
        self.seen.len()
    }
}

/// Objects for outputs, and where their elements are, in the order of `wanted`.
pub type Made<'py> = SmallVec<[(Bound<'py, PyAny>, View); 8]>;

/// Makes tensors for outputs: of one block of memory where there are several.
#[inline]
pub fn make<'py, 'p>(
    py: Python<'py>,
    family: Family,
    device: Device,
    wanted: impl Iterator<Item = &'p OutPort> + Clone,
    extents: &[u64],
) -> PyResult<Made<'py>> {
    let mut made = Made::new();
    let exchange = match family {
        Family::Torch(torch) => torch.exchange(),
        Family::Array => None,
    };
    let Some(exchange) = exchange else {
        for port in wanted {
            let mut room = [0; MAX_RANK];
            let rank = port.seen_shape(extents, &mut room);
            let (object, view) = match family {
                Family::Array => {
                    let object = array::empty(py, port.dtype, &room[..rank])?;
                    let view = array::read(&port.name, &object, true)?.as_dtype(port.dtype);
                    (object, view)
                }
                Family::Torch(torch) => {
                    let object = torch.empty(py, device, port.dtype, &room[..rank])?;
                    let view = torch.read(&port.name, &object)?;
                    (object, view)
                }
            };
            made.push((object, view));
        }
        return Ok(made);
    };
    let view = |ptr: *mut u8, port: &OutPort, shape: &[i64]| {
        let mut extents = [0u64; MAX_RANK];
        for (to, n) in extents.iter_mut().zip(shape) {
            *to = *n as u64;
        }
        View::of(ptr, port.dtype, device, &extents[..shape.len()], None)
            .ok_or_else(|| refused(py, format!("output `{}` would be too large", port.name)))
    };
    let mut rest = wanted.clone();
    if let (Some(port), None) = (rest.next(), rest.next()) {
        let mut room = [0; MAX_RANK];
        let rank = port.seen_shape(extents, &mut room);
        view(std::ptr::null_mut(), port, &room[..rank])?;
        let (object, ptr) = exchange.tensor(py, device, port.dtype, &mut room[..rank])?;
        made.push((object, view(ptr, port, &room[..rank])?));
        return Ok(made);
    }
    let mut offsets = SmallVec::<[u64; 8]>::new();
    let mut bytes = 0u64;
    for port in wanted.clone() {
        let mut room = [0; MAX_RANK];
        let rank = port.seen_shape(extents, &mut room);
        let size = view(std::ptr::null_mut(), port, &room[..rank])?.bytes();
        offsets.push(bytes);
        bytes = bytes.saturating_add(size.next_multiple_of(ALIGN));
    }
    if offsets.is_empty() {
        return Ok(made);
    }
    let block = exchange.block(py, device, bytes.min(i64::MAX as u64))?;
    for (port, offset) in wanted.zip(offsets) {
        let mut room = [0; MAX_RANK];
        let rank = port.seen_shape(extents, &mut room);
        let (object, ptr) = exchange.part(py, (&block, offset), device, port.dtype, &room[..rank])?;
        made.push((object, view(ptr, port, &room[..rank])?));
    }
    Ok(made)
}
