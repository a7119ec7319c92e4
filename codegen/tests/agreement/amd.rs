//! Runs AMD code objects in the emulator.

use crate::data::Run;
use routefuse_ir::artifact::Artifact;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The emulator's program and the Python that runs it.
pub struct Emulator {
    program: PathBuf,
    python: String,
}

impl Emulator {
    /// `AMDEMU`, or the folder beside the project.
    pub fn find() -> Option<Emulator> {
        let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/amdemu");
        let folder = std::env::var_os("AMDEMU").map_or(beside, PathBuf::from);
        let program = folder.join("run.py");
        let python = std::env::var("ROUTEFUSE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let numpy = Command::new(&python).args(["-c", "import numpy"]).stderr(Stdio::null()).status();
        (program.exists() && numpy.is_ok_and(|s| s.success())).then_some(Emulator { program, python })
    }

    /// The buffers after a launch, one a parameter.
    pub fn run(&self, artifact: &Artifact, run: &Run) -> Result<Vec<Vec<u8>>, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes);
        write("kernel.hsaco", &artifact.code).map_err(|e| e.to_string())?;
        // Pointers are recognised in the slots by values that no other slot has.
        let marker = |i: usize| 0xbeef_0000_0000_0000 + i as u64;
        let slots = run.slots(&artifact.slots, marker);
        let path = |i: usize| folder.path().join(format!("p{i}.bin"));
        for (i, b) in run.buffers.iter().enumerate() {
            write(&format!("p{i}.bin"), &b.bytes).map_err(|e| e.to_string())?;
        }
        // An output that lies in an input is the same buffer again.
        let argument = |slot: &u64| match slot.checked_sub(marker(0)).filter(|i| *i < run.buffers.len() as u64) {
            Some(i) => match slots.iter().position(|s| s == slot) {
                Some(before) if !std::ptr::eq(&slots[before], slot) => json!({"same": before}),
                _ => json!({"buffer": path(i as usize), "out": true}),
            },
            None => json!({"i64": slot}),
        };
        let blocks = artifact.schedule.blocks(run.rows, artifact.variant).expect("few rows");
        let spec = json!({
            "hsaco": folder.path().join("kernel.hsaco"),
            "kernel": artifact.entry,
            "grid": [blocks, 1, 1],
            "block": [artifact.schedule.threads(artifact.variant), 1, 1],
            "args": slots.iter().map(argument).collect::<Vec<_>>(),
        });
        let mut child = Command::new(&self.python)
            .arg(&self.program)
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(spec.to_string().as_bytes()).map_err(|e| e.to_string())?;
        drop(stdin);
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        if !output.status.success() {
            let texts = [output.stdout, output.stderr].map(|t| String::from_utf8_lossy(&t).into_owned());
            return Err(texts.concat());
        }
        (0..run.buffers.len()).map(|i| std::fs::read(path(i)).map_err(|e| e.to_string())).collect()
    }
}
