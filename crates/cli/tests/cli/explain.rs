//! `explain`.

use crate::program::{example, routefuse};

#[test]
fn kernels_bytes_and_proofs() {
    let text = routefuse(&["explain", &example("e_post_chain")]).ok();
    assert!(text.starts_with("graph @post_chain: 1 kernel\n"), "{text}");
    for part in [
        "before ",
        "after ",
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
