//! The kernel of a captured function: its calls take what the function takes, and return what the function returns.

use crate::failure::refused;
use crate::kernel::Kernel;
use crate::results::Extent;
use crate::signature::{InPort, Parameter, Return, Returns, Source};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::sync::Arc;

/// A function, beside the graph that was made of it: the arguments of `Kernel._returning`, which says what each is.
pub struct Function<'a, 'py> {
    pub leaves: Vec<(String, Bound<'py, PyAny>)>,
    pub shapes: &'a Bound<'py, PyDict>,
    pub unflatten: Option<Py<PyAny>>,
    pub info: Py<PyDict>,
    pub single: bool,
    pub parameters: Vec<(String, Option<usize>)>,
    pub bound: &'a Bound<'py, PyDict>,
    pub drawn: &'a Bound<'py, PyDict>,
    pub matrix_rows: &'a Bound<'py, PyDict>,
}

impl Kernel {
    /// The same kernel, called as the function is.
    pub(crate) fn of_function(&self, py: Python<'_>, function: Function<'_, '_>) -> PyResult<Kernel> {
        let Function { leaves, shapes, unflatten, info, single, parameters, bound, drawn, matrix_rows } = function;
        let leaf = |(kind, what): (String, Bound<'_, PyAny>)| match kind.as_str() {
            "output" | "argument" => {
                let at: usize = what.extract()?;
                let most = if kind == "output" { self.outputs.len() } else { parameters.len() };
                if at >= most {
                    return Err(refused(py, format!("there is no {kind} {at}")));
                }
                Ok(if kind == "output" { Return::Output(at) } else { Return::Argument(at) })
            }
            _ => Ok(Return::Constant(what.unbind())),
        };
        let mut kernel = Kernel::new(py, &self.engine, Arc::clone(&self.plan), self.place.again(), self.fused)?;
        for (at, shape) in shapes.iter() {
            let at: usize = at.extract()?;
            let mut seen = Vec::new();
            for dim in shape.cast::<PyList>()?.iter() {
                seen.push(match dim.extract::<u64>() {
                    Ok(n) => Extent::Const(n),
                    Err(_) => {
                        let (factor, name): (u64, String) = dim.extract()?;
                        let symbol = self.plan.program().symbols.iter().position(|s| *s == name);
                        let symbol = symbol.ok_or_else(|| refused(py, format!("there is no dim {name}")))?;
                        Extent::Rows(factor, symbol as u32)
                    }
                });
            }
            let port = kernel.outputs.get_mut(at).ok_or_else(|| refused(py, format!("there is no output {at}")))?;
            if seen.len() > crate::binding::view::MAX_RANK || !same_count(&seen, &port.shape) {
                return Err(refused(py, format!("output {at} has other elements than {shape}")));
            }
            port.seen = seen;
        }
        for (i, port) in kernel.inputs.iter_mut().enumerate() {
            port.matrix_row = matrix_rows.get_item(i)?.map(|row| row.extract()).transpose()?;
            let argument = parameters.iter().position(|p| p.1 == Some(i));
            port.of = match (argument, bound.get_item(i)?, drawn.get_item(i)?) {
                (Some(at), ..) => Source::Argument(at),
                (None, Some(tensor), _) => Source::Bound(tensor.unbind()),
                (None, None, Some(draw)) => {
                    kernel.drawn.push(draw.unbind());
                    Source::Argument(parameters.len() + kernel.drawn.len() - 1)
                }
                (None, None, None) => return Err(refused(py, format!("nothing is said of input `{}`", port.name))),
            };
        }
        kernel.parameters = parameters.iter().map(|p| Parameter::new(py, &p.0)).collect();
        kernel.returns =
            Returns { leaves: leaves.into_iter().map(leaf).collect::<PyResult<_>>()?, single, named: None, unflatten };
        kernel.info = info;
        #[cfg(feature = "compiler")]
        {
            kernel.graph.clone_from(&self.graph);
        }
        Ok(kernel)
    }

    /// The same kernel, whose calls return these outputs.
    pub(crate) fn giving_outputs(&self, py: Python<'_>, outputs: Vec<usize>) -> PyResult<Kernel> {
        if let Some(at) = outputs.iter().find(|o| **o >= self.outputs.len()) {
            return Err(refused(py, format!("there is no output {at}")));
        }
        let mut kernel = Kernel::new(py, &self.engine, Arc::clone(&self.plan), self.place.again(), self.fused)?;
        for (port, of) in kernel.inputs.iter_mut().zip(&self.inputs) {
            port.matrix_row = of.matrix_row;
            port.of = match &of.of {
                Source::Argument(at) => Source::Argument(*at),
                Source::Bound(tensor) => Source::Bound(tensor.clone_ref(py)),
            };
        }
        kernel.parameters = self.parameters.iter().map(|p| Parameter::new(py, &p.name)).collect();
        kernel.drawn = self.drawn.iter().map(|draw| draw.clone_ref(py)).collect();
        kernel.outputs.clone_from(&self.outputs);
        kernel.returns = Returns {
            leaves: outputs.into_iter().map(Return::Output).collect(),
            single: true,
            named: None,
            unflatten: None,
        };
        Ok(kernel)
    }

    /// How a call's arguments and results stand to inputs and outputs: what `Kernel._signature` gives.
    pub(crate) fn described<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        let argument = |port: &InPort| match port.of {
            Source::Argument(at) => Some(at).filter(|at| *at < self.parameters.len()),
            Source::Bound(_) => None,
        };
        let rows: Vec<usize> = self.inputs.iter().filter(|p| p.symbol.is_some()).filter_map(argument).collect();
        let leaf = |leaf: &Return| match leaf {
            Return::Output(o) => Ok(("output", o.into_pyobject(py)?.into_any())),
            Return::Argument(a) => Ok(("argument", a.into_pyobject(py)?.into_any())),
            Return::Constant(object) => Ok(("constant", object.bind(py).clone())),
        };
        dict.set_item("parameters", self.parameters.iter().map(|p| p.name.as_str()).collect::<Vec<_>>())?;
        dict.set_item("arguments", self.inputs.iter().map(argument).collect::<Vec<_>>())?;
        dict.set_item("rows", rows)?;
        dict.set_item("leaves", self.returns.leaves.iter().map(leaf).collect::<PyResult<Vec<_>>>()?)?;
        dict.set_item("single", self.returns.single && self.returns.leaves.len() == 1)?;
        dict.set_item("unflatten", self.returns.unflatten.is_some())?;
        dict.set_item("drawn", !self.drawn.is_empty())?;
        Ok(dict)
    }
}

/// Whether two shapes have equally many elements for every number of rows.
fn same_count(a: &[Extent], b: &[Extent]) -> bool {
    let count = |shape: &[Extent]| {
        let mut symbols = Vec::new();
        let mut factor = 1u64;
        for d in shape {
            match d {
                Extent::Const(n) => factor = factor.saturating_mul(*n),
                Extent::Rows(n, s) => {
                    factor = factor.saturating_mul(*n);
                    symbols.push(*s);
                }
            }
        }
        (symbols, factor)
    };
    count(a) == count(b)
}
