//! `cache`, `bundle`, `explain --key`, and the options of the cache.

use crate::program::{command, example, file, folder, names, ran, routefuse};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The program with a cache in this folder.
fn with_cache(dir: &Path, args: &[&str]) -> crate::program::Ran {
    let mut all = args.to_vec();
    let cache = dir.join("cache").display().to_string();
    all.extend(["--cache-dir", &cache]);
    ran(&mut command(&all), b"")
}

fn run(dir: &Path) -> crate::program::Ran {
    with_cache(dir, &["run", &example("c_pack"), "--dim", "T=3", "--seed", "1", "--check"])
}

#[test]
fn what_is_run_is_kept() {
    let dir = folder();
    let stat = |key: &str| with_cache(dir.path(), &["cache", "stat", "--json"]).json()[key].clone();
    assert_eq!((stat("entries"), stat("trouble")), (0.into(), serde_json::Value::Null));
    run(dir.path()).ok();
    let first = std::fs::read(dir.path().join("cache/v3/uses")).unwrap().len();
    run(dir.path()).ok();
    assert_eq!(std::fs::read(dir.path().join("cache/v3/uses")).unwrap().len(), first * 2, "found again");
    assert_eq!(stat("entries"), 1);
    let ls = with_cache(dir.path(), &["cache", "ls"]).ok();
    assert!(
        ls.starts_with("key ") && ls.lines().count() == 3 && ls.contains(" host ") && ls.contains("llvm 22."),
        "{ls}"
    );
    let json = with_cache(dir.path(), &["cache", "ls", "--json"]).json();
    assert_eq!(json[0]["target"], "host");
    let text = with_cache(dir.path(), &["cache", "stat"]).ok();
    assert!(text.contains("kernels      1 of at most 16384") && text.contains("trouble      none"), "{text}");
    let verified = with_cache(dir.path(), &["cache", "verify"]).ok();
    assert_eq!(verified, "1 kernels, every byte as it was written\n");
    assert!(
        with_cache(dir.path(), &["cache", "gc", "--max-entries", "0"]).ok().starts_with("1 entries taken away, 0 left")
    );
    run(dir.path()).ok();
    assert_eq!(with_cache(dir.path(), &["cache", "clear"]).ok(), "1 entries taken away\n");
    assert_eq!(stat("entries"), 0);
}

#[test]
fn no_cache_is_written() {
    let dir = folder();
    let cache = dir.path().join("cache");
    let args = ["run", &example("c_pack"), "--dim", "T=3", "--seed", "1", "--check"];
    let mut command = command(&[&args[..], &["--no-cache"]].concat());
    ran(command.env("ROUTEFUSE_CACHE_DIR", &cache), b"").ok();
    assert!(!cache.exists());
    let mut by_variable = crate::program::command(&args);
    ran(by_variable.env("ROUTEFUSE_CACHE_DIR", &cache), b"").ok();
    assert!(cache.join("v3").exists());
    // The variable is empty.
    routefuse(&["cache", "stat"]).fails(1, &["RF0813", "there is no cache of compiled kernels", "--cache-dir"]);
    let both = [&args[..], &["--no-cache", "--cache-dir", "x"]].concat();
    routefuse(&both).fails(2, &["cannot be used with"]);
}

#[test]
fn spoilt_entries_are_told() {
    let dir = folder();
    run(dir.path()).ok();
    let path = dir.path().join("cache/v3");
    let entry = names(&path).into_iter().find(|n| n.ends_with(".rfk")).unwrap();
    let mut bytes = std::fs::read(path.join(&entry)).unwrap();
    bytes[300] ^= 4;
    std::fs::write(path.join(&entry), bytes).unwrap();
    with_cache(dir.path(), &["cache", "verify"]).fails(1, &["RF0813", "is spoilt: its hash is not that of its bytes"]);
    let ran = run(dir.path());
    assert!(ran.code == 0 && ran.err.contains("is spoilt: its hash is not that of its bytes"), "{ran:?}");
    assert_eq!(names(&path.join("quarantine")), [entry]);
    with_cache(dir.path(), &["cache", "verify"]).ok();
    // A cache that cannot be is a warning, and the command does what it does.
    let not_a_folder = file(&dir, "file", "");
    let ran =
        routefuse(&["run", &example("c_pack"), "--dim", "T=3", "--seed", "1", "--check", "--cache-dir", &not_a_folder]);
    assert!(ran.code == 0 && ran.err.starts_with("warning: trouble with the kernel cache ("), "{ran:?}");
}

