//! `gpu-suite PACK [--quick | --watched] [--only NAME] [--part I/N]`: the GPU's suite on a pack of code, where there is neither Rust nor LLVM.
//!
//! Without a GPU it says how much it skips; that is a failure if `REQUIRE_GPU` is set to anything but 0.

use routefuse_allocations::{self as allocations, Counting};
use routefuse_ir::target::Target;
use routefuse_ir::text;
use routefuse_runtime::cuda::Gpu;
use routefuse_tests::gpu::pack::Pack;
use routefuse_tests::gpu::{Code, Random, Scope, run};
use routefuse_tests::skips::skip;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

#[global_allocator]
static COUNTING: Counting = Counting;

const USAGE: &str = "gpu-suite PACK [--quick | --watched] [--only NAME] [--part I/N]";

/// `I/N` with `I < N`.
fn part(text: &str) -> Option<(usize, usize)> {
    let (this, parts) = text.split_once('/')?;
    Some((this.parse().ok()?, parts.parse().ok()?)).filter(|(this, parts)| this < parts)
}

fn main() -> ExitCode {
    match suite() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("gpu-suite: {e}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is well.
fn suite() -> Result<bool, String> {
    let mut scope = Scope::full();
    let (mut folder, mut arguments) = (None, std::env::args().skip(1));
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => scope = Scope { only: scope.only, part: scope.part, ..Scope::quick() },
            "--watched" => scope = Scope { only: scope.only, part: scope.part, ..Scope::watched() },
            "--part" => scope.part = arguments.next().and_then(|p| part(&p)).ok_or("`--part` takes I/N with I < N")?,
            "--only" => scope.only = Some(arguments.next().ok_or("`--only` takes a part of a name")?),
            _ if folder.is_none() && !argument.starts_with('-') => folder = Some(argument),
            _ => return Err(format!("unknown argument `{argument}`; {USAGE}")),
        }
    }
    let folder = folder.ok_or(USAGE)?;
    let folder = Path::new(&folder);
    scope.allocations = Some(allocations::of_this_thread);

    let index = folder.join("index.json");
    let index = std::fs::read_to_string(&index).map_err(|e| format!("{}: {e}", index.display()))?;
    let index: serde_json::Value = serde_json::from_str(&index).map_err(|e| format!("index.json: {e}"))?;
    let list = |name: &str| index[name].as_array().into_iter().flatten();
    let drawn = |list_name: &str, rows: bool| {
        list(list_name).filter_map(serde_json::Value::as_u64).map(|seed| Random { rows, seed }).collect::<Vec<_>>()
    };
    let random = [drawn("seeds", false), drawn("seeds_of_rows", true)].concat();
    let target = index["target"].as_str().ok_or("index.json has no target")?;
    let mut graphs = Vec::new();
    for name in list("graphs").filter_map(|n| n.as_str()) {
        let path = folder.join("graphs").join(format!("{name}.route"));
        let source = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let graph = text::parse_verified(&source).map_err(|e| format!("{}: {e}", path.display()))?;
        graphs.push((name.to_owned(), graph));
    }
    let pack = Pack::read(folder)?;
    println!("{} graphs, {} random graphs, {} kernels for {target}", graphs.len(), random.len(), pack.len());
    let refused: Vec<String> = list("refused").map(ToString::to_string).collect();
    if !refused.is_empty() {
        skip(&format!("refused by the compiler: {}", refused.join(", ")), refused.len() as u64, Some("REQUIRE_GPU"));
    }
    let code =
        Code { graphs, random, compiler: Arc::new(pack), target: Target::named(target).map_err(|e| e.to_string())? };
    let gpu = match Gpu::open(0) {
        Ok(gpu) => gpu,
        Err(e) => {
            let cases = code.graphs.len() * scope.extents.len() + code.random.len();
            skip(&format!("no NVIDIA GPU ({e})"), cases as u64, Some("REQUIRE_GPU"));
            return Ok(true);
        }
    };
    let info = gpu.info().map_err(|e| e.to_string())?;
    println!("{}, driver for {}, PTX up to {}.{}", info.name, info.driver, info.ptx.0, info.ptx.1);
    let counts = run(&code, &gpu, &scope)?;
    println!("{} graphs, {} checks, {} failures", counts.graphs, counts.checks, counts.failures);
    Ok(counts.failures == 0)
}
