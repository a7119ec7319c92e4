//! Compiled code against the kernel interpreter, bit for bit: random kernels on random schedules with hostile data.
//!
//! Host code runs in this process. AMD code runs in the emulator of AMD code objects (`tests/amdemu`, or where `AMDEMU`
//! points), and is counted as skipped where there is no numpy. PTX is checked for what it must not contain.

mod amd;
mod data;
mod host;
mod regressions;
mod shared_memory;
mod ties;

use data::Case;
use routefuse_codegen::{Dump, compile};
use routefuse_ir::Verified;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::target::{Target, TargetKind};
use std::io::Write;

/// A generated schedule is a right one.
fn verified(scheduled: Scheduled) -> Verified<Scheduled> {
    let name = scheduled.kernel.name.clone();
    scheduled.verify().unwrap_or_else(|problem| panic!("{name}: {problem}"))
}

/// One compile and one comparison.
fn agree_on_host(case: &Case, seed: u64) {
    let schedule = case.host_schedule.clone();
    let scheduled = verified(Scheduled { kernel: case.kernel.clone(), schedule, target: Target::host() });
    let compiled = compile(&scheduled, Variant::HOST[0], Dump::default())
        .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", *case.kernel));
    if std::env::var_os("DUMP").is_some() {
        let all = compile(&scheduled, Variant::HOST[0], Dump::ALL).expect("compiled before");
        println!(
            "{}\n{}\n{}",
            all.mlir.expect("asked for"),
            all.llvm.expect("asked for"),
            all.assembly.expect("asked for")
        );
    }
    for &rows in &case.rows {
        let run = case.bind(rows);
        let outputs = host::run(&compiled.artifact, &run, scheduled.scratch_bytes());
        if let Err(problem) = run.compare(case, &outputs) {
            panic!("seed {seed}, {rows} rows, {}: {problem}\n{}", scheduled.schedule, *case.kernel);
        }
    }
}

/// One compile for an AMD target and one emulated launch for each number of rows.
fn agree_on_amd(emulator: &mut amd::Emulator, case: &Case, name: &str, variant: Variant, seed: u64) {
    let schedule = case.gpu_schedule.clone();
    let target = Target::named(name).expect("a known target");
    let scheduled = verified(Scheduled { kernel: case.kernel.clone(), schedule, target });
    let compiled = compile(&scheduled, variant, Dump::default())
        .unwrap_or_else(|error| panic!("seed {seed}, {name}: {error}\n{}", *case.kernel));
    for rows in [2, 33] {
        let run = case.bind(rows);
        let after = emulator.run(&compiled.artifact, &run);
        let outcome = after.and_then(|after| run.compare(case, &after));
        if let Err(problem) = outcome {
            panic!("seed {seed}, {rows} rows, {name} {variant}, {}: {problem}\n{}", scheduled.schedule, *case.kernel);
        }
    }
}

/// Counts what was not run, where the test script asks for it.
fn skipped(why: &str) {
    println!("skipped: {why}");
    if let Some(path) = std::env::var_os("ROUTEFUSE_SKIPS") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut f| writeln!(f, "random kernels on GPUs: {why}"));
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |s| s.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[test]
fn random_kernels_on_amd() {
    let Some(mut emulator) = amd::Emulator::find() else {
        return skipped("no AMD emulator");
    };
    let first = number("SEED", 1000);
    for seed in first..first + number("CASES", 10) {
        let case = Case::random(seed);
        let targets = ["gfx90a", "gfx942", "gfx950", "gfx1100", "gfx1200", "gfx1250"];
        // The buffers of a test are aligned to 8 bytes only where the variant says no more.
        let variant = Variant { aligned: false, narrow: seed % 2 == 0, shape: 0 };
        agree_on_amd(&mut emulator, &case, targets[seed as usize % targets.len()], variant, seed);
    }
}

/// LLVM takes whatever the emitter writes, for every AMD target.
#[test]
fn random_kernels_as_hsaco() {
    let first = number("SEED", 3000);
    for seed in first..first + number("CASES", 20) {
        let case = Case::random(seed);
        for target in Target::all().filter(|t| t.kind() == TargetKind::Amdgpu).skip(seed as usize % 4).step_by(4) {
            let scheduled =
                verified(Scheduled { kernel: case.kernel.clone(), schedule: case.gpu_schedule.clone(), target });
            let compiled = compile(&scheduled, Variant::GPU[seed as usize / 4 % 4], Dump::default());
            if let Err(error) = compiled {
                panic!("seed {seed}, {target}: {error}\n{}", *case.kernel);
            }
        }
    }
}

