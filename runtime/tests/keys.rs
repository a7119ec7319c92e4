//! From a graph's text to the keys of its kernels: what changes them and what does not.

use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::target::Target;
use routefuse_ir::{Code, Diagnostic, Verified, text};
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::schedule;
use routefuse_runtime::{Compiler, Key, KeyText};
use std::collections::HashSet;

struct Named {
    version: &'static str,
    cpu: &'static str,
}

// SAFETY: it gives no code.
unsafe impl Compiler for Named {
    fn compile(&self, _: &Verified<Scheduled>, _: Variant) -> Result<Artifact, Diagnostic> {
        Err(Diagnostic::new(Code::CompileFailed, "no compiler"))
    }

    fn version(&self) -> &str {
        self.version
    }

    fn host_cpu(&self) -> &str {
        self.cpu
    }
}

const COMPILER: Named = Named { version: "1", cpu: "cpu +fma" };

const TEXT: &str = include_str!("../../examples/e_post_chain.route");

fn kernels(text: &str, target: &str) -> Vec<Verified<Scheduled>> {
    let graph = text::parse_verified(text).unwrap();
    let target = Target::named(target).unwrap();
    let program = compile_graph(graph, &Options::default()).unwrap().program;
    program.steps.into_iter().map(|step| schedule(step.kernel, target).unwrap()).collect()
}

/// Every variant's key.
fn keys(text: &str, target: &str, compiler: &Named) -> Vec<Key> {
    let kernels = kernels(text, target);
    kernels.iter().flat_map(|k| k.variants().iter().map(|v| Key::of(k, *v, compiler))).collect()
}

fn replaced(from: &str, to: &str) -> String {
    assert!(TEXT.contains(from), "{from}");
    TEXT.replace(from, to)
}

#[test]
fn what_does_not_change_code_does_not_change_keys() {
    let first = keys(TEXT, "sm_90", &COMPILER);
    let mut same = vec![
        replaced("# The long chain", "# Another remark\n# and one more"),
        replaced("%physical", "%slots"),
        replaced("%ids", "%expert_ids"),
        replaced("output ids_out", "output chosen"),
        replaced("@post_chain", "@layer_17"),
        replaced("dim T", "dim tokens").replace("[T", "[tokens"),
        // Other spaces, and the same number written otherwise.
        replaced("  output", "      output"),
        replaced("value = 2.5", "value = 2.50"),
    ];
    // Operations that do not need each other, declared the other way round.
    let scaled = "  %scaled = mul %weights, %v6 : f32[T, 8]\n";
    let cast = "  %v11 = cast %shared_weights {dtype = f32} : f32[T, 1]\n";
    assert!(TEXT.contains(cast), "{cast}");
    same.push(replaced(scaled, "").replace(cast, &format!("{cast}{scaled}")));
    // What nobody reads.
    same.push(replaced("  output packed", "  %unused = neg %weights : f32[T, 8]\n  output packed"));
    for text in same {
        assert_eq!(keys(&text, "sm_90", &COMPILER), first, "{text}");
    }
    assert_eq!(keys(TEXT, "sm_90", &Named { version: "1", cpu: "another" }), first, "a GPU's code is any host's");
}

#[test]
fn each_ingredient_changes_the_key() {
    let mut all = keys(TEXT, "sm_90", &COMPILER);
    assert_eq!(all.len(), 4, "one a variant");
    for text in [
        replaced("value = 2.5", "value = 2.25"),
        replaced("{fill = -1}", "{fill = 0}"),
        replaced("{form = masked}", "{form = sign_extended}"),
        replaced("out_of_range = pass", "out_of_range = clamp"),
        replaced("%map : i32[256]", "%map : i32[255]"),
        replaced("%shared_weights : bf16", "%shared_weights : f16"),
        replaced("output ids_out = %masked : i32[T, 9]", "output ids_out = %masked : i32[T, 9] rows"),
        replaced("  output ids_out = %masked : i32[T, 9]\n", ""),
    ] {
        all.extend(keys(&text, "sm_90", &COMPILER));
    }
    // Inputs in another order are other slots.
    let n = "  input %n : i32[]\n";
    let other = replaced(n, "").replace("  input %ids", &format!("{n}  input %ids"));
    all.extend(keys(&other, "sm_90", &COMPILER));
    all.extend(Target::all().filter(|t| t.name() != "sm_90").flat_map(|t| keys(TEXT, t.name(), &COMPILER)));
    all.extend(keys(TEXT, "sm_90", &Named { version: "2", cpu: "cpu +fma" }));
    all.extend(keys(TEXT, "host", &Named { version: "1", cpu: "cpu +fma +avx2" }));
    // Machine code is of one processor, and of one release of the driver's assembler.
    let sm_90 = kernels(TEXT, "sm_90");
    for processor in
        ["sm_90 CUDA 13.0 580.1", "sm_90 CUDA 13.0 580.2", "sm_90 CUDA 13.1 580.1", "sm_91 CUDA 13.0 580.1"]
    {
        let key = |k: &Scheduled, v: &Variant| KeyText::on(processor, k, *v, &COMPILER).key();
        all.extend(sm_90.iter().flat_map(|k| k.variants().iter().map(move |v| key(k, v))));
    }
    let distinct: HashSet<Key> = all.iter().copied().collect();
    assert_eq!(distinct.len(), all.len());
}

/// An ingredient with line breaks in it cannot pass for two.
#[test]
fn ingredients_keep_to_their_line() {
    let kernel = &kernels(TEXT, "sm_90")[0];
    let sly = Named { version: "1\ntarget host\\n", cpu: "" };
    let text = KeyText::of(kernel, kernel.variants()[0], &sly);
    assert_eq!(text.text().lines().nth(2), Some("compiler 1\\ntarget host\\\\n"));
    assert_eq!(text.text().lines().filter(|l| l.starts_with("target ")).count(), 1);
}

#[test]
fn keys_have_a_text() {
    let key = keys(TEXT, "host", &COMPILER)[0];
    assert_eq!(Key::from_text(&key.to_string()), Some(key));
    let text = key.to_string();
    for wrong in [&text[1..], &text[2..], &text.to_uppercase(), &text.replace(char::is_numeric, "g"), ""] {
        assert_eq!(Key::from_text(wrong), None, "{wrong}");
    }
}
