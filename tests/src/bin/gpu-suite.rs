//! `gpu-suite PACK… [--quick | --watched | --emulated] [--only NAME] [--part I/N] [--gpu N]`: the GPU's suite on a pack of code, where
//! there is neither Rust nor LLVM. Of several packs, which are of one vendor's code, it takes the one for this machine's GPU.
//!
//! Without a GPU it says how much it skips; that is a failure if `REQUIRE_GPU` is set to anything but 0.

use routefuse_allocations::{self as allocations, Counting};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::text;
use routefuse_runtime::cuda::Cuda;
use routefuse_runtime::gpu::Suits;
use routefuse_runtime::hip::Hip;
use routefuse_tests::bins::Align;
use routefuse_tests::gpu::pack::Pack;
use routefuse_tests::gpu::{Code, Drawn, Random, Scope, Vendor, run};
use routefuse_tests::skips::skip;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

#[global_allocator]
static COUNTING: Counting = Counting;

const USAGE: &str = "gpu-suite PACK… [--quick | --watched | --emulated] [--only NAME] [--part I/N] [--gpu N]";

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
    let (mut folders, mut ordinal, mut arguments) = (vec![], 0, std::env::args().skip(1));
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => scope = Scope { only: scope.only, part: scope.part, ..Scope::quick() },
            "--watched" => scope = Scope { only: scope.only, part: scope.part, ..Scope::watched() },
            "--emulated" => scope = Scope { only: scope.only, part: scope.part, ..Scope::emulated() },
            "--gpu" => ordinal = arguments.next().and_then(|n| n.parse().ok()).ok_or("`--gpu` takes a number")?,
            "--part" => scope.part = arguments.next().and_then(|p| part(&p)).ok_or("`--part` takes I/N with I < N")?,
            "--only" => scope.only = Some(arguments.next().ok_or("`--only` takes a part of a name")?),
            _ if !argument.starts_with('-') => folders.push(argument),
            _ => return Err(format!("unknown argument `{argument}`; {USAGE}")),
        }
    }
    scope.allocations = Some(allocations::of_this_thread);
    let packs: Vec<Packed> = folders.iter().map(|f| Packed::read(Path::new(f))).collect::<Result<_, _>>()?;
    let first = packs.first().ok_or(USAGE)?.target.kind();
    if packs.iter().any(|p| p.target.kind() != first) {
        return Err("the packs are of several vendors' code".to_owned());
    }
    match first {
        TargetKind::Nvptx => on_gpu::<Cuda>(&packs, ordinal, &scope),
        TargetKind::Amdgpu => on_gpu::<Hip>(&packs, ordinal, &scope),
        TargetKind::Host => Err("the pack is for the host, which is no GPU".to_owned()),
    }
}

/// What a pack is for.
struct Packed<'f> {
    folder: &'f Path,
    index: serde_json::Value,
    target: Target,
}

impl<'f> Packed<'f> {
    fn read(folder: &'f Path) -> Result<Packed<'f>, String> {
        let path = folder.join("index.json");
        let index = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let index: serde_json::Value = serde_json::from_str(&index).map_err(|e| format!("{}: {e}", path.display()))?;
        let target = index["target"].as_str().ok_or_else(|| format!("{} names no target", path.display()))?;
        Ok(Packed { folder, target: Target::named(target).map_err(|e| e.to_string())?, index })
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &serde_json::Value> {
        self.index[name].as_array().into_iter().flatten()
    }

    /// What is launched.
    fn code(&self) -> Result<Code, String> {
        let seeds = |(drawn, list)| {
            let seeds = self.list(list).filter_map(serde_json::Value::as_u64);
            seeds.map(move |seed| Random { drawn, seed })
        };
        let random: Vec<Random> = Drawn::ALL.into_iter().flat_map(seeds).collect();
        let aligns: Vec<Align> = self.list("aligns").filter_map(|n| Align::named(n.as_str()?)).collect();
        let mut graphs = Vec::new();
        for name in self.list("graphs").filter_map(|n| n.as_str()) {
            let path = self.folder.join("graphs").join(format!("{name}.route"));
            let source = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let graph = text::parse_verified(&source).map_err(|e| format!("{}: {e}", path.display()))?;
            graphs.push((name.to_owned(), graph));
        }
        let pack = Pack::read(self.folder)?;
        println!(
            "{} graphs, {} random graphs, {} alignments, {} kernels for {}",
            graphs.len(),
            random.len(),
            aligns.len(),
            pack.len(),
            self.target
        );
        let refused: Vec<String> = self.list("refused").map(ToString::to_string).collect();
        if !refused.is_empty() {
            let what = format!("refused by the compiler: {}", refused.join(", "));
            skip(&what, refused.len() as u64, Some("REQUIRE_GPU"));
        }
        Ok(Code { graphs, random, aligns, compiler: Arc::new(pack), target: self.target })
    }
}

/// Whether all is well on the GPU of this number.
fn on_gpu<D: Vendor>(packs: &[Packed<'_>], ordinal: u32, scope: &Scope) -> Result<bool, String> {
    let gpu = match D::open(ordinal) {
        Ok(gpu) => gpu,
        Err(e) => {
            let code = packs[0].code()?;
            let cases = code.graphs.len() * scope.extents.len() + code.random.len() + code.aligns.len();
            skip(&format!("no {} GPU ({e})", D::VENDOR), cases as u64 + scope.replays, Some("REQUIRE_GPU"));
            return Ok(true);
        }
    };
    println!("{}", D::about(&gpu).map_err(|e| e.to_string())?);
    let suits = |p: &&Packed<'_>| gpu.driver().suits(p.target);
    let Some(pack) = packs.iter().filter(|p| suits(p) > Suits::Not).max_by_key(suits) else {
        let targets: Vec<&str> = packs.iter().map(|p| p.target.name()).collect();
        let (processor, targets) = (gpu.driver().processor(), targets.join(", "));
        return Err(format!("no pack is for {processor}: they are for {targets}; pack again for {processor}"));
    };
    let counts = run(&pack.code()?, &gpu, scope)?;
    println!("{} graphs, {} checks, {} failures", counts.graphs, counts.checks, counts.failures);
    Ok(counts.failures == 0)
}
