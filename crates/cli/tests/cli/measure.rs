//! `bench`.

use crate::program::{example, routefuse};

#[test]
fn a_line_for_each_extent() {
    let text = routefuse(&["bench", &example("c_pack"), "--dim", "T=1,64"]).ok();
    assert!(text.contains("@pack on the host, one thread: 1 kernel, unfused 1"), "{text}");
    assert_eq!(text.lines().filter(|l| l.ends_with('%')).count(), 2, "{text}");
    let json = routefuse(&["bench", &example("e_post_chain"), "--dim", "T=1,64", "--json"]).json();
    let results = json["results"].as_array().unwrap();
    assert_eq!((&json["kernels"], results.len(), &results[1]["extent"]), (&1.into(), 2, &64.into()));
    for r in results {
        assert!(r["fused_us"].as_f64().unwrap() > 0.0 && r["copy_us"].as_f64().unwrap() > 0.0, "{r}");
    }
    // The arguments as they are: every input and output once.
    assert_eq!(results[0]["bytes"], 8 * 4 + 8 * 4 + 256 * 4 + 4 + 2 + 3 * 9 * 4);
}

#[test]
fn dims_are_checked() {
    routefuse(&["bench", &example("c_pack"), "--dim", "N=1"]).fails(1, &["RF0203", "no dim `N`", "write `--dim T="]);
    let too_large = ["bench", &example("c_pack"), "--dim", "T=1,4611686018427387904"];
    routefuse(&too_large).fails(1, &["RF0614", "larger than 4 GiB"]);
}

/// Whether this machine has a GPU or not: it has no sixty-fourth.
#[test]
fn gpus_that_are_not_there() {
    let path = example("c_pack");
    for command in ["run", "bench"] {
        let mut args = vec![command, &path, "--dim", "T=4", "--device", "cuda:63", "--seed", "1"];
        routefuse(&args).fails(1, &["RF0809"]);
        args[5] = "hip:63";
        routefuse(&args).fails(1, &["RF0809"]);
        args[5] = "gpu";
        routefuse(&args).fails(2, &["cuda:0", "hip:0"]);
    }
    routefuse(&["bench", &path, "--graph-replay"]).fails(1, &["RF0809", "--device cuda:0"]);
}
