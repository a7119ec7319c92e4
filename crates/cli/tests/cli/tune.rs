//! `tune`, and what follows its answer: on stand-ins for the drivers of both vendors, whose clock the tests set.

use crate::hip::{borrowed, build, emulator, ran, stand_in};
use crate::program::{Ran, example, routefuse};
use serde_json::Value;
use std::path::Path;

/// Both stand-ins in a folder of their own, and a cache.
struct Place {
    libraries: tempfile::TempDir,
    cache: tempfile::TempDir,
}

/// A launch takes a nanosecond for each of its threads, and a microsecond: the fewer lanes have a row, the quicker.
const FEW_LANES: &str = "1000,0,1";
/// And the other way round: each block takes a microsecond, so that large blocks are quick.
const LARGE_BLOCKS: &str = "0,1000,0";

impl Place {
    fn new() -> Place {
        let libraries = stand_in();
        build("cuda.c", &libraries.path().join("libcuda.so"));
        Place { libraries, cache: tempfile::tempdir().unwrap() }
    }

    fn with(&self, clock: &str, args: &[&str], more: &[(&str, &Path)]) -> Ran {
        // What is about a bundle alone has no cache.
        let cache = self.cache.path().to_str().unwrap();
        let without = args[0] == "bundle" && args[1] != "build";
        let directory = ["--cache-dir", cache];
        let all = [args, if without { &[] } else { &directory }].concat();
        let more = [more, &[("ROUTEFUSE_STAND_IN_CLOCK", Path::new(clock))]].concat();
        ran(self.libraries.path(), &all, &more)
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.with(FEW_LANES, args, &[])
    }

    fn tune(&self, device: &str, more: &[&str]) -> Value {
        let args = ["tune", "--model", "gpt-oss", "--device", device, "--dim", "T=64,2048,8192", "--samples", "1"];
        self.run(&[&args[..], &["--json"], more].concat()).json()
    }

    /// Kernels of the model whose shapes are those of a record.
    fn followed(&self, device: &str) -> Ran {
        self.run(&["bench", "--model", "gpt-oss", "--device", device, "--dim", "T=1", "--vs", "none", "--json"])
    }
}

fn shapes(list: &Value) -> Vec<(Option<u64>, String)> {
    let shape = |s: &Value| (s["most_rows"].as_u64(), s["shape"].as_str().unwrap().to_owned());
    list.as_array().unwrap().iter().map(shape).collect()
}

