//! Files that somebody else has made, to do harm: names that are paths or act on a terminal, files that never end, kernels and
//! bundles of strangers.

use crate::program::{Ran, command, example, file, folder, names, ran, routefuse, with_stdin};
use crate::tensors::{npy_i32, safetensors};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A graph of this name with an output of that name.
fn graph(name: &str, output: &str) -> String {
    format!(
        "route 1\ngraph @\"{name}\" {{\n  dim T\n  input %x : i32[T, 2]\n  %y = neg %x\n  output \"{output}\" = %y\n}}\n"
    )
}

/// The program with a cache in this folder.
fn with_cache(dir: &Path, args: &[&str]) -> Ran {
    let cache = dir.join("cache").display().to_string();
    ran(&mut command(&[args, &["--cache-dir", &cache]].concat()), b"")
}

/// Names of graphs and of outputs become names of files, and lead nowhere else.
#[test]
fn r1_names_are_no_paths() {
    let (dir, elsewhere) = (folder(), folder());
    let out = dir.path().join("a/b");
    let to = out.display().to_string();
    let absolute = elsewhere.path().join("x").display().to_string();
    for name in ["../../x", &absolute, ".", "..", "a/b", "\\u{0}", "", "~", ".bashrc"] {
        let path = file(&dir, "graph.route", graph(name, name));
        routefuse(&["run", &path, "--dim", "T=2", "--seed", "1", "--out", &to]).ok();
        // The manifest in the folder is of another graph each time.
        routefuse(&["compile", &path, "--target", "sm_90", "-o", &to, "--force"]).ok();
    }
    assert_eq!(names(dir.path()), ["a", "graph.route"]);
    assert!(names(elsewhere.path()).is_empty());
    let written = names(&out);
    for name in ["%2E%2F", "%2E.npy", "%00.npy", "%.npy", "a%2Fb.npy", "%2Ebashrc.npy", "%2E.%2F..%2Fx.npy"] {
        assert!(name == "%2E%2F" || written.iter().any(|n| n == name), "no {name} in {written:?}");
    }
    let is_of_the_name = |n: &String| !n.starts_with('.') && n.contains('%');
    assert!(written.iter().all(|n| is_of_the_name(n) || n == "manifest.json"), "{written:?}");
    let long = file(&dir, "long.route", graph("g", &"x".repeat(300)));
    routefuse(&["run", &long, "--dim", "T=2", "--seed", "1", "--out", &to])
        .fails(1, &["RF0702", "makes a file name of 304 bytes", "at most 255"]);
}

