//! What is printed as JSON, against `docs/reference/schemas`: a file for each command.
//!
//! The schemas are JSON Schema, draft 2020-12, and use a part of it: `type`, `properties`, `required`, `additionalProperties`,
//! `items`, `minItems`, `maxItems`, `enum`, `minimum`, `anyOf`, and `$ref` to what stands in `$defs`. What stands in them besides is
//! refused here, so that nothing in them goes unchecked.

use crate::program::{command, ran, routefuse};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/schemas")
}

/// Fails if what the program printed with these arguments is not what the command's schema says.
#[track_caller]
pub fn holds(args: &[String], output: &Value) {
    let name = name(args);
    // `dump --stage json` prints a graph, whose form the reference of the ops has.
    if name != "dump" {
        holds_of(&name, output, &format!("{args:?}"));
    }
}

/// Fails if a document is not what the schema of this name says.
#[track_caller]
pub fn holds_of(name: &str, output: &Value, what: &str) {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let schema: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}.json: {e}"));
    let mut wrong = Vec::new();
    check((&schema, &schema), output, "$", &mut wrong);
    assert!(wrong.is_empty(), "{what} is not what {name}.json says:\n{}", wrong.join("\n"));
}

/// The file of the schema for these arguments: one for each form of the output.
fn name(args: &[String]) -> String {
    let has = |option: &str| args.iter().any(|a| a == option);
    let device = args.iter().skip_while(|a| *a != "--device").nth(1).map(|d| d.split(':').next().unwrap_or(d));
    match (args[0].as_str(), device) {
        ("cache" | "bundle", _) => format!("{}-{}", args[0], args[1]),
        ("compile", _) if has("--export") => "compile-export".to_owned(),
        ("explain", _) if has("--key") => "explain-key".to_owned(),
        ("bench", Some(vendor @ ("cuda" | "hip"))) => format!("bench-{vendor}"),
        (command @ ("models" | "code"), _) if args.len() > 2 => format!("{command}-one"),
        (command, _) => command.to_owned(),
    }
}

/// Adds every place at which a value is not what the schema says, which is a part of `whole`.
fn check((whole, schema): (&Value, &Value), value: &Value, at: &str, wrong: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let name = rule.as_str().and_then(|r| r.strip_prefix("#/$defs/")).expect("of the same schema");
                assert!(whole["$defs"][name].is_object(), "{at}: there is no {name}");
                check((whole, &whole["$defs"][name]), value, at, wrong);
            }
            "anyOf" => {
                let alternatives = rule.as_array().expect("a list").iter().map(|rule| {
                    let mut wrong = vec![];
                    check((whole, rule), value, at, &mut wrong);
                    wrong
                });
                let wrongs: Vec<Vec<String>> = alternatives.collect();
                if wrongs.iter().all(|w| !w.is_empty()) {
                    wrong.push(format!("{at}: {value} is nothing of what it may be"));
                }
            }
            "minItems" | "maxItems" => {
                let (count, most) = (value.as_array().map(Vec::len), rule.as_u64().expect("a number") as usize);
                if count.is_some_and(|n| if keyword == "minItems" { n < most } else { n > most }) {
                    wrong.push(format!("{at}: {value} has not {most} items"));
                }
            }
            "type" => {
                let types: Vec<&str> = rule.as_array().map_or_else(
                    || rule.as_str().into_iter().collect(),
                    |all| all.iter().filter_map(Value::as_str).collect(),
                );
                if !types.iter().any(|t| is(value, t)) {
                    wrong.push(format!("{at}: {value} is none of {types:?}"));
                }
            }
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    match (rule.get(name), &schema["additionalProperties"]) {
                        (Some(rule), _) => check((whole, rule), value, &format!("{at}.{name}"), wrong),
                        (None, Value::Bool(false)) => wrong.push(format!("{at}: `{name}` is not in the schema")),
                        _ => {}
                    }
                }
            }
            "required" => {
                for name in rule.as_array().expect("a list").iter().filter_map(Value::as_str) {
                    if value.is_object() && value.get(name).is_none() {
                        wrong.push(format!("{at}: there is no `{name}`"));
                    }
                }
            }
            // `false` beside properties is done there; a schema is for every value of an object without any.
            "additionalProperties" if rule.is_object() => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    check((whole, rule), value, &format!("{at}.{name}"), wrong);
                }
            }
            "additionalProperties" => assert!(schema.get("properties").is_some(), "{at}: nothing is named"),
            "items" => {
                for (i, value) in value.as_array().into_iter().flatten().enumerate() {
                    check((whole, rule), value, &format!("{at}[{i}]"), wrong);
                }
            }
            "enum" => {
                if !rule.as_array().expect("a list").contains(value) {
                    wrong.push(format!("{at}: {value} is none of {rule}"));
                }
            }
            "minimum" => {
                if value.as_f64().is_some_and(|v| v < rule.as_f64().expect("a number")) {
                    wrong.push(format!("{at}: {value} is less than {rule}"));
                }
            }
            other => panic!("{at}: the schema uses `{other}`, which is not checked"),
        }
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("no type is called {other}"),
    }
}

