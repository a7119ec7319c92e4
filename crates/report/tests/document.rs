//! What must hold of every document: positions lead somewhere, differences add up, bytes are the same in every run.

use routefuse::models::{self, ModelOptions};
use routefuse::{Engine, Graph, Target, Verified, chains, text};
use routefuse_report::{Document, Request, html, json};

/// Graphs of every kind: the chains, and presets with and without what follows the router.
fn graphs() -> Vec<(String, Verified<Graph>)> {
    let chains = chains::examples().into_iter().map(|(name, g)| (name.to_owned(), g.unwrap()));
    let presets = ["deepseek-v3", "mixtral", "gpt-oss"];
    let presets =
        presets.map(|name| (name.to_owned(), models::named(name).unwrap().graph(&ModelOptions::default()).unwrap()));
    chains.chain(presets).collect()
}

/// Each graph for one target; presets for all.
fn graphs_for_targets() -> Vec<(String, Verified<Graph>, Target)> {
    let mut list = vec![];
    for (number, (name, graph)) in graphs().into_iter().enumerate() {
        let targets = ["host", "sm_90", "gfx942"].map(|name| Target::named(name).unwrap());
        let wanted = if models::named(&name).is_ok() { &targets[..] } else { &targets[number % 3..=number % 3] };
        list.extend(wanted.iter().map(|target| (name.clone(), graph.clone(), *target)));
    }
    list
}

fn of(graph: &Verified<Graph>, target: Target) -> Document {
    let request = Request { target, ..Request::default() };
    Document::of(&Engine::builder().build().unwrap(), graph, &request).unwrap()
}

#[test]
fn every_position_leads_somewhere() {
    for (name, graph, target) in graphs_for_targets() {
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

/// Each pass's text is made from the one before it, and the last one is the canonical graph.
#[test]
fn passes_follow_each_other() {
    for (name, graph) in graphs() {
        let d = of(&graph, Target::host());
        let passes: Vec<_> = d.stages.iter().filter(|s| s.id.starts_with("pass")).collect();
        for (number, pass) in passes.iter().enumerate() {
            let from = &pass.diff.as_ref().expect("a pass that changed the graph").from;
            assert_eq!(*from, number.checked_sub(1).map_or("graph".to_owned(), |last| format!("pass{last}")), "{name}");
            assert!(pass.title.starts_with("after ") && pass.text.starts_with("route 1\n"));
        }
        let canonical = d.stages.iter().find(|s| s.id == "canonical").unwrap();
        let last = passes.last().map_or(&d.stages[0].text, |pass| &pass.text);
        assert_eq!(*last, canonical.text, "{name}");
    }
}

/// A value that only stands elsewhere is on the line of the value that it is; a table is on the line of the gather.
#[test]
fn moved_values_and_tables_are_on_lines_of_the_kernel() {
    let source = "route 1\ngraph @g {\n  dim T\n  input %x : i32[T, 2, 2]\n  input %map : i32[9]\n  %flat = reshape %x {shape = [T, 4]}\n\
                  %row = broadcast %map {shape = [T, 9]}\n  %at = gather %map, %flat {out_of_range = clamp}\n  %out = add %at, %flat\n\
                  output out = %out\n  output row = %row\n}\n";
    let d = of(&text::parse_verified(source).unwrap(), Target::named("sm_90").unwrap());
    let fused = d.stages.iter().find(|s| s.id == "fused").unwrap();
    let lines: Vec<(&str, Vec<&str>)> = fused
        .text
        .lines()
        .zip(&fused.lines)
        .map(|(text, values)| (text, values.iter().map(|id| d.values[*id].name.as_str()).collect()))
        .collect();
    let with = |word: &str, values: &[&str]| {
        let found = lines.iter().any(|(text, found)| text.contains(word) && found == values);
        assert!(found, "{word} with {values:?} in {lines:?}");
    };
    with("= load p0", &["%x", "%flat"]);
    with("= gather p1", &["%map", "%at"]);
    with("store ", &["%out"]);
}

#[test]
fn schedules_are_explained() {
    for (name, graph, target) in graphs_for_targets() {
        let d = of(&graph, target);
        assert_eq!(d.schedules.len(), d.launches.after.len(), "{name}");
        for schedule in &d.schedules {
            let words = &schedule.lanes.words;
            assert!(
                !words.is_empty() && words.iter().all(|w| schedule.notation.contains(&w.term)),
                "{name}: {words:?}"
            );
            assert!(schedule.lanes.shapes.iter().all(|s| !s.spreads.is_empty()), "{name}");
        }
    }
}

#[test]
fn the_same_graph_gives_the_same_bytes() {
    for (_, graph) in graphs() {
        let once = || html(&of(&graph, Target::host())).unwrap();
        assert_eq!(once(), once());
    }
}

#[test]
fn what_is_too_large_for_a_page_is_refused() {
    let mut d = of(&chains::Pack::default().graph().unwrap(), Target::host());
    d.source.text = "# long\n".repeat(1 << 19);
    let error = html(&d).unwrap_err().to_string();
    assert!(error.contains("RF0112") && error.contains("at most 2097152 are written"), "{error}");
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
    let page = html(&d).unwrap();
    assert!(
        !page.contains("<img") && !page.contains('\u{1b}') && !page.contains('\u{202e}') && !page.contains('\u{2028}')
    );
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(!json(&d).contains('<'));
    assert!(d.values[0].name.contains("\\u{1b}"));
    let back: serde_json::Value = serde_json::from_str(&json(&d)).unwrap();
    assert_eq!(back["values"][0]["name"], d.values[0].name.as_str());
}
