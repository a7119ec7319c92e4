//! A model's kernels in one file, with the graphs they are of.
//!
//! | offset | bytes | what |
//! |---:|---:|---|
//! | 0 | 8 | `RFBUNDLE` |
//! | 8 | 4 | version of the format |
//! | 12 | 4 | 1 if it is signed, else 0 |
//! | 16 | 32 | blake3 of the bytes from 48 on, but for a signature |
//! | 48 | | the compiler and its host's processor, then the graphs with their plans, then the entries, each as in a remote cache: signed by itself if the bundle is |
//! | the last 112 | 112 | if it is signed: see `signature` |

use super::directory;
use super::entry::{self, Content, Entry};
use super::key::{Key, KeyText};
use super::program_form;
use super::reader::{Malformed, Reader, Writer};
use super::signature;
#[cfg(feature = "signatures")]
use super::signature::{PublicKey, SigningKey, Subject};
use super::trouble::Trouble;
use crate::host::processor;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_ir::kernel::schedule::tuning::Tuning;
use routefuse_ir::program::Program;
use routefuse_ir::target::Target;
use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

const MAGIC: &[u8; 8] = b"RFBUNDLE";
pub(super) const VERSION: u32 = 3;
/// Where what is hashed begins.
const BODY: usize = 48;
/// A larger file is no bundle of ours.
const LARGEST: u64 = 4 << 30;

/// A graph whose kernels are in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundledGraph {
    /// What it was called when the bundle was made: a model's name, or the graph's own.
    pub name: String,
    /// The graph, as `.route` text.
    pub text: String,
    /// The targets that it was compiled for.
    pub targets: Vec<String>,
    /// Fused, as by default.
    pub fused: bool,
    /// For each target, the program and its schedules as bytes; none where only the kernels are in the bundle.
    plans: Vec<Vec<u8>>,
}

impl BundledGraph {
    /// Whether it was compiled for this target.
    pub fn is_for(&self, target: Target) -> bool {
        self.targets.iter().any(|t| t == target.name())
    }

    /// The bytes of [`BundledGraph::plan`]: equal bytes are equal plans. `None` if it was not compiled for the target.
    pub fn plan_form(&self, target: Target) -> Option<&[u8]> {
        let at = self.targets.iter().position(|t| t == target.name())?;
        self.plans.get(at).map(Vec::as_slice)
    }

    /// What a plan for this target is made of: the program, and the schedule of each of its kernels.
    ///
    /// # Errors
    /// It was not compiled for the target; what is wrong with the bytes.
    pub fn plan(&self, target: Target) -> Result<(Program, Vec<Schedule>), Malformed> {
        let form = self.plan_form(target).ok_or_else(|| Malformed::Target { name: target.name().to_owned() })?;
        program_form::decode(form)
    }
}

/// A bundle that was read, whole and as it was written: to look at. Its hashes say that no bit was changed, not who made it;
/// what engines load is a [`TrustedBundle`](super::TrustedBundle).
#[derive(Debug)]
pub struct Bundle {
    compiler: String,
    processor: String,
    graphs: Vec<BundledGraph>,
    places: HashMap<Key, Range<usize>>,
    order: Vec<Key>,
    bytes: Vec<u8>,
    #[cfg(feature = "signatures")]
    signer: Option<PublicKey>,
    /// What this machine's processor lacks for the bundle's code for `host`.
    lacking: OnceLock<Vec<String>>,
}

