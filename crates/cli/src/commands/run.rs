//! `routefuse run`.

use crate::args::{CacheOptions, Inputs, Run};
use crate::atomic_file::{self, Over};
use crate::difference;
use crate::failure::Failure;
use crate::file_name::file_name;
use crate::tensor_place::Place;
use crate::{kernel_cache, output, progress, remote, source, tensor_file};
use routefuse::diag::{Code, Diagnostic, Diagnostics, visible};
use routefuse::exec::{Device, Executor, Input, Outcome, check_size, random_inputs};
use routefuse::ir::{bound, interp};
use routefuse::{DType, Graph, Options, Plan, Tensor, Verified};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

pub fn run(a: &Run, cache: &CacheOptions) -> Result<(), Failure> {
    let graph = source::graph(&a.graph)?;
    let (inputs, row_strides) = bind(&graph, &a.inputs, a.check, Over::forced(a.force, Over::Nothing))?;
    let given: Vec<(&str, u64)> = a.inputs.dims.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    // Every argument is checked before anything is compiled.
    let extents = interp::extents(&graph, &inputs, &given)?;
    if a.check {
        interp::check_size(&graph, &extents)?;
    }
    let options = Options::default().fuse(!a.unfused).shape(a.forced.shape);
    let engine = kernel_cache::engine(cache)?;
    let executor = Executor::on(a.on.device.into())?;
    let target = executor.target()?;
    let plan = progress::compiling(|bar| {
        let plan = engine.compile(&graph, &target, &options)?;
        Plan::prepare_all(std::slice::from_ref(&plan), None, &bar.report())?;
        Ok::<_, Failure>(plan)
    })?;
    let views = inputs.iter().zip(row_strides).map(|(tensor, row_stride)| Input { tensor, row_stride });
    let views: Vec<Input<'_>> = views.collect();
    let Outcome { outputs, trapped, .. } = progress::showing(|bar| {
        bar.say("running");
        executor.run_with(plan, &views, &given)
    })?;
    remote::settle(&engine);
    let mut out = output::stdout(a.json);
    if a.check {
        let want = progress::showing(|bar| {
            bar.say("interpreting");
            interp::run(&graph, &inputs, &given)
        })?;
        if let Some(difference) = difference::first(&outputs, &want.outputs) {
            return Err(Failure::Mismatch(difference));
        }
        // The other way round is no fault: fusion drops gathered elements that no output needs, and their traps with them.
        if trapped && !want.trapped {
            return Err(Failure::Mismatch(
                "the error word is set, and the interpreter says that nothing traps".to_owned(),
            ));
        }
        if !a.json {
            let (n, elements) = (want.outputs.len(), want.outputs.iter().map(Tensor::len).sum::<usize>());
            let s = if n == 1 { "" } else { "s" };
            writeln!(
                out,
                "@{}: {n} output{s}, {elements} elements, every bit as the interpreter's",
                visible(&graph.name)
            )?;
        }
    }
    if let Some(path) = &a.out {
        atomic_file::make_folder(path)?;
        atomic_file::write_all(&files(path, &outputs)?, Over::forced(a.force, Over::Nothing))?;
    }
    if a.json {
        let outputs: Vec<Value> = outputs.iter().map(|(name, tensor)| machine(name, tensor, a.print)).collect();
        let device = Device::from(a.on.device).to_string();
        let json = json!({
            "graph": graph.name, "device": device, "target": target.name(), "outputs": outputs,
            // A run that differs ends before this.
            "checked": a.check, "error_word": u8::from(trapped),
        });
        return Ok(writeln!(out, "{json:#}")?);
    }
    if a.print || (a.out.is_none() && !a.check) {
        for (name, tensor) in &outputs {
            print(&mut out, name, tensor)?;
        }
    }
    if trapped {
        writeln!(out, "error word: 1 (a gather with the policy `trap` met an index out of range)")?;
    }
    Ok(())
}

