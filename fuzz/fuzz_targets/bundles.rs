//! Bundles with right hashes, as anyone can make them: a good one is changed where the bytes say, every hash in it is put right, and
//! everything is done with it that a loader does before it runs code. Nothing panics, and what is refused is refused as a bundle,
//! never as a defect.
#![no_main]

use libfuzzer_sys::fuzz_target;
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::kernel::abi;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Code, Diagnostic, Verified, text};
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::schedule;
use routefuse_runtime::{Bundle, BundleWriter, Compiler, KernelCache, KeyText, Plan, Trust, TrustedBundle};
use std::sync::{Arc, LazyLock};

/// Two kernels: a row schedule and a flat one, a buffer between them, a table.
const GRAPH: &str = "route 1
graph @g {
  dim T
  input %x : f32[T, 8]
  input %map : i32[8]
  %p = softmax %x
  %ids = argmax %p
  %to = gather %map, %ids {out_of_range = clamp}
  output p = %p
  output to = %to
}
";

/// Where a bundle's hash is, and where what it hashes begins.
const HASH: usize = 16;
const BODY: usize = 48;
/// Where an entry's key, its lengths and its hash are, and where its key text begins.
const ENTRY: [usize; 4] = [16, 48, 72, 104];

/// In the place of a compiler: it has a name, and what it gives is never run.
struct Named(String, String);

// SAFETY: the code is for a GPU, and there is none.
unsafe impl Compiler for Named {
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic> {
        Ok(artifact(kernel, variant))
    }

    fn version(&self) -> &str {
        &self.0
    }

    fn host_cpu(&self) -> &str {
        &self.1
    }
}

fn artifact(kernel: &Scheduled, variant: Variant) -> Artifact {
    Artifact {
        target: kernel.target,
        variant,
        schedule: kernel.schedule.clone(),
        slots: abi::slots(&kernel.kernel, kernel.target),
        entry: "routefuse_kernel".to_owned(),
        format: CodeFormat::Ptx,
        code: b"// code".to_vec(),
    }
}

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (target, compiler) = (Target::named("sm_90").expect("a target"), Named("fuzz 1".to_owned(), "none".to_owned()));
    let graph = text::parse_verified(GRAPH).expect("a graph");
    let program = compile_graph(graph, &Options::unfused()).expect("it compiles").program;
    let kernels: Vec<Verified<Scheduled>> =
        program.steps.iter().map(|s| schedule(s.kernel.clone(), target).expect("a schedule")).collect();
    let mut bundle = BundleWriter::new(&compiler.0, &compiler.1);
    bundle.graph("g", GRAPH, &[target.name()], false);
    assert!(bundle.plan(0, target, &program, kernels.iter().map(|k| &k.schedule)));
    for kernel in &kernels {
        for &variant in kernel.variants() {
            assert!(bundle.kernel(&KeyText::of(kernel, variant, &compiler), &artifact(kernel, variant)));
        }
    }
    bundle.finish()
});

fuzz_target!(|bytes: &[u8]| {
    let mut bundle = GOOD.clone();
    // Six bytes a change: where, how many bytes go, and what comes.
    for change in bytes.chunks_exact(6) {
        let at = BODY + usize::from(u16::from_le_bytes([change[0], change[1]])) % (bundle.len() - BODY);
        let gone = usize::from(change[2] % 12).min(bundle.len() - at);
        let come = &change[3..3 + usize::from(change[2] / 64)];
        bundle.splice(at..at + gone, come.iter().copied());
        if bundle.len() <= BODY + 6 {
            return;
        }
    }
    put_right(&mut bundle);
    load(bundle);
});

/// Every entry's key and hash, the keys in the list of entries, and the hash of the whole.
fn put_right(bundle: &mut [u8]) {
    let [key, lengths, hash, body] = ENTRY;
    let begins: Vec<usize> =
        bundle.windows(8).enumerate().filter(|(_, w)| w == b"RFKERNEL").map(|(at, _)| at).collect();
    let length = bundle.len();
    for at in begins.into_iter().filter(|at| *at >= BODY + 40 && at + body <= length) {
        let number = |i: usize| {
            let bytes = &bundle[at + lengths + 8 * i..][..8];
            u64::from_le_bytes(bytes.try_into().expect("eight bytes")).min(length as u64) as usize
        };
        let text = number(0);
        let end = (at + body + text + number(1) + number(2)).min(length);
        let of_text = *blake3::hash(&bundle[at + body..(at + body + text).min(length)]).as_bytes();
        bundle[at + key..at + key + 32].copy_from_slice(&of_text);
        bundle[at - 40..at - 8].copy_from_slice(&of_text);
        let mut whole = blake3::Hasher::new();
        whole.update(&bundle[at..at + hash]).update(&bundle[at + body..end]);
        let whole = *whole.finalize().as_bytes();
        bundle[at + hash..at + body].copy_from_slice(&whole);
    }
    let whole = *blake3::hash(&bundle[BODY..]).as_bytes();
    bundle[HASH..BODY].copy_from_slice(&whole);
}

fn load(bytes: Vec<u8>) {
    let Ok(bundle) = Bundle::decode(bytes) else { return };
    for (key, entry) in bundle.entries() {
        if let Ok(entry) = entry {
            assert_eq!(entry.key, key);
        }
    }
    let _ = bundle.lacking();
    let graphs = bundle.graphs().to_vec();
    let compiler: Arc<dyn Compiler> = Arc::new(Named(bundle.compiler().to_owned(), bundle.processor().to_owned()));
    let bundle = TrustedBundle::new(bundle, &Trust::anyone()).expect("anyone's");
    let cache = Arc::new(KernelCache::new().with_bundles(vec![bundle]));
    for graph in &graphs {
        let _ = text::parse_verified(&graph.text);
        for target in graph.targets.iter().filter_map(|t| Target::named(t).ok()) {
            let Ok((program, schedules)) = graph.plan(target) else { continue };
            // A plan for the host would load the code; that is what its loader has to trust.
            if target.kind() == TargetKind::Host {
                continue;
            }
            match Plan::new(program, schedules, target, Arc::clone(&compiler), Arc::clone(&cache)) {
                Ok(plan) => {
                    let _ = plan.prepare();
                }
                Err(e) => assert_ne!(e.code, Code::Internal, "{e}"),
            }
        }
    }
}
