//! `targets`, `doctor`, `code`, `completions`, help and usage.

use crate::program::routefuse;

const COMMANDS: [&str; 20] = [
    "check",
    "fmt",
    "dump",
    "report",
    "compile",
    "run",
    "explain",
    "bench",
    "tune",
    "new",
    "diff",
    "man",
    "models",
    "targets",
    "doctor",
    "demo",
    "code",
    "cache",
    "bundle",
    "completions",
];

#[test]
fn every_command_has_help_with_an_example() {
    let all = routefuse(&["--help"]).ok();
    for command in COMMANDS {
        assert!(all.contains(&format!("\n  {command} ")), "{command} in\n{all}");
        let help = routefuse(&[command, "--help"]).ok();
        assert!(help.contains("Usage: routefuse ") && help.contains("Example: routefuse "), "{help}");
    }
    assert!(all.contains("Exit codes: 0 ok") && all.contains("Example: routefuse "), "{all}");
    assert!(routefuse(&["--version"]).ok().starts_with("routefuse 0."));
}

#[test]
fn usage_errors_exit_with_2() {
    let cases: [(&[&str], &str); 10] = [
        (&[], "Usage: routefuse"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (&["check"], "<FILE>"),
        (&["check", "--nonsense", "x"], "unexpected argument '--nonsense'"),
        (&["dump", "x", "--stage", "ptx"], "possible values: graph, canonical"),
        (&["dump", "x", "--diff", "graph"], "write two of graph, canonical,"),
        (&["run", "x", "--in", "ids"], "write NAME=FILE.npy or NAME=FILE.safetensors:KEY"),
        (&["run", "x", "--dim", "T=many"], "write NAME=N, as in T=64"),
        (&["bench", "x", "--dim", "T=1,,2"], "write NAME=N,N,…, as in T=1,64,4096"),
        (&["code", "RF9999"], "no error has this code"),
    ];
    for (args, text) in cases {
        routefuse(args).fails(2, &[text]);
    }
}

#[test]
fn targets_are_listed() {
    let text = routefuse(&["targets"]).ok();
    for target in [
        "host",
        "x86-64-v3",
        "aarch64",
        "neoverse-v2",
        "sm_70",
        "sm_90",
        "sm_110",
        "sm_121",
        "gfx90a",
        "gfx942",
        "gfx1201",
        "gfx1250",
        "gfx11-generic",
    ] {
        assert!(text.lines().any(|l| l.starts_with(&format!("{target} "))), "{target} in\n{text}");
    }
    let json = routefuse(&["targets", "--json"]).json();
    assert_eq!(json.as_array().unwrap().len(), text.lines().count() - 1);
    let mi300 = json.as_array().unwrap().iter().find(|t| t["name"] == "gfx942").unwrap();
    assert_eq!((&mi300["kind"], &mi300["warp"]), (&"hsaco".into(), &64.into()));
}

#[test]
fn doctor_examines() {
    let text = routefuse(&["doctor"]).ok();
    for line in
        ["routefuse  0.", "LLVM       22.", "processor  ", "features   ", "host       ", "driver     ", "GPU        "]
    {
        assert!(text.lines().any(|l| l.starts_with(line)), "{line} in\n{text}");
    }
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    let json = routefuse(&["doctor", "--json"]).json();
    assert!(json["llvm"].as_str().unwrap().starts_with("22."));
    assert_eq!(json["host_supported"], json["host_missing"].as_array().unwrap().is_empty());
    assert!(json["features"].as_array().unwrap().len() > 3);
}

#[test]
fn codes_are_explained() {
    assert!(routefuse(&["code", "rf0107"]).ok().starts_with("RF0107  No op has this name.\n"));
    let all = routefuse(&["code"]).ok();
    let codes = all.lines().filter(|l| l.starts_with("  RF"));
    assert!(codes.clone().count() > 50 && codes.clone().all(|l| l.len() > 10), "{all}");
}

#[test]
fn completions_of_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = routefuse(&["completions", shell]).ok();
        assert!(COMMANDS.iter().all(|c| script.contains(c)), "{shell}");
    }
    routefuse(&["completions", "tcsh"]).fails(2, &["possible values: bash"]);
}
