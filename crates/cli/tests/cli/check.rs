//! `check`.

use crate::program::{example, examples, file, folder, names, routefuse, with_stdin};

#[test]
fn every_example_is_ok() {
    let graphs: Vec<String> = names(&examples()).into_iter().filter(|n| n.ends_with(".route")).collect();
    assert!(graphs.len() >= 19, "{graphs:?}");
    for name in graphs {
        let path = example(name.trim_end_matches(".route"));
        let out = routefuse(&["check", &path]).ok();
        assert!(out.starts_with(&format!("{path}: ok (@")) && out.lines().count() == 1, "{out}");
    }
}

#[test]
fn text_and_json_from_standard_input() {
    let text = std::fs::read(example("c_pack")).unwrap();
    assert_eq!(with_stdin(&["check", "-"], &text).ok(), "<stdin>: ok (@pack: 2 inputs, 1 op, 1 output)\n");
    let json = routefuse(&["dump", &example("c_pack"), "--stage", "json"]).ok();
    assert_eq!(with_stdin(&["check", "-"], json.as_bytes()).ok(), "<stdin>: ok (@pack: 2 inputs, 1 op, 1 output)\n");
}

const THREE_ERRORS: &str = "route 1
graph @g {
  dim T
  input %x : i32[T, 8]
  input %w : f32[T, 8]
  %a = add %x, %w : i32[T, 8]
  %b = frobnicate %x : i32[T, 8]
  %c = neg %nowhere : i32[T, 8]
  output out = %a : i32[T, 8]
}
";

#[test]
fn all_errors_at_once_with_source_and_caret() {
    let ran = with_stdin(&["check", "-"], THREE_ERRORS.as_bytes());
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:#?}");
    for text in
        ["RF0301", "RF0107", "RF0202", "<stdin>:6:", "<stdin>:7:", "<stdin>:8:", "help: ", "<stdin>: 3 errors\n"]
    {
        assert!(ran.err.contains(text), "no {text} in\n{}", ran.err);
    }
    // The source line, and below it a caret under the op.
    let line = ran.err.lines().position(|l| l.contains("%b = frobnicate %x")).expect("the source line");
    let caret = ran.err.lines().nth(line + 1).unwrap();
    assert!(caret.contains('─') || caret.contains('┬') || caret.contains('▲'), "{}", ran.err);
    assert!(!ran.err.contains('\x1b'), "colours without a terminal");
}

#[test]
fn json_says_where() {
    let temporary = folder();
    let path = file(&temporary, "three.route", THREE_ERRORS);
    let ran = routefuse(&["check", &path, "--json"]);
    assert_eq!(ran.code, 1);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    crate::schema::holds(&ran.args, &json);
    assert_eq!((&json["ok"], &json["file"]), (&false.into(), &path.into()));
    let diagnostics = json["diagnostics"].as_array().unwrap();
    let places: Vec<(&str, u64)> =
        diagnostics.iter().map(|d| (d["code"].as_str().unwrap(), d["span"]["line"].as_u64().unwrap())).collect();
    assert_eq!(places, [("RF0301", 6), ("RF0107", 7), ("RF0202", 8)]);
    assert!(diagnostics.iter().all(|d| !d["message"].as_str().unwrap().is_empty() && d["help"].is_string()));
    let fine = routefuse(&["check", &example("c_pack"), "--json"]).json();
    assert_eq!((&fine["ok"], &fine["diagnostics"]), (&true.into(), &serde_json::json!([])));
}