/// The clock decides; the answer is an entry of the cache, and the next process compiles the shapes that it names.
fn the_answer_is_followed(device: &str, target: &str, built_in: &str, chosen: &str) {
    let place = Place::new();
    let before = place.followed(device).json();
    assert_eq!(before["tuned_kernels"], 0);
    let json = place.tune(device, &[]);
    assert_eq!((&json["target"], &json["kernels"]), (&target.into(), &1.into()), "{json}");
    let kernel = &json["tuned"][0];
    assert_eq!(shapes(&kernel["built_in"])[0], (Some(2048), built_in.to_owned()));
    assert_eq!(shapes(&kernel["chosen"]), [(None, chosen.to_owned())], "{json}");
    assert_eq!(kernel["is_built_in"], false);
    // 2,048 rows of two lanes are 4,096 threads.
    let result = &kernel["results"][1];
    assert_eq!((&result["extent"], &result["chosen_us"]), (&2048.into(), &5.096.into()), "{json}");
    assert!(result["built_in_us"].as_f64().unwrap() > 60.0);
    assert!(Path::new(kernel["file"].as_str().unwrap()).exists());
    // Another process.
    let after = place.followed(device).json();
    assert_eq!((&after["tuned_kernels"], &after["kernels"]), (&1.into(), &1.into()), "{after}");
    assert!(after["compiled"].as_u64().unwrap() > 0, "other code than before");
    let entries = place.run(&["cache", "ls", "--json"]).json();
    let entries = entries.as_array().unwrap();
    let tuning = entries.iter().filter(|e| e["kind"] == "tuning").collect::<Vec<_>>();
    assert_eq!(tuning.len(), 1);
    assert_eq!(
        (&tuning[0]["target"], &tuning[0]["shapes"], &tuning[0]["key"]),
        (&target.into(), &chosen.into(), &kernel["key"])
    );
    let wanted = format!("row {chosen} held=");
    assert!(entries.iter().any(|e| e["kind"] == "kernel" && e["schedule"].as_str().unwrap().starts_with(&wanted)));
    // And once more nothing is compiled.
    assert_eq!(place.followed(device).json()["compiled"], 0);
    // Who asks is told.
    let text = place.run(&["explain", "--model", "gpt-oss"]).ok();
    assert!(
        text.contains(&format!("tuned, by records of the cache\n  {target}  kernel gpt_oss: {chosen}\n")),
        "{text}"
    );
    assert_eq!(place.run(&["explain", "--model", "gpt-oss", "--json"]).json()["tuned"][0]["shapes"], chosen);
    let page = place.run(&["report", "--model", "gpt-oss", "--target", target, "--json"]).json();
    let notation = page["schedules"][0]["notation"].as_str().unwrap();
    assert!(notation.contains(chosen), "{notation}");
    let told = page["numbers"]["tuned"][0].as_str().unwrap();
    assert!(told.starts_with(&format!("gpt_oss: {chosen}, measured on Stand-in 0")), "{told}");
    let text = place.run(&["doctor"]).ok();
    assert!(text.contains(&format!("tuned      1 kernel for {target}, measured on Stand-in 0")), "{text}");
    assert_eq!(place.run(&["doctor", "--json"]).json()["tuned"][0]["kernels"], 1);
    let text = place.run(&["cache", "why-miss", "--model", "gpt-oss", "--target", target]).ok();
    assert!(!text.contains("miss"), "{text}");
    let text = place.run(&["cache", "verify"]).ok();
    assert!(text.contains(" and 1 tuning, every byte as it was written"), "{text}");
    assert_eq!(place.run(&["cache", "stat", "--json"]).json()["tunings"], 1);
    // Tuned anew, the record is replaced.
    let again = place.with(
        LARGE_BLOCKS,
        &["tune", "--model", "gpt-oss", "--device", device, "--dim", "T=512,4096", "--samples", "1", "--json"],
        &[],
    );
    let chosen = shapes(&again.json()["tuned"][0]["chosen"]);
    assert!(chosen.iter().all(|(_, shape)| shape.contains("threads=256")), "{chosen:?}");
    assert_eq!(place.run(&["cache", "stat", "--json"]).json()["tunings"], 1);
}

#[test]
fn the_answer_is_followed_on_amd() {
    the_answer_is_followed("hip:0", "gfx942", "lanes=64 threads=64", "lanes=2 threads=128 sorted");
}

#[test]
fn the_answer_is_followed_on_nvidia() {
    the_answer_is_followed("cuda:0", "sm_90", "lanes=32 threads=64", "lanes=2 threads=128 sorted");
}

/// What is tuned gives the bits of the interpreter, with few rows and with many.
#[test]
fn every_bit() {
    let Some(emulator) = emulator(2) else { return };
    let place = Place::new();
    assert_eq!(place.tune("hip:0", &[])["tuned"][0]["is_built_in"], false);
    for rows in ["T=5", "T=131"] {
        let args = ["run", "--model", "gpt-oss", "--dim", rows, "--seed", "3", "--device", "hip:0", "--check", "-v"];
        let ran = place.with(FEW_LANES, &args, &borrowed(&emulator));
        assert!(ran.out.contains("every bit as the interpreter's"), "{ran:#?}");
        assert!(ran.err.contains("found the record of a tuning"), "{}", ran.err);
    }
}

#[test]
fn a_table() {
    let place = Place::new();
    let args = ["tune", "--model", "gpt-oss", "--device", "hip", "--dim", "T=64,128", "--samples", "1", "--dry-run"];
    let text = place.run(&args).ok();
    assert!(text.starts_with("@gpt_oss on hip:0, Stand-in 0, HIP 7.1, target gfx942\n1 of 1 kernel tuned"), "{text}");
    assert!(text.contains("\nlanes=2 threads=128 sorted                1.13*      1.26*\n"), "{text}");
    assert!(
        text.contains("\nbuilt in  up to 2048 rows: lanes=64 threads=64; more: lanes=4 threads=128 sorted\n"),
        "{text}"
    );
    assert!(text.ends_with("\nchosen    up to 2048 rows: lanes=2 threads=128 sorted; more: lanes=4 threads=128 sorted\nkept      nowhere\n"), "{text}");
    assert_eq!(place.run(&["cache", "stat", "--json"]).json()["entries"], 0, "nothing is kept");
    // Differences of less than the margin are none.
    let args =
        ["tune", "--model", "gpt-oss", "--device", "hip", "--dim", "T=1,64", "--samples", "1", "--margin", "100000"];
    let text = place.run(&args).ok();
    assert!(text.contains("\nchosen    the same\n"), "{text}");
    assert_eq!(place.followed("hip:0").json()["tuned_kernels"], 1, "an answer, too");
}

