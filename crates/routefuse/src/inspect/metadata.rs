//! What a launch needs to know of machine code, for programs that load it without this library.

use crate::error::Error;
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::kernel::abi::Slot;
use routefuse_ir::kernel::schedule::{Domain, Piece, RowShape, Schedule, Scheduled, Selecting};
use routefuse_ir::kernel::{Kernel, Param, Role};
use routefuse_ir::{Code, Diagnostic, Dim, Layout};
use routefuse_runtime::{Compiler, Key};
use serde_json::{Value, json};

/// The version of the metadata's form.
const FORMAT: u32 = 2;

/// The metadata of an artifact of a kernel, as JSON text: see [`Engine::metadata`](crate::Engine::metadata).
pub(crate) fn metadata(kernel: &Scheduled, artifact: &Artifact, compiler: &dyn Compiler) -> Result<String, Error> {
    // Destructured so that a new field cannot be forgotten.
    let Artifact { target, variant, schedule, slots, entry, format, code } = artifact;
    let k: &Kernel = &kernel.kernel;
    let code_format = match format {
        CodeFormat::SharedObject => "shared_object",
        CodeFormat::Ptx => "ptx",
        CodeFormat::Cubin => "cubin",
        CodeFormat::Hsaco => "hsaco",
    };
    let domains = |list: &[Domain]| list.iter().map(|d| domain(d, k)).collect::<Vec<_>>();
    let (schedule, grid) = match schedule {
        Schedule::Flat { threads, domains: list } => (
            json!({ "kind": "flat", "threads": threads, "domains": domains(list) }),
            "blocks = ceil(max over domains of pieces / threads); pieces of r rows are r * ceil(cols / width) \
                 in_row, ceil(r * cols / width) across, ceil(r / width) rows; no launch for 0 rows",
        ),
        Schedule::Row { shapes, block_rows, held, domains: list } => (
            json!({
                "kind": "row", "shapes": shapes.iter().map(|s| shape(*s, k)).collect::<Result<Vec<_>, _>>()?,
                "block_rows": block_rows, "held": held.iter().map(|v| v.0).collect::<Vec<_>>(), "domains": domains(list),
            }),
            "blocks = ceil(rows / (threads / lanes)) of the variant's shape, or fewer if it is persistent; no launch \
                 for 0 rows",
        ),
        other => return Err(unknown_schedule(k, other).into()),
    };
    let mut metadata = json!({
        "format": FORMAT,
        "key": Key::of(kernel, *variant, compiler).to_string(),
        "kernel": k.name,
        "entry": entry,
        "target": target.name(),
        "variant": {
            "name": variant.to_string(), "aligned_16": variant.aligned, "offsets_31_bits": variant.narrow,
            "shape": variant.shape,
        },
        "code": { "format": code_format, "bytes": code.len() },
        "params": k.params.iter().map(|p| param(p, k)).collect::<Vec<_>>(),
        "slots": slots.iter().map(|s| slot(*s, k)).collect::<Vec<_>>(),
        "rows": k.rows.map(|r| &k.symbols[r.0 as usize]),
        "schedule": schedule,
        "grid": grid,
        "compiler": compiler.version(),
    });
    if kernel.scratch_bytes() > 0 {
        metadata["scratch_bytes"] = kernel.scratch_bytes().into();
    }
    Ok(format!("{metadata:#}"))
}

fn shape(shape: RowShape, k: &Kernel) -> Result<Value, Diagnostic> {
    let RowShape { lanes, threads, persistent, selecting, most_rows } = shape;
    let selecting = match selecting {
        Selecting::InRegisters => "in_registers",
        Selecting::InMemory => "in_memory",
        Selecting::Sorted => "sorted",
        _ => return Err(unknown_schedule(k, &shape)),
    };
    Ok(json!({
        "lanes": lanes, "threads": threads, "persistent": persistent, "selecting": selecting, "most_rows": most_rows,
    }))
}

fn unknown_schedule(k: &Kernel, schedule: &dyn std::fmt::Display) -> Diagnostic {
    Diagnostic::new(Code::Internal, format!("the schedule of kernel `{}` has no metadata: {schedule}", k.name))
        .help("this is a defect in routefuse; please report the graph")
}

fn param(p: &Param, k: &Kernel) -> Value {
    let Param { name, role, ty, layout, aliases } = p;
    let role = match role {
        Role::Input => "input",
        Role::Output => "output",
        Role::ErrorWord => "error_word",
    };
    let layout = match layout {
        Layout::Contiguous => "contiguous",
        Layout::Rows => "rows",
        Layout::Strided => "strided",
    };
    let shape = ty.shape.iter().map(|d| match d {
        Dim::Const(n) => json!(n),
        Dim::Sym(s) => json!(k.symbols[s.0 as usize]),
    });
    json!({
        "name": name, "role": role, "dtype": ty.dtype.to_string(), "shape": shape.collect::<Vec<_>>(), "layout": layout,
        "alias": aliases.map(|a| &k.param(a).name),
    })
}

fn slot(s: Slot, k: &Kernel) -> Value {
    match s {
        Slot::Pointer(p) => json!({ "pointer": k.param(p).name }),
        Slot::Stride(p, dim) => json!({ "stride": k.param(p).name, "dim": dim }),
        Slot::Extent(s) => json!({ "extent": k.symbols[s.0 as usize] }),
    }
}

fn domain(d: &Domain, k: &Kernel) -> Value {
    let Domain { cols, stores, piece } = d;
    let (kind, width) = match piece {
        Piece::InRow { width } => ("in_row", width),
        Piece::AcrossRows { width } => ("across", width),
        Piece::Rows { width } => ("rows", width),
    };
    let outputs = stores.iter().filter_map(|&s| k.stores.get(s as usize)).map(|s| &k.param(s.param).name);
    json!({ "cols": cols, "piece": kind, "width": width, "outputs": outputs.collect::<Vec<_>>() })
}
