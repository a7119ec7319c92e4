//! What a launch needs to know, for programs that launch compiled code without this library: `docs/reference/abi.md` is about it, and
//! `docs/reference/schemas/manifest.json` describes its form.
//!
//! Nothing is worked out here. Slots, grids and the workspace are what the functions give that a launch calls as well.

use super::Stages;
use crate::error::Error;
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::formula::{Ask, Count, Formula};
use routefuse_ir::kernel::abi::NARROW_ELEMENTS;
use routefuse_ir::kernel::schedule::{MOST_BLOCKS, Scheduled, Variant, most_threads};
use routefuse_ir::program::{Buffer, Extents, Port, Program, Source, Step, WORKSPACE_ALIGN};
use routefuse_ir::target::TargetKind;
use routefuse_ir::{Alias, BoundTerm, Code, Diagnostic, Dim, DimBound, Layout, SymbolId, TensorType};
use routefuse_runtime::{Compiler, Key};
use serde_json::{Map, Value, json};

/// The version of the manifest's form.
const FORM: u32 = 2;
/// The name of the error word among the arguments.
const ERROR_WORD: &str = "error_word";

/// What a graph became for a target, with the files that its code is in: see [`Engine::manifest`](crate::Engine::manifest).
#[derive(Clone, Debug)]
pub struct TargetFiles<'a> {
    /// The program and its kernels.
    pub stages: &'a Stages,
    /// For each kernel in order, one for each of its variants in order: the file's path, seen from the manifest, and what is in it.
    pub files: Vec<(String, &'a Artifact)>,
}

