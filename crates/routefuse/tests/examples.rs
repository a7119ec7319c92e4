//! The files under `examples/` are the chains of the facade, as text.

use routefuse::{chains, text};
use std::path::Path;

#[test]
fn example_files_are_the_chains() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut names = vec![];
    for (name, graph) in chains::examples() {
        let graph = graph.unwrap_or_else(|e| panic!("{name}: {e}"));
        let path = folder.join(format!("{name}.route"));
        let source = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let file = text::parse_verified(&source).unwrap_or_else(|e| panic!("{name}: {e}"));
        let printed = text::print(&graph);
        assert!(file.same_as(&graph), "{name}.route is not what chains::examples() builds, which is:\n{printed}");
        assert_eq!(text::format(&source).unwrap(), source, "{name}.route is not formatted");
        names.push(format!("{name}.route"));
    }
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(!file.ends_with(".route") || names.contains(&file), "examples/{file} is no chain");
    }
}