/// The files of tensors, with their bytes.
fn files(folder: &Path, tensors: &[(String, Tensor)]) -> Result<Vec<(PathBuf, Vec<u8>)>, Diagnostic> {
    let file = |(name, tensor): &(String, Tensor)| {
        Ok((folder.join(file_name(name, ".npy")?), tensor_file::npy(name, tensor)?))
    };
    tensors.iter().map(file).collect()
}

/// The inputs of a run, and of each how far apart its rows lie, where it is columns of a wider file.
pub type Bound = (Vec<Tensor>, Vec<Option<u64>>);

/// The inputs in order: from files, or else from the seed. With `check` they are for the interpreter too; where drawn ones are
/// saved, they may go over what `over` says.
pub fn bind(graph: &Verified<Graph>, a: &Inputs, check: bool, over: Over) -> Result<Bound, Failure> {
    let mut problems = Vec::new();
    let names: Vec<&str> = graph.inputs.iter().map(|i| i.name.as_str()).collect();
    let mut files: Vec<Option<Tensor>> = vec![None; names.len()];
    let mut tried = vec![false; names.len()];
    let mut row_strides = vec![None; names.len()];
    for (name, path) in &a.inputs {
        match names.iter().position(|n| n == name) {
            None => problems.push(
                Diagnostic::new(Code::ExtraArgument, format!("`@{}` has no input `{name}`", graph.name))
                    .help(format!("its inputs are {}", names.join(", "))),
            ),
            Some(i) if tried[i] => {
                let message = format!("input `{name}` is given twice");
                problems.push(Diagnostic::new(Code::ExtraArgument, message).help("give each input once"));
            }
            Some(i) => {
                tried[i] = true;
                let ty = graph.input_type(i);
                match tensor_file::read(
                    name,
                    &Place::written(path),
                    ty.dtype,
                    Some(ty.shape.len()),
                    tensor_file::INPUTS,
                ) {
                    Ok((tensor, row_stride)) => (files[i], row_strides[i]) = (Some(tensor), row_stride),
                    Err(d) => problems.push(d),
                }
            }
        }
    }
    check_dims(graph, &a.dims, &mut problems);
    if a.seed.is_none() {
        missing(graph, &names, &tried, &mut problems);
    }
    Diagnostics::from(problems).into_result(())?;
    if let Some(seed) = a.seed.filter(|_| files.iter().any(Option::is_none)) {
        let extents = extents(graph, &files, &a.dims)?;
        check_size(graph, &extents)?;
        if check {
            interp::check_size(graph, &extents)?;
        }
        let drawn: Vec<(String, Tensor)> =
            names.iter().map(|n| (*n).to_owned()).zip(random_inputs(graph, &extents, seed)).collect();
        if let Some(folder) = &a.save_inputs {
            let made: Vec<(String, Tensor)> =
                drawn.iter().zip(&files).filter(|(_, file)| file.is_none()).map(|(drawn, _)| drawn.clone()).collect();
            atomic_file::make_folder(folder)?;
            atomic_file::write_all(&self::files(folder, &made)?, over)?;
        }
        for (file, (_, random)) in files.iter_mut().zip(drawn) {
            file.get_or_insert(random);
        }
    }
    Ok((files.into_iter().flatten().collect(), row_strides))
}

fn check_dims(graph: &Graph, dims: &[(String, u64)], problems: &mut Vec<Diagnostic>) {
    for (name, _) in dims.iter().filter(|(name, _)| !graph.symbols.contains(name)) {
        let known = if graph.symbols.is_empty() { "none".to_owned() } else { graph.symbols.join(", ") };
        problems.push(
            Diagnostic::new(Code::UndefinedDim, format!("`@{}` has no dim `{name}`", graph.name))
                .help(format!("its dims are: {known}")),
        );
    }
}

