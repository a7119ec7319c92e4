//! What is wrong with arguments, and where extents come from.

use super::*;
use crate::{Code, Dim, Verified};

/// `ids[T, 2]`, `map[3]`, `w[T]`.
fn graph() -> Verified<crate::Graph> {
    let mut b = GraphBuilder::new("g");
    let t = b.symbol("T");
    let ids = b.input("ids", DType::I32, [t.into(), 2.into()]);
    let map = b.input("map", DType::I64, [3.into()]);
    let w = b.input("w", DType::F32, [Dim::Sym(t)]);
    let y = b.gather(map, &[ids]);
    b.output("y", y);
    b.output("w2", w);
    b.finish().expect("verifies")
}

fn ids(t: u64) -> Tensor {
    Tensor::zeros(DType::I32, &[t, 2])
}

fn map() -> Tensor {
    Tensor::zeros(DType::I64, &[3])
}

fn w(t: u64) -> Tensor {
    Tensor::zeros(DType::F32, &[t])
}

/// The codes and the text of what is reported.
fn problems(inputs: &[Tensor], given: &[(&str, u64)]) -> (Vec<Code>, String) {
    let d = run(&graph(), inputs, given).expect_err("something is wrong");
    (d.iter().map(|d| d.code).collect(), d.to_string())
}

#[test]
fn good_arguments_give_the_extents() {
    assert_eq!(extents(&graph(), &[ids(5), map(), w(5)], &[]), Ok(vec![5]));
    assert_eq!(extents(&graph(), &[ids(5), map(), w(5)], &[("T", 5)]), Ok(vec![5]));
    let outcome = run(&graph(), &[ids(0), map(), w(0)], &[]).expect("T = 0 runs");
    assert_eq!(outcome.outputs[0].shape(), [0, 2]);
    assert!(!outcome.trapped);
}

#[test]
fn missing_and_extra_arguments_are_named() {
    let (codes, text) = problems(&[ids(5)], &[]);
    assert_eq!(codes, [Code::MissingArgument, Code::MissingArgument]);
    assert!(text.contains("RF0601: input `map` of `g` has no argument") && text.contains("i64[3]"), "{text}");
    assert!(text.contains("input `w` of `g` has no argument") && text.contains("f32[T]"), "{text}");
    let (codes, text) = problems(&[ids(5), map(), w(5), map()], &[]);
    assert_eq!(codes, [Code::ExtraArgument]);
    assert!(text.contains("RF0602: argument 3 is more than `g` takes") && text.contains("ids, map, w"), "{text}");
}

#[test]
fn a_wrong_type_is_named() {
    let (codes, text) = problems(&[ids(5), Tensor::zeros(DType::I32, &[3]), w(5)], &[]);
    assert_eq!(codes, [Code::ArgumentDType]);
    assert!(text.contains("RF0603: input `map` is i64, not i32"), "{text}");
    assert!(text.contains("bind a tensor of i64[3], not of i32[3]"), "{text}");
    let (codes, text) = problems(&[Tensor::zeros(DType::I32, &[10]), map(), w(5)], &[]);
    assert_eq!(codes, [Code::ArgumentRank]);
    assert!(text.contains("RF0604: input `ids` has rank 2, not 1"), "{text}");
    let (codes, text) = problems(&[Tensor::zeros(DType::I32, &[5, 3]), map(), w(5)], &[]);
    assert_eq!(codes, [Code::ArgumentExtent]);
    assert!(text.contains("RF0605: dim 1 of input `ids` is 2, not 3"), "{text}");
}

#[test]
fn a_dim_has_one_extent() {
    let (codes, text) = problems(&[ids(5), map(), w(7)], &[]);
    assert_eq!(codes, [Code::SymbolConflict]);
    assert!(text.contains("RF0606: the dim `T` is 5 by input `ids`, but 7 by input `w`"), "{text}");
    let (codes, text) = problems(&[ids(5), map(), w(5)], &[("T", 6)]);
    assert_eq!(codes, [Code::SymbolConflict, Code::SymbolConflict]);
    assert!(text.contains("6 by what was given, but 5 by input `ids`"), "{text}");
    let (codes, text) = problems(&[ids(5), map(), w(5)], &[("N", 6)]);
    assert_eq!(codes, [Code::UndefinedDim]);
    assert!(text.contains("`g` has no dim `N`") && text.contains("its dims are: T"), "{text}");
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let (codes, _) = problems(&[Tensor::zeros(DType::I64, &[5, 3]), Tensor::zeros(DType::I64, &[3, 1])], &[]);
    assert_eq!(codes, [Code::MissingArgument, Code::ArgumentDType, Code::ArgumentExtent, Code::ArgumentRank]);
}

#[test]
fn a_dim_without_an_input_is_given() {
    let mut b = GraphBuilder::new("rows");
    let t = b.symbol("T");
    b.symbol("unused");
    let rows = b.iota(DType::I32, [t.into(), 2.into()], 0);
    b.output("rows", rows);
    let graph = b.finish().expect("verifies");
    let outcome = run(&graph, &[], &[("T", 3)]).expect("runs");
    assert_eq!(values(&outcome.outputs[0]), [0, 0, 1, 1, 2, 2]);
    let text = run(&graph, &[], &[]).expect_err("T is unknown").to_string();
    assert!(text.contains("RF0601: no input of `rows` gives the dim `T`") && text.contains("`T=64`"), "{text}");
    for t in [1 << 31, 1 << 62, u64::MAX] {
        let d = run(&graph, &[], &[("T", t)]).expect_err("T is too large");
        assert_eq!(d[0].code, Code::ExtentTooLarge);
        assert!(d.to_string().contains(&format!("is i32[{t}, 2]")), "{d}");
    }
}

#[test]
fn f13_only_the_interpreter_has_a_limit_of_elements() {
    let mut b = GraphBuilder::new("rows");
    let t = b.symbol("T");
    let rows = b.iota(DType::I32, [t.into(), 2.into()], 0);
    b.output("rows", rows);
    let graph = b.finish().expect("verifies");
    assert_eq!(crate::interp::extents(&graph, &[], &[("T", 1 << 31)]), Ok(vec![1 << 31]));
    let refused = crate::interp::check_size(&graph, &[1 << 31]).expect_err("it is too much").to_string();
    assert!(refused.contains("the interpreter takes up to 2147483648 elements; compiled code takes more"), "{refused}");
    let refused = crate::interp::extents(&graph, &[], &[("T", 1 << 62)]).expect_err("it is too much").to_string();
    assert!(refused.contains("no machine has memory for it"), "{refused}");
}
