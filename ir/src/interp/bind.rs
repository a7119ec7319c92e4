//! Arguments against declarations: what is wrong with them, and the extents that they give the symbols.

use super::MAX_ELEMENTS;
use crate::bound::{self, DimBound};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::dim::{Dim, SymbolId};
use crate::dtype::DType;
#[cfg(feature = "graphs")]
use crate::graph::Graph;
use crate::tensor::Tensor;
use crate::tensor_type::TensorType;
#[cfg(feature = "graphs")]
use crate::verify::Verified;
use std::borrow::Borrow;

/// What arguments are bound to.
pub(super) struct Declared<'a> {
    /// The graph's or program's name.
    pub(super) name: &'a str,
    /// The symbols' names.
    pub(super) symbols: &'a [String],
    /// The least extents of dims of capacity.
    pub(super) bounds: &'a [DimBound],
    /// The inputs' names and types.
    pub(super) inputs: Vec<(&'a str, &'a TensorType)>,
    /// Names and types of the inputs and outputs.
    pub(super) arguments: Vec<(&'a str, &'a TensorType)>,
    /// Names and types of all values, for the sizes; symbols in none of them need no extent.
    pub(super) values: Vec<(&'a str, &'a TensorType)>,
}

#[cfg(feature = "graphs")]
impl<'a> Declared<'a> {
    pub(super) fn of_graph(g: &'a Graph) -> Declared<'a> {
        Declared {
            name: &g.name,
            symbols: &g.symbols,
            bounds: &g.bounds,
            inputs: g.inputs.iter().map(|i| (i.name.as_str(), &g.node(i.node).ty)).collect(),
            arguments: {
                let outputs = g.outputs.iter().map(|o| (o.name.as_str(), &g.node(o.node).ty));
                g.inputs.iter().map(|i| (i.name.as_str(), &g.node(i.node).ty)).chain(outputs).collect()
            },
            values: g.nodes().map(|n| (n.name.as_str(), &n.ty)).collect(),
        }
    }
}

/// The extent of every symbol: from the inputs, and from `given` (by name) for those that no input has. A dim with a bound of
/// which nothing is said has the least extent that its bound allows.
///
/// # Errors
/// Every argument that is missing (`RF0601`), too many (`RF0602`), or of another dtype (`RF0603`), rank (`RF0604`) or
/// constant extent (`RF0605`); symbols with two extents (`RF0606`), with none (`RF0601`), or unknown (`RF0203`); dims below
/// their bound (`RF0607`); values that no machine could hold (`RF0614`).
#[cfg(feature = "graphs")]
pub fn extents(graph: &Verified<Graph>, inputs: &[Tensor], given: &[(&str, u64)]) -> Result<Vec<u64>, Diagnostics> {
    bind(&Declared::of_graph(graph), inputs, given)
}

/// Whether the interpreter runs the graph at these extents, one for each symbol. Compiled code has no such limit.
///
/// # Errors
/// Values of more than [`MAX_ELEMENTS`] elements (`RF0614`).
#[cfg(feature = "graphs")]
pub fn check_size(graph: &Verified<Graph>, extents: &[u64]) -> Result<(), Diagnostics> {
    interpretable(&Declared::of_graph(graph), extents)
}

/// See [`check_size`].
pub(super) fn interpretable(d: &Declared, extents: &[u64]) -> Result<(), Diagnostics> {
    let help = format!("the interpreter takes up to {MAX_ELEMENTS} elements; compiled code takes more");
    sizes_within(d, extents, MAX_ELEMENTS, &help)
}

/// An extent, and where it came from.
type Bound = Option<(u64, String)>;

pub(super) fn bind<T: Borrow<Tensor>>(
    d: &Declared,
    inputs: &[T],
    given: &[(&str, u64)],
) -> Result<Vec<u64>, Diagnostics> {
    let mut problems = Diagnostics::default();
    let mut bound: Vec<Bound> = vec![None; d.symbols.len()];
    for (name, extent) in given {
        match d.symbols.iter().position(|s| s == name) {
            Some(s) => bind_symbol(d, SymbolId(s as u32), *extent, "what was given", &mut bound, &mut problems),
            None => {
                let message = format!("`{}` has no dim `{name}`", d.name);
                let known = if d.symbols.is_empty() { "it has none".to_owned() } else { d.symbols.join(", ") };
                problems.push(Diagnostic::new(Code::UndefinedDim, message).help(format!("its dims are: {known}")));
            }
        }
    }
    for (name, ty) in d.inputs.iter().skip(inputs.len()) {
        problems.push(
            Diagnostic::new(Code::MissingArgument, format!("input `{name}` of `{}` has no argument", d.name))
                .help(format!("bind a tensor of {}", ty.text(d.symbols))),
        );
    }
    for i in d.inputs.len()..inputs.len() {
        let names: Vec<&str> = d.inputs.iter().map(|i| i.0).collect();
        let message = format!("argument {i} is more than `{}` takes", d.name);
        problems.push(Diagnostic::new(Code::ExtraArgument, message).help(format!(
            "it has {} inputs: {}",
            names.len(),
            names.join(", ")
        )));
    }
    for ((name, ty), tensor) in d.inputs.iter().zip(inputs) {
        bind_input(d, name, ty, tensor.borrow(), &mut bound, &mut problems);
    }
    problems.into_result(())?;
    resolve(d, &bound)
}

fn bind_input(
    d: &Declared,
    name: &str,
    ty: &TensorType,
    tensor: &Tensor,
    bound: &mut [Bound],
    problems: &mut Diagnostics,
) {
    let want = ty.text(d.symbols);
    let got = tensor_text(tensor.dtype(), tensor.shape());
    let mut report = |code, message: String| {
        problems.push(Diagnostic::new(code, message).help(format!("bind a tensor of {want}, not of {got}")));
    };
    if tensor.dtype() != ty.dtype {
        report(Code::ArgumentDType, format!("input `{name}` is {}, not {}", ty.dtype, tensor.dtype()));
    }
    if tensor.shape().len() != ty.shape.len() {
        let message = format!("input `{name}` has rank {}, not {}", ty.shape.len(), tensor.shape().len());
        report(Code::ArgumentRank, message);
        return;
    }
    for (axis, (dim, &extent)) in ty.shape.iter().zip(tensor.shape()).enumerate() {
        if dim.as_const().is_some_and(|n| n != extent) {
            let dim = crate::dim::shape_text(&[*dim], d.symbols);
            report(Code::ArgumentExtent, format!("dim {axis} of input `{name}` is {dim}, not {extent}"));
        }
    }
    for (dim, &extent) in ty.shape.iter().zip(tensor.shape()) {
        if let Dim::Sym(s) = dim {
            bind_symbol(d, *s, extent, &format!("input `{name}`"), bound, problems);
        }
    }
}

fn bind_symbol(
    d: &Declared,
    symbol: SymbolId,
    extent: u64,
    place: &str,
    bound: &mut [Bound],
    problems: &mut Diagnostics,
) {
    let slot = &mut bound[symbol.0 as usize];
    match slot {
        None => *slot = Some((extent, place.to_owned())),
        Some((first, _)) if *first == extent => {}
        Some((first, from)) => {
            let symbol = &d.symbols[symbol.0 as usize];
            let message = format!("the dim `{symbol}` is {first} by {from}, but {extent} by {place}");
            problems.push(
                Diagnostic::new(Code::SymbolConflict, message).help(format!("every `{symbol}` is the same extent")),
            );
        }
    }
}

/// Every used symbol has an extent, and every value fits.
fn resolve(d: &Declared, bound: &[Bound]) -> Result<Vec<u64>, Diagnostics> {
    let mut problems = Diagnostics::default();
    let mut known: Vec<Option<u64>> = bound.iter().map(|b| b.as_ref().map(|b| b.0)).collect();
    bound::complete(d.bounds, &mut known);
    for (s, symbol) in d.symbols.iter().enumerate() {
        let used = d.values.iter().any(|(_, ty)| ty.shape.contains(&Dim::Sym(SymbolId(s as u32))));
        if used && known[s].is_none() {
            problems.push(
                Diagnostic::new(Code::MissingArgument, format!("no input of `{}` gives the dim `{symbol}`", d.name))
                    .help(format!("give its extent, as in `{symbol}=64`")),
            );
        }
    }
    problems.into_result(())?;
    let extents: Vec<u64> = known.into_iter().map(Option::unwrap_or_default).collect();
    let used = |s| move |(_, ty): &&(&str, &TensorType)| ty.shape.first() == Some(&Dim::Sym(s));
    if let Some(b) = bound::broken(d.bounds, &extents) {
        let places: Vec<&str> = d.arguments.iter().filter(used(b.symbol())).map(|(name, _)| *name).collect();
        return Err(bound::too_small(d.name, b, d.symbols, &extents, &places).into());
    }
    sizes_within(d, &extents, MOST_ADDRESSED, "no machine has memory for it; give smaller extents")?;
    Ok(extents)
}

/// Values of more elements have more bytes than an address reaches.
const MOST_ADDRESSED: u64 = 1 << 59;

fn sizes_within(d: &Declared, extents: &[u64], most: u64, help: &str) -> Result<(), Diagnostics> {
    let mut problems = Diagnostics::default();
    for (name, ty) in &d.values {
        let shape: Vec<u64> = ty.shape.iter().map(|dim| dim.resolve(extents)).collect();
        if capacity(&shape).is_none_or(|n| n > most) {
            let message = format!("`{name}` is {}", tensor_text(ty.dtype, &shape));
            problems.push(Diagnostic::new(Code::ExtentTooLarge, message).help(help));
        }
    }
    problems.into_result(())
}

/// The product of the extents, an empty one counting as 1, so that no product of some of them overflows either; `None` if
/// this one does.
fn capacity(shape: &[u64]) -> Option<u64> {
    shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d.max(1)))
}

pub(super) fn tensor_text(dtype: DType, shape: &[u64]) -> String {
    let dims: Vec<String> = shape.iter().map(u64::to_string).collect();
    format!("{dtype}[{}]", dims.join(", "))
}