#[test]
fn what_cannot_be_tuned() {
    let place = Place::new();
    let tune = |more: &[&str]| place.run(&[&["tune", "--model", "gpt-oss"][..], more].concat());
    tune(&[]).fails(1, &["RF0809", "the host has nothing to tune", "`cuda:0`"]);
    tune(&["--device", "hip:7"]).fails(1, &["RF0809", "no AMD GPU 7"]);
    tune(&["--device", "hip", "--dim", "N=1"]).fails(1, &["RF0203", "has no dim `N`"]);
    tune(&["--device", "hip", "--dim", "T=64,1"]).fails(1, &["RF0312", "ascend"]);
    tune(&["--device", "hip", "--dim", "T=1", "--samples", "0"])
        .fails(1, &["RF0312", "0 samples of 25 launches", "one at least"]);
    tune(&["--device", "hip", "--dim", "T=1", "--margin=-1"]).fails(1, &["RF0312", "the margin is -0.01"]);
    tune(&["--device", "hip", "--dim", "T=1099511627776"]).fails(1, &["RF0614", "larger than 4 GiB"]);
    let args = ["tune", "--model", "gpt-oss", "--device", "hip", "--dim", "T=1"];
    let clock = [("ROUTEFUSE_STAND_IN_CLOCK", Path::new(FEW_LANES))];
    ran(place.libraries.path(), &args, &clock).fails(1, &["RF0813", "no cache to keep the answer in", "--dry-run"]);
    routefuse(&["tune", "--model", "gpt-oss", "--device", "hip", "--dry-run"]).fails(1, &["RF0809"]);
    // A kernel without row values has no shapes.
    let text = place.run(&["tune", &example("e_post_chain"), "--device", "hip"]).ok();
    assert!(text.contains("nothing to choose: no lanes share a row in its 1 kernel"), "{text}");
    let json = place.run(&["tune", &example("e_post_chain"), "--device", "hip", "--json"]).json();
    assert_eq!((&json["tuned"], &json["kernels"]), (&serde_json::json!([]), &1.into()));
    // A directory that cannot be used is told of before anything is measured.
    let file = place.cache.path().join("file");
    std::fs::write(&file, "").unwrap();
    let here = ["--cache-dir", file.to_str().unwrap(), "--samples", "1"];
    let ran = ran(place.libraries.path(), &[&args[..], &here].concat(), &clock);
    assert!(ran.code == 1 && ran.out.is_empty(), "{ran:#?}");
    assert!(ran.err.contains("RF0813") && ran.err.contains("the answer cannot be kept"), "{ran:#?}");
}

/// Equal kernels have one record, and each of several kernels its own.
#[test]
fn several_kernels() {
    let place = Place::new();
    let tuned = |columns: u32| {
        let text = format!(
            "route 1\ngraph @two {{\n  dim T\n  dim S\n  input %x : f32[T, 64]\n  input %y : f32[S, {columns}]\n  \
             %a = topk %x {{k = 4}}\n  %b = topk %y {{k = 4}}\n  output a = %a\n  output b = %b\n}}\n"
        );
        let graph = crate::program::file(&place.libraries, "two.route", text);
        let args = ["tune", &graph, "--device", "hip", "--dim", "T=64,2048", "--samples", "1", "--dry-run", "--json"];
        let json = place.run(&args).json();
        assert_eq!(json["kernels"], 2);
        json["tuned"].as_array().unwrap().len()
    };
    assert_eq!((tuned(64), tuned(32)), (1, 2));
}