/// Every target compiles what the others do; PTX calls nothing and rounds every operation explicitly.
#[test]
fn random_kernels_as_ptx() {
    let first = number("SEED", 2000);
    for seed in first..first + number("CASES", 20) {
        let case = Case::random(seed);
        let targets = ["sm_70", "sm_80", "sm_90", "sm_100", "sm_120"];
        let target = Target::named(targets[seed as usize % targets.len()]).expect("a known target");
        let scheduled =
            verified(Scheduled { kernel: case.kernel.clone(), schedule: case.gpu_schedule.clone(), target });
        let variant = Variant::GPU[seed as usize % 4];
        let compiled = compile(&scheduled, variant, Dump::default())
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", *case.kernel));
        let ptx = String::from_utf8(compiled.artifact.code).expect("PTX is text");
        for line in ptx.lines().map(str::trim) {
            let op = line.split_whitespace().next().unwrap_or_default();
            let rounds = ["add", "sub", "mul", "div", "fma", "sqrt"].iter().any(|o| op.starts_with(&format!("{o}.")));
            let float = op.ends_with(".f32") || op.ends_with(".f32x2");
            assert!(!rounds || !float || op.contains(".rn"), "seed {seed}: {line}");
            // The first step of a division that is exact.
            let rough = op.starts_with("rcp.approx.ftz.f32");
            assert!(rough || !(op.contains(".ftz") || op.contains(".approx")), "seed {seed}: {line}");
            assert!(!line.starts_with(".extern") && !op.starts_with("call"), "seed {seed}: {line}");
        }
    }
}

#[test]
fn random_kernels_on_the_host() {
    let (first, count) = (number("SEED", 0), number("CASES", 60));
    for seed in first..first + count {
        let case = Case::random(seed);
        agree_on_host(&case, seed);
    }
}

/// Reductions, running sums and selections, alone and in chains, on rows of any width.
#[test]
fn random_rows_on_the_host() {
    let (first, count) = (number("SEED", 5000), number("CASES", 100));
    for seed in first..first + count {
        let case = Case::random_rows(seed);
        agree_on_host(&case, seed);
    }
}

/// The same by lanes: of a wavefront, and of a block.
#[test]
fn random_rows_on_amd() {
    let Some(mut emulator) = amd::Emulator::find() else {
        return skipped("no AMD emulator");
    };
    let first = number("SEED", 6000);
    for seed in first..first + number("CASES", 12) {
        let case = Case::random_rows(seed);
        let targets = ["gfx942", "gfx1100", "gfx90a", "gfx1200", "gfx1250"];
        let variant = Variant { aligned: false, narrow: seed % 2 == 0, shape: 0 };
        agree_on_amd(&mut emulator, &case, targets[seed as usize % targets.len()], variant, seed);
    }
}

/// NVIDIA's assembler, where there is one, takes every shape, shared memory and all.
#[test]
fn random_rows_as_ptx() {
    let assembler = std::env::var_os("ROUTEFUSE_PTXAS").filter(|path| std::path::Path::new(path).exists());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (source, code) = (folder.path().join("kernel.ptx"), folder.path().join("kernel.cubin"));
    let first = number("SEED", 7000);
    for seed in first..first + number("CASES", 12) {
        let case = Case::random_rows(seed);
        // Newer assemblers do not know sm_70.
        let targets = ["sm_75", "sm_80", "sm_90", "sm_100"];
        let target = Target::named(targets[seed as usize % targets.len()]).expect("a known target");
        let scheduled =
            verified(Scheduled { kernel: case.kernel.clone(), schedule: case.gpu_schedule.clone(), target });
        let variant = Variant { aligned: seed % 2 == 0, narrow: seed % 3 > 0, shape: 0 };
        let compiled = compile(&scheduled, variant, Dump::default())
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", *case.kernel));
        let ptx = String::from_utf8(compiled.artifact.code).expect("PTX is text");
        assert!(!ptx.contains(".extern") && !ptx.contains("call"), "seed {seed}: {ptx}");
        let Some(assembler) = &assembler else { continue };
        std::fs::write(&source, &ptx).expect("written");
        let sm = format!("-arch={target}");
        let done = std::process::Command::new(assembler).arg(sm).arg("-o").args([&code, &source]).output();
        let done = done.expect("the assembler starts");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "seed {seed}, {}: {said}\n{}\n{ptx}", scheduled.schedule, *case.kernel);
    }
    if assembler.is_none() {
        skipped("no ptxas");
    }
}