/// The manifest of a graph's code: see [`Engine::manifest`](crate::Engine::manifest).
pub(crate) fn manifest(targets: &[TargetFiles<'_>], compiler: &dyn Compiler) -> Result<String, Error> {
    let Some(first) = targets.first() else {
        let message = "a manifest of no target";
        return Err(Diagnostic::new(Code::Internal, message).help("give what was compiled for one at least").into());
    };
    let program = &first.stages.program;
    let of_targets = targets.iter().map(|t| target(t, compiler)).collect::<Result<Vec<_>, _>>()?;
    let manifest = json!({
        "manifest": FORM,
        "graph": program.name,
        "compiler": compiler.version(),
        "symbols": program.symbols,
        "bounds": bounds(program),
        "arguments": arguments(program),
        "targets": of_targets,
    });
    Ok(format!("{manifest:#}"))
}

/// The least extents of dims of capacity: `times` × the least of ⌊(`times` × T + `plus`) / `over`⌋, but at least 0.
fn bounds(program: &Program) -> Vec<Value> {
    let name = |s: SymbolId| &program.symbols[s.0 as usize];
    let bound = |bound: &DimBound| {
        let terms = bound.terms().iter().map(|term| {
            let BoundTerm { over, times, plus } = *term;
            json!({ "times": times, "plus": plus, "over": over })
        });
        let terms: Vec<Value> = terms.collect();
        json!({ "symbol": name(bound.symbol()), "of": bound.of().map(name), "times": bound.times(), "terms": terms })
    };
    program.bounds.iter().map(bound).collect()
}

/// Inputs, outputs, and the error word: what a launch is given.
fn arguments(program: &Program) -> Vec<Value> {
    let argument = |port: &Port, role: &str| {
        let Port { name, ty, layout, alias } = port;
        let layout = match layout {
            Layout::Contiguous => "contiguous",
            Layout::Rows => "rows",
            Layout::Strided => "strided",
        };
        let alias = match *alias {
            Alias::None => None,
            Alias::InPlace(i) => Some(("in_place", i)),
            Alias::Donates(i) => Some(("donates", i)),
            Alias::Guarded(i) => Some(("guarded", i)),
        };
        let alias = alias.map(|(kind, i)| json!({ "kind": kind, "input": program.inputs[i].name }));
        let rest = json!({ "role": role, "layout": layout, "alias": alias, "zeroed": false });
        tensor(program, name, ty, rest)
    };
    let inputs = program.inputs.iter().map(|port| argument(port, "input"));
    let outputs = program.outputs.iter().map(|port| argument(port, "output"));
    // It is set where a gather traps, and never cleared.
    let word = json!({ "role": "error_word", "layout": "contiguous", "alias": null, "zeroed": true });
    let word = program.has_trap.then(|| tensor(program, ERROR_WORD, &program.buffer_type(Buffer::ErrorWord), word));
    inputs.chain(outputs).chain(word).collect()
}

/// A tensor's name, elements and extents, with `rest`.
fn tensor(program: &Program, name: &str, ty: &TensorType, rest: Value) -> Value {
    let shape = ty.shape.iter().map(|dim| match dim {
        Dim::Const(n) => json!(n),
        Dim::Sym(s) => json!(program.symbols[s.0 as usize]),
    });
    let mut tensor = Map::new();
    tensor.insert("name".to_owned(), name.into());
    tensor.insert("dtype".to_owned(), ty.dtype.to_string().into());
    tensor.insert("element_bytes".to_owned(), ty.dtype.size().into());
    tensor.insert("shape".to_owned(), shape.collect());
    if let Value::Object(rest) = rest {
        tensor.extend(rest);
    }
    Value::Object(tensor)
}

fn target(target: &TargetFiles<'_>, compiler: &dyn Compiler) -> Result<Value, Error> {
    let TargetFiles { stages, files } = target;
    let program = &stages.program;
    let of = stages.kernels.first().map_or(routefuse_ir::target::Target::host(), |k| k.target);
    let names = buffer_names(program);
    let mut files = files.iter();
    let mut kernels = Vec::with_capacity(stages.kernels.len());
    for (at, scheduled) in stages.kernels.iter().enumerate() {
        let files: Vec<&(String, &Artifact)> = files.by_ref().take(scheduled.variants().len()).collect();
        if !scheduled.variants().iter().eq(files.iter().map(|(_, artifact)| &artifact.variant)) {
            return Err(defect(program, "has not one file for each kernel and variant"));
        }
        // A kernel on either side of the extents of another one is told twice, with the same files.
        for step in program.steps[at].of_ranges() {
            kernels.push(kernel(program, &names, (at, &step, scheduled), &files, compiler)?);
        }
    }
    let machine = match of.kind() {
        TargetKind::Host => "host",
        TargetKind::Nvptx => "cuda",
        TargetKind::Amdgpu => "hip",
    };
    let workspace = workspace(program, &names)?;
    Ok(json!({ "target": of.name(), "machine": machine, "workspace": workspace, "kernels": kernels }))
}

/// A name for each buffer of the workspace that no other tensor has.
fn buffer_names(program: &Program) -> Vec<String> {
    let ports = program.inputs.iter().chain(&program.outputs).map(|port| port.name.as_str()).chain([ERROR_WORD]);
    let mut taken: Vec<String> = ports.map(str::to_owned).collect();
    let first = taken.len();
    for (n, buffer) in program.intermediates.iter().enumerate() {
        let mut name = if buffer.name.is_empty() { format!("buffer{n}") } else { buffer.name.clone() };
        while taken.contains(&name) {
            name.push('_');
        }
        taken.push(name);
    }
    taken.split_off(first)
}

fn workspace(program: &Program, names: &[String]) -> Result<Value, Error> {
    let mut places = Vec::with_capacity(names.len());
    let bytes = program.lay_out(Formula::Extent, |offset, bytes| places.push((offset, bytes)));
    let bytes = bytes.ok_or_else(|| defect(program, "has a workspace of more than 63 bits"))?;
    let buffers = program.intermediates.iter().zip(names).zip(places).map(|((buffer, name), (offset, bytes))| {
        let rest = json!({
            "offset": formula(&offset, program), "bytes": formula(&bytes, program), "zeroed": false,
        });
        tensor(program, name, &buffer.ty, rest)
    });
    let buffers: Vec<Value> = buffers.collect();
    Ok(json!({ "bytes": formula(&bytes, program), "align": WORKSPACE_ALIGN, "buffers": buffers }))
}

/// One key, which says what is computed: [`Formula`] as `docs/reference/abi.md` describes it.
fn formula(of: &Formula, program: &Program) -> Value {
    let part = |of: &Formula| formula(of, program);
    match of {
        Formula::Number(n) => json!(n),
        Formula::Extent(s) => json!({ "extent": program.symbols[s.0 as usize] }),
        Formula::Device(Ask::Multiprocessors) => json!({ "device": "multiprocessors" }),
        Formula::Device(Ask::ResidentBlocks) => json!({ "device": "resident_blocks" }),
        Formula::Sum(both) => json!({ "add": [part(&both[0]), part(&both[1])] }),
        Formula::Product(a, n) => json!({ "mul": [part(a), n] }),
        Formula::Quotient(a, n) => json!({ "ceil_div": [part(a), n] }),
        Formula::Least(both) => json!({ "min": [part(&both[0]), part(&both[1])] }),
    }
}

fn kernel(
    program: &Program,
    names: &[String],
    (at, step, scheduled): (usize, &Step, &Scheduled),
    files: &[&(String, &Artifact)],
    compiler: &dyn Compiler,
) -> Result<Value, Error> {
    let symbol = |s: SymbolId| &program.symbols[s.0 as usize];
    let name = |buffer: Buffer| match buffer {
        Buffer::Input(i) => &*program.inputs[i].name,
        Buffer::Output(o) => &*program.outputs[o].name,
        Buffer::Intermediate(i) => &*names[i],
        Buffer::ErrorWord => ERROR_WORD,
    };
    let sources = step.sources(program, scheduled.target).ok_or_else(|| defect(program, "names what it has not"))?;
    let slots = sources.iter().map(|source| match *source {
        Source::Address(buffer) => json!({ "kind": "pointer", "tensor": name(buffer) }),
        Source::Stride(buffer, dim) => json!({ "kind": "stride", "tensor": name(buffer), "dim": dim }),
        Source::Extent(s) => json!({ "kind": "extent", "symbol": symbol(s) }),
        Source::Fixed(value) => json!({ "kind": "value", "value": value }),
    });
    let slots: Vec<Value> = slots.collect();
    let unchanged = step.guarded_outputs(program).unwrap_or_default();
    let unchanged: Vec<&str> = unchanged.into_iter().map(|o| &*program.outputs[o].name).collect();
    let aligned = step.fixed_strides_are_aligned(scheduled.target);
    // What no launch takes is not in the list.
    let rows_taken = own_rows(step);
    let is_taken = |shape| both(rows_taken, scheduled.schedule.rows_of_shape(shape)).is_some();
    let taken = files.iter().filter(|(_, artifact)| is_taken(artifact.variant.shape));
    let files = taken.filter(|(_, artifact)| aligned || !artifact.variant.aligned);
    let variants = files.map(|(file, artifact)| variant(program, (step, scheduled), (file, artifact), compiler));
    Ok(json!({
        "name": scheduled.kernel.name,
        "rows": step.rows().map(symbol),
        "runs_without_rows": scheduled.schedule.least_blocks() > 0 && rows_taken.0 == 0,
        "taken": step.taken.map(|t| json!({ "by": symbol(t.symbol), "least": t.least, "most": t.most })),
        "most_rows": program.most_rows(at),
        "nothing_to_do_if_in_place": unchanged,
        "slots": slots,
        "slot_bytes": 8 * sources.len(),
        "schedule": scheduled.schedule.to_string(),
        "variants": variants.collect::<Result<Vec<_>, Error>>()?,
    }))
}

/// How many rows of its own it has where it runs, of a step of one range.
fn own_rows(step: &Step) -> Extents {
    step.rows_taken().first().copied().unwrap_or((0, None))
}

/// The rows that are both between the first two numbers and between the second two; none if none are.
fn both(a: Extents, b: Extents) -> Option<Extents> {
    let (least, most) = (a.0.max(b.0), a.1.into_iter().chain(b.1).min());
    most.is_none_or(|most| least <= most).then_some((least, most))
}

fn variant(
    program: &Program,
    (step, scheduled): (&Step, &Scheduled),
    (file, artifact): (&str, &Artifact),
    compiler: &dyn Compiler,
) -> Result<Value, Error> {
    // Destructured so that a new field cannot be forgotten.
    let Artifact { target, variant, schedule: _, slots: _, entry, format, code } = artifact;
    let Variant { aligned, narrow, shape } = *variant;
    let format = match format {
        CodeFormat::SharedObject => "shared_object",
        CodeFormat::Ptx => "ptx",
        CodeFormat::Cubin => "cubin",
        CodeFormat::Hsaco => "hsaco",
    };
    let rows = scheduled.schedule.rows_of_shape(shape);
    let (least_rows, most_rows) = both(own_rows(step), rows).unwrap_or(rows);
    let launch = match target.kind() {
        TargetKind::Host => host_launch(scheduled),
        TargetKind::Nvptx | TargetKind::Amdgpu => gpu_launch(program, step, scheduled, *variant)?,
    };
    Ok(json!({
        "name": variant.to_string(),
        "file": file,
        "format": format,
        "bytes": code.len(),
        "entry": entry,
        "part": scheduled.schedule.part(*variant),
        "key": Key::of(scheduled, *variant, compiler).to_string(),
        "requires": {
            "align": if aligned { 16 } else { 1 },
            "most_elements": narrow.then_some(NARROW_ELEMENTS),
            "least_rows": least_rows,
            "most_rows": most_rows,
        },
        "launch": launch,
    }))
}

/// A call of `void entry(const uint64_t *slots, uint64_t row_begin, uint64_t row_end, void *scratch)`.
fn host_launch(scheduled: &Scheduled) -> Value {
    json!({
        "rows_in_parts": scheduled.kernel.rows.is_some() && !scheduled.kernel.is_ordered(),
        "scratch_bytes": scheduled.scratch_bytes(),
    })
}

fn gpu_launch(program: &Program, step: &Step, scheduled: &Scheduled, variant: Variant) -> Result<Value, Error> {
    let Scheduled { schedule, target, .. } = scheduled;
    let too_large = || defect(program, "has a grid of more than 63 bits");
    let rows = step.rows().map_or(Formula::number(1), Formula::Extent);
    let resident = || Formula::Device(Ask::ResidentBlocks);
    let blocks = schedule.grid(rows, variant, resident).ok_or_else(too_large)?;
    let threads = schedule.threads(variant);
    let dependent = match target.abilities().dependent_launch {
        true => {
            let most = schedule.most_dependent(variant, Formula::Device(Ask::Multiprocessors));
            formula(&most.ok_or_else(too_large)?, program)
        }
        false => Value::Null,
    };
    Ok(json!({
        "blocks": formula(&blocks, program),
        "least_blocks": schedule.least_blocks(),
        "most_blocks": MOST_BLOCKS.min(most_threads(target.kind()) / u64::from(threads.max(1))),
        "threads": threads,
        "dynamic_shared_bytes": schedule.dynamic_shared_bytes(variant),
        // A block waits for no other block.
        "cooperative": false,
        "persistent": schedule.is_persistent(variant),
        "most_dependent_blocks": dependent,
    }))
}

fn defect(program: &Program, what: &str) -> Error {
    Diagnostic::new(Code::Internal, format!("the program `{}` {what}", program.name))
        .help("this is a defect in routefuse; please report the graph")
        .into()
}
