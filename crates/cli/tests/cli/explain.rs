//! `explain`.

use crate::program::{example, routefuse};

#[test]
fn kernels_bytes_and_proofs() {
    let text = routefuse(&["explain", &example("e_post_chain")]).ok();
    assert!(text.starts_with("graph @post_chain: 1 kernel\n"), "{text}");
    for part in [
        "  before ",
        "  after ",
        "1 launch",
        "holds ",
        "%physical",
        "reads ",
        "(table)",
        "writes ",
        "packed",
        "variants",
        "gathers",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn json_has_the_same() {
    let json = routefuse(&["explain", &example("e_post_chain"), "--json"]).json();
    assert_eq!((&json["graph"], &json["after"]["launches"]), (&"post_chain".into(), &1.into()));
    assert!(json["before"]["launches"].as_u64().unwrap() > 5);
    let moved =
        |when: &str| json[when]["read_per_row"].as_u64().unwrap() + json[when]["written_per_row"].as_u64().unwrap();
    // ids, weights and the shared weight in; packed words, ids and weights out.
    assert_eq!(moved("after"), 8 * 4 + 8 * 4 + 2 + 3 * 9 * 4);
    assert!(moved("before") > moved("after"));
    assert_eq!(json["kernels"].as_array().unwrap().len(), 1);
    assert_eq!(json["gathers"][0]["proved"], false);
}

/// A flat schedule, a router with groups and what follows it, and a softmax that is chosen from.
const GRAPHS: [(&str, &[&str]); 3] = [
    ("chain", &["examples/e_post_chain.route"]),
    ("deepseek_v3", &["--model", "deepseek-v3", "--option", "eplb=static", "--option", "output=packed"]),
    ("softmax", &["--model", "qwen3-moe"]),
];

fn explain(graph: &[&str], more: &[&str]) -> String {
    let graph: Vec<String> = graph
        .iter()
        .map(|word| match word.strip_prefix("examples/") {
            Some(name) => crate::program::examples().join(name).display().to_string(),
            None => (*word).to_owned(),
        })
        .collect();
    let all: Vec<&str> =
        ["explain"].into_iter().chain(graph.iter().map(String::as_str)).chain(more.iter().copied()).collect();
    routefuse(&all).ok()
}

#[test]
fn lanes_are_drawn() {
    for (name, graph) in GRAPHS {
        for target in ["host", "sm_90", "gfx942"] {
            let text = explain(graph, &["--target", target]);
            // What has a form of its own, and a list without a space, may be wider than a terminal.
            let (report, _) = text.split_once("\nsignature of kernel").expect("a signature");
            let wide = report.lines().find(|l| l.chars().count() > 80 && l.trim().contains("  "));
            assert_eq!(wide, None);
            assert_eq!(text.matches("\n  on ").count(), text.matches("\nkernel @").count(), "{text}");
            insta::assert_snapshot!(format!("explain_{name}_{target}"), text);
        }
    }
}

#[test]
fn markdown_is_tables_details_and_fences() {
    for (name, graph) in GRAPHS {
        let text = explain(graph, &["--target", "sm_90", "--format", "markdown"]);
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        assert_eq!(text.lines().filter(|l| l.starts_with("```")).count() % 2, 0, "{text}");
        insta::assert_snapshot!(format!("explain_{name}_markdown"), text);
    }
}

#[test]
fn names_are_inert_in_markdown() {
    let folder = crate::program::folder();
    let source = "route 1\ngraph @\"<b>*x*</b>|\" {\n  dim T\n  input %\"`a`|<i>\" : i32[T, 8]\n  %y = neg %\"`a`|<i>\"\n  output y = %y\n}\n";
    let path = crate::program::file(&folder, "hostile.route", source);
    let text = routefuse(&["explain", &path, "--format", "markdown"]).ok();
    // Outside of blocks, and of code in a line.
    let outside: String = text.split("```").step_by(2).flat_map(|part| part.split('`').step_by(2)).collect();
    assert!(!outside.contains("<b>") && !outside.contains("<i>") && outside.contains("&lt;"), "{outside}");
}

#[test]
fn one_target_and_the_forms() {
    let graph = example("c_pack");
    let json = routefuse(&["explain", &graph, "--format", "json", "--target", "gfx942"]).json();
    let schedules = json["kernels"][0]["schedules"].as_array().unwrap();
    assert_eq!((schedules.len(), &schedules[0]["targets"]), (1, &serde_json::json!(["gfx942"])));
    let shape = &schedules[0]["shapes"][0];
    assert!(shape["spreads"][0]["owner"].as_array().is_some_and(|lanes| !lanes.is_empty()), "{shape}");
    assert_eq!(
        routefuse(&["explain", &graph, "--json"]).json(),
        routefuse(&["explain", &graph, "--format", "json"]).json()
    );
    routefuse(&["explain", &graph, "--target", "gfx1"]).fails(1, &["RF0801", "unknown target `gfx1`"]);
    routefuse(&["explain", &graph, "--json", "--format", "text"]).fails(2, &["cannot be used with"]);
}
