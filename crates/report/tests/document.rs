//! What must hold of every document: positions lead somewhere, differences add up, bytes are the same in every run.

use routefuse::models::{self, ModelOptions};
use routefuse::{Engine, Graph, Target, Verified, chains};
use routefuse_report::{Document, Request, html, json};

/// Graphs of every kind: the chains, and presets with and without what follows the router.
fn graphs() -> Vec<(String, Verified<Graph>)> {
    let chains = chains::examples().into_iter().map(|(name, g)| (name.to_owned(), g.unwrap()));
    let presets = ["deepseek-v3", "mixtral", "gpt-oss"];
    let presets =
        presets.map(|name| (name.to_owned(), models::named(name).unwrap().graph(&ModelOptions::default()).unwrap()));
    chains.chain(presets).collect()
}

fn of(graph: &Verified<Graph>, target: Target) -> Document {
    let request = Request { target, ..Request::default() };
    Document::of(&Engine::builder().build().unwrap(), graph, &request).unwrap()
}

fn targets() -> [Target; 3] {
    ["host", "sm_90", "gfx942"].map(|name| Target::named(name).unwrap())
}

#[test]
fn every_position_leads_somewhere() {
    for (name, graph) in graphs() {
        for target in targets() {
            let d = of(&graph, target);
            let values = |list: &[usize]| assert!(list.iter().all(|id| *id < d.values.len()), "{name}: {list:?}");
            assert!(d.values.iter().enumerate().all(|(i, v)| v.id == i));
            assert_eq!(d.values.len(), graph.node_count());
            for stage in &d.stages {
                assert_eq!(stage.lines.len(), stage.text.lines().count(), "{name}: {}", stage.id);
                stage.lines.iter().for_each(|l| values(l));
                assert!(stage.marks.iter().all(|m| m.line < stage.lines.len()));
                assert!(stage.kernel.is_none_or(|k| k < d.launches.after.len()));
            }
            assert_eq!(d.source.lines.len(), d.source.text.lines().count());
            for (drawing, launches) in [(&d.graph.before, &d.launches.before), (&d.graph.after, &d.launches.after)] {
                assert!(!drawing.boxes.is_empty());
                assert!(drawing.boxes.iter().all(|b| b.launch.is_none_or(|l| l < launches.len())));
                assert!(drawing.edges.iter().all(|e| e.from < drawing.boxes.len() && e.to < drawing.boxes.len()));
                drawing.boxes.iter().filter_map(|b| b.value).for_each(|id| values(&[id]));
                assert!(drawing.edges.iter().all(|e| e.path.starts_with('M')));
            }
            launches_hold(&d, &name);
        }
    }
}

/// The variants of a kernel cover every number of rows.
fn launches_hold(d: &Document, name: &str) {
    for launch in &d.launches.after {
        assert!(!launch.variants.is_empty());
        for rows in [0, 1, 64, 4096, 1 << 30] {
            let takes = |v: &&routefuse_report::Variant| v.rows_from <= rows && v.rows_to.is_none_or(|to| rows <= to);
            assert!(launch.variants.iter().filter(takes).any(|v| v.when == "always"), "{name}: {rows}");
        }
    }
}

/// Every value but those that are gone stands on a line of the program's text.
#[test]
fn values_are_on_lines_of_every_stage() {
    for (name, graph) in graphs() {
        let d = of(&graph, Target::named("sm_90").unwrap());
        for stage in d.stages.iter().filter(|s| s.id == "graph") {
            for value in &d.values {
                assert!(stage.lines.iter().any(|l| l.contains(&value.id)), "{name}: {} in {}", value.name, stage.id);
            }
        }
        let fused = d.stages.iter().find(|s| s.id == "fused").unwrap();
        let kernels: Vec<&Vec<usize>> =
            d.stages.iter().filter(|s| s.id.starts_with("kernel")).flat_map(|s| &s.lines).collect();
        let of_program: Vec<&Vec<usize>> = fused.lines.iter().collect();
        for list in kernels.iter().filter(|l| !l.is_empty()) {
            assert!(of_program.contains(list), "{name}: {list:?}");
        }
    }
}

#[test]
fn differences_add_up_to_both_texts() {
    for (name, graph) in graphs() {
        let d = of(&graph, Target::host());
        let mut compared = 0;
        for stage in &d.stages {
            let Some(diff) = &stage.diff else { continue };
            let from = d.stages.iter().find(|s| s.id == diff.from).unwrap();
            let count = |signs: &str| diff.runs.iter().filter(|r| signs.contains(r.0)).map(|r| r.1).sum::<usize>();
            assert_eq!(count("=-"), from.text.lines().count(), "{name}: {}", stage.id);
            assert_eq!(count("=+"), stage.text.lines().count(), "{name}: {}", stage.id);
            let (mut old, mut new) = (from.text.lines(), stage.text.lines());
            for (sign, n) in &diff.runs {
                for _ in 0..*n {
                    match sign {
                        '=' => assert_eq!(old.next().unwrap(), new.next().unwrap()),
                        '-' => assert!(old.next().is_some()),
                        _ => assert!(new.next().is_some()),
                    }
                }
            }
            compared += 1;
        }
        assert!(compared > 0 || d.stages[0].text == d.stages[1].text, "{name}");
    }
}

#[test]
fn the_same_graph_gives_the_same_bytes() {
    for (_, graph) in graphs() {
        let once = || html(&of(&graph, Target::host()));
        assert_eq!(once(), once());
    }
}

#[test]
fn names_stay_inert() {
    let hostile = "</script><img src=x onerror=alert(1)>\u{1b}[2J\u{202e}\u{2028}";
    let mut graph = chains::Pack::default().graph().unwrap().into_inner();
    graph.name = hostile.to_owned();
    let input = graph.inputs[0].node;
    graph.inputs[0].name = hostile.to_owned();
    graph.node_mut(input).name = hostile.to_owned();
    let graph = graph.verify().unwrap();
    let d = of(&graph, Target::host());
    let page = html(&d);
    assert!(
        !page.contains("<img") && !page.contains('\u{1b}') && !page.contains('\u{202e}') && !page.contains('\u{2028}')
    );
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(!json(&d).contains('<'));
    assert!(d.values[0].name.contains("\\u{1b}"));
    let back: serde_json::Value = serde_json::from_str(&json(&d)).unwrap();
    assert_eq!(back["values"][0]["name"], d.values[0].name.as_str());
}