/// Commands below a command, by the names that its help lists.
fn commands(path: &[String]) -> Vec<Vec<String>> {
    let args: Vec<&str> = path.iter().map(String::as_str).chain(["-h"]).collect();
    let help = ran(&mut command(&args), b"").ok();
    let own = if help.contains("--json") { vec![path.to_owned()] } else { vec![] };
    let lines = help.lines().take_while(|l| *l != "Options:" && *l != "Arguments:");
    let names = lines.filter_map(|l| l.strip_prefix("  ")?.split("  ").next());
    let below = names.filter(|n| n.starts_with(|c: char| c.is_ascii_lowercase()) && *n != "help");
    own.into_iter().chain(below.flat_map(|n| commands(&[path, &[n.to_owned()]].concat()))).collect()
}

/// Every command that prints JSON has a schema, and every schema is that of a command.
#[test]
fn every_command_has_a_schema() {
    let files: BTreeSet<String> = crate::program::names(&folder()).into_iter().collect();
    let forms = ["compile-export", "manifest", "explain-key", "bench-cuda", "bench-hip", "models-one", "code-one"]
        .map(str::to_owned);
    let wanted: BTreeSet<String> =
        commands(&[]).into_iter().map(|path| path.join("-")).chain(forms).map(|name| format!("{name}.json")).collect();
    assert_eq!(files, wanted);
    let page = std::fs::read_to_string(folder().join("../json.md")).unwrap();
    let unlisted: Vec<&String> = files.iter().filter(|f| !page.contains(&format!("](schemas/{f})"))).collect();
    assert!(unlisted.is_empty(), "docs/reference/json.md does not name {unlisted:?}");
}

/// What the schemas leave open is no more than what they say.
#[test]
fn schemas_are_strict() {
    fn strict(schema: &Value, at: &str) {
        if let Some(properties) = schema.get("properties") {
            // A schema of others says what they are; `true` says nothing.
            let others = &schema["additionalProperties"];
            assert!(*others == false || others.is_object(), "{at}: other properties are not refused");
            for (name, rule) in properties.as_object().unwrap() {
                let said = rule["description"].as_str().is_some_and(|d| d.len() > 3);
                assert!(said, "{at}.{name} is not described");
                strict(rule, &format!("{at}.{name}"));
            }
        }
        schema.get("items").into_iter().for_each(|rule| strict(rule, &format!("{at}[]")));
        schema["anyOf"].as_array().into_iter().flatten().for_each(|rule| strict(rule, &format!("{at}|")));
        for (name, rule) in schema["$defs"].as_object().into_iter().flatten() {
            strict(rule, &format!("{at} {name}"));
        }
    }
    for file in crate::program::names(&folder()) {
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(folder().join(&file)).unwrap()).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{file}");
        assert!(schema["title"].as_str().is_some_and(|t| t.starts_with("routefuse ")), "{file}");
        strict(&schema, &file);
    }
}

/// Whatever `explain` may say of a graph is in its schema: why there is more than one kernel, no rows, rows of two dims.
#[test]
fn what_explain_prints() {
    let dir = crate::program::folder();
    let explain = |graph: &str| routefuse(&["explain", graph, "--json"]).json();
    for name in ["e_post_chain", "rope_neox", "waterfill", "d_copy_back", "recorder"] {
        explain(&crate::program::example(name));
    }
    let of = |text: &str| explain(&crate::program::file(&dir, "g.route", text));
    let no_rows = of("route 1\ngraph @g {\n  input %x : f32[8]\n  %y = neg %x\n  output y = %y\n}\n");
    assert!(no_rows["kernels"][0]["rows"].is_null(), "{no_rows}");
    let two =
        of("route 1\ngraph @g {\n  dim T\n  dim N\n  input %x : f32[T, 8]\n  input %z : f32[N, 8]\n  %y = neg %x\n  \
                  %w = neg %z\n  output y = %y\n  output w = %w\n}\n");
    assert_eq!((&two["after"]["by_dim"][1]["dim"], &two["cuts"][0]["kind"]), (&"N".into(), &"rows".into()), "{two}");
    // A table that other rows make, and an input that is overwritten while it is read at other places.
    let cut = of("route 1\ngraph @g {\n  dim T\n  input %x : f32[T, 8]\n  input %i : i32[T]\n  %e = exp %x\n  \
                  %y = gather %e, %i, %i\n  output y = %y\n  output e = %e in_place(x)\n}\n");
    // Values of all rows, and ranks, which ask for those of all rows before.
    let bins = crate::program::examples().join("../tests/corpus/bins_behind_a_router.route");
    let bins = explain(&bins.display().to_string());
    // Kernels that are launched for some rows instead of phases.
    let counts = crate::program::examples().join("../tests/corpus/bins_counts_behind_a_router.route");
    let joined = &explain(&counts.display().to_string())["joined"][0];
    assert_eq!((&joined["added"]["least_rows"], &joined["added"]["most_rows"]), (&5.into(), &128.into()), "{joined}");
    for (explained, expected) in [(&cut, "computed_table"), (&bins, "all_rows"), (&bins, "earlier_rows")] {
        let mut kinds = explained["cuts"].as_array().unwrap().iter().map(|c| &c["kind"]);
        assert!(kinds.any(|kind| kind == expected), "{expected}: {explained}");
    }
}

