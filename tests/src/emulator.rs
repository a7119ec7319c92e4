//! Programs of AMD code objects, of PTX and of aarch64 host code, run in emulators.

use crate::memory::{Alignment, Arrangement, Buffer, POISON};
use rand::Rng;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::interp;
use routefuse_ir::kernel::Param;
use routefuse_ir::kernel::abi::Slot;
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_ir::program::{self, Program, Step};
use routefuse_ir::{Layout, Tensor};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// How an error begins that says nothing of the code: the emulator has no such instruction.
pub const UNKNOWN: &str = "an instruction unknown to the emulator";

/// What one launch of a kernel of AMD code costs: counts of the emulator, and a model of one wave. None is a time.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Executed instructions of all waves, without those that only wait a fixed time or are hints.
    pub instructions: u64,
    /// Of the first wave, the longest chain of accesses to memory each of which is issued after a wait for the one before.
    pub memory_trips: u64,
    /// The same of accesses to LDS, the exchanges between lanes that go by way of it included.
    pub lds_trips: u64,
    /// Modelled cycles of the first wave alone.
    pub cycles: u64,
    /// Waves that fit on a compute unit, or after gfx9 on a work-group processor.
    pub waves: u64,
    /// Vector registers of a lane.
    pub registers: u64,
    /// Bytes of LDS of a block.
    pub lds: u64,
    /// Registers that are spilled, and bytes of scratch memory.
    pub spills: u64,
}

impl Counts {
    fn of(counts: &Value) -> Result<Counts, String> {
        let number = |of: &str, what: &str| {
            let of = if of.is_empty() { counts } else { &counts[of] };
            of[what].as_u64().ok_or_else(|| format!("the emulator has not counted `{what}`: {counts}"))
        };
        let mut spills = 0;
        for what in ["scratch", "vgpr_spills", "sgpr_spills"] {
            spills += number("kernel", what)?;
        }
        Ok(Counts {
            instructions: number("", "without_nops")?,
            memory_trips: number("wave", "memory_trips")?,
            lds_trips: number("wave", "lds_trips")?,
            cycles: number("wave", "cycles")?,
            waves: number("occupancy", "waves")?,
            registers: number("kernel", "vgprs")?,
            lds: number("kernel", "lds")?,
            spills,
        })
    }
}

/// A Python that has numpy, and the folder of the emulator for AMD code; none where either is missing.
pub fn python_and_folder() -> Option<(PathBuf, PathBuf)> {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("amdemu");
    let emulator = std::env::var_os("AMDEMU").map_or_else(own, PathBuf::from);
    let local = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    let python = std::env::var_os("ROUTEFUSE_PYTHON").map_or_else(local, PathBuf::from);
    let numpy = Command::new(&python).args(["-c", "import numpy"]).stderr(Stdio::null()).status();
    (emulator.join("run.py").exists() && numpy.is_ok_and(|s| s.success())).then_some((python, emulator))
}

/// One run of a program, and what it is to give.
#[derive(Clone, Copy)]
pub struct Run<'r> {
    /// The program.
    pub program: &'r Program,
    /// One a kernel of the program.
    pub artifacts: &'r [Artifact],
    /// Of the program's symbols.
    pub extents: &'r [u64],
    /// In the program's order.
    pub inputs: &'r [Tensor],
    /// What the outputs are to be, in the program's order.
    pub outputs: &'r [Tensor],
    /// Blocks of each launch of phases, whatever the schedule says: any number of them gives the same bits.
    pub blocks: Option<u64>,
}

/// A process that emulates one kernel after another.
pub struct Emulator {
    child: Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
    folder: TempDir,
    runs: u64,
}