impl Bundle {
    /// Reads a file. As what is in it is run, the file must be this user's or the administrator's, and no others may write to
    /// it.
    ///
    /// # Errors
    /// The system's refusals; what is wrong with the bytes.
    pub fn read(path: &Path) -> Result<Bundle, Trouble> {
        let path = std::fs::canonicalize(path).map_err(|e| Trouble::io("read", path, e))?;
        let opened = directory::open(&path)?;
        let (file, metadata) = opened.ok_or_else(|| Trouble::io("read", &path, ErrorKind::NotFound.into()))?;
        // Nothing else is read of a large file that is no bundle.
        let mut head = [0; 12];
        if metadata.len() >= head.len() as u64 {
            file.read_exact_at(&mut head, 0).map_err(|e| Trouble::io("read", &path, e))?;
            let begins = Reader::new(&head).version(MAGIC, VERSION, "bundle");
            begins.map_err(|reason| Trouble::Spoilt { path: path.clone(), reason })?;
        }
        let bytes = directory::read_whole(&path, &file, &metadata, LARGEST)?;
        Bundle::decode(bytes).map_err(|reason| Trouble::Spoilt { path, reason })
    }

    /// Writes what [`BundleWriter::finish`] gave to a file, which [`Bundle::read`] may read. Whoever reads it meanwhile has all of
    /// what was there before, or all of the new one.
    ///
    /// # Errors
    /// The system's refusals; nothing is left of the file then.
    pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().ok_or_else(|| Trouble::io("write", path, ErrorKind::InvalidInput.into()))?;
        directory::publish(folder, name, bytes)
    }

    /// Reads what [`BundleWriter::finish`] wrote. No change of any bit goes unseen.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: Vec<u8>) -> Result<Bundle, Malformed> {
        let mut r = Reader::new(&bytes);
        r.version(MAGIC, VERSION, "bundle")?;
        let signed = match r.u32("header")? {
            0 => false,
            1 => true,
            other => return Err(Malformed::Unknown { what: "header", value: other.into() }),
        };
        let hash = r.hash("header")?;
        let signature = if signed { signature::LENGTH } else { 0 };
        let end = bytes.len().checked_sub(signature).filter(|end| *end >= BODY);
        let end = end.ok_or(Malformed::CutShort { what: "signature" })?;
        if *blake3::hash(&bytes[BODY..end]).as_bytes() != hash {
            return Err(Malformed::Hash);
        }
        // A build without signatures has no way to require one.
        #[cfg(feature = "signatures")]
        let signer = if signed { Some(signature::signer(&bytes[end..], Subject::Bundle, &hash)?) } else { None };
        let mut r = Reader::new(&bytes[BODY..end]);
        let compiler = r.text("compiler")?.to_owned();
        let processor = r.text("processor")?.to_owned();
        let graphs = r.list("graphs", |r| {
            let graph = BundledGraph {
                name: r.text("graphs")?.to_owned(),
                text: r.text("graphs")?.to_owned(),
                targets: r.list("graphs", |r| r.text("graphs").map(str::to_owned))?,
                fused: r.bool("graphs")?,
                plans: r.list("plans", |r| {
                    let length = r.u64("plans")?;
                    r.bytes(length, "plans").map(<[u8]>::to_vec)
                })?,
            };
            let (targets, plans) = (graph.targets.len(), graph.plans.len());
            if targets == plans { Ok(graph) } else { Err(Malformed::Plans { targets, plans }) }
        })?;
        let base = bytes.as_ptr() as usize;
        let entries = r.list("kernels", |r| {
            let key = Key::from_bytes(r.hash("kernels")?);
            let length = r.u64("kernels")?;
            let part = r.bytes(length, "kernels")?;
            let start = part.as_ptr() as usize - base;
            Ok((key, start..start + part.len()))
        })?;
        r.end()?;
        let order = entries.iter().map(|e| e.0).collect();
        let places = entries.into_iter().collect();
        Ok(Bundle {
            compiler,
            processor,
            graphs,
            places,
            order,
            #[cfg(feature = "signatures")]
            signer,
            lacking: OnceLock::new(),
            bytes,
        })
    }

    /// Whose signature it has. Whether that is someone to be trusted, [`Trust`](super::Trust) says.
    #[cfg(feature = "signatures")]
    pub fn signer(&self) -> Option<PublicKey> {
        self.signer
    }

    /// The version of the compiler that made it: see [`Compiler::version`](crate::Compiler::version).
    pub fn compiler(&self) -> &str {
        &self.compiler
    }

    /// The processor that its code for `host` is for: see [`Compiler::host_cpu`](crate::Compiler::host_cpu).
    pub fn processor(&self) -> &str {
        &self.processor
    }

    /// The graphs, in the order in which they were added.
    pub fn graphs(&self) -> &[BundledGraph] {
        &self.graphs
    }

    /// Number of entries: variants of kernels, and records of tunings.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Of them, records of tunings.
    pub fn tunings(&self) -> usize {
        self.order.iter().filter(|key| self.part(**key).is_some_and(entry::is_tuning)).count()
    }

    /// No entry is in it.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Bytes of the file.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The features of the processor that its code for `host` may use and this machine's processor lacks. If there are any, that
    /// code does not run on this machine; code for a named host may ([`processor_lacks`](crate::processor_lacks)).
    pub fn lacking(&self) -> &[String] {
        self.lacking.get_or_init(|| processor::lacking(&self.processor))
    }

    /// The kernel of this key. Code for `host` is only found where it runs.
    pub fn find(&self, key: &KeyText) -> Option<Artifact> {
        let Content::Kernel(artifact) = self.content(key)? else { return None };
        let here = artifact.target != Target::host() || self.lacking().is_empty();
        here.then_some(artifact)
    }

    /// Whether there is an entry of this key; it is not read.
    pub fn has(&self, key: Key) -> bool {
        self.places.contains_key(&key)
    }

    /// The record of a tuning under this key.
    pub fn find_tuning(&self, key: &KeyText) -> Option<Tuning> {
        let Content::Tuning(tuning) = self.content(key)? else { return None };
        Some(tuning)
    }

    fn content(&self, key: &KeyText) -> Option<Content> {
        // The signature of the whole was checked.
        let entry = Entry::decode_within(self.part(key.key())?).ok().filter(|e| e.key == key.key())?;
        (entry.text == key.text()).then_some(entry.content)
    }

    /// The entry of this key.
    pub fn entry(&self, key: Key) -> Option<Result<Entry, Malformed>> {
        let entry = Entry::decode(self.part(key)?).and_then(Entry::foreign);
        Some(entry.and_then(|e| if e.key == key { Ok(e) } else { Err(Malformed::Key) }))
    }

    fn part(&self, key: Key) -> Option<&[u8]> {
        self.bytes.get(self.places.get(&key)?.clone())
    }

    /// Every entry, each with its key, in the order of keys.
    pub fn entries(&self) -> impl Iterator<Item = (Key, Result<Entry, Malformed>)> {
        self.order.iter().filter_map(|k| Some((*k, self.entry(*k)?)))
    }
}

