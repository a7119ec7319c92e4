//! `routefuse doctor`.

use crate::args::{CacheOptions, Doctor};
use crate::entry_text;
use crate::failure::Failure;
use crate::word_wrap::wrapped;
use crate::{kernel_cache, output, progress, signing};
use routefuse::Engine;
use routefuse::diag::visible;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;

pub fn run(a: &Doctor, cache: &CacheOptions) -> Result<(), Failure> {
    let compiler = routefuse::inspect::compiler_info();
    let (driver, gpus, cuda, hip) = progress::showing(|bar| {
        bar.say("looking for GPUs");
        // Without a driver there is nothing to say beyond that.
        (driver(), gpus(), crate::gpu::describe().unwrap_or_default(), crate::hip::describe())
    });
    let Records { tuned, others } = Records::of(cache)?;
    let mut out = output::stdout(a.json);
    if a.json {
        let json = serde_json::json!({
            "routefuse": env!("CARGO_PKG_VERSION"), "llvm": compiler.llvm, "lld": compiler.llvm,
            "triple": compiler.triple, "cpu": compiler.cpu, "features": compiler.features,
            "host_supported": compiler.missing.is_empty(), "host_missing": compiler.missing,
            "nvidia_driver": driver, "gpus": gpus,
            "cuda": cuda.iter().map(|(_, json)| json).collect::<Vec<_>>(),
            "hip": hip.as_ref().map_or_else(|_| vec![], |all| all.iter().map(|(_, json)| json.clone()).collect()),
            "tuned": tuned.iter().map(|(target, card, n)| serde_json::json!({ "target": target, "card": card, "kernels": n }))
                .collect::<Vec<_>>(),
            "tuned_not_followed": others,
            "hip_problem": hip.as_ref().err().map(ToString::to_string),
        });
        writeln!(out, "{json:#}")?;
        return Ok(());
    }
    writeln!(out, "routefuse  {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "LLVM       {}, MLIR and LLD of the same version, linked in", compiler.llvm)?;
    writeln!(out, "processor  {}, {}", compiler.cpu, compiler.triple)?;
    for (i, line) in wrapped(&compiler.features, 69).iter().enumerate() {
        writeln!(out, "{:<10} {line}", if i == 0 { "features" } else { "" })?;
    }
    match compiler.missing.as_slice() {
        [] => writeln!(out, "host       supported")?,
        missing => writeln!(out, "host       not supported: the processor lacks {}", missing.join(", "))?,
    }
    writeln!(out, "driver     {}", driver.map_or_else(|| "no NVIDIA driver".to_owned(), |v| format!("NVIDIA {v}")))?;
    for gpu in &gpus {
        writeln!(out, "GPU        {gpu}")?;
    }
    for (text, _) in &cuda {
        writeln!(out, "CUDA       {text}")?;
    }
    for (text, _) in hip.iter().flatten() {
        writeln!(out, "HIP        {text}")?;
    }
    for (target, card, n) in &tuned {
        let s = if *n == 1 { "" } else { "s" };
        writeln!(out, "tuned      {n} kernel{s} for {}, measured on {}", visible(target), visible(card))?;
    }
    if others > 0 {
        writeln!(
            out,
            "tuned      {others} more of another compiler, or not signed as required: they are not followed"
        )?;
    }
    // A machine with an AMD GPU and no runtime that this program can use is told why.
    if let (Err(e), true) = (&hip, gpus.iter().any(|g| g.starts_with("AMD "))) {
        writeln!(out, "HIP        {e}")?;
    }
    if gpus.is_empty() && cuda.is_empty() && hip.iter().all(Vec::is_empty) {
        writeln!(out, "GPU        none found; PTX and HSACO can be compiled here all the same")?;
    }
    Ok(())
}

/// The records of tunings in the cache.
#[derive(Default)]
struct Records {
    /// For which target, on which card they were measured, and how many there are.
    tuned: Vec<(String, String, usize)>,
    /// Those that this build, with these options, does not follow.
    others: usize,
}

impl Records {
    fn of(cache: &CacheOptions) -> Result<Records, Failure> {
        let Some(disk) = kernel_cache::to_look_at(cache) else { return Ok(Records::default()) };
        let disk = match signing::required(cache)? {
            Some(keys) => disk.require_signed(keys),
            None => disk,
        };
        let (compiler, _) = Engine::builder().build()?.compiler_identity()?;
        let (mut tuned, mut others) = (BTreeMap::new(), 0);
        // A directory that cannot be read has none that would be followed.
        for entry in disk.tunings().unwrap_or_default() {
            match entry.tuning() {
                Some(tuning) if entry.ingredient("compiler") == compiler && disk.trusted(&entry).is_ok() => {
                    *tuned.entry((entry_text::target(&entry).to_owned(), tuning.card.clone())).or_insert(0) += 1;
                }
                _ => others += 1,
            }
        }
        Ok(Records { tuned: tuned.into_iter().map(|((target, card), n)| (target, card, n)).collect(), others })
    }
}

/// The NVIDIA kernel driver's version, as it says of itself.
fn driver() -> Option<String> {
    let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    let version = text.split_whitespace().find(|w| w.starts_with(|c: char| c.is_ascii_digit()) && w.contains('.'))?;
    Some(version.to_owned())
}

/// NVIDIA's cards by the driver's own tool, if it is there; AMD's by the kernel's list.
fn gpus() -> Vec<String> {
    let query = ["--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader"];
    let nvidia = Command::new("nvidia-smi").args(query).output().ok().filter(|o| o.status.success());
    let nvidia = nvidia.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let mut gpus: Vec<String> = nvidia.lines().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect();
    for node in std::fs::read_dir("/sys/class/kfd/kfd/topology/nodes").into_iter().flatten().flatten() {
        let properties = std::fs::read_to_string(node.path().join("properties")).unwrap_or_default();
        gpus.extend(gfx_name(&properties).map(|name| format!("AMD {name}")));
    }
    gpus
}

/// `gfx_target_version 90402` is gfx942: two digits each for major, minor and stepping, of which the last two are written
/// in base 16. A processor has 0.
fn gfx_name(properties: &str) -> Option<String> {
    let value = properties.lines().find_map(|l| l.strip_prefix("gfx_target_version "))?;
    let version: u32 = value.trim().parse().ok().filter(|&v| v > 0)?;
    Some(format!("gfx{}{:x}{:x}", version / 10_000, version / 100 % 100, version % 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amd_names() {
        for (version, name) in [(90_402, "gfx942"), (90_010, "gfx90a"), (110_000, "gfx1100"), (120_001, "gfx1201")] {
            let properties = format!("simd_count 4\ngfx_target_version {version}\nvendor_id 4098\n");
            assert_eq!(gfx_name(&properties).as_deref(), Some(name));
        }
        assert_eq!(gfx_name("gfx_target_version 0\n"), None);
        assert_eq!(gfx_name("cpu_cores_count 8\n"), None);
    }
}
