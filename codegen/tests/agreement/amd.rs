//! Runs AMD code objects in the emulator.

use crate::data::Run;
use routefuse_ir::artifact::Artifact;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A process that emulates one launch after another: starting it takes longer than most launches.
pub struct Emulator {
    child: Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Emulator {
    /// The emulator of the project, or the one in the folder `AMDEMU`; none without Python and numpy.
    pub fn find() -> Option<Emulator> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = std::env::var_os("AMDEMU").map_or(project.join("tests/amdemu"), PathBuf::from);
        let python = std::env::var("ROUTEFUSE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let numpy = Command::new(&python).args(["-c", "import numpy"]).stderr(Stdio::null()).status();
        if !folder.join("run.py").exists() || !numpy.is_ok_and(|s| s.success()) {
            return None;
        }
        let mut command = Command::new(python);
        command.arg(project.join("tests/emulate.py")).env("AMDEMU", folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the emulator starts");
        let requests = child.stdin.take();
        let replies = BufReader::new(child.stdout.take().expect("piped"));
        Some(Emulator { child, requests, replies })
    }

    fn request(&mut self, spec: &Value) -> Result<(), String> {
        let requests = self.requests.as_mut().expect("open until dropped");
        writeln!(requests, "{spec}").map_err(|e| e.to_string())?;
        let mut line = String::new();
        self.replies.read_line(&mut line).map_err(|e| e.to_string())?;
        let reply: Value = serde_json::from_str(&line).map_err(|e| format!("{e}: {line}"))?;
        if reply["ok"] == true { Ok(()) } else { Err(format!("the emulator: {line}")) }
    }

    /// The buffers after a launch, one a parameter.
    pub fn run(&mut self, artifact: &Artifact, run: &Run) -> Result<Vec<Vec<u8>>, String> {
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
        self.request(&spec)?;
        (0..run.buffers.len()).map(|i| std::fs::read(path(i)).map_err(|e| e.to_string())).collect()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // End of input ends it.
        self.requests = None;
        let _ = self.child.wait();
    }
}
