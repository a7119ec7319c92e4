//! The interpreter of kernels: every value of a row, then the stores of the row.
//!
//! A kernel is defined by what its stores ask for. Here all columns of all values are computed, operands first, which
//! gives the same bits; whether an element that was asked for trapped is carried along with it.
//!
//! Aliases are not modelled: outputs are buffers of their own.

mod phases;
mod step;

use super::bind::tensor_text;
use super::value::Elements;
use super::{MAX_ELEMENTS, Outcome};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::eval;
use crate::kernel::{Kernel, ParamId, Role, Store, ValueId};
use crate::literal::Literal;
use crate::tensor::Tensor;
use crate::verify::Verified;
use step::Step;

/// What every byte of an output is before a kernel writes it.
pub const POISON: u8 = 0xa5;

/// Runs a kernel. `extents[i]` is the extent of its `SymbolId(i)`; `inputs` are in the order of its input parameters, the
/// outcome's outputs in that of its output parameters.
///
/// # Errors
/// Inputs that do not fit the parameters (`RF0601` to `RF0605`), more than [`MAX_ELEMENTS`] elements (`RF0614`), and what
/// only a defective kernel does: a gather that is proved in range but is not, an output element that is not written
/// exactly once (`RF0501`).
pub fn run(kernel: &Verified<Kernel>, extents: &[u64], inputs: &[&Tensor]) -> Result<Outcome, Diagnostics> {
    if let Some(of) = &kernel.phases {
        bind(kernel, extents, inputs)?;
        return phases::run(kernel, of, extents, inputs);
    }
    let inputs = bind(kernel, extents, inputs)?;
    let row_extent = kernel.rows.map_or(1, |r| extents[r.0 as usize]);
    let arena = kernel.values.iter().try_fold(0u64, |n, v| n.checked_add(v.space.cols));
    if arena.is_none_or(|n| n > MAX_ELEMENTS) {
        let message = format!("a row of kernel `{}` has too many elements", kernel.name);
        return Err(Diagnostic::new(Code::ExtentTooLarge, message).into());
    }
    let mut row = Row { tracing: kernel.error_word().is_some(), ..Row::default() };
    let (mut uniform, mut per_row) = (vec![], vec![]);
    for (id, v) in kernel.values() {
        let step = Step::compile(kernel, id, &row, &inputs, extents)?;
        row.push(v.space.cols as usize);
        if v.space.per_row { &mut per_row } else { &mut uniform }.push(step);
    }
    let mut outputs = Written::of_kernel(kernel, extents, &inputs);
    let mut trapped = false;
    for step in &uniform {
        step.evaluate(0, &mut row).map_err(|p| defect(kernel, &p))?;
    }
    for t in 0..row_extent {
        for step in &per_row {
            step.evaluate(t, &mut row).map_err(|p| defect(kernel, &p))?;
        }
        for (store, output) in kernel.stores.iter().zip(&mut outputs) {
            if let Some(index) = store.add_at {
                trapped |= output.add(kernel, &row, store, index);
                continue;
            }
            if let Some(index) = store.put_at {
                trapped |= output.put(kernel, &row, store, index);
                continue;
            }
            let (space, from) = (kernel.param_space(store.param), row.starts[store.value.0 as usize]);
            let step = usize::from(kernel.value(store.value).space.cols != 1);
            let cols = space.cols as usize;
            let to = if space.per_row { t as usize * cols } else { 0 };
            for j in 0..cols {
                output.write(to + j, row.bits[from + j * step]);
                trapped |= row.traps[from + j * step];
            }
        }
    }
    outputs.sort_by_key(|o| o.param);
    let outputs: Result<Vec<Tensor>, Diagnostics> = outputs.into_iter().map(|o| o.finish(kernel)).collect();
    Ok(Outcome { outputs: outputs?, trapped })
}

fn defect(kernel: &Kernel, problem: &str) -> Diagnostics {
    Diagnostic::new(Code::InvalidKernel, format!("kernel `{}`: {problem}", kernel.name))
        .help("this is a defect in the compiler; please report the graph")
        .into()
}

/// A parameter's elements and shape; outputs and the error word have no elements to read.
struct Bound<'a> {
    elements: Elements<'a>,
    shape: Vec<u64>,
}