#[test]
fn why_a_kernel_is_missed() {
    let dir = folder();
    let graph = example("c_pack");
    let miss = with_cache(dir.path(), &["cache", "why-miss", &graph]).ok();
    assert!(miss.starts_with("miss  kernel `") && miss.ends_with("the cache is empty\n"), "{miss}");
    run(dir.path()).ok();
    assert!(with_cache(dir.path(), &["cache", "why-miss", &graph]).ok().starts_with("hit   kernel `"));
    let other = std::fs::read_to_string(&graph).unwrap().replace("form = masked", "form = sign_extended");
    let other = file(&dir, "other.route", other);
    let miss = with_cache(dir.path(), &["cache", "why-miss", &other]).ok();
    assert!(
        miss.contains("there (-), wanted (+):\n") && miss.contains("\n      + ") && !miss.contains("- compiler"),
        "{miss}"
    );
    let json = with_cache(dir.path(), &["cache", "why-miss", &graph, "--target", "sm_90", "--json"]).json();
    let lines: Vec<&str> = json[0]["difference"].as_array().unwrap().iter().filter_map(|l| l.as_str()).collect();
    assert!(lines.iter().any(|l| l.starts_with("+ target sm_90 ")) && json[0]["hit"] == false, "{lines:?}");
}

/// Two machines, each with a directory of its own, and a folder that both mount.
#[test]
fn a_remote_cache() {
    let (shared, first, second) = (folder(), folder(), folder());
    let address = format!("file://{}/kernels", shared.path().display());
    let afar = |dir: &Path, args: &[&str]| with_cache(dir, &[args, &["--remote-cache", &address]].concat());
    let graph = example("c_pack");
    let run = ["run", &graph, "--dim", "T=3", "--seed", "1", "--check"];
    afar(first.path(), &run).ok();
    assert!(!shared.path().join("kernels").exists(), "it is read only");
    let why = ["cache", "why-miss", &graph];
    assert!(afar(second.path(), &why).ok().starts_with("miss  kernel `"));
    assert_eq!(afar(first.path(), &["cache", "push"]).ok(), format!("1 entries written to {address}\n"));
    assert_eq!(afar(first.path(), &["cache", "push", "--json"]).json()["written"], 1);
    assert!(afar(second.path(), &why).ok().ends_with(", in the remote cache\n"));
    assert_eq!(afar(second.path(), &[&why[..], &["--json"]].concat()).json()[0]["tier"], "remote");
    afar(second.path(), &run).ok();
    let json = afar(second.path(), &[&why[..], &["--json"]].concat()).json();
    assert_eq!((&json[0]["hit"], &json[0]["tier"]), (&true.into(), &"disk".into()), "found afar, kept here");
    let text = afar(second.path(), &["cache", "stat"]).ok();
    assert!(text.contains(&format!("remote       {address}, answers in ")), "{text}");

    // By variables, and written to.
    let other = folder();
    let out = other.path().join("model.rfb").display().to_string();
    let mut build = command(&["bundle", "build", &graph, "--target", "sm_90", "-o", &out]);
    build.env("ROUTEFUSE_REMOTE_CACHE", &address).env("ROUTEFUSE_REMOTE_WRITE", "1");
    ran(&mut build, b"").ok();
    let stat = afar(second.path(), &["cache", "stat", "--json"]).json();
    assert_eq!((&stat["remote"]["answers"], &stat["remote"]["write"]), (&true.into(), &false.into()));
    let built = afar(second.path(), &["bundle", "build", &graph, "--target", "sm_90", "-o", &out, "--json"]).json();
    assert_eq!((&built["compiled"], &built["kernels"]), (&0.into(), &4.into()));

    // What is wrong with it is a warning.
    let key = json[0]["key"].as_str().unwrap();
    let object = shared.path().join(format!("kernels/v3/{}/{key}.rfk", &key[..2]));
    std::fs::write(object, "nothing of ours").unwrap();
    let third = folder();
    let ran = afar(third.path(), &run);
    assert!(
        ran.code == 0
            && ran.err.starts_with("warning: trouble with the remote kernel cache (")
            && ran.err.contains("is spoilt")
    );
    let ran = with_cache(third.path(), &[&run[..], &["--remote-cache", "ftp://host"]].concat());
    assert!(ran.code == 0 && ran.err.contains("write one as s3://BUCKET"), "{ran:?}");
    with_cache(first.path(), &["cache", "push"]).fails(1, &["RF0813", "there is no remote cache", "--remote-cache"]);
    with_cache(first.path(), &["cache", "push", "--remote-cache", "file:///proc/routefuse"])
        .fails(1, &["RF0813", "1 of 1 entries were not written to the remote cache: cannot write file:///proc/"]);
    let both = [&run[..], &["--no-cache", "--remote-cache", &address]].concat();
    routefuse(&both).fails(2, &["cannot be used with"]);
}