/// Outputs of commands that no other test asks for JSON. Those of the others are checked where they are asked for.
#[test]
fn what_is_printed() {
    let dir = crate::program::folder();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let graph = crate::program::example("c_pack");
    let with = |args: &[&str]| {
        let mut command = command(&[args, &["--json"]].concat());
        ran(command.env("ROUTEFUSE_CACHE_DIR", dir.path().join("cache")), b"").json()
    };
    let run = with(&["run", &graph, "--dim", "T=3", "--seed", "1", "--check", "--print"]);
    assert_eq!((&run["checked"], &run["outputs"][0]["elements"].as_array().unwrap().len()), (&true.into(), &24));
    let run = with(&["run", &graph, "--dim", "T=3", "--seed", "1"]);
    assert!(run["outputs"][0]["elements"].is_null() && run["outputs"][0]["dtype"] == "i32", "{run}");
    with(&["compile", &graph, "-o", &path("out")]);
    with(&["compile", &graph, "--export", "tvm-ffi", "-o", &path("pack.so")]);
    with(&["explain", &graph, "--key"]);
    with(&["bundle", "keygen", &path("key")]);
    with(&["bundle", "build", &graph, "-o", &path("model.rfb")]);
    with(&["bundle", "verify", &path("model.rfb")]);
    for command in ["verify", "gc", "clear"] {
        with(&["cache", command]);
    }
    with(&["cache", "export", "-o", &path("all.rfb")]);
    with(&["cache", "import", &path("all.rfb")]);
    let tensor = dir.path().join("x.npy");
    std::fs::write(&tensor, crate::tensors::npy_i32(&[1], &[7])).unwrap();
    with(&["diff", &path("x.npy"), &path("x.npy")]);
}

/// The check sees what is wrong.
#[test]
fn wrong_outputs_are_seen() {
    let schema: Value = serde_json::from_str(
        r#"{ "type": "object", "properties": { "a": { "type": ["integer", "null"], "minimum": 0 }, "b": { "type": "array",
            "items": { "enum": ["x"] } } }, "required": ["a"], "additionalProperties": false }"#,
    )
    .unwrap();
    let wrong = |output: Value| {
        let mut wrong = Vec::new();
        check((&schema, &schema), &output, "$", &mut wrong);
        wrong.join("; ")
    };
    assert_eq!(wrong(serde_json::json!({ "a": null, "b": ["x"] })), "");
    let refers = serde_json::json!({ "$ref": "#/$defs/n", "$defs": { "n": { "anyOf": [{ "type": "integer" },
        { "type": "array", "items": { "$ref": "#/$defs/n" }, "minItems": 1, "maxItems": 2 }] } } });
    for (value, right) in
        [("1", true), ("[1, [2]]", true), ("[]", false), ("[1, 2, 3]", false), ("[1, [\"x\"]]", false)]
    {
        let mut wrong = Vec::new();
        check((&refers, &refers), &serde_json::from_str(value).unwrap(), "$", &mut wrong);
        assert_eq!(wrong.is_empty(), right, "{value}: {wrong:?}");
    }
    assert_eq!(wrong(serde_json::json!({ "a": -1 })), "$.a: -1 is less than 0");
    assert_eq!(
        wrong(serde_json::json!({ "a": 1.5, "c": 1 })),
        "$.a: 1.5 is none of [\"integer\", \"null\"]; $: `c` is not in the schema"
    );
    assert_eq!(wrong(serde_json::json!({ "b": ["y"] })), "$.b[0]: \"y\" is none of [\"x\"]; $: there is no `a`");
}
