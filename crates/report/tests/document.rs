//! What must hold of every document: positions lead somewhere, differences add up, bytes are the same in every run.

use routefuse::models::{self, ModelOptions};
use routefuse::{Engine, Graph, Target, Verified, chains, text};
use routefuse_report::{Document, Group, MOST_BYTES, Request, html, json};

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
        let graph = d.graph.as_ref().unwrap();
        for (drawing, launches) in [(&graph.before, &d.launches.before), (&graph.after, &d.launches.after)] {
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

const TWO_DIMS: &str = "route 1
graph @two {
  dim S
  dim T
  input %x : i32[T, 4]
  input %y : i32[S, 2]
  %one = const {dtype = i32, value = 1} : i32[]
  %a = add %x, %one : i32[T, 4]
  %b = add %y, %one : i32[S, 2]
  output a = %a : i32[T, 4]
  output b = %b : i32[S, 2]
}
";

/// Each launch, value and arrow says of which symbol its rows are, and every symbol has an extent.
#[test]
fn each_dim_has_its_own_extent() {
    let graph = text::parse_verified(TWO_DIMS).unwrap();
    let dims = vec![("T".to_owned(), 5000)];
    let request = Request { dims, ..Request::default() };
    let d = Document::of(&Engine::builder().build().unwrap(), &graph, &request).unwrap();
    let named = |name: &str, at| routefuse_report::Dim { name: name.to_owned(), at };
    assert_eq!((d.dim, &d.dims[..]), (Some(named("T", 5000)), &[named("S", 64), named("T", 5000)][..]));
    let rows: Vec<_> = d.launches.after.iter().map(|l| (l.rows.as_deref(), l.read_row)).collect();
    assert!(rows.contains(&(Some("T"), 16)) && rows.contains(&(Some("S"), 8)), "{rows:?}");
    let of = |name: &str| d.values.iter().find(|v| v.name == name).unwrap();
    assert_eq!((of("%a").rows.as_deref(), of("%a").row_bytes), (Some("T"), 16));
    assert_eq!((of("%b").rows.as_deref(), of("%b").row_bytes), (Some("S"), 8));
    assert_eq!((of("%one").rows.as_deref(), of("%one").once_bytes), (None, 4));
    let edges = &d.graph.unwrap().before.edges;
    let carries = |rows: Option<&str>, bytes| edges.iter().any(|e| e.rows.as_deref() == rows && e.row_bytes == bytes);
    assert!(carries(Some("T"), 16) && carries(Some("S"), 8));
}

#[test]
fn values_that_are_gone_say_where_they_went() {
    let text = "route 1
graph @gone {
  dim T
  input %x : i32[T, 4]
  %two = const {dtype = i32, value = 2} : i32[]
  %four = add %two, %two : i32[]
  %a = mul %x, %four : i32[T, 4]
  %b = mul %x, %four : i32[T, 4]
  %sum = xor %a, %x : i32[T, 4]
  %other = max %b, %x : i32[T, 4]
  output sum = %sum : i32[T, 4]
  output other = %other : i32[T, 4]
}
";
    let graph = text::parse_verified(text).unwrap();
    let d = of(&graph, Target::host());
    let value = |name: &str| d.values.iter().find(|v| v.name == name).unwrap();
    assert_eq!(value("%sum").gone, None);
    let four = value("%four").gone.as_ref().unwrap();
    assert_eq!((four.pass.as_str(), four.constant.as_deref()), ("fold", Some("4 i32")));
    let (a, b) = (value("%a"), value("%b"));
    let (kept, dropped) = if a.gone.is_none() { (a, b) } else { (b, a) };
    let gone = dropped.gone.as_ref().unwrap();
    assert_eq!((&kept.gone, gone.pass.as_str(), &gone.into[..]), (&None, "cse", &[kept.id][..]));
    assert_eq!(gone.why, format!("since `cse`, what used it uses {}", kept.name));
}

/// A graph of 3,000 operations has a page. What is not in it is said, with a command for each.
#[test]
fn a_large_graph_has_a_page() {
    let mut text = "route 1\ngraph @long {\n  dim T\n  input %x : i32[T, 8]\n".to_owned();
    for i in 0..3000 {
        let (op, last) =
            (["add", "mul", "xor", "min"][i % 4], if i == 0 { "x".to_owned() } else { format!("v{}", i - 1) });
        let far = if i > 7 { format!("v{}", i - 7) } else { "x".to_owned() };
        text.push_str(&format!("  %v{i} = {op} %{last}, %{far} : i32[T, 8]\n"));
    }
    text.push_str("  output out = %v2999 : i32[T, 8]\n}\n");
    let graph = text::parse_verified(&text).unwrap();
    let request = Request { text: Some(text), graph: "long.route".to_owned(), ..Request::default() };
    let d = Document::of(&Engine::builder().build().unwrap(), &graph, &request).unwrap();
    assert!(json(&d).len() > MOST_BYTES, "there would be nothing to leave out: {}", json(&d).len());
    assert!(html(&d).unwrap().len() <= MOST_BYTES);
    let small = d.fitted(MOST_BYTES - 200_000);
    assert!(json(&small).len() <= MOST_BYTES - 200_000);
    assert_eq!(small.values.len(), 3001);
    let said: Vec<_> = small.left_out.iter().map(|l| (l.what.as_str(), l.command.as_deref().unwrap())).collect();
    let [(drawing, dot), rest @ ..] = &said[..] else { panic!("nothing is left out") };
    assert!(drawing.contains("at most 500 are laid out"));
    assert_eq!(*dot, "routefuse dump long.route --stage dot");
    assert!(rest.iter().any(|(what, command)| {
        what.starts_with("canonical: ") && *command == "routefuse dump long.route --diff graph,canonical"
    }));
    // In the order that is stated: passes before the program, the program before kernels.
    let place = |stage: &str| rest.iter().position(|(_, command)| command.contains(stage)).unwrap_or(usize::MAX);
    assert!(place("--diff") < place("--stage fused") && place("--stage fused") <= place("--stage kernel"), "{said:?}");
    let least = d.fitted(0);
    assert!(least.stages.iter().all(|s| s.group == Group::Graph && s.id == "source") && least.schedules.is_empty());
}