#[test]
fn signatures() {
    let dir = folder();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (key, public, other, bundle) = (path("key"), path("key.pub"), path("other"), path("model.rfb"));
    let text = routefuse(&["bundle", "keygen", &key]).ok();
    assert!(text.contains("keep it secret") && text.contains(&public), "{text}");
    let signer = text.lines().last().unwrap().trim().to_owned();
    assert_eq!(routefuse(&["bundle", "keygen", &other, "--json"]).json()["key"].as_str().unwrap().len(), 64);
    routefuse(&["bundle", "keygen", &key]).fails(1, &["RF0702", "key` is there already"]);
    let mode = std::fs::metadata(&key).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    let build = ["bundle", "build", &example("c_pack"), "-o", &bundle];
    with_cache(dir.path(), &[&build[..], &["--sign", &key]].concat()).ok();
    let verify = ["bundle", "verify", &bundle, "--public-key"];
    let text = routefuse(&[&verify[..], &[&public]].concat()).ok();
    assert!(text.starts_with(&format!("signed by  {signer}; who holds this key runs code as you\n")), "{text}");
    assert!(routefuse(&["bundle", "inspect", &bundle]).ok().starts_with(&format!("signed by  {signer}; ")));
    assert_eq!(routefuse(&["bundle", "inspect", &bundle, "--json"]).json()["signer"], signer);
    let others = format!("{other}.pub");
    let refused = ["RF0814", "whose signature is not one of those that are required"];
    routefuse(&[&verify[..], &[&others]].concat()).fails(1, &refused);
    with_cache(dir.path(), &["cache", "import", &bundle, "--require-signed", &others]).fails(1, &refused);
    with_cache(dir.path(), &["cache", "import", &bundle, "--require-signed", &public]).ok();
    with_cache(dir.path(), &["cache", "export", "-o", &bundle]).ok();
    routefuse(&[&verify[..], &[&public]].concat()).fails(1, &["RF0814", "it is not signed"]);
    let mut export = command(&["cache", "export", "-o", &bundle, "--cache-dir", &path("cache")]);
    ran(export.env("ROUTEFUSE_SIGN", &key), b"").ok();
    let mut check = command(&["bundle", "verify", &bundle]);
    ran(check.env("ROUTEFUSE_REQUIRE_SIGNED", &public), b"").ok();

    // A remote cache: one machine signs, another insists on it.
    let remote = format!("file://{}", path("shared"));
    let second = folder();
    let run = ["run", &example("c_pack"), "--dim", "T=3", "--seed", "1", "--check", "--remote-cache", &remote];
    with_cache(dir.path(), &["cache", "push", "--remote-cache", &remote, "--sign", &other]).ok();
    let ran = with_cache(second.path(), &[&run[..], &["--require-signed", &public]].concat());
    assert!(
        ran.code == 0
            && ran.err.contains("warning: trouble with the remote kernel cache (")
            && ran.err.contains("is signed by"),
        "{ran:?}"
    );
    with_cache(dir.path(), &["cache", "push", "--remote-cache", &remote, "--sign", &key]).ok();
    let third = folder();
    with_cache(third.path(), &[&run[..], &["--require-signed", &public]].concat()).ok();

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    with_cache(dir.path(), &[&build[..], &["--sign", &key]].concat()).fails(1, &["RF0814", "is secret", "chmod 600"]);
    with_cache(dir.path(), &[&build[..], &["--sign", &public]].concat())
        .fails(1, &["RF0814", "is no ed25519 signing key"]);
    routefuse(&[&verify[..], &["none.pub"]].concat()).fails(1, &["RF0814", "none.pub"]);
}