/// A cache that is not there, or that cannot be read, is no reason to say nothing.
#[test]
fn without_a_cache() {
    let place = Place::new();
    let (explain, doctor) = (["explain", "--model", "gpt-oss"], ["doctor"]);
    for args in [&explain[..], &doctor] {
        let text = place.run(args).ok();
        assert!(!text.contains("tuned"), "{text}");
    }
    assert_eq!(place.cache.path().read_dir().unwrap().count(), 0, "nothing is made");
    let json = place.tune("hip:0", &[]);
    let file = Path::new(json["tuned"][0]["file"].as_str().unwrap());
    let bytes = std::fs::read(file).unwrap();
    assert!(place.run(&doctor).ok().contains("tuned      1 kernel for gfx942"));
    std::fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(!place.run(&doctor).ok().contains("tuned"));
    let keys = place.run(&["explain", "--model", "gpt-oss", "--key", "--target", "gfx942"]);
    assert!(keys.out.contains("schedule row up to 2048 rows: ") && keys.err.contains("is spoilt"), "{keys:#?}");
    std::fs::write(file, &bytes).unwrap();
    let keys = place.run(&["explain", "--model", "gpt-oss", "--key", "--target", "gfx942"]).ok();
    assert!(keys.contains("schedule row lanes=2 threads=128 sorted"), "{keys}");
}

/// A record that is spoilt is one trouble among the others of a cache: the built-in shapes are compiled.
#[test]
fn a_spoilt_record() {
    let place = Place::new();
    let file = place.tune("hip:0", &[])["tuned"][0]["file"].as_str().unwrap().to_owned();
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.len() - 1;
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let verified = place.run(&["cache", "verify"]);
    assert!(verified.code == 1 && verified.err.contains("its hash is not that of its bytes"), "{verified:#?}");
    let ran = place.followed("hip:0");
    assert!(ran.code == 0 && ran.err.contains("its hash is not that of its bytes"), "{ran:#?}");
    assert!(ran.out.contains("\"tuned_kernels\": 0"), "{}", ran.out);
    assert!(!Path::new(&file).exists(), "put aside");
    assert_eq!(place.followed("hip:0").json()["compiled"], 0);
}

/// A bundle carries the record and the code of its shapes; who imports it follows it, if its signer is trusted.
#[test]
fn bundles() {
    let place = Place::new();
    place.tune("hip:0", &[]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for key in ["ours", "theirs"] {
        place.run(&["bundle", "keygen", &path(key)]).ok();
    }
    let (bundle, ours, theirs) = (path("model.rfb"), path("ours.pub"), path("theirs.pub"));
    let args = ["bundle", "build", "--model", "gpt-oss", "--target", "gfx942", "--sign", &path("ours"), "-o", &bundle];
    let text = place.run(&args).ok();
    assert!(text.contains(" kernels and 1 tuning, "), "{text}");
    let json = place.run(&["bundle", "inspect", &bundle, "--json"]).json();
    assert_eq!(
        (&json["tunings"][0]["shapes"], json["kernels"].as_array().unwrap().len()),
        (&"lanes=2 threads=128 sorted".into(), 2)
    );
    let text = place.run(&["bundle", "verify", &bundle, "--public-key", &ours]).ok();
    assert!(
        text.contains(
            "2 kernels and 1 tuning, no byte changed since the bundle was made; 1 graphs have all of their 2"
        ),
        "{text}"
    );
    let other = Place::new();
    let text = other.run(&["cache", "import", &bundle]).ok();
    assert!(text.ends_with("2 kernels and 1 tuning imported\n"), "{text}");
    let bench = ["bench", "--model", "gpt-oss", "--device", "hip:0", "--dim", "T=1", "--vs", "none", "--json"];
    let json = other.run(&[&bench[..], &["--require-signed", &ours]].concat()).json();
    assert_eq!((&json["tuned_kernels"], &json["compiled"]), (&1.into(), &0.into()), "{json}");
    let ran = other.run(&[&bench[..], &["--require-signed", &theirs]].concat());
    assert!(ran.code == 0 && ran.err.contains("whose signature is not one of those that are required"), "{ran:#?}");
    assert!(ran.out.contains("\"tuned_kernels\": 0") && ran.out.contains("\"compiled\": 4"), "{}", ran.out);
}
