//! The files under `examples/` are the chains and the model presets of the facade, as text. `make snapshots` writes them anew.

use routefuse::{DType, Graph, Verified, chains, models, text};
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

fn same(path: &Path, graph: &Verified<Graph>) {
    let name = path.display();
    let source = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{name}: {e}"));
    let file = text::parse_verified(&source).unwrap_or_else(|e| panic!("{name}: {e}"));
    let printed = text::print(graph);
    assert!(file.same_as(graph), "{name} is not what the library builds, which is:\n{printed}");
    assert_eq!(text::format(&source).unwrap(), source, "{name} is not formatted");
}

fn no_others(folder: &Path, names: &[String]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(!file.ends_with(".route") || names.contains(&file), "{} has a stray {file}", folder.display());
    }
}

fn rewrites() -> bool {
    std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always")
}

#[test]
fn example_files_are_the_chains() {
    let mut names = vec![];
    for (name, graph) in chains::examples() {
        let graph = graph.unwrap_or_else(|e| panic!("{name}: {e}"));
        let path = folder("").join(format!("{name}.route"));
        if rewrites() {
            // The comment at the top is written by hand, and kept.
            let old = std::fs::read_to_string(&path).unwrap_or_default();
            let comment: String =
                old.lines().skip(1).take_while(|l| l.starts_with('#')).map(|l| format!("{l}\n")).collect();
            let printed = text::print(&graph).replacen("route 1\n", &format!("route 1\n{comment}"), 1);
            std::fs::write(&path, printed).unwrap();
        }
        same(&path, &graph);
        names.push(format!("{name}.route"));
    }
    no_others(&folder(""), &names);
}

#[test]
fn model_files_are_the_presets() {
    let mut names = vec![];
    for example in models::examples() {
        let graph = example.graph().unwrap_or_else(|e| panic!("{}: {e}", example.file));
        let path = folder("models").join(format!("{}.route", example.file));
        if rewrites() {
            let preset = models::named(example.model).unwrap();
            let arguments: String = example.arguments().iter().map(|a| format!(" {a}")).collect();
            let comment = format!("# {}: {}\n# routefuse dump --stage graph{arguments}", preset.models, preset.formula);
            let printed = text::print(&graph).replacen("route 1\n", &format!("route 1\n{comment}\n"), 1);
            std::fs::create_dir_all(folder("models")).unwrap();
            std::fs::write(&path, text::format(&printed).unwrap()).unwrap();
        }
        same(&path, &graph);
        names.push(format!("{}.route", example.file));
    }
    no_others(&folder("models"), &names);
}

/// What the comparison on a GPU has beside the examples: layouts, which are several kernels each.
#[test]
fn graphs_of_the_comparison_are_layouts() {
    let of = |experts, top_k| chains::Align { experts, top_k, ..chains::Align::default() };
    let blocks_of = |block| chains::Align { block: Some(block), ..of(256, 8) };
    let dispatch = chains::Align { engine: chains::AlignEngine::Deepep, id_dtype: DType::I64, ..of(256, 8) };
    let preset = models::named("deepseek-v3").unwrap();
    let mut options = models::ModelOptions::default();
    preset.set(&mut options, "post", "true").unwrap();
    preset.set(&mut options, "align", "vllm").unwrap();
    let graphs = [
        ("align-256", of(256, 8).graph()),
        ("align-256-16", blocks_of(16).graph()),
        ("align-256-128", blocks_of(128).graph()),
        ("align-384", of(384, 8).graph()),
        ("align-512", of(512, 10).graph()),
        ("deepep-256", dispatch.graph()),
        ("deepseek-v3-post-align", preset.graph(&options)),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/gpu/graphs");
    for (name, graph) in &graphs {
        let (path, graph) = (folder.join(format!("{name}.route")), graph.as_ref().unwrap());
        if rewrites() {
            std::fs::write(&path, text::print(graph)).unwrap();
        }
        same(&path, graph);
    }
    no_others(&folder, &graphs.map(|(name, _)| format!("{name}.route")));
}