#[test]
fn keys_are_explained() {
    let text = routefuse(&["explain", &example("c_pack"), "--key", "--target", "sm_90"]).ok();
    assert!(text.contains(" is the hash of\nroutefuse key 3\nabi 1\ncompiler routefuse "), "{text}");
    assert_eq!(text.matches(" is the hash of\n").count(), 4, "one a variant");
    let json = routefuse(&["explain", &example("c_pack"), "--key", "--json"]).json();
    assert_eq!(json[0]["key"].as_str().unwrap().len(), 64);
    assert!(json[0]["text"].as_str().unwrap().contains("\nprocessor x86_64") || cfg!(not(target_arch = "x86_64")));
    assert!(
        routefuse(&["explain", &example("c_pack"), "--target", "sm_90"]).ok().contains("\n  on sm_90\n"),
        "the report"
    );
}

#[test]
fn bundles() {
    let dir = folder();
    let path = dir.path().join("model.rfb").display().to_string();
    let build = ["bundle", "build", &example("c_pack"), &example("c_unpack"), "--target", "host,gfx942", "-o", &path];
    let text = with_cache(dir.path(), &build).ok();
    assert!(text.contains("model.rfb (2 graphs, 10 kernels, "), "{text}");
    let bytes = std::fs::read(&path).unwrap();
    let again = with_cache(dir.path(), &[&build[..], &["--json"]].concat()).json();
    assert_eq!((&again["compiled"], &again["kernels"]), (&0.into(), &10.into()), "the cache has them");
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "the same of the same");

    let text = routefuse(&["bundle", "inspect", &path]).ok();
    assert!(text.contains("its host code runs here") && text.contains(" for host, gfx942\n"), "{text}");
    let json = routefuse(&["bundle", "inspect", &path, "--json"]).json();
    assert_eq!(json["kernels"].as_array().unwrap().len(), 10);
    let text = routefuse(&["bundle", "verify", &path]).ok();
    let whose = "not signed: whoever made this file runs code as you\n";
    let whole = "10 kernels, no byte changed since the bundle was made; 2 graphs have all of their 10\n";
    assert_eq!(text, format!("{whose}{whole}"));
    assert!(routefuse(&["bundle", "inspect", &path]).ok().starts_with(whose));

    let other = folder();
    assert_eq!(with_cache(other.path(), &["cache", "import", &path]).ok(), format!("{whose}10 kernels imported\n"));
    run(other.path()).ok();
    assert_eq!(with_cache(other.path(), &["cache", "stat", "--json"]).json()["entries"], 10, "nothing was compiled");
    let exported = dir.path().join("exported.rfb").display().to_string();
    assert!(with_cache(other.path(), &["cache", "export", "-o", &exported]).ok().contains("(10 kernels, "));
    assert_eq!(routefuse(&["bundle", "verify", &exported, "--json"]).json()["kernels"], 10);

    let mut spoilt = bytes;
    spoilt[500] ^= 1;
    let spoilt = file(&dir, "spoilt.rfb", spoilt);
    routefuse(&["bundle", "verify", &spoilt]).fails(1, &["RF0811", "the bundle cannot be used"]);
    routefuse(&["bundle", "inspect", &example("c_pack")]).fails(1, &["RF0811", "it is no bundle"]);
    routefuse(&["cache", "import", "none.rfb", "--cache-dir", &path]).fails(1, &["RF0701", "none.rfb"]);
    routefuse(&["bundle", "build", "-o", &path]).fails(2, &["FILE"]);
}
