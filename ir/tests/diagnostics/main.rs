//! The exact text of every error that text and verification report, with its place.

mod names;
mod outputs;
mod pages;
mod syntax;
mod types;

use routefuse_ir::{Code, Diagnostics, json, text};

/// A text with mistakes.
pub struct Case {
    /// What is wrong with it.
    pub about: &'static str,
    /// The text.
    pub source: &'static str,
    /// All that is reported, in order of place.
    pub expected: &'static str,
}

fn cases() -> impl Iterator<Item = &'static Case> {
    [syntax::CASES, names::CASES, types::CASES, outputs::CASES].into_iter().flatten()
}

/// One error a paragraph, with line and column.
fn rendered(source: &str, errors: &Diagnostics) -> String {
    let place = |at: usize| {
        let before = &source[..at];
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("{}:{column} ", before.matches('\n').count() + 1)
    };
    let texts = errors.iter().map(|d| d.span.map_or(String::new(), |s| place(s.start)) + &d.to_string());
    texts.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_text_has_these_errors() {
    for case in cases() {
        let errors = text::parse_verified(case.source).map(|g| text::print(&g)).expect_err(case.about);
        assert_eq!(rendered(case.source, &errors), case.expected, "{}", case.about);
        for d in &errors {
            if let Some(span) = d.span {
                assert!(case.source.get(span.start..span.end).is_some(), "{}: {d} at {span:?}", case.about);
            }
        }
    }
}

#[test]
fn every_code_is_shown() {
    // These have tests of their own below, or in `tests/json_form.rs`.
    let elsewhere = [Code::NotUtf8, Code::BadJson, Code::TooLarge];
    for code in Code::ALL.iter().filter(|c| c.as_str() < "RF05" && !elsewhere.contains(c)) {
        let shown = cases().any(|c| c.expected.lines().any(|l| l.contains(&format!("{code}: "))));
        assert!(shown, "no case shows {code}");
        let named = cases().any(|c| c.about.starts_with(code.as_str()));
        assert!(named, "no case is about {code}");
    }
}

#[test]
fn bytes_that_are_no_text() {
    let source = b"route 1\n# caf\xe9\n";
    let errors = text::parse_bytes(source).expect_err("latin-1");
    assert_eq!(errors.to_string(), "RF0105: byte 13 is not UTF-8 text\n  help: save the file as UTF-8");
    let span = errors[0].span.expect("a place");
    assert_eq!(&source[span.start..span.end], b"\xe9");
    // A character that the end of the file cuts.
    let errors = text::parse_bytes(b"route 1 # \xe2\x82").expect_err("cut");
    assert_eq!(errors.to_string(), "RF0105: byte 10 is not UTF-8 text\n  help: save the file as UTF-8");
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let expected =
        "RF0112: the text has 4194305 bytes in 1 lines\n  help: a graph has at most 4194304 bytes in 16384 lines";
    let errors = text::parse(&"&".repeat(text::MAX_BYTES + 1)).expect_err("bytes");
    assert_eq!(errors.to_string(), expected);

    let expected =
        "RF0112: the text has 16384 bytes in 16385 lines\n  help: a graph has at most 4194304 bytes in 16384 lines";
    let errors = text::parse(&"\n".repeat(text::MAX_LINES)).expect_err("lines");
    assert_eq!(errors.to_string(), expected);

    let list = vec!["%x"; text::MAX_LIST + 1].join(", ");
    let errors =
        text::parse(&format!("route 1\ngraph @g {{\ninput %x : i32[8]\n%y = concat {list}\noutput o = %y\n}}"));
    let errors = errors.expect_err("operands");
    assert_eq!(errors.to_string(), "RF0112: more than 1024 operands\n  help: no list may be longer");

    let errors = json::from_str(&" ".repeat(json::MAX_BYTES + 1)).expect_err("bytes");
    let expected = "RF0112: the JSON text has 16777217 bytes\n  help: a graph has at most 16777216 bytes";
    assert_eq!(errors.to_string(), expected);

    // Deep nesting ends in an error, not in a stack overflow.
    let deep = format!("{{\"format\": \"routefuse-graph\", \"version\": 1, \"name\": {}", "[".repeat(1 << 20));
    let errors = json::from_str(&deep).expect_err("deep");
    assert_eq!(errors[0].code, Code::BadJson);
}

#[test]
fn errors_without_number_are_cut_short() {
    let statements = "%x = nope\n".repeat(1500);
    let errors = text::parse(&format!("route 1\ngraph @g {{\n{statements}}}\n")).expect_err("many");
    assert_eq!(errors.len(), text::MAX_ERRORS + 1);
    let last = errors.last().expect("the last").to_string();
    assert_eq!(last, "RF0112: 1999 more errors are not shown\n  help: mend the first ones, then look again");
}

#[test]
fn the_largest_texts_are_read_in_time() {
    // Anything quadratic in lines or bytes would show as a test that does not end.
    let lines = text::MAX_LINES - 6;
    let chain: String = (0..lines).map(|i| format!("%v{} = neg %v{i}\n", i + 1)).collect();
    let source = format!("route 1\ngraph @g {{\ninput %v0 : i32[]\n{chain}output out = %v{lines}\n}}\n");
    let graph = text::parse_verified(&source).expect("a long chain");
    assert_eq!(graph.op_count(), lines);

    // The same backwards: every use comes before its definition, without a cycle.
    let chain: String = (0..lines).rev().map(|i| format!("%v{} = neg %v{i}\n", i + 1)).collect();
    let source = format!("route 1\ngraph @g {{\ninput %v0 : i32[]\n{chain}output out = %v{lines}\n}}\n");
    let errors = text::parse_verified(&source).expect_err("backwards");
    assert!(errors.iter().all(|d| matches!(d.code, Code::UndefinedValue | Code::TooLarge)));

    // And as one cycle through all of them.
    let source = source.replace("%v1 = neg %v0\n", &format!("%v1 = neg %v{lines}\n"));
    let errors = text::parse_verified(&source).expect_err("a cycle");
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].code, Code::Cycle);

    let outputs: String = (0..lines / 2).map(|i| format!("input %v{i} : i32[]\noutput o{i} = %v{i}\n")).collect();
    text::parse_verified(&format!("route 1\ngraph @g {{\n{outputs}}}\n")).expect("many inputs and outputs");
}
