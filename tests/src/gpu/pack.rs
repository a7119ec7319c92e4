//! Graphs with the code of all their kernels, in a folder: `graphs/NAME.route`, `kernels.bin`.

use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::kernel::abi;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::target::TargetKind;
use routefuse_ir::{Code, Diagnostic, Verified};
use routefuse_runtime::{Compiler, Key};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The first bytes of `kernels.bin`.
const MAGIC: &[u8] = b"routefuse pack 1\n";

/// A compiler that keeps what it compiled.
pub struct Recorder {
    inner: Arc<dyn Compiler>,
    code: Mutex<BTreeMap<[u8; 32], Vec<u8>>>,
}

impl Recorder {
    /// Around this compiler.
    pub fn new(inner: Arc<dyn Compiler>) -> Recorder {
        Recorder { inner, code: Mutex::default() }
    }

    /// Writes what was compiled to `kernels.bin` in the folder, and says how many kernels that is.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write(&self, folder: &Path) -> std::io::Result<usize> {
        let code = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = std::io::BufWriter::new(std::fs::File::create(folder.join("kernels.bin"))?);
        out.write_all(MAGIC)?;
        let version = self.inner.version();
        out.write_all(&(version.len() as u64).to_le_bytes())?;
        out.write_all(version.as_bytes())?;
        for (key, code) in &*code {
            out.write_all(key)?;
            out.write_all(&(code.len() as u64).to_le_bytes())?;
            out.write_all(code)?;
        }
        out.flush()?;
        Ok(code.len())
    }
}

// SAFETY: the code is the inner compiler's.
unsafe impl Compiler for Recorder {
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic> {
        let artifact = self.inner.compile(kernel, variant)?;
        let key = *Key::of(kernel, variant, self).as_bytes();
        self.code.lock().unwrap_or_else(PoisonError::into_inner).insert(key, artifact.code.clone());
        Ok(artifact)
    }

    fn version(&self) -> &str {
        self.inner.version()
    }

    fn host_cpu(&self) -> &str {
        self.inner.host_cpu()
    }
}

/// The code of a pack, found again by its key.
pub struct Pack {
    version: String,
    code: BTreeMap<[u8; 32], Vec<u8>>,
}

impl Pack {
    /// Reads `kernels.bin` of a folder.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(folder: &Path) -> Result<Pack, String> {
        let path = folder.join("kernels.bin");
        let bytes = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Pack::parse(&bytes).ok_or_else(|| format!("{} is not a pack of this version", path.display()))
    }

    fn parse(mut bytes: &[u8]) -> Option<Pack> {
        bytes = bytes.strip_prefix(MAGIC)?;
        let sized = |bytes: &mut &[u8]| -> Option<Vec<u8>> {
            let mut size = [0; 8];
            bytes.read_exact(&mut size).ok()?;
            let (taken, rest) = bytes.split_at_checked(usize::try_from(u64::from_le_bytes(size)).ok()?)?;
            *bytes = rest;
            Some(taken.to_vec())
        };
        let version = String::from_utf8(sized(&mut bytes)?).ok()?;
        let mut code = BTreeMap::new();
        while !bytes.is_empty() {
            let mut key = [0; 32];
            bytes.read_exact(&mut key).ok()?;
            code.insert(key, sized(&mut bytes)?);
        }
        Some(Pack { version, code })
    }

    /// Number of kernels.
    pub fn len(&self) -> usize {
        self.code.len()
    }

    /// No kernel is in it.
    pub fn is_empty(&self) -> bool {
        self.code.is_empty()
    }
}

// SAFETY: the code is what a compiler gave for the kernel of this key.
unsafe impl Compiler for Pack {
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic> {
        let key = Key::of(kernel, variant, self);
        let code = self.code.get(key.as_bytes()).ok_or_else(|| {
            let message = format!("the pack has no kernel `{}` {variant} for {}", kernel.kernel.name, kernel.target);
            Diagnostic::new(Code::CompileFailed, message).help("pack again: the graphs or the passes have changed")
        })?;
        Ok(Artifact {
            target: kernel.target,
            variant,
            schedule: kernel.schedule.clone(),
            slots: abi::slots(&kernel.kernel, kernel.target),
            entry: abi::ENTRY.to_owned(),
            format: if kernel.target.kind() == TargetKind::Amdgpu { CodeFormat::Hsaco } else { CodeFormat::Ptx },
            code: code.clone(),
        })
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn host_cpu(&self) -> &str {
        ""
    }
}
