//! `gpu-suite PACK… [--quick | --watched | --emulated] [--only NAME] [--jobs N] [--replays N] [--seconds N] [--part I/N] [--gpu N]
//! [--kinds]`: the GPU's suite on a pack of code, where there is neither Rust nor LLVM. Of several packs, which are of one vendor's code,
//! it takes the one for this machine's GPU.
//!
//! As many threads as there are processors share the work (`--jobs`), the longest first, on one GPU. After `--seconds` nothing more is
//! begun; what is left is counted, and the suite ends with 3 if nothing has failed. `--kinds` launches nothing: it says which kinds of
//! launches the suite has, with a case of each.
//!
//! Without a GPU it says how much it skips; that is a failure if `REQUIRE_GPU` is set to anything but 0.

use routefuse_allocations::{self as allocations, Counting};
use routefuse_ir::kernel::schedule::LaunchKind;
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::text;
use routefuse_runtime::cuda::Cuda;
use routefuse_runtime::gpu::Suits;
use routefuse_runtime::hip::Hip;
use routefuse_tests::bins::Align;
use routefuse_tests::gpu::pack::Pack;
use routefuse_tests::gpu::{Code, Counts, Drawn, Random, Scope, Vendor, run, seen};
use routefuse_tests::skips::skip;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static COUNTING: Counting = Counting;

const USAGE: &str = "gpu-suite PACK… [--quick | --watched | --emulated] [--only NAME] [--jobs N] [--replays N] [--seconds N] \
                     [--part I/N] [--gpu N] [--kinds]";

/// The status of a suite that had no time for all of it.
const CUT_SHORT: u8 = 3;

/// `I/N` with `I < N`.
fn part(text: &str) -> Option<(usize, usize)> {
    let (this, parts) = text.split_once('/')?;
    Some((this.parse().ok()?, parts.parse().ok()?)).filter(|(this, parts)| this < parts)
}

fn main() -> ExitCode {
    match suite() {
        Ok(counts) if counts.failures > 0 => ExitCode::FAILURE,
        Ok(counts) if counts.left > 0 => ExitCode::from(CUT_SHORT),
        Ok(_) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("gpu-suite: {e}");
            ExitCode::from(2)
        }
    }
}

/// What was done.
fn suite() -> Result<Counts, String> {
    let mut scope = Scope::full();
    let (mut folders, mut ordinal, mut only_kinds) = (vec![], 0, false);
    // The whole, and then what is asked of it, in whatever order it is.
    let mut asked: Vec<Asked> = vec![];
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number =
            || arguments.next().and_then(|n| n.parse::<u64>().ok()).ok_or(format!("`{argument}` takes a number"));
        match argument.as_str() {
            "--quick" => scope = Scope::quick(),
            "--watched" => scope = Scope::watched(),
            "--emulated" => scope = Scope::emulated(),
            "--kinds" => only_kinds = true,
            "--gpu" => ordinal = u32::try_from(number()?).map_err(|_| "`--gpu` takes the number of a GPU")?,
            "--jobs" => match number()? {
                0 => return Err("`--jobs` takes a number of threads, one at least".to_owned()),
                jobs => asked.push(Asked::Jobs(jobs as usize)),
            },
            "--replays" => asked.push(Asked::Replays(number()?)),
            "--seconds" => asked.push(Asked::Until(Instant::now() + Duration::from_secs(number()?))),
            "--part" => {
                asked.push(Asked::Part(arguments.next().and_then(|p| part(&p)).ok_or("`--part` takes I/N with I < N")?))
            }
            "--only" => asked.push(Asked::Only(arguments.next().ok_or("`--only` takes a part of a name")?)),
            _ if !argument.starts_with('-') => folders.push(argument),
            _ => return Err(format!("unknown argument `{argument}`; {USAGE}")),
        }
    }
    for one in asked {
        match one {
            Asked::Jobs(jobs) => scope.jobs = Some(jobs),
            Asked::Replays(replays) => scope.replays = replays,
            Asked::Until(until) => scope.until = Some(until),
            Asked::Part(part) => scope.part = part,
            Asked::Only(only) => scope.only = Some(only),
        }
    }
    scope.allocations = Some(allocations::of_this_thread);
    let packs: Vec<Packed> = folders.iter().map(|f| Packed::read(Path::new(f))).collect::<Result<_, _>>()?;
    let first = packs.first().ok_or(USAGE)?.target.kind();
    if packs.iter().any(|p| p.target.kind() != first) {
        return Err("the packs are of several vendors' code".to_owned());
    }
    if only_kinds {
        return packs.iter().try_fold(Counts::default(), |counts, pack| kinds(pack, &scope).map(|()| counts));
    }
    match first {
        TargetKind::Nvptx => on_gpu::<Cuda>(&packs, ordinal, &scope),
        TargetKind::Amdgpu => on_gpu::<Hip>(&packs, ordinal, &scope),
        TargetKind::Host => Err("the pack is for the host, which is no GPU".to_owned()),
    }
}

/// What arguments say of a scope, whichever it is.
enum Asked {
    Jobs(usize),
    Replays(u64),
    Until(Instant),
    Part((usize, usize)),
    Only(String),
}

/// Says which kinds of launches a scope has.
fn kinds(pack: &Packed<'_>, scope: &Scope) -> Result<(), String> {
    let seen = seen(&pack.code()?, scope)?;
    for kind in LaunchKind::ALL {
        let case = seen.kinds.get(kind).map_or("none", String::as_str);
        println!("{kind}: {case}");
    }
    println!("{} launches of graphs, each for {} kinds of inputs at most", seen.launches, scope.rules.len());
    Ok(())
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

/// What was done on the GPU of this number.
fn on_gpu<D: Vendor>(packs: &[Packed<'_>], ordinal: u32, scope: &Scope) -> Result<Counts, String> {
    let gpu = match D::open(ordinal) {
        Ok(gpu) => gpu,
        Err(e) if std::env::var("REQUIRE_GPU").is_ok_and(|v| v != "0") => {
            return Err(format!("there is no {} GPU, and REQUIRE_GPU is set: {e}", D::VENDOR));
        }
        Err(e) => {
            let code = packs[0].code()?;
            let cases = code.graphs.len() * scope.extents.len() + code.random.len() + code.aligns.len();
            skip(&format!("no {} GPU ({e})", D::VENDOR), cases as u64 + scope.replays, Some("REQUIRE_GPU"));
            return Ok(Counts::default());
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
    let Counts { graphs, checks, failures, left } = counts;
    let skipped = pack.list("refused").count();
    println!("{graphs} graphs, {checks} checks, {failures} failures, {skipped} skipped, {left} left");
    Ok(counts)
}
