//! `models`, and `--model` in place of a file.

use crate::program::{examples, folder, names, routefuse};

#[test]
fn models_are_listed() {
    let text = routefuse(&["models"]).ok();
    let json = routefuse(&["models", "--json"]).json();
    let all = json.as_array().unwrap();
    assert!(all.len() >= 16, "{text}");
    for model in all {
        let name = model["name"].as_str().unwrap();
        assert!(text.lines().any(|l| l.starts_with(&format!("{name} "))), "{name} in\n{text}");
        let one = routefuse(&["models", name]).ok();
        assert!(one.contains(model["formula"].as_str().unwrap()), "{one}");
        for option in model["options"].as_array().unwrap() {
            assert!(one.contains(option["name"].as_str().unwrap()), "{one}");
        }
    }
    assert!(routefuse(&["models", "kimi-k3"]).ok().contains("as `kimi-k2`, with other sizes"));
    let v3 = routefuse(&["models", "deepseek-v3", "--json"]).json();
    assert_eq!((&v3["k"], &v3["groups"], &v3["keep"]), (&8.into(), &8.into(), &4.into()));
}

#[test]
fn a_model_stands_for_its_file() {
    for name in names(&examples().join("models")) {
        let path = examples().join("models").join(&name);
        let source = std::fs::read_to_string(&path).unwrap();
        let command = source.lines().find_map(|l| l.strip_prefix("# routefuse ")).unwrap();
        let printed = routefuse(&command.split_whitespace().collect::<Vec<_>>()).ok();
        let without =
            |text: &str| text.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect::<String>();
        assert_eq!(printed, without(&source), "{name}");
    }
}

#[test]
fn every_command_takes_a_model() {
    let model = ["--model", "mixtral", "--option", "eplb=static"];
    let with = |args: &[&str], more: &[&str]| routefuse(&[args, &model, more].concat());
    assert!(with(&["check"], &[]).ok().starts_with("mixtral: ok (@mixtral: 2 inputs, "));
    assert_eq!(with(&["check"], &["--json"]).json()["ok"], true);
    assert!(with(&["dump"], &["--stage", "fused"]).ok().starts_with("program @mixtral "));
    assert!(with(&["explain"], &[]).ok().contains("mixtral"));
    let run = with(&["run"], &["--dim", "T=5", "--seed", "1", "--check"]).ok();
    assert!(run.contains("every bit as the interpreter's"), "{run}");
    let folder = folder();
    with(&["compile"], &["-o", &folder.path().display().to_string()]).ok();
    assert!(!names(folder.path()).is_empty());
    let bench = with(&["bench"], &["--dim", "T=1", "--json"]).json();
    assert_eq!(bench["kernels"], 1);
}

#[test]
fn what_a_model_has_not() {
    let check = |options: &[&str]| {
        let options = options.iter().flat_map(|o| ["--option", o]);
        routefuse(&["check", "--model", "mixtral"].into_iter().chain(options).collect::<Vec<_>>())
    };
    check(&["groups=8"])
        .fails(1, &["RF1002", "`mixtral` has no option `groups`: it has no groups", "its options are experts, k,"]);
    check(&["elpb=static"]).fails(1, &["RF1002", "`mixtral` has no option `elpb`", "did you mean `eplb`?"]);
    check(&["eplb=sometimes"]).fails(1, &["RF1003", "it takes none|static|dynamic|philox|"]);
    check(&["k=9"]).fails(1, &["RF0312", "`k` = 9", "1 to 8 of the columns"]);
    check(&["shared=constant", "renorm=most"]).fails(1, &["RF1002", "it has no shared experts", "RF1003"]);
    check(&["simulate=random", "adaptive_k=true"]).fails(1, &["RF1004", "exclude each other"]);
    let v3 = |options: [&str; 2]| {
        routefuse(&["check", "--model", "deepseek-v3", "--option", options[0], "--option", options[1]])
    };
    v3(["groups=7", "keep=2"]).fails(1, &["RF0313", "256 columns in 7 groups"]);
    v3(["keep=9", "k=8"]).fails(1, &["RF0312", "`keep` = 9"]);
    let json = routefuse(&["check", "--json", "--model", "mixtral", "--option", "k=9"]);
    assert!(json.code == 1 && json.out.contains("\"code\": \"RF0312\""), "{json:?}");
}

#[test]
fn usage() {
    routefuse(&["check", "--model", "deepseek"]).fails(2, &["invalid value 'deepseek'", "deepseek-v3"]);
    routefuse(&["models", "nothing"]).fails(2, &["invalid value 'nothing'"]);
    routefuse(&["models", "phimoe"]).fails(2, &["invalid value 'phimoe'", "its nearest relatives are `phi-3.5-moe`"]);
    routefuse(&["check", "x.route", "--model", "mixtral"]).fails(2, &["cannot be used with"]);
    routefuse(&["check", "x.route", "--option", "k=1"]).fails(2, &["cannot be used with"]);
    routefuse(&["check", "--model", "mixtral", "--option", "k"]).fails(2, &["write NAME=VALUE, as in eplb=static"]);
    let script = routefuse(&["completions", "bash"]).ok();
    assert!(script.contains("deepseek-v3") && script.contains("nemotron-3-super"));
}

/// Sizes near the end of 64 bits are refused like any other that is too large, and nothing overflows on the way.
#[test]
fn sizes_near_the_end_of_64_bits_are_refused() {
    let most = u64::MAX.to_string();
    for names in [&["keep"][..], &["experts", "keep"], &["physical"], &["shared_experts"], &["k"], &["groups"]] {
        for rank in [None, Some("expert_parallel=1:0"), Some("owned=1:2")] {
            let mut args = vec!["check".to_owned(), "--model".to_owned(), "deepseek-v3".to_owned()];
            let sizes = names.iter().map(|name| format!("{name}={most}"));
            for option in sizes.chain(rank.map(str::to_owned)).chain(["shared=constant".to_owned()]) {
                args.extend(["--option".to_owned(), option]);
            }
            routefuse(&args).fails(1, &["RF", &most]);
        }
    }
}