fn missing(graph: &Graph, names: &[&str], tried: &[bool], problems: &mut Vec<Diagnostic>) {
    let missing: Vec<String> =
        names.iter().zip(tried).filter(|(_, tried)| !**tried).map(|(name, _)| format!("`{name}`")).collect();
    if !missing.is_empty() {
        let s = if missing.len() == 1 { "" } else { "s" };
        let message = format!("no argument for the input{s} {} of `@{}`", missing.join(", "), graph.name);
        problems.push(
            Diagnostic::new(Code::MissingArgument, message)
                .help("give `--in NAME=FILE`, or `--seed N` to fill the rest with random values"),
        );
    }
}

/// The extents that `--dim` and the given files bind, for the inputs that the seed makes. Conflicts are found later, when
/// all inputs are there.
fn extents(graph: &Graph, files: &[Option<Tensor>], dims: &[(String, u64)]) -> Result<Vec<u64>, Diagnostics> {
    let named = |s: &String| dims.iter().find(|d| d.0 == *s).map(|d| d.1);
    let mut extents: Vec<Option<u64>> = graph.symbols.iter().map(named).collect();
    for (i, tensor) in files.iter().enumerate() {
        let (Some(tensor), Some(symbol)) = (tensor, graph.input_type(i).row_symbol()) else { continue };
        let extent = &mut extents[symbol.0 as usize];
        *extent = extent.or(tensor.shape().first().copied());
    }
    bound::complete(&graph.bounds, &mut extents);
    let open = graph.symbols.iter().zip(&extents).filter(|(_, e)| e.is_none()).map(|(symbol, _)| {
        Diagnostic::new(Code::MissingArgument, format!("the extent of the dim `{symbol}` is not known"))
            .help(format!("give `--dim {symbol}=64`, or an input that has it"))
    });
    open.collect::<Diagnostics>().into_result(())?;
    Ok(extents.into_iter().flatten().collect())
}

/// An output for programs: with its elements, in row-major order, if they are asked for.
fn machine(name: &str, tensor: &Tensor, elements: bool) -> Value {
    let value = |i: usize| {
        let element = tensor.get(i);
        let number = element.as_f64().map_or_else(
            || {
                element
                    .as_int()
                    .and_then(|n| i64::try_from(n).map(Value::from).or_else(|_| u64::try_from(n).map(Value::from)).ok())
            },
            |x| serde_json::Number::from_f64(x).map(Value::Number),
        );
        match tensor.dtype() {
            DType::Bool => Value::Bool(tensor.bits(i) == 1),
            // JSON has no NaN and no infinity.
            _ => number.unwrap_or_else(|| element.to_string().into()),
        }
    };
    let elements = elements.then(|| (0..tensor.len()).map(value).collect::<Vec<_>>());
    json!({ "name": name, "dtype": tensor.dtype().to_string(), "shape": tensor.shape(), "elements": elements })
}

/// A tensor, one row a line; long ones are cut in the middle.
fn print(out: &mut impl Write, name: &str, t: &Tensor) -> std::io::Result<()> {
    const ENDS: usize = 8;
    const COLUMNS: usize = 64;
    let shape: Vec<String> = t.shape().iter().map(u64::to_string).collect();
    writeln!(out, "{}: {}[{}]", visible(name), t.dtype(), shape.join(", "))?;
    let columns = t.shape().iter().skip(1).product::<u64>().max(1) as usize;
    let rows = t.len() / columns;
    let cut = rows > 2 * ENDS;
    let shown: Vec<usize> = (0..rows).filter(|r| !cut || *r < ENDS || *r >= rows - ENDS).collect();
    let cell = |r: usize, c: usize| t.get(r * columns + c).to_string();
    let width = |c: usize| shown.iter().map(|&r| cell(r, c).len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.min(COLUMNS)).map(width).collect();
    for (i, &r) in shown.iter().enumerate() {
        if cut && i == ENDS {
            writeln!(out, "  … {} rows …", rows - 2 * ENDS)?;
        }
        let row: Vec<String> = widths.iter().enumerate().map(|(c, w)| format!("{:>w$}", cell(r, c))).collect();
        writeln!(out, "  {}{}", row.join(" "), if columns > COLUMNS { " …" } else { "" })?;
    }
    Ok(())
}
