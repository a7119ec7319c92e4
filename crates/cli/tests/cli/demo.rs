//! `demo`.

use crate::program::{examples, routefuse};
use std::path::Path;

#[test]
fn every_chain_is_one_kernel_with_the_interpreters_bits() {
    let json = routefuse(&["demo", "--json"]).json();
    let chains = json["chains"].as_array().unwrap();
    for letter in ["a_", "b_", "c_", "d_", "e_"] {
        assert!(chains.iter().any(|c| c["chain"].as_str().unwrap().starts_with(letter)), "{letter}");
    }
    for c in chains {
        assert_eq!(c["kernels_after"], 1, "{c}");
        assert!(c["elements_checked"].as_u64().unwrap() >= 2 * (1 + 64 + 2048), "{c}");
        assert_eq!(c["fused_us"].as_array().unwrap().len(), 3);
    }
    assert!(chains.iter().any(|c| c["chain"] == "deepseek-v3 post"));
    let layers = json["trace"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    for layer in layers {
        assert_eq!((&layer["rows"], &layer["same_sets"]), (&2048.into(), &2048.into()), "{layer}");
        assert!(layer["weights_max_ulp"].as_u64().unwrap() <= 8, "{layer}");
    }
}

/// The package holds a link to the example's trace; a package is made of what links lead to.
#[test]
fn the_included_trace_is_the_examples() {
    let included = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/router_trace.safetensors");
    let example = examples().join("data/router_trace.safetensors");
    assert_eq!(std::fs::read(included).unwrap(), std::fs::read(example).unwrap());
}

#[test]
fn a_trace_that_is_none() {
    routefuse(&["demo", "--trace", "no/such.safetensors"])
        .fails(1, &["RF0701", "cannot read `no/such.safetensors`", "a trace is a .safetensors file"]);
}