/// Makes the bytes of a bundle: the same of the same, in whatever order kernels are added.
#[derive(Clone, Debug, Default)]
pub struct BundleWriter {
    compiler: String,
    processor: String,
    graphs: Vec<BundledGraph>,
    entries: BTreeMap<Key, Vec<u8>>,
}

impl BundleWriter {
    /// Of code of this compiler; code for `host` is for this processor.
    pub fn new(compiler: &str, processor: &str) -> BundleWriter {
        let (compiler, processor) = (compiler.to_owned(), processor.to_owned());
        BundleWriter { compiler, processor, ..BundleWriter::default() }
    }

    /// Adds a graph; its plans are added by [`BundleWriter::plan`], their kernels by [`BundleWriter::kernel`].
    pub fn graph(&mut self, name: &str, text: &str, targets: &[&str], fused: bool) {
        let targets: Vec<String> = targets.iter().map(|t| (*t).to_owned()).collect();
        let plans = vec![Vec::new(); targets.len()];
        self.graphs.push(BundledGraph { name: name.to_owned(), text: text.to_owned(), targets, fused, plans });
    }

    /// Adds what the plan of a graph for a target is made of: the program, and the schedule of each of its kernels. `graph` is
    /// the number of the graph in the order in which graphs were added, from 0. A plan for the same target is replaced. `false`
    /// if there is no such graph, or if a schedule or an operation is of a kind that the format does not have.
    pub fn plan<'s>(
        &mut self,
        graph: usize,
        target: Target,
        program: &Program,
        schedules: impl IntoIterator<Item = &'s Schedule>,
    ) -> bool {
        let form = program_form::encode(program, schedules);
        let (Some(form), Some(graph)) = (form, self.graphs.get_mut(graph)) else { return false };
        let target = target.name();
        match graph.targets.iter().position(|t| t == target) {
            Some(at) => graph.plans[at] = form,
            None => {
                graph.targets.push(target.to_owned());
                graph.plans.push(form);
            }
        }
        true
    }

    /// Adds a kernel; one of the same key is replaced. `false` if its schedule is of a kind that the format does not have.
    pub fn kernel(&mut self, key: &KeyText, artifact: &Artifact) -> bool {
        let bytes = Entry::encode(key, artifact);
        bytes.map(|b| self.entries.insert(key.key(), b)).is_some()
    }

    /// Adds the record of a tuning; one of the same key is replaced.
    pub fn tuning(&mut self, key: &KeyText, tuning: &Tuning) {
        self.entries.insert(key.key(), Entry::encode_tuning(key, tuning));
    }

    /// Adds an entry, with its signature if it has one; `false` as for [`BundleWriter::kernel`].
    pub fn entry(&mut self, entry: &Entry) -> bool {
        entry.to_bytes().map(|b| self.entries.insert(entry.key, b)).is_some()
    }

    /// Number of entries so far: variants of kernels, and records of tunings.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Of them, records of tunings.
    pub fn tunings(&self) -> usize {
        self.entries.values().filter(|bytes| entry::is_tuning(bytes)).count()
    }

    /// No entry so far.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes.
    pub fn finish(&self) -> Vec<u8> {
        self.bytes(0, |entry| entry.clone()).0
    }

    /// The bytes, signed: the whole, and each kernel by itself, so that a cache into which it is brought keeps its signature.
    /// Who signs vouches for the code of every kernel, whoever compiled it.
    #[cfg(feature = "signatures")]
    pub fn finish_signed(&self, by: &SigningKey) -> Vec<u8> {
        let (mut bytes, hash) = self.bytes(1, |bytes| entry::signed(bytes.clone(), by));
        bytes.extend_from_slice(&signature::sign(by, Subject::Bundle, &hash));
        bytes
    }

    /// All but a signature, and the hash.
    fn bytes(&self, signed: u32, entry: impl Fn(&Vec<u8>) -> Vec<u8>) -> (Vec<u8>, [u8; 32]) {
        let mut w = Writer::default();
        w.0.extend_from_slice(MAGIC);
        w.u32(VERSION);
        w.u32(signed);
        w.0.extend_from_slice(&[0; 32]);
        w.text(&self.compiler);
        w.text(&self.processor);
        w.list(&self.graphs, |w, BundledGraph { name, text, targets, fused, plans }| {
            w.text(name);
            w.text(text);
            w.list(targets, |w, t| w.text(t));
            w.u8((*fused).into());
            w.list(plans, |w, form| {
                w.u64(form.len() as u64);
                w.0.extend_from_slice(form);
            });
        });
        w.u32(self.entries.len() as u32);
        for (key, bytes) in &self.entries {
            let bytes = entry(bytes);
            w.0.extend_from_slice(key.as_bytes());
            w.u64(bytes.len() as u64);
            w.0.extend_from_slice(&bytes);
        }
        let hash = *blake3::hash(&w.0[BODY..]).as_bytes();
        w.0[16..BODY].copy_from_slice(&hash);
        (w.0, hash)
    }
}
