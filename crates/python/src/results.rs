//! What a call gives: which outputs, in which shapes, and in what.

use crate::arguments::Arguments;
use crate::binding::view::MAX_RANK;
use crate::binding::{Family, View, array, no_tensor};
use crate::failure::{refused, wrong};
use crate::kernel::Kernel;
use crate::signature::Return;
use ::routefuse::DType;
use ::routefuse::diag::Code;
use ::routefuse::exec::Device;
use ::routefuse::ir::{Alias, Dim, Port};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};
use smallvec::{SmallVec, smallvec};

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

impl Kernel {
    /// The outputs that lie in memory of their own.
    #[inline]
    pub(crate) fn own_outputs(&self) -> impl Iterator<Item = &OutPort> + Clone {
        self.outputs.iter().filter(|port| port.in_place.is_none())
    }

    /// Where each output goes: into an input, into `out`, or into new memory.
    #[inline]
    pub(crate) fn outputs_of<'py>(
        &self,
        py: Python<'py>,
        family: Family,
        (arguments, inputs): (&Arguments<'py>, &[View]),
        extents: &[u64],
        given: bool,
        outputs: &mut Made<'py>,
    ) -> PyResult<()> {
        if !given {
            make(py, family, self.device(), self.own_outputs(), extents, outputs)?;
        }
        for (port, (_, view)) in self.own_outputs().zip(outputs.iter_mut()) {
            *view = port.view(py, *view, extents)?;
        }
        if outputs.len() < self.outputs.len() {
            for (at, port) in self.outputs.iter().enumerate() {
                if let Some(i) = port.in_place {
                    outputs.insert(at, (self.tensor(py, &self.inputs[i], arguments).clone(), inputs[i]));
                }
            }
        }
        Ok(())
    }

    /// The tensors of `out=`: one, a sequence in the order of the outputs, or a mapping by their names.
    #[inline]
    pub(crate) fn given_outputs<'py>(
        &self,
        py: Python<'py>,
        family: Family,
        out: &Bound<'py, PyAny>,
        outputs: &mut Made<'py>,
    ) -> PyResult<()> {
        let objects = match out.cast::<PyDict>() {
            Ok(dict) => self.named_outputs(py, dict)?,
            Err(_) => objects_of(out)?,
        };
        let wanted = self.own_outputs().count();
        if objects.len() != wanted {
            let message = format!("`out` has {} tensors, and `{}` has {wanted} outputs", objects.len(), self.name());
            let code = if objects.len() < wanted { Code::MissingArgument } else { Code::ExtraArgument };
            return Err(wrong(py, code, message, format!("they are {}", self.names_of_outputs())));
        }
        for (port, object) in self.own_outputs().zip(objects) {
            if !family.has(&object)? {
                return Err(no_tensor(&port.name, &object));
            }
            let view = family.read(&port.name, &object, true)?.as_bits_of(port.dtype, family);
            outputs.push((object, view));
        }
        Ok(())
    }

    fn named_outputs<'py>(&self, py: Python<'py>, out: &Bound<'py, PyDict>) -> PyResult<Objects<'py>> {
        let find = |port: &OutPort| {
            out.get_item(&port.name)?.ok_or_else(|| {
                let message = format!("`out` has no output `{}`", port.name);
                wrong(py, Code::MissingArgument, message, format!("give one for each of {}", self.names_of_outputs()))
            })
        };
        if let Some(extra) = out.keys().iter().find(|k| !self.own_outputs().any(|p| k.to_string() == p.name)) {
            let message = format!("`{}` has no output `{extra}`", self.name());
            let help = format!("its outputs are {}", self.names_of_outputs());
            return Err(wrong(py, Code::ExtraArgument, message, help));
        }
        self.own_outputs().map(find).collect()
    }

    fn names_of_outputs(&self) -> String {
        self.own_outputs().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// What the call returns.
    #[inline]
    pub(crate) fn give<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'py>,
        outputs: &Made<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let one = |what: &Return| match what {
            Return::Output(o) => outputs[*o].0.clone(),
            Return::Argument(a) => arguments[*a].clone(),
            Return::Constant(object) => object.bind(py).clone(),
        };
        let results = &self.returns;
        if let Some(unflatten) = &results.unflatten {
            let leaves = PyList::new(py, results.leaves.iter().map(one))?;
            return unflatten.bind(py).call1((leaves,));
        }
        match results.leaves.as_slice() {
            [single] if results.single => Ok(one(single)),
            leaves => match &results.named {
                Some(named) => named_tuple(named.bind(py), leaves.iter().map(one)),
                None => Ok(PyTuple::new(py, leaves.iter().map(one))?.into_any()),
            },
        }
    }
}

/// A tuple of a class that `_results.named_results` made, as `tuple.__new__` makes one of another tuple.
#[inline]
fn named_tuple<'py>(
    class: &Bound<'py, PyType>,
    items: impl ExactSizeIterator<Item = Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the class is a tuple's, with nothing of its own beside the items, so that this is how its tuples are made; nobody
    // has the new one before its items are set.
    unsafe {
        let made = ffi::PyType_GenericAlloc(class.as_type_ptr(), items.len() as isize);
        let made = Bound::from_owned_ptr_or_err(class.py(), made)?;
        for (at, item) in items.enumerate() {
            if ffi::PyTuple_SetItem(made.as_ptr(), at as isize, item.into_ptr()) != 0 {
                return Err(PyErr::fetch(class.py()));
            }
        }
        Ok(made)
    }
}

/// The tensors that are given for outputs.
type Objects<'py> = SmallVec<[Bound<'py, PyAny>; 8]>;

/// The tensors of `out=`: one, or those of a sequence or a mapping.
pub fn objects_of<'py>(out: &Bound<'py, PyAny>) -> PyResult<Objects<'py>> {
    if let Ok(tuple) = out.cast::<PyTuple>() {
        return Ok(tuple.iter_borrowed().map(|object| object.to_owned()).collect());
    }
    if let Ok(dict) = out.cast::<PyDict>() {
        return Ok(dict.values().iter().collect());
    }
    if out.is_instance_of::<PyList>() {
        return out.try_iter()?.collect();
    }
    Ok(smallvec![out.clone()])
}

/// Makes tensors for outputs: of one block of memory where there are several.
#[inline]
fn make<'py, 'p>(
    py: Python<'py>,
    family: Family,
    device: Device,
    wanted: impl Iterator<Item = &'p OutPort> + Clone,
    extents: &[u64],
    made: &mut Made<'py>,
) -> PyResult<()> {
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
                    let view = array::read(&port.name, &object, true)?.as_bits_of(port.dtype, family);
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
        return Ok(());
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
        return Ok(());
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
        return Ok(());
    }
    let block = exchange.block(py, device, bytes.min(i64::MAX as u64))?;
    for (port, offset) in wanted.zip(offsets) {
        let mut room = [0; MAX_RANK];
        let rank = port.seen_shape(extents, &mut room);
        let (object, ptr) = exchange.part(py, (&block, offset), device, port.dtype, &room[..rank])?;
        made.push((object, view(ptr, port, &room[..rank])?));
    }
    Ok(())
}