/// What somebody may still want is not written over without `--force`; a former one of the same, and the same bytes, are.
#[test]
fn r1_files_are_not_written_over() {
    let dir = folder();
    let graph = example("c_pack");
    let at = |name: &str| dir.path().join(name).display().to_string();
    let run = |seed: &str, more: &[&str]| {
        routefuse(&[&["run", &graph, "--dim", "T=2", "--seed", seed, "--out", &at("run")], more].concat())
    };
    run("1", &[]).ok();
    run("1", &[]).ok();
    let first = fs::read(at("run/packed.npy")).unwrap();
    run("2", &[]).fails(1, &["RF0702", "packed.npy` is there already, and is not written over", "--force"]);
    assert_eq!(fs::read(at("run/packed.npy")).unwrap(), first);
    run("2", &["--force"]).ok();
    assert_ne!(fs::read(at("run/packed.npy")).unwrap(), first);

    let compile = |unfused: &[&str]| {
        routefuse(&[&["compile", &graph, "--target", "sm_90", "-o", &at("compile")], unfused].concat())
    };
    compile(&[]).ok();
    compile(&["--unfused"]).ok();
    let code = names(Path::new(&at("compile"))).into_iter().find(|n| n.ends_with(".ptx")).unwrap();
    fs::write(Path::new(&at("compile")).join("manifest.json"), "{\"mine\": 1}").unwrap();
    fs::write(Path::new(&at("compile")).join(&code), "mine").unwrap();
    compile(&[]).fails(1, &["RF0702", "is there already"]);
    assert_eq!(fs::read(Path::new(&at("compile")).join(&code)).unwrap(), b"mine");
    compile(&["--force"]).ok();

    // A bundle over a bundle, and over nothing else.
    let bundle = at("model.rfb");
    let build = |more: &[&str]| {
        with_cache(dir.path(), &[&["bundle", "build", &graph, "--target", "sm_90", "-o", &bundle], more].concat())
    };
    build(&[]).ok();
    let export = ["cache", "export", "-o", &bundle];
    with_cache(dir.path(), &export).ok();
    fs::write(&bundle, "mine").unwrap();
    build(&[]).fails(1, &["RF0702", "model.rfb` is there already"]);
    with_cache(dir.path(), &export).fails(1, &["RF0702", "model.rfb` is there already"]);
    assert_eq!(fs::read(&bundle).unwrap(), b"mine");
    with_cache(dir.path(), &[&export[..], &["--force"]].concat()).ok();
    let (key, public) = (at("key"), at("key.pub"));
    fs::write(&public, "mine").unwrap();
    routefuse(&["bundle", "keygen", &key]).fails(1, &["RF0702", "key.pub` is there already"]);
    assert!(!Path::new(&key).exists() && fs::read(&public).unwrap() == b"mine");

    // A device is not replaced by a file, and a link is not followed out of the folder.
    build(&["-o", "/dev/null", "--force"]).fails(2, &["cannot be used multiple times"]);
    with_cache(dir.path(), &["cache", "export", "-o", "/dev/null", "--force"])
        .fails(1, &["RF0702", "`/dev/null` is a device, and is not written over"]);
    let (planted, precious) = (at("planted"), file(&dir, "precious", "mine"));
    fs::create_dir(&planted).unwrap();
    symlink(&precious, Path::new(&planted).join("packed.npy")).unwrap();
    routefuse(&["run", &graph, "--dim", "T=2", "--seed", "1", "--out", &planted])
        .fails(1, &["RF0702", "is there already"]);
    assert_eq!(fs::read(precious).unwrap(), b"mine");
}

