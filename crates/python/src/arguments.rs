//! What a call of a kernel is given: its arguments by position and by name, whose tensors they are, and where their elements
//! are.

use crate::binding::{Family, View, no_tensor};
use crate::failure::{kind_of, refused, wrong};
use crate::kernel::Kernel;
use crate::results::{Extent, Made, OutPort, objects_of};
use crate::signature::{InPort, Source};
use ::routefuse::DType;
use ::routefuse::diag::Code;
use ::routefuse::exec::Device;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use smallvec::SmallVec;

/// The arguments of a call, by parameter, and behind them what is drawn for it.
pub type Arguments<'py> = SmallVec<[Bound<'py, PyAny>; 12]>;

/// Where the elements of each input are.
pub type Inputs = SmallVec<[View; 12]>;

/// Numbers that are inputs of rank 0: 8 bytes each, which stay where they are during a launch.
pub type Numbers = SmallVec<[Box<[u8; 8]>; 1]>;

/// What a call is given by keyword.
pub struct Keywords<'a, 'py> {
    pub out: Option<Bound<'py, PyAny>>,
    pub dims: Option<Bound<'py, PyAny>>,
    pub error_word: Option<Bound<'py, PyAny>>,
    /// Every other keyword.
    pub inputs: Option<&'a Bound<'py, PyDict>>,
}

/// The keywords that a kernel has of its own, unless one of its parameters is called so.
const OWN: [&str; 3] = ["out", "dims", "error_word"];

