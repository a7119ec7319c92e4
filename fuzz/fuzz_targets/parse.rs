//! Any bytes as text and as JSON: nothing panics, printing and parsing lose nothing, formatting is idempotent and changes
//! neither a graph nor its errors.
#![no_main]

use libfuzzer_sys::fuzz_target;
use routefuse_ir::{Code, Diagnostics, Graph, json, text};

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = text::utf8(bytes) else {
        assert!(text::parse_bytes(bytes).is_err());
        return;
    };
    let parsed = text::parse(source);
    let verified = text::parse_verified(source);
    match &parsed {
        Ok(graph) => {
            assert_eq!(graph.clone().verify().is_ok(), verified.is_ok());
            round_trip(graph);
        }
        Err(errors) => {
            assert!(verified.is_err());
            for d in errors.iter() {
                if let Some(span) = d.span {
                    assert!(source.get(span.start..span.end).is_some(), "{d} is nowhere: {span:?}");
                }
            }
        }
    }
    if let Ok(once) = text::format(source) {
        assert_eq!(text::format(&once).as_deref(), Ok(once.as_str()));
        match (text::parse(&once), &parsed) {
            (Ok(formatted), Ok(given)) => assert!(formatted.same_as(given), "{once}"),
            (formatted, given) => assert_eq!(codes(&formatted), codes(given), "{once}"),
        }
    } else {
        assert!(parsed.is_err());
    }
    if let Ok(graph) = json::from_str(source) {
        round_trip(&graph);
    }
});

fn codes(parsed: &Result<Graph, Diagnostics>) -> Vec<Code> {
    parsed.as_ref().err().map_or_else(Vec::new, |errors| errors.iter().map(|d| d.code).collect())
}

fn round_trip(graph: &Graph) {
    let printed = text::print(graph);
    let again = text::parse(&printed).unwrap_or_else(|e| panic!("{e}\n{printed}"));
    assert!(again.same_as(graph), "{printed}");
    assert_eq!(text::format(&printed).as_deref(), Ok(printed.as_str()));
    let written = json::to_string(graph);
    let again = json::from_str(&written).unwrap_or_else(|e| panic!("{e}\n{written}"));
    assert!(again.same_as(graph), "{written}");
}