/// One for each parameter.
fn bind<'a>(kernel: &Kernel, extents: &[u64], inputs: &[&'a Tensor]) -> Result<Vec<Bound<'a>>, Diagnostics> {
    if extents.len() != kernel.symbols.len() {
        let message = format!("kernel `{}` takes {} extents, not {}", kernel.name, kernel.symbols.len(), extents.len());
        return Err(Diagnostic::new(Code::MissingArgument, message).into());
    }
    let mut left = inputs.iter();
    let mut bound = Vec::with_capacity(kernel.params.len());
    for p in &kernel.params {
        let shape: Vec<u64> = p.ty.shape.iter().map(|d| d.resolve(extents)).collect();
        if p.role != Role::Input {
            bound.push(Bound { elements: Elements::One(&[]), shape });
            continue;
        }
        let want = tensor_text(p.ty.dtype, &shape);
        let Some(tensor) = left.next() else {
            let message = format!("parameter `{}` of kernel `{}` has no argument", p.name, kernel.name);
            return Err(Diagnostic::new(Code::MissingArgument, message).help(format!("bind {want}")).into());
        };
        let code = match () {
            () if tensor.dtype() != p.ty.dtype => Code::ArgumentDType,
            () if tensor.shape().len() != shape.len() => Code::ArgumentRank,
            () if tensor.shape() != shape => Code::ArgumentExtent,
            () => {
                bound.push(Bound { elements: Elements::of(tensor), shape });
                continue;
            }
        };
        let got = tensor_text(tensor.dtype(), tensor.shape());
        let message = format!("parameter `{}` of kernel `{}` is {want}, not {got}", p.name, kernel.name);
        return Err(Diagnostic::new(code, message).into());
    }
    if left.next().is_some() {
        let message = format!("kernel `{}` takes fewer than {} inputs", kernel.name, inputs.len());
        return Err(Diagnostic::new(Code::ExtraArgument, message).into());
    }
    Ok(bound)
}

/// Every column of every value at one row.
#[derive(Default)]
struct Row {
    /// Where each value's columns begin.
    starts: Vec<usize>,
    bits: Vec<u64>,
    /// Whether a gather trapped on the way to the element.
    traps: Vec<bool>,
    /// The kernel has an error word; without one nothing traps, and nothing is carried along.
    tracing: bool,
}

impl Row {
    fn push(&mut self, cols: usize) {
        self.starts.push(self.bits.len());
        self.bits.resize(self.bits.len() + cols, 0);
        self.traps.resize(self.bits.len(), false);
    }
}

/// An output, and how often each element was written.
struct Written {
    param: ParamId,
    tensor: Tensor,
    times: Vec<u8>,
    /// Added to or put here and there, in what is in the aliased input, instead of written once.
    kept: bool,
}

impl Written {
    /// One for each store.
    fn of_kernel(kernel: &Kernel, extents: &[u64], inputs: &[Bound]) -> Vec<Written> {
        let of = |store: &Store| {
            let param = store.param;
            let ty = &kernel.param(param).ty;
            let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(extents)).collect();
            let mut tensor = Tensor::zeros(ty.dtype, &shape);
            tensor.bytes_mut().fill(POISON);
            if let (Some(_), Some(counts)) = (store.element(), kernel.param(param).aliases) {
                for i in 0..tensor.len() {
                    tensor.set_bits(i, inputs[counts.0 as usize].elements.get(i));
                }
            }
            Written { param, times: vec![0; tensor.len()], tensor, kept: store.element().is_some() }
        };
        kernel.stores.iter().map(of).collect()
    }

    /// Adds the store's value where its index says, for every column of a row. True if a gather on the way trapped.
    fn add(&mut self, kernel: &Kernel, row: &Row, store: &Store, index: ValueId) -> bool {
        let at = |v: ValueId, j: usize| row.starts[v.0 as usize] + if kernel.value(v).space.cols == 1 { 0 } else { j };
        let dtype = self.tensor.dtype();
        let mut trapped = false;
        for j in 0..kernel.store_cols(store) as usize {
            let (value, place) = (at(store.value, j), at(index, j));
            trapped |= row.traps[value] | row.traps[place];
            let element = eval::as_index(kernel.value(index).dtype, row.bits[place]);
            if let Some(e) = usize::try_from(element).ok().filter(|e| *e < self.tensor.len()) {
                let sum = self.tensor.bits(e).wrapping_add(row.bits[value]);
                self.tensor.set_bits(e, Literal::from_bits(dtype, sum).bits());
            }
        }
        trapped
    }

    /// Puts the store's value where its index says, for every column of a row. True if a gather on the way trapped.
    fn put(&mut self, kernel: &Kernel, row: &Row, store: &Store, index: ValueId) -> bool {
        let at = |v: ValueId, j: usize| row.starts[v.0 as usize] + if kernel.value(v).space.cols == 1 { 0 } else { j };
        let mut trapped = false;
        for j in 0..kernel.store_cols(store) as usize {
            let (value, place) = (at(store.value, j), at(index, j));
            trapped |= row.traps[value] | row.traps[place];
            let element = eval::as_index(kernel.value(index).dtype, row.bits[place]);
            if let Some(e) = usize::try_from(element).ok().filter(|e| *e < self.tensor.len()) {
                self.write(e, row.bits[value]);
            }
        }
        trapped
    }

    fn write(&mut self, element: usize, bits: u64) {
        self.tensor.set_bits(element, bits);
        self.times[element] = self.times[element].saturating_add(1);
    }

    fn finish(self, kernel: &Kernel) -> Result<Tensor, Diagnostics> {
        match self.times.iter().position(|&n| n > 1 || (n == 0 && !self.kept)) {
            None => Ok(self.tensor),
            Some(i) => {
                let (param, times) = (&kernel.param(self.param).name, self.times[i]);
                Err(defect(kernel, &format!("element {i} of output `{param}` is written {times} times")))
            }
        }
    }
}