/// A kernel that came without a signature, from a bundle or a remote cache, is not run by who requires one later.
#[test]
fn r2_what_came_unsigned_earlier_is_not_run() {
    let (dir, other) = (folder(), folder());
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (bundle, key, public) = (at("model.rfb"), at("key"), at("key.pub"));
    routefuse(&["bundle", "keygen", &key]).ok();
    let graph = example("c_pack");
    with_cache(other.path(), &["bundle", "build", &graph, "-o", &bundle]).ok();
    with_cache(dir.path(), &["cache", "import", &bundle]).ok();
    let listed = |dir: &Path| with_cache(dir, &["cache", "ls", "--json"]).json()[0].clone();
    assert_eq!(listed(dir.path())["origin"], "elsewhere");
    let run = ["run", &graph, "--dim", "T=2", "--seed", "1", "--check"];
    with_cache(dir.path(), &run).ok();
    assert_eq!(listed(dir.path())["origin"], "elsewhere", "who requires nothing uses it");
    with_cache(dir.path(), &["cache", "verify", "--require-signed", &public])
        .fails(1, &["RF0813", "it is not signed, and a signature is required"]);
    // It is not signed in our name by way of the cache.
    let signed = at("signed.rfb");
    let ran = with_cache(dir.path(), &["cache", "export", "-o", &signed, "--sign", &key]);
    assert!(ran.code == 0 && ran.out.contains("(0 kernels, ") && ran.err.contains("came from elsewhere"), "{ran:?}");
    let shared = format!("file://{}", at("shared"));
    let ran = with_cache(dir.path(), &["cache", "push", "--remote-cache", &shared, "--sign", &key]);
    assert!(ran.code == 0 && ran.out.starts_with("0 entries written") && ran.err.contains("left out"), "{ran:?}");

    let strict = [&run[..], &["--require-signed", &public]].concat();
    let ran = with_cache(dir.path(), &strict);
    assert!(ran.code == 0 && ran.err.contains("it is not signed, and a signature is required"), "{ran:?}");
    assert_eq!(listed(dir.path())["origin"], "here", "compiled anew");
    with_cache(dir.path(), &strict).ok();
    // Building a signed bundle compiles what it may not vouch for.
    let third = folder();
    with_cache(third.path(), &["cache", "import", &bundle]).ok();
    let ran =
        with_cache(third.path(), &["bundle", "build", &graph, "-o", &signed, "--force", "--sign", &key, "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ran.out).unwrap()["compiled"], 1, "{ran:?}");
    with_cache(folder().path(), &["cache", "import", &signed, "--require-signed", &public]).ok();

    // A remote cache, first without, then with the requirement.
    let fourth = folder();
    with_cache(other.path(), &["cache", "push", "--remote-cache", &shared]).ok();
    with_cache(fourth.path(), &[&run[..], &["--remote-cache", &shared]].concat()).ok();
    assert_eq!(listed(fourth.path())["origin"], "elsewhere");
    let ran = with_cache(fourth.path(), &strict);
    assert!(ran.code == 0 && ran.err.contains("it is not signed"), "{ran:?}");
    assert_eq!(listed(fourth.path())["origin"], "here");
}

/// Whose code a bundle is stands in the first line, and verifying one runs nothing of it.
#[test]
fn r3_a_bundle_says_whose_it_is() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (bundle, key) = (at("model.rfb"), at("key"));
    routefuse(&["bundle", "keygen", &key]).ok();
    with_cache(dir.path(), &["bundle", "build", &example("c_pack"), "-o", &bundle]).ok();
    for command in ["inspect", "verify"] {
        let text = routefuse(&["bundle", command, &bundle]).ok();
        assert!(text.starts_with("not signed: whoever made this file runs code as you\n"), "{text}");
        assert!(!text.contains("every byte"), "hashes are no signature: {text}");
    }
    let signer = routefuse(&["bundle", "keygen", &at("other"), "--json"]).json()["key"].as_str().unwrap().to_owned();
    with_cache(dir.path(), &["bundle", "build", &example("c_pack"), "-o", &bundle, "--sign", &at("other")]).ok();
    for command in ["inspect", "verify"] {
        let text = routefuse(&["bundle", command, &bundle]).ok();
        assert!(text.starts_with(&format!("signed by  {signer}; who holds this key runs code as you\n")), "{text}");
        routefuse(&["bundle", command, &bundle, "--public-key", &at("key.pub")]).fails(1, &["RF0814", &signer]);
    }
}

#[test]
fn r4_plain_http_needs_an_opt_in() {
    let dir = folder();
    let run =
        ["run", &example("c_pack"), "--dim", "T=2", "--seed", "1", "--remote-cache", "http://127.0.0.1:9/kernels"];
    let ran = with_cache(dir.path(), &run);
    assert!(ran.code == 0 && ran.err.contains("neither encrypted nor authenticated"), "{ran:?}");
    let dir = folder();
    let ran = with_cache(dir.path(), &[&run[..], &["--allow-http"]].concat());
    assert!(ran.code == 0 && !ran.err.contains("authenticated") && ran.err.contains("cannot read http://"), "{ran:?}");
}

#[test]
fn r5_what_a_group_may_write_is_not_used() {
    let dir = folder();
    let run = ["run", &example("c_pack"), "--dim", "T=2", "--seed", "1"];
    with_cache(dir.path(), &run).ok();
    let cache = dir.path().join("cache");
    fs::set_permissions(&cache, Permissions::from_mode(0o775)).unwrap();
    if chown(&cache, None, Some(60_001)).is_err() {
        return eprintln!("skipped: only root can give files to another group");
    }
    let ran = with_cache(dir.path(), &run);
    assert!(ran.code == 0 && ran.err.contains("may be written by group 60001 (mode 0775)"), "{ran:?}");
}

/// Errors far to the right, in lines of a megabyte, and of places of a megabyte.
#[test]
fn r6_errors_of_any_width_are_shown() {
    for blanks in [65_530, 65_535, 70_000, 1_000_000] {
        let source = format!("route 1\ngraph @g {{{}\n  dim T\n{}%y = neg %z\n}}\n", " ".repeat(3), " ".repeat(blanks));
        let ran = with_stdin(&["check", "-"], source.as_bytes());
        assert!(ran.err.contains("RF0202") && ran.err.contains("neg %z"), "{ran:?}");
        assert!(ran.err.contains(&format!("<stdin>:4:{}", blanks + 10)), "{}", ran.err);
        assert!(ran.err.len() < 5000, "{} bytes", ran.err.len());
        ran.fails(1, &["RF0202"]);
    }
    // A minified graph of one line, and a name of a megabyte.
    let json = routefuse(&["dump", &example("e_post_chain"), "--stage", "json"]).json().to_string();
    let wide = json.replace("\"gather\"", &format!("{}\"gathr\"", " ".repeat(90_000)));
    assert_ne!(wide, json);
    let ran = with_stdin(&["check", "-"], wide.as_bytes());
    assert!(ran.code == 1 && ran.err.len() < 10_000 && !ran.err.contains("panicked"), "{} bytes", ran.err.len());
    let long = graph("g", "out").replace("neg %x", &format!("neg %{}", "z".repeat(1_000_000)));
    let ran = with_stdin(&["check", "-"], long.as_bytes());
    assert!(ran.err.len() < 5000 && ran.err.contains("z…"), "{} bytes", ran.err.len());
    ran.fails(1, &["RF0202"]);
}

/// Sets a terminal's title, clears it, and turns the direction of text: as raw bytes in a source, or escaped in a name.
const NAMES: [&str; 3] =
    ["\\u{1b}]0;title\\u{7}\\u{1b}[2J", "\\u{9b}2J\\u{85}\\n\\rx", "\\u{202e}\\u{2066}\\u{200b}evil"];

#[track_caller]
fn harmless(ran: &Ran) {
    for text in [&ran.out, &ran.err] {
        let acts = |c: char| {
            c.is_control() && c != '\n' && c != '\t'
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        if let Some(at) = text.find(acts) {
            panic!("{:?} in {}", &text[at..].chars().next(), text.escape_debug());
        }
    }
}

#[test]
fn r7_names_do_not_act_on_a_terminal() {
    let dir = folder();
    for name in NAMES {
        let source = format!(
            "route 1\ngraph @\"{name}\" {{\n  dim \"{name}\"\n  input %\"{name}\" : i32[\"{name}\", 4]\n  input %map : i32[4]\n  \
             %\"{name}y\" = gather %map, %\"{name}\" {{out_of_range = clamp}}\n  output \"{name}z\" = %\"{name}y\"\n}}\n"
        );
        let path = file(&dir, "graph.route", &source);
        let out = dir.path().join("out").display().to_string();
        let bundle = dir.path().join("model.rfb").display().to_string();
        let dim = format!("{}=2", serde_name(name));
        let svg: Vec<&str> = vec!["dump", &path, "--stage", "svg"];
        let all: [&[&str]; 17] = [
            &["check", &path],
            &["check", &path, "--json"],
            &["explain", &path],
            &["explain", &path, "--json"],
            &["explain", &path, "--key"],
            &["run", &path, "--dim", &dim, "--seed", "1", "--check", "--print", "--out", &out],
            &["compile", &path, "--target", "sm_90", "-o", &out, "--timings", "--force"],
            &["compile", &path, "--target", "sm_90", "-o", &out, "--json", "--force"],
            &["bench", &path, "--dim", &dim],
            &["bench", &path, "--dim", &dim, "--json"],
            &["dump", &path, "--target", "sm_90"],
            &svg,
            &["dump", &path, "--stage", "dot"],
            &["dump", &path, "--stage", "json"],
            &["bundle", "build", &path, "-o", &bundle],
            &["bundle", "inspect", &bundle],
            &["bundle", "inspect", &bundle, "--json"],
        ];
        for args in all {
            let ran = routefuse(args);
            harmless(&ran);
            assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        }
        // A line of the report is a line, whatever the name is.
        assert!(
            !routefuse(&["explain", &path]).ok().contains("\n]0;")
                && !routefuse(&["check", &path]).ok().trim().contains('\n')
        );
        // What was printed for programs is the same to them.
        let json = routefuse(&["dump", &path, "--stage", "json"]).ok();
        assert!(with_stdin(&["check", "-"], json.as_bytes()).ok().contains(": ok (@"));
        let text = routefuse(&["dump", &path, "--stage", "graph"]).ok();
        assert_eq!(with_stdin(&["dump", "-", "--stage", "json"], text.as_bytes()).ok(), json);
        // Errors that name them.
        for (from, to) in [("gather", "gathr"), ("i32[4]", "f99[4]"), ("clamp", "climp")] {
            let bad = source.replace(from, to);
            harmless(&with_stdin(&["check", "-"], bad.as_bytes()));
            harmless(&with_stdin(&["check", "-", "--json"], bad.as_bytes()));
        }
        harmless(&routefuse(&["run", &path]));
        harmless(&routefuse(&["run", &path, "--seed", "1"]));
    }
    // Raw, in a comment and in a name, where the source is shown; and a tensor file's keys.
    let raw = "route 1\ngraph @g { # \u{1b}[2J\n  dim T\n  input %\"\u{1b}]0;x\u{7}\" : i32[T]\n  %y = ngh %\"\u{9b}2J\" # \u{202e}\n}\n";
    let ran = with_stdin(&["check", "-"], raw.as_bytes());
    harmless(&ran);
    assert!(ran.err.contains(r"\u{9b}2J"), "{}", ran.err);
    let tensors = file(&dir, "a.safetensors", safetensors("\u{1b}[2J", "I32", &[2], &[0; 8]));
    for spec in [format!("ids={tensors}"), format!("ids={tensors}:x")] {
        let ran = routefuse(&["run", &example("c_pack"), "--in", &spec, "--seed", "1"]);
        harmless(&ran);
        ran.fails(1, &["RF0704", r"\u{1b}[2J"]);
    }
}

/// The name that a quoted name stands for.
fn serde_name(quoted: &str) -> String {
    let mut name = String::new();
    let mut rest = quoted;
    while let Some(c) = rest.chars().next() {
        if let Some(hex) = rest.strip_prefix("\\u{") {
            let (hex, after) = hex.split_once('}').unwrap();
            name.push(char::from_u32(u32::from_str_radix(hex, 16).unwrap()).unwrap());
            rest = after;
        } else if let Some(after) = rest.strip_prefix("\\n") {
            name.push('\n');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("\\r") {
            name.push('\r');
            rest = after;
        } else {
            name.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    name
}

/// Devices, pipes and files that only say that they are large: refused without reading or waiting.
#[test]
fn r10_inputs_are_read_up_to_their_limit() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let sparse = |name: &str| {
        File::create(dir.path().join(name)).unwrap().set_len(100 << 30).unwrap();
        at(name)
    };
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    let pack = example("c_pack");
    let began = Instant::now();
    routefuse(&["check", "/dev/zero"]).fails(1, &["RF0701", "cannot read `/dev/zero`: it is a device"]);
    routefuse(&["check", &at("pipe")]).fails(1, &["RF0701", "it is a pipe", "`-` is standard input"]);
    routefuse(&["check", &sparse("graph.route")]).fails(1, &["RF0701", "at most 67108864 bytes are read"]);
    let mut endless = command(&["check", "-"]);
    endless.stdin(File::open("/dev/zero").unwrap());
    ran(&mut endless, b"").fails(1, &["RF0701", "it has more, and at most 67108864 bytes are read"]);
    let input = |file: &str| routefuse(&["run", &pack, "--seed", "1", "--in", &format!("ids={file}")]);
    input("/dev/zero").fails(1, &["RF0701", "it is a device"]);
    input(&at("pipe")).fails(1, &["RF0701", "it is a pipe"]);
    input(&sparse("x.npy")).fails(1, &["RF0701", "at most 4294967296 bytes are read"]);
    input(&format!("{}:x", sparse("x.safetensors"))).fails(1, &["RF0703", "x.safetensors"]);
    assert!(Command::new("mkfifo").arg(at("pipe.safetensors")).status().unwrap().success());
    input(&format!("{}:x", at("pipe.safetensors"))).fails(1, &["RF0701", "it is a pipe"]);
    for verb in ["inspect", "verify"] {
        routefuse(&["bundle", verb, &sparse("model.rfb")]).fails(1, &["RF0811", "it is no bundle"]);
        routefuse(&["bundle", verb, "/dev/zero"]).fails(1, &["RF0811", "is no file: it is a device"]);
        routefuse(&["bundle", verb, &at("pipe")]).fails(1, &["RF0811", "is no file: it is a pipe"]);
    }
    routefuse(&["bundle", "verify", &at("none"), "--public-key", "/dev/zero"]).fails(1, &["RF0814", "it is a device"]);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    // Of a large file of tensors, one is read.
    let ids: Vec<u8> = npy_i32(&[2, 8], &[7; 16]).split_off(128);
    let mut large = safetensors("ids", "I32", &[2, 8], &ids);
    let header = String::from_utf8(large[8..large.len() - 64].to_vec()).unwrap();
    let extended = header.replacen(
        '{',
        "{\"rest\":{\"dtype\":\"U8\",\"shape\":[8589934592],\"data_offsets\":[64,8589934656]},",
        1,
    );
    large = [&(extended.len() as u64).to_le_bytes()[..], extended.as_bytes(), &ids].concat();
    let path = file(&dir, "large.safetensors", &large);
    let whole = 8 + extended.len() as u64 + 8_589_934_656;
    File::options().write(true).open(&path).unwrap().set_len(whole).unwrap();
    routefuse(&["run", &pack, "--seed", "1", "--in", &format!("ids={path}:ids"), "--check"]).ok();
}

/// The record of uses as a pipe or a link: a run neither hangs nor writes elsewhere.
#[test]
fn r11_the_record_of_uses_leads_nowhere() {
    let dir = folder();
    let run = ["run", &example("c_pack"), "--dim", "T=2", "--seed", "1"];
    with_cache(dir.path(), &run).ok();
    let (uses, target) = (dir.path().join("cache/v3/uses"), file(&dir, "precious", "as it was"));
    fs::remove_file(&uses).unwrap();
    assert!(Command::new("mkfifo").arg(&uses).status().unwrap().success());
    let ran = with_cache(dir.path(), &run);
    assert!(ran.code == 0 && ran.err.contains("uses is no file: it is a pipe"), "{ran:?}");
    fs::remove_file(&uses).unwrap();
    symlink(&target, &uses).unwrap();
    let ran = with_cache(dir.path(), &run);
    assert!(ran.code == 0 && ran.err.contains("uses is no file: it is a link"), "{ran:?}");
    assert_eq!(fs::read_to_string(target).unwrap(), "as it was");
}

/// What a cache warns of is seen, or not, or more than that, as the options and the environment say.
#[test]
fn r12_warnings_are_seen() {
    let dir = folder();
    let occupied = file(&dir, "occupied", "");
    let run = ["run", &example("c_pack"), "--dim", "T=2", "--seed", "1", "--cache-dir", &occupied];
    let with = |more: &[&str], rust_log: Option<&str>| {
        let mut command = command(&[&run[..], more].concat());
        command.envs(rust_log.map(|v| ("RUST_LOG", v)));
        ran(&mut command, b"")
    };
    let warned = with(&[], None);
    assert!(warned.code == 0 && warned.err.lines().count() == 1, "{warned:?}");
    let expected = "warning: trouble with the kernel cache (what it cannot give or keep is compiled in memory): ";
    assert!(warned.err.starts_with(expected) && warned.err.ends_with("occupied is no directory\n"), "{warned:?}");
    with(&["-q"], None).ok();
    with(&["-q"], Some("debug")).ok();
    with(&[], Some("error")).ok();
    for (more, variable) in [(&["-v"][..], None), (&[], Some("routefuse_runtime=debug")), (&["-v"], Some("error"))] {
        let said = with(more, variable);
        assert!(said.err.contains("debug: compiled a kernel in ") && said.err.contains("(key="), "{said:?}");
    }
    assert!(with(&["-vv"], None).code == 0);
    assert!(with(&["-v", "-q"], None).code == 2);
    let wrong = with(&[], Some("routefuse=loud"));
    assert!(wrong.code == 0 && wrong.err.contains("warning: $RUST_LOG is `routefuse=loud`"), "{wrong:?}");
    let kept = folder();
    let run = ["run", &example("c_pack"), "--dim", "T=2", "--seed", "1", "-v"];
    assert!(with_cache(kept.path(), &run).err.contains("debug: compiled a kernel in "));
    assert!(with_cache(kept.path(), &run).err.contains("debug: found a kernel in "));
}