impl Emulator {
    /// The emulator of the project, or the one where `AMDEMU` points, with the Python of `ROUTEFUSE_PYTHON`; none without
    /// Python and numpy.
    ///
    /// # Panics
    /// If it is there and does not start.
    pub fn find() -> Option<Emulator> {
        let (python, emulator) = python_and_folder()?;
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("emulate.py")).env("AMDEMU", emulator);
        if std::env::var_os("LLVM_OBJDUMP").is_none() {
            command.env("LLVM_OBJDUMP", "/usr/lib/llvm-22/bin/llvm-objdump");
        }
        Some(Emulator::start(command))
    }

    /// An interpreter of PTX, with the Python of `ROUTEFUSE_PYTHON`; none without Python and numpy.
    ///
    /// # Panics
    /// If it is there and does not start.
    pub fn of_ptx() -> Option<Emulator> {
        let (python, _) = python_and_folder()?;
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("ptxemu/serve.py"));
        Some(Emulator::start(command))
    }

    /// An emulator of host code for aarch64: `qemu-aarch64` with a processor that it calls so, and a compiler for aarch64 to make
    /// the program in it; none if either is not there, or no Python.
    ///
    /// # Panics
    /// If they are there and do not start.
    pub fn of_aarch64(processor: &str) -> Option<Emulator> {
        let local = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
        let python = std::env::var_os("ROUTEFUSE_PYTHON").map_or_else(local, PathBuf::from);
        let starts = |program: &Path| {
            let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.is_ok_and(|s| s.success())
        };
        if ![&python, Path::new("qemu-aarch64"), Path::new("aarch64-linux-gnu-gcc")].into_iter().all(starts) {
            return None;
        }
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("run_aarch64.py")).arg(processor);
        Some(Emulator::start(command))
    }

    fn start(mut command: Command) -> Emulator {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the emulator starts");
        let requests = child.stdin.take();
        let replies = BufReader::new(child.stdout.take().expect("piped"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        Emulator { child, requests, replies, folder, runs: 0 }
    }

    /// Kernels emulated so far.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// The whole answer.
    fn request(&mut self, spec: &Value) -> Result<Value, String> {
        self.runs += 1;
        let requests = self.requests.as_mut().expect("open until dropped");
        writeln!(requests, "{spec}").map_err(|e| e.to_string())?;
        let mut line = String::new();
        self.replies.read_line(&mut line).map_err(|e| e.to_string())?;
        let reply: Value = serde_json::from_str(&line).map_err(|e| format!("{e}: {line}"))?;
        match (&reply["ok"], reply["error"].as_str().unwrap_or_default()) {
            (Value::Bool(true), _) => Ok(reply),
            (_, error) if error.contains(": unimplemented: ") => {
                Err(format!("{UNKNOWN}: {}", error.rsplit(' ').next().unwrap_or(error)))
            }
            (_, error) => Err(format!("the emulator: {error}")),
        }
    }

    /// Runs a program and compares all of the memory: outputs bit for bit, everything else with what it was. Inputs are followed
    /// by nothing, so that no read goes past them.
    ///
    /// # Errors
    /// What differs, or what the emulator does not allow: an access outside every buffer, an instruction unknown to it.
    pub fn agree(&mut self, run: Run<'_>, rng: &mut impl Rng) -> Result<(), String> {
        self.launch(run, rng, false).map(drop)
    }

    /// As [`Self::agree`]; what each kernel of AMD code costs.
    ///
    /// # Errors
    /// As [`Self::agree`].
    pub fn count(&mut self, run: Run<'_>, rng: &mut impl Rng) -> Result<Vec<Counts>, String> {
        self.launch(run, rng, true)
    }

    fn launch(&mut self, run: Run<'_>, rng: &mut impl Rng, count: bool) -> Result<Vec<Counts>, String> {
        let Run { program, artifacts, extents, inputs, outputs, blocks: forced } = run;
        let mut counts = vec![];
        let aligned = artifacts.iter().all(|a| a.variant.aligned);
        let alignment = if aligned { Alignment::Sixteen } else { Alignment::Element };
        let mut memory = Arrangement::new(program, extents, inputs, alignment, rng);
        let given: Vec<(&str, u64)> = program.symbols.iter().map(String::as_str).zip(extents.iter().copied()).collect();
        let trapped = program.has_trap
            && interp::program::run(program, inputs, &given).map_err(|e| format!("the fused program: {e}"))?.trapped;
        let expected = memory.expected(outputs, trapped);
        let ports = memory.buffers.len();
        for i in &program.intermediates {
            let shape: Vec<u64> = i.ty.shape.iter().map(|d| d.resolve(extents)).collect();
            memory.buffers.push(Buffer::new(i.ty.dtype, &shape, Layout::Contiguous, alignment, rng));
        }
        let written: Vec<bool> = (0..memory.buffers.len())
            .map(|b| b >= ports || memory.outputs.contains(&b) || memory.error_word == Some(b))
            .collect();
        let folder = self.folder.path().to_owned();
        let file = |b: usize| folder.join(format!("buffer{b}"));
        for (b, buffer) in memory.buffers.iter().enumerate() {
            let bytes = if written[b] { buffer.bytes() } else { &buffer.bytes()[buffer.exact()] };
            std::fs::write(file(b), bytes).map_err(|e| e.to_string())?;
        }
        for (step, of_step) in steps_of(program, artifacts).ok_or("the artifacts are not of this program")? {
            for artifact in of_step {
                let code = folder.join("kernel.hsaco");
                std::fs::write(&code, &artifact.code).map_err(|e| e.to_string())?;
                let mut seen: Vec<(usize, usize)> = vec![];
                let mut args = vec![];
                for (position, slot) in artifact.slots.iter().enumerate() {
                    args.push(match slot {
                        Slot::Pointer(p) => {
                            let b = buffer_of(&memory, ports, step.buffers[p.0 as usize]);
                            let offset =
                                memory.buffers[b].base() - if written[b] { 0 } else { memory.buffers[b].exact().start };
                            match seen.iter().find(|s| s.0 == b) {
                                Some((_, first)) => json!({"same": first, "offset": offset}),
                                None => {
                                    seen.push((b, position));
                                    // Several threads may store the same 1 to it.
                                    let flag = memory.error_word == Some(b);
                                    json!({"buffer": file(b), "offset": offset, "out": written[b], "flag": flag})
                                }
                            }
                        }
                        Slot::Stride(p, d) => {
                            let b = buffer_of(&memory, ports, step.buffers[p.0 as usize]);
                            json!({"i64": memory.buffers[b].strides[*d as usize]})
                        }
                        Slot::Extent(s) => json!({"i64": extents[step.symbols[s.0 as usize].0 as usize]}),
                    });
                }
                let rows = step.kernel.rows.map_or(1, |s| extents[step.symbols[s.0 as usize].0 as usize]);
                let blocks = artifact.schedule.blocks(rows, artifact.variant).ok_or("too many blocks")?;
                let most = artifact.schedule.blocks_of_phases(artifact.variant).map_or(1, |(_, most)| most);
                let blocks = forced.filter(|_| most > 1).unwrap_or(blocks);
                // What is one for all threads each of them loads first, where nothing crosses lanes, and one may overwrite it in place:
                // the others do not use it then.
                let one_for_all = |p: &Param| p.ty.shape.iter().all(|d| d.as_const() == Some(1));
                let overwrites = step.kernel.params.iter().any(|p| p.aliases.is_some() && one_for_all(p));
                let races = !(overwrites && matches!(artifact.schedule, Schedule::Flat { .. }));
                // No rows launch no blocks; one is launched all the same, and must write nothing.
                let spec = json!({
                    "hsaco": code, "kernel": artifact.entry, "args": args, "rows": rows,
                    "grid": [blocks.max(1), 1, 1], "block": [artifact.schedule.threads(artifact.variant), 1, 1],
                    "count": count, "races": races, "shared": artifact.schedule.dynamic_shared_bytes(artifact.variant),
                });
                let reply = self.request(&spec).map_err(|e| {
                    if e.starts_with(UNKNOWN) { e } else { format!("kernel `{}`: {e}", step.kernel.name) }
                })?;
                if count {
                    counts.push(Counts::of(&reply["counts"])?);
                }
            }
        }
        for (b, buffer) in memory.buffers.iter_mut().enumerate() {
            if written[b] {
                let bytes = std::fs::read(file(b)).map_err(|e| e.to_string())?;
                buffer.bytes_mut().copy_from_slice(&bytes);
            }
        }
        for intermediate in &memory.buffers[ports..] {
            intermediate.check_guards(POISON)?;
        }
        memory.buffers.truncate(ports);
        memory.check(program, &expected).map_err(|e| format!("{e}, {alignment:?}"))?;
        Ok(counts)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // End of input ends it.
        self.requests = None;
        let _ = self.child.wait();
    }
}

/// The steps that these artifacts are of, each with its own. Some rows have kernels that do the work of others: the artifacts are those
/// that some number of rows takes.
fn steps_of<'r>(program: &'r Program, artifacts: &'r [Artifact]) -> Option<Vec<(&'r Step, Vec<&'r Artifact>)>> {
    let is_of = |step: &Step, artifact: &Artifact| match (&artifact.schedule, &step.kernel.phases) {
        (Schedule::Phased { .. }, Some(phases)) => phases.rows().is_none(),
        (Schedule::AtOnce { .. }, Some(phases)) => phases.rows().is_some() && phases.chunks.is_none(),
        (Schedule::InChunks { .. }, Some(phases)) => phases.rows().is_some() && phases.chunks.is_some(),
        (Schedule::Row { .. }, None) => step.kernel.has_row_values(),
        (Schedule::Flat { .. }, None) => !step.kernel.has_row_values(),
        _ => false,
    };
    let taken_by = |rows: u64| {
        let mut left = artifacts.iter();
        let mut found = vec![];
        for step in program.steps.iter().filter(|step| step.is_taken_by(rows)) {
            let mut of_step = vec![left.next().filter(|artifact| is_of(step, artifact))?];
            // Phases in two launches.
            let (schedule, shape) = (&of_step[0].schedule, of_step[0].variant.shape);
            for _ in 1..schedule.shapes_beside(shape).count() {
                of_step.push(left.next().filter(|artifact| is_of(step, artifact))?);
            }
            found.push((step, of_step));
        }
        left.next().is_none().then_some(found)
    };
    // A program may have no steps, where all that is stored has no elements.
    std::iter::once(0).chain(program.steps.iter().filter_map(|step| Some(step.taken?.least))).find_map(taken_by)
}

fn buffer_of(memory: &Arrangement, ports: usize, buffer: program::Buffer) -> usize {
    match buffer {
        program::Buffer::Input(i) => memory.inputs[i],
        program::Buffer::Output(o) => memory.outputs[o],
        program::Buffer::Intermediate(i) => ports + i,
        program::Buffer::ErrorWord => memory.error_word.unwrap_or(0),
    }
}
