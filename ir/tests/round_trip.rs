//! Text and JSON lose nothing, and no bytes make the readers panic.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use routefuse_generate::Choices;
use routefuse_generate::graph::{Profile, generate};
use routefuse_ir::op::table::OPS;
use routefuse_ir::{Code, Diagnostics, Graph, Verified, json, text};
use std::collections::HashSet;

/// Valid graphs, each made from a list of numbers that proptest shrinks.
fn graphs() -> impl Strategy<Value = Verified<Graph>> {
    proptest::collection::vec(any::<u64>(), 1..800).prop_map(|words| {
        let generated = generate(&mut Choices::of_words(&words), &Profile::TEXT);
        generated.graph.unwrap_or_else(|e| panic!("the generator made an invalid graph:\n{e}"))
    })
}

/// What must hold of any text, and no panic.
fn read(source: &str) {
    if let Ok(graph) = text::parse(source) {
        let printed = text::print(&graph);
        let again = text::parse(&printed).unwrap_or_else(|e| panic!("{e}\nprinted:\n{printed}\nof:\n{source}"));
        assert!(again.same_as(&graph), "{printed}");
        assert!(graph.verify().is_ok() == text::parse_verified(source).is_ok());
    } else {
        assert!(text::parse_verified(source).is_err());
    }
    if let Ok(once) = text::format(source) {
        assert_eq!(text::format(&once).as_deref(), Ok(once.as_str()), "formatting is not idempotent for {source:?}");
        // Whoever formats a text finds the same graph in it, or the same errors.
        match (text::parse(&once), text::parse(source)) {
            (Ok(formatted), Ok(given)) => assert!(formatted.same_as(&given), "formatted:\n{once}\nof:\n{source}"),
            (formatted, given) => {
                assert_eq!(codes(&formatted), codes(&given), "formatted:\n{once}\nof:\n{source}");
            }
        }
    }
}

fn codes(parsed: &Result<Graph, Diagnostics>) -> Vec<Code> {
    parsed.as_ref().err().map_or_else(Vec::new, |errors| errors.iter().map(|d| d.code).collect())
}

fn text_round_trip(graph: &Graph) -> Result<(), TestCaseError> {
    let printed = text::print(graph);
    let parsed = text::parse_verified(&printed).map_err(|e| TestCaseError::fail(format!("{e}\n{printed}")))?;
    prop_assert!(parsed.same_as(graph), "{}", printed);
    prop_assert_eq!(&text::print(&parsed), &printed);
    prop_assert_eq!(text::format(&printed), Ok(printed));
    Ok(())
}

fn json_round_trip(graph: &Graph) -> Result<(), TestCaseError> {
    let written = json::to_string(graph);
    let read = json::from_str_verified(&written).map_err(|e| TestCaseError::fail(format!("{e}\n{written}")))?;
    prop_assert!(read.same_as(graph), "{}", written);
    prop_assert_eq!(json::to_string(&read), written);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn text_loses_nothing(graph in graphs()) {
        text_round_trip(&graph)?;
    }

    #[test]
    fn json_loses_nothing(graph in graphs()) {
        json_round_trip(&graph)?;
    }

    #[test]
    fn types_may_be_left_out(graph in graphs()) {
        let printed = text::print(&graph);
        // Every type but an input's, which stands behind the last ` : ` of its line.
        let bare: Vec<&str> = printed
            .lines()
            .map(|l| match l.rsplit_once(" : ") {
                Some((left, _)) if l.starts_with("  %") => left,
                _ => l,
            })
            .collect();
        let parsed = text::parse_verified(&bare.join("\n")).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(parsed.same_as(&graph));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = text::parse_bytes(&bytes);
        read(&String::from_utf8_lossy(&bytes));
        let _ = json::from_str(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn arbitrary_tokens_do_not_panic(tokens in proptest::collection::vec(token(), 0..80)) {
        read(&format!("route 1\ngraph @g {{\n dim T\n input %a : i32[T, 8]\n{}\n}}", tokens.join(" ")));
    }

    #[test]
    fn arbitrary_bounds_do_not_panic(tokens in proptest::collection::vec(bound_token(), 0..16)) {
        read(&format!("route 1\ngraph @g {{\n dim T\n dim U\n dim C >= {}\n input %a : i32[T, U, C]\n output o = %a\n}}", tokens.join(" ")));
    }

    #[test]
    fn damaged_text_does_not_panic(graph in graphs(), cuts in damage()) {
        read(&damaged(&text::print(&graph), &cuts));
        let _ = json::from_str_verified(&damaged(&json::to_string(&graph), &cuts));
    }
}

fn token() -> impl Strategy<Value = &'static str> {
    let tokens = [
        "\n",
        "\n",
        "\n",
        "dim",
        "input",
        "output",
        "%a",
        "%b",
        "%\"c d\"",
        "%",
        "@",
        "T",
        "S",
        "x",
        "rows",
        "strided",
        "in_place(a)",
        "guarded",
        "=",
        "=",
        ":",
        ",",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        "i32",
        "f32[]",
        "i32[T, 8]",
        "add",
        "const",
        "mask_rows",
        "gather",
        "fill",
        "value",
        "dtype",
        "out_of_range",
        "8",
        "-1",
        "1e400",
        "0x7fc00001",
        "nan",
        "true",
        "fill(-1)",
        "shape",
        "# c",
        "&",
        "\"",
        "18446744073709551616",
        "route",
        "graph",
        "cast",
    ];
    proptest::sample::select(tokens.to_vec())
}

fn bound_token() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "T",
        "U",
        "\"U\"",
        "V",
        "C",
        "0",
        "1",
        "8",
        "-3",
        "*",
        "*",
        "+",
        "-",
        "(",
        ")",
        ")",
        "min (",
        "floor (",
        "/",
        ",",
        "9223372036854775807",
        "-9223372036854775808",
        "T * 8",
        "8 * T",
        "0 * U",
        "+ T",
        "- T",
        "+ 9223372036854775807",
    ])
}

fn damage() -> impl Strategy<Value = Vec<(usize, usize, char)>> {
    let c = proptest::sample::select(" \n{}[](),:=%@#\"\\-+.0aé&".chars().collect::<Vec<char>>());
    proptest::collection::vec((any::<usize>(), 0..6usize, c), 1..6)
}

/// Each piece of damage replaces some characters by one.
fn damaged(text: &str, damage: &[(usize, usize, char)]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (at, length, c) in damage {
        let start = at % (chars.len() + 1);
        let end = (start + length).min(chars.len());
        chars.splice(start..end, [*c]);
    }
    chars.into_iter().collect()
}

#[test]
fn the_generator_reaches_every_op() {
    let mut runner = TestRunner::deterministic();
    let mut seen = HashSet::new();
    for _ in 0..300 {
        let graph = graphs().new_tree(&mut runner).expect("the strategy rejects nothing").current();
        seen.extend(graph.nodes().map(|n| n.op.mnemonic()));
    }
    let missing: Vec<&str> = OPS.iter().map(|o| o.mnemonic).filter(|m| !seen.contains(m)).collect();
    assert!(missing.is_empty(), "no graph has {missing:?}");
}
