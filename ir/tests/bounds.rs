//! Dims of capacity: what text, JSON and the builder say of them, and what a run holds them to.

use routefuse_ir::{BoundTerm, DType, Graph, GraphBuilder, Tensor, Verified, interp, json, text};

/// Places for the items of 4 bins in blocks of 4, and one number a block.
const SOURCE: &str = "\
route 1
graph @g {
  dim T
  dim C >= min(2 * T + 12, 8 * T)
  dim J >= min(2 * T, floor((T + 7) / 2))
  input %ids : i32[T, 2]
  %j = iota {dtype = i32, shape = [C], axis = 0} : i32[C]
  %b = iota {dtype = i32, shape = [J], axis = 0} : i32[J]
  output places = %j : i32[C]
  output blocks = %b : i32[J]
  output ids_out = %ids : i32[T, 2]
}
";

fn graph() -> Verified<Graph> {
    text::parse_verified(SOURCE).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn text_json_and_builder_say_the_same() {
    let graph = graph();
    assert_eq!(text::print(&graph), SOURCE);
    assert_eq!(text::format(SOURCE).expect("a right text"), SOURCE);
    let form = json::to_string(&graph);
    assert!(json::from_str_verified(&form).expect("a right form").same_as(&graph), "{form}");
    let mut b = GraphBuilder::new("g");
    let [t, c, j] = ["T", "C", "J"].map(|name| b.symbol(name));
    b.at_least(c, 4, t, &[BoundTerm::linear(2, 0), BoundTerm { over: 2, times: 1, plus: 6 }]);
    b.at_least(j, 1, t, &[BoundTerm::linear(2, 0), BoundTerm::ceil(2, 12, 4)]);
    let ids = b.input("ids", DType::I32, [t.into(), 2.into()]);
    let places = b.iota(DType::I32, [c.into()], 0);
    b.name(places, "j");
    let blocks = b.iota(DType::I32, [j.into()], 0);
    b.name(blocks, "b");
    b.output("places", places);
    b.output("blocks", blocks);
    b.output("ids_out", ids);
    let built = b.finish().expect("a right graph");
    // 4 × ⌊(T + 6) / 2⌋ is another number than 2 × T + 12 where T is odd, and stays another bound.
    assert_eq!(built.bounds[0].text(&built.symbols), "4 * min(2 * T, floor((T + 6) / 2))");
    assert_eq!(built.bounds[1], graph.bounds[1]);
    let printed = text::print(&built);
    assert!(text::parse_verified(&printed).expect("a right text").same_as(&built), "{printed}");
}

/// However it is written, it is read as what it says, and printed in one form.
#[test]
fn a_bound_may_be_written_in_many_ways() {
    let written = [
        ("min(8*T, 2*T+12)", "min(2 * T + 12, 8 * T)"),
        ("8 * T", "8 * T"),
        ("T", "T"),
        ("64", "64"),
        ("7 + T - 3 + T", "2 * T + 4"),
        ("4 * (T + 1)", "4 * T + 4"),
        ("3 * floor(T / 2)", "3 * floor(T / 2)"),
        ("floor((2 * T - 9) / 4)", "floor((T - 5) / 2)"),
        ("min(2 * T + 12, 8 * T, 8 * T, 9 * T + 1)", "min(2 * T + 12, 8 * T)"),
    ];
    for (written, printed) in written {
        let source = SOURCE.replace("min(2 * T + 12, 8 * T)", written);
        let graph = text::parse_verified(&source).unwrap_or_else(|e| panic!("{written}: {e}"));
        assert_eq!(text::print(&graph), SOURCE.replace("min(2 * T + 12, 8 * T)", printed), "{written}");
    }
}

/// Names that are no words are quoted, and so are a dim's that is called as a minimum is.
#[test]
fn names_of_dims_are_any() {
    for name in ["\"rows of it\"", "min", "floor"] {
        let source = SOURCE.replace('T', name);
        let graph = text::parse_verified(&source).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(text::print(&graph), source);
    }
}

/// A dim with a bound is as large as that, or as the caller says; and never smaller.
#[test]
fn a_run_has_the_least_that_is_allowed_or_more() {
    let graph = graph();
    let ids = [Tensor::from_i32(&[3, 2], &[0; 6])];
    assert_eq!(interp::extents(&graph, &ids, &[]).expect("extents"), [3, 18, 5]);
    assert_eq!(interp::extents(&graph, &ids, &[("C", 20)]).expect("extents"), [3, 20, 5]);
    assert_eq!(graph.extents_of_rows(0), [0, 0, 0]);
    let outcome = interp::run(&graph, &ids, &[]).expect("a run");
    assert_eq!(outcome.outputs.iter().map(|t| t.shape()[0]).collect::<Vec<_>>(), [18, 5, 3]);
    let refused = interp::run(&graph, &ids, &[("C", 17)]).expect_err("refused").to_string();
    assert_eq!(
        refused,
        "RF0607: the dim `C` of `g` is 17, and must be at least 18: C >= min(2 * T + 12, 8 * T), and T is 3\n  \
         help: give `places` at least 18 rows"
    );
}

/// What no launch could check is an error, where it stands.
#[test]
fn what_is_no_bound_is_refused() {
    let refused = |bound: &str| {
        let source = SOURCE.replace("min(2 * T + 12, 8 * T)", bound);
        let errors = text::parse_verified(&source).map(|_| ()).expect_err(bound);
        let before = &source[..errors[0].span.map_or(0, |s| s.start)];
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("{}:{column} {}: {}", before.matches('\n').count() + 1, errors[0].code, errors[0].message)
    };
    let cases = [
        ("", "4:11 RF0102: expected a constant or a dim, found the end of the line"),
        ("S", "4:12 RF0203: the dim `S` is not declared"),
        ("J", "4:12 RF0203: the dim `J` is not declared"),
        ("C", "4:12 RF0207: the dim `C` is bounded by itself"),
        ("T + C", "4:16 RF0207: a bound takes one dim, and here are `T` and `C`"),
        ("min(T, C)", "4:19 RF0207: a bound takes one dim, and here are `T` and `C`"),
        ("2 * min(T, floor(C / 2))", "4:29 RF0207: a bound takes one dim, and here are `T` and `C`"),
        ("T - 2 * T", "4:3 RF0207: a bound does not fall where rows are more"),
        ("floor(T / 0)", "4:3 RF0207: nothing can be divided by 0"),
        ("0 * (T)", "4:3 RF0207: a multiple of 0 bounds nothing"),
        ("1099511627777 * T", "4:3 RF0207: 1099511627777 is more than 1099511627776, the largest constant of a bound"),
        ("8+T", "4:12 RF0103: `8+T` is no number of a bound"),
        ("99999999999999999999", "4:12 RF0103: `99999999999999999999` is no number of a bound"),
        ("T 8", "4:14 RF0102: expected the end of the line, found `8`"),
        ("min(T", "4:17 RF0102: expected `)`, found the end of the line"),
        ("floor(T)", "4:19 RF0102: expected `/`, found `)`"),
        ("min(T, T, T, T, T, T, T, T, T)", "4:3 RF0207: a minimum is of 1 to 8 terms, not of 9"),
        (
            "T - -9223372036854775807 + 1",
            "4:39 RF0207: 9223372036854775808 is more than 1099511627776, the largest constant of a bound",
        ),
        (
            "T - 9223372036854775807 * T - T - T",
            "4:46 RF0207: 9223372036854775808 is more than 1099511627776, the largest constant of a bound",
        ),
    ];
    for (bound, expected) in cases {
        assert_eq!(refused(bound), expected, "{bound}");
    }
    let source = SOURCE.replace("floor((T + 7) / 2)", "T").replace("dim J >= min(2 * T, T)", "dim J >= C");
    let errors = text::parse_verified(&source).map(|_| ()).expect_err("bounded by what is bounded").to_string();
    assert!(errors.contains("RF0207: the dim `J` is bounded by `C`, which has a bound itself"), "{errors}");
    let source = SOURCE.replace("  input %ids : i32[T, 2]\n", "").replace("  output ids_out = %ids : i32[T, 2]\n", "");
    let errors = text::parse_verified(&source).map(|_| ()).expect_err("by a dim of nothing").to_string();
    assert!(
        errors.contains("RF0206: the dim `C` is bounded by `T`, of which no argument gives the extent"),
        "{errors}"
    );
}

/// What is wrong with a bound is wrong with it when it is formatted too.
#[test]
fn formatting_mends_no_bound() {
    let bounds = [
        ("min( T,  floor(C/2) )", "min(T, floor(C / 2))"),
        ("min(8*T, 0*S)", "min(8 * T, 0 * S)"),
        ("S - S + 4", "0 * S + 4"),
        ("floor( (0*S - 4) / 2 )", "floor((0 * S - 4) / 2)"),
    ];
    for (written, formatted) in bounds {
        let source = SOURCE.replace("min(2 * T + 12, 8 * T)", written);
        let text = text::format(&source).unwrap_or_else(|e| panic!("{written}: {e}"));
        assert_eq!(text, SOURCE.replace("min(2 * T + 12, 8 * T)", formatted), "{written}");
        let messages = |source: &str| {
            let errors = text::parse(source).map(|_| ()).expect_err(written);
            errors.iter().map(|d| d.message.clone()).collect::<Vec<_>>()
        };
        assert_eq!(messages(&text), messages(&source), "{written}");
    }
}

#[test]
fn a_form_that_is_no_bound_is_refused() {
    let form = json::to_string(&graph());
    let refused = |from: &str, to: &str| {
        assert!(form.contains(from), "{form}");
        json::from_str_verified(&form.replace(from, to)).map(|_| ()).expect_err(to).to_string()
    };
    assert!(refused("\"at_least\"", "\"at_most\"").starts_with("RF0106: unknown field `at_most`"));
    assert!(refused("\"over\": 2", "\"over\": 0").starts_with("RF0207: nothing can be divided by 0"));
    assert!(refused("\"of\": \"T\"", "\"of\": \"S\"").starts_with("RF0203: the dim `S` is not declared"));
}