impl Kernel {
    /// Which object is which parameter's; and what is drawn.
    #[inline]
    pub(crate) fn assign<'py>(
        &self,
        py: Python<'py>,
        positional: &Bound<'py, PyTuple>,
        keywords: &mut Keywords<'_, 'py>,
        arguments: &mut Arguments<'py>,
    ) -> PyResult<()> {
        let by_name = keywords.inputs.is_some_and(|named| !named.is_empty());
        if positional.len() == self.parameters.len() && !by_name {
            arguments.extend(positional.iter_borrowed().map(|object| object.to_owned()));
        } else {
            self.assign_by_name(py, positional, keywords, arguments)?;
        }
        for draw in &self.drawn {
            arguments.push(draw.bind(py).call0()?);
        }
        Ok(())
    }

    #[inline(never)]
    fn assign_by_name<'py>(
        &self,
        py: Python<'py>,
        positional: &Bound<'py, PyTuple>,
        keywords: &mut Keywords<'_, 'py>,
        arguments: &mut Arguments<'py>,
    ) -> PyResult<()> {
        let extra = |message: String| wrong(py, Code::ExtraArgument, message, format!("it takes {}", self.signature()));
        if positional.len() > self.parameters.len() {
            let (n, most) = (positional.len(), self.parameters.len());
            return Err(extra(format!("{n} tensors are given, and `{}` takes {most}", self.name())));
        }
        let mut given: SmallVec<[Option<Bound<'py, PyAny>>; 12]> = positional.iter().map(Some).collect();
        given.resize(self.parameters.len(), None);
        for (name, object) in keywords.inputs.into_iter().flatten() {
            // A keyword of a call is mostly an interned text, and so the very one.
            let at = match self.parameters.iter().position(|p| p.key.is(&name)) {
                Some(at) => Some(at),
                None => self.parameters.iter().position(|p| name.eq(p.name.as_str()).unwrap_or(false)),
            };
            let Some(at) = at else {
                return Err(extra(format!("`{}` has no input `{name}`", self.name())));
            };
            if given[at].replace(object).is_some() {
                return Err(extra(format!("`{name}` is given twice")));
            }
        }
        // A parameter comes before a keyword of the same name.
        let own = [&mut keywords.out, &mut keywords.dims, &mut keywords.error_word];
        for (name, object) in OWN.into_iter().zip(own) {
            if let Some(at) = self.parameters.iter().position(|p| p.name == name)
                && given[at].is_none()
            {
                given[at] = object.take();
            }
        }
        for (object, parameter) in given.into_iter().zip(&self.parameters) {
            let Some(object) = object else {
                let message = format!("`{}` of `{}` is not given", parameter.name, self.name());
                return Err(wrong(py, Code::MissingArgument, message, format!("it takes {}", self.signature())));
            };
            arguments.push(object);
        }
        Ok(())
    }

    /// The tensor of each input.
    #[inline]
    pub(crate) fn tensors<'a, 'py>(
        &'a self,
        py: Python<'py>,
        arguments: &'a Arguments<'py>,
    ) -> impl Iterator<Item = (&'a InPort, &'a Bound<'py, PyAny>)> {
        self.inputs.iter().map(move |port| (port, self.tensor(py, port, arguments)))
    }

    /// The tensor of an input.
    #[inline]
    pub(crate) fn tensor<'a, 'py>(
        &'a self,
        py: Python<'py>,
        port: &'a InPort,
        arguments: &'a Arguments<'py>,
    ) -> &'a Bound<'py, PyAny> {
        match &port.of {
            Source::Argument(at) => &arguments[*at],
            Source::Bound(tensor) => tensor.bind(py),
        }
    }

    /// Whose tensors these are: those of the first that is no number.
    #[inline]
    pub(crate) fn family<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'py>,
        keywords: &Keywords<'_, 'py>,
    ) -> PyResult<Family> {
        let mut first = None;
        for (port, object) in self.tensors(py, arguments) {
            if let Some(family) = Family::of(object)? {
                return Ok(family);
            }
            first = first.or(Some((port, object)));
        }
        let outs = keywords.out.as_ref().map(objects_of).transpose()?;
        for object in outs.iter().flatten() {
            if let Some(family) = Family::of(object)? {
                return Ok(family);
            }
        }
        match first {
            Some((port, object)) if !(port.rank == 0 && is_number(object)) => Err(no_tensor(&port.name, object)),
            _ if self.device() == Device::Host => Ok(Family::Array),
            _ => Err(refused(
                py,
                format!("`{}` is given no tensor: give `out=` tensors of {}", self.name(), self.device()),
            )),
        }
    }

    /// Where the elements of the inputs are.
    #[inline]
    pub(crate) fn read_inputs<'py>(
        &self,
        py: Python<'py>,
        family: Family,
        arguments: &Arguments<'py>,
        numbers: &mut Numbers,
        views: &mut Inputs,
    ) -> PyResult<()> {
        for (port, object) in self.tensors(py, arguments) {
            if !family.has(object)? {
                views.push(self.other(py, port, object, numbers)?);
                continue;
            }
            let mut view = family.read(&port.name, object, port.written)?;
            if let Some(row) = port.matrix_row {
                view = self.matrix_row(py, port, view, row)?;
            }
            views.push(view.as_bits_of(port.dtype, family));
        }
        Ok(())
    }

    fn matrix_row(&self, py: Python<'_>, port: &InPort, view: View, row: u64) -> PyResult<View> {
        view.matrix_row(row).ok_or_else(|| {
            let message = format!("`{}` is {:?}, and row {row} of it is an input", port.name, view.shape());
            wrong(py, Code::ArgumentExtent, message, format!("give a tensor with more than {row} rows"))
        })
    }

    /// What is no tensor of the family: a number, or an error.
    #[inline(never)]
    fn other<'py>(
        &self,
        py: Python<'py>,
        port: &InPort,
        object: &Bound<'py, PyAny>,
        numbers: &mut Numbers,
    ) -> PyResult<View> {
        if Family::of(object)?.is_some() {
            let message = format!("`{}` is a {}, and other arguments are not", port.name, kind_of(object));
            return Err(wrong(py, Code::WrongDevice, message, "give all as torch tensors, or all as arrays"));
        }
        if port.rank == 0 && is_number(object) {
            if port.written {
                let message = format!("`{}` is written, and a number cannot be", port.name);
                return Err(wrong(py, Code::NotInPlace, message, "give an array or a tensor of rank 0"));
            }
            return self.number(py, &port.name, port.dtype, object, numbers);
        }
        Err(no_tensor(&port.name, object))
    }

    /// A number for a scalar input, by value.
    fn number(
        &self,
        py: Python<'_>,
        name: &str,
        dtype: DType,
        object: &Bound<'_, PyAny>,
        numbers: &mut Numbers,
    ) -> PyResult<View> {
        if self.device() != Device::Host {
            let message =
                format!("`{name}` is a number, and kernels on {} read scalars from its memory", self.device());
            return Err(wrong(py, Code::WrongDevice, message, "give a tensor of rank 0 there"));
        }
        // Of a scalar of numpy's the Python number.
        let plain = object.call_method0("item");
        let plain = plain.as_ref().unwrap_or(object);
        let literal = if dtype.is_float() {
            plain.extract().ok().and_then(|number| ::routefuse::ir::Literal::from_f64(dtype, number))
        } else {
            plain.extract().ok().and_then(|number| ::routefuse::ir::Literal::from_int(dtype, number))
        };
        let Some(literal) = literal else {
            let message = format!("`{name}` is {object}, which does not fit {dtype}");
            return Err(wrong(py, Code::ArgumentDType, message, format!("give a number that {dtype} has")));
        };
        numbers.push(Box::new(literal.bits().to_le_bytes()));
        let at = numbers.len() - 1;
        Ok(View::scalar(numbers[at].as_mut_ptr(), dtype))
    }

    /// Refuses tensors that want gradients: a kernel has none. Only floats can want them.
    #[inline]
    pub(crate) fn refuse_gradients<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'py>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let wants = |name: &str, object: &Bound<'py, PyAny>| {
            crate::binding::torch::wants_grad(name, object).map_or(Ok(()), Err)
        };
        for (port, object) in self.tensors(py, arguments) {
            if port.dtype.is_float() {
                wants(&port.name, object)?;
            }
        }
        let Some(out) = out else { return Ok(()) };
        // A dict has them in any order.
        objects_of(out)?.iter().try_for_each(|object| wants("out", object))
    }

    /// The extents of symbolic dims: those of the inputs, or else what `dims` says, or those of the outputs that are given, or the
    /// least that a bound allows.
    #[inline]
    pub(crate) fn extents(
        &self,
        py: Python<'_>,
        inputs: &[View],
        given: &Made<'_>,
        keywords: &Keywords<'_, '_>,
    ) -> PyResult<SmallVec<[u64; 4]>> {
        let symbols = &self.plan.program().symbols;
        let mut extents: SmallVec<[u64; 4]> = SmallVec::new();
        for (s, (symbol, from)) in symbols.iter().zip(&self.rows_of).enumerate() {
            // One of another rank is refused at launch.
            extents.push(match from {
                Some(input) => inputs[*input].shape().first().copied().unwrap_or(0),
                None => self.stated(py, (s, symbol), &extents, given, keywords)?,
            });
        }
        Ok(extents)
    }

    #[cold]
    fn stated(
        &self,
        py: Python<'_>,
        (s, symbol): (usize, &str),
        before: &[u64],
        given: &Made<'_>,
        keywords: &Keywords<'_, '_>,
    ) -> PyResult<u64> {
        if let Some(n) = keywords.dims.as_ref().and_then(|dims| dims.get_item(symbol).ok()) {
            return n.extract();
        }
        let has = |port: &OutPort| matches!(port.seen.first(), Some(Extent::Rows(1, of)) if *of as usize == s);
        if let Some((_, (_, view))) = self.own_outputs().zip(given).find(|(port, _)| has(port)) {
            return Ok(view.shape().first().copied().unwrap_or(0));
        }
        // A dim is bounded by one that is declared before it.
        if let Some(bound) = self.plan.program().bounds.iter().find(|b| b.symbol().0 as usize == s) {
            return Ok(bound.least_at(before));
        }
        let message = format!("no input of `{}` says how large the dim {symbol} is", self.name());
        Err(wrong(py, Code::SymbolConflict, message, format!("say it: dims={{\"{symbol}\": …}}")))
    }
}

/// Whether it is a Python number, or a scalar of numpy's.
fn is_number(object: &Bound<'_, PyAny>) -> bool {
    use pyo3::types::{PyBool, PyFloat, PyInt};
    let py = object.py();
    let has = |name| object.hasattr(name).unwrap_or(false);
    object.is_instance_of::<PyInt>()
        || object.is_instance_of::<PyFloat>()
        || object.is_instance_of::<PyBool>()
        || has(intern!(py, "__array_interface__")) && !has(intern!(py, "__setitem__"))
}
