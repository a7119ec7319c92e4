//! The corpus as text: what is valid is printed and parsed without loss, what is not is refused with every error in its place.

use insta::{Settings, assert_snapshot};
use routefuse_ir::{json, text};
use routefuse_tests::corpus::{self, Test, cases_of};

#[test]
fn every_file_has_a_header_that_says_what_is_tested() {
    // Reading them is the test.
    let cases = corpus::cases();
    for case in &cases {
        if !case.tests.contains(&Test::Reject) {
            let graph = case.graph();
            if case.tests.contains(&Test::Run) {
                assert!(!case.launches(&graph).is_empty(), "{}", case.name);
            }
        }
    }
    println!("{} files", cases.len());
}

#[test]
fn text_and_json_lose_nothing() {
    for case in corpus::cases().into_iter().filter(|c| !c.tests.contains(&Test::Reject)) {
        let graph = case.graph();
        let printed = text::print(&graph);
        let again = text::parse_verified(&printed).unwrap_or_else(|d| panic!("{}: {d}\n{printed}", case.name));
        assert!(graph.same_as(&again), "{}: printing loses something\n{printed}", case.name);
        assert_eq!(text::format(&printed).as_deref(), Ok(printed.as_str()), "{}", case.name);
        let formatted = text::format(&case.source).unwrap_or_else(|d| panic!("{}: {d}", case.name));
        assert_eq!(text::format(&formatted).as_deref(), Ok(formatted.as_str()), "{}", case.name);
        for comment in case.source.lines().filter(|l| l.trim_start().starts_with('#')) {
            assert!(formatted.contains(comment.trim()), "{}: the formatter loses `{comment}`", case.name);
        }
        let back = json::from_str(&json::to_string(&graph)).unwrap_or_else(|d| panic!("{}: {d}", case.name));
        assert!(graph.same_as(&back), "{}: JSON loses something", case.name);
    }
}

#[test]
fn errors_name_the_thing_and_the_place() {
    let mut settings = Settings::new();
    settings.set_snapshot_path(corpus::root().join("tests/snapshots/corpus"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for case in cases_of(Test::Reject) {
            let Err(errors) = case.parsed() else { panic!("{} is valid", case.name) };
            assert_snapshot!(format!("{}@errors", case.name), corpus::listing(&errors, &case.bytes));
        }
    });
}
