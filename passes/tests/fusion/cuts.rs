//! What is not one kernel, with its reason; and what is, though it looks as if it were not.

use crate::agreement::agree;
use routefuse_ir::kernel::ValueKind;
use routefuse_ir::op::{OutOfRange, UnaryOp};
use routefuse_ir::program::Buffer;
use routefuse_ir::{DType, Dim, GraphBuilder, Literal, NodeId};
use routefuse_passes::fuse::{BUDGET, Fusion, Reason};

fn fused(b: GraphBuilder) -> Fusion {
    let g = b.finish().unwrap_or_else(|d| panic!("{d}"));
    let fusions = [0, 1, 3].map(|rows| agree(&g, &[("T", rows), ("N", 2)], rows + 3));
    let [.., fusion] = fusions;
    fusion
}

fn start() -> (GraphBuilder, Dim) {
    let mut b = GraphBuilder::new("g");
    let t = Dim::Sym(b.symbol("T"));
    (b, t)
}

/// The canonical tree: x[i] + x[i + n/2], halving.
fn row_sum(b: &mut GraphBuilder, x: NodeId, columns: u64) -> NodeId {
    let (mut sum, mut n) = (x, columns);
    while n > 1 {
        n /= 2;
        let (low, high) = (b.slice(sum, 0, n), b.slice(sum, n, 2 * n));
        sum = b.add(low, high);
    }
    sum
}

#[test]
fn a_computed_table_of_rows_lies_in_memory() {
    let (mut b, t) = start();
    let ids = b.input("ids", DType::I32, [t]);
    let one = b.constant(Literal::i32(1));
    let table = b.add(ids, one);
    b.name(table, "table");
    let picked = b.gather(table, &[ids]);
    b.name(picked, "picked");
    b.output("out", picked);
    let f = fused(b);
    assert_eq!((f.program.steps.len(), f.program.intermediates.len()), (2, 1));
    assert_eq!(f.cuts[0].reason, Reason::ComputedTable { table: "table".into(), gather: "picked".into() });
    assert_eq!(f.cuts[0].to_string(), "%table is in memory: the gather %picked reads rows of it that are not its own");
    assert_eq!(f.cuts[1].to_string(), "kernels 0 and 1: the second reads %table from memory");
}

#[test]
fn a_computed_table_that_is_an_output_needs_no_other_memory() {
    let (mut b, t) = start();
    let ids = b.input("ids", DType::I32, [t]);
    let one = b.constant(Literal::i32(1));
    let table = b.add(ids, one);
    let picked = b.gather(table, &[ids]);
    let both = b.add(picked, table);
    b.output("table", table);
    b.output("both", both);
    let f = fused(b);
    assert_eq!((f.program.steps.len(), f.program.intermediates.len()), (2, 0));
    assert!(f.program.steps[1].buffers.contains(&Buffer::Output(0)));
}

#[test]
fn a_computed_table_without_rows_is_computed_where_it_is_read() {
    for policy in [OutOfRange::Pass, OutOfRange::Clamp, OutOfRange::Wrap, OutOfRange::Trap] {
        let (mut b, t) = start();
        let ids = b.input("ids", DType::I64, [t, 4.into()]);
        let slots = b.input("slots", DType::U64, [t, 4.into()]);
        let flat = b.input("flat", DType::I32, [5.into()]);
        let square = b.input("square", DType::I32, [5.into(), 3.into()]);
        let one = b.constant(Literal::i32(1));
        let flat = b.add(flat, one);
        let square = b.add(square, one);
        let first = b.gather_with(flat, &[ids], policy);
        let second = b.gather_with(square, &[ids, slots], policy);
        b.output("first", first);
        b.output("second", second);
        let f = fused(b);
        assert_eq!(f.program.steps.len(), 1, "{policy:?}: {:?}", f.cuts);
        let values = &f.program.steps[0].kernel.values;
        assert_eq!(values.iter().filter(|v| matches!(v.kind, ValueKind::GatherRow { .. })).count(), 2);
    }
}

#[test]
fn rows_of_a_constant_leading_dim_are_columns() {
    for policy in [OutOfRange::Pass, OutOfRange::Clamp, OutOfRange::Wrap, OutOfRange::Fill(Literal::f32(9.0))] {
        for index in [DType::I32, DType::U64, DType::U8, DType::I64] {
            let (mut b, _) = start();
            let x = b.input("x", DType::F32, [3.into(), 4.into()]);
            let i = b.input("i", index, [3.into(), 5.into()]);
            let picked = b.gather_row(x, i, policy);
            b.output("picked", picked);
            assert_eq!(fused(b).program.steps.len(), 1);
        }
    }
}

#[test]
fn different_rows_are_different_loops() {
    let (mut b, t) = start();
    let n = Dim::Sym(b.symbol("N"));
    let x = b.input("x", DType::F32, [t, 4.into()]);
    let y = b.input("y", DType::F32, [n, 4.into()]);
    let z = b.input("z", DType::F32, [4.into()]);
    for (name, v) in [("nx", x), ("ny", y), ("nz", z)] {
        let negative = b.unary(UnaryOp::Neg, v);
        b.output(name, negative);
    }
    let f = fused(b);
    assert_eq!(f.program.steps.len(), 3);
    let texts: Vec<String> = f.cuts.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "kernels 0 and 1: their rows differ: T and N",
            "kernels 0 and 2: their rows differ: T and one row",
            "kernels 1 and 2: their rows differ: N and one row"
        ]
    );
}

#[test]
fn a_softmax_by_a_tree_of_slices_is_one_kernel() {
    for columns in [8, 64] {
        let (mut b, t) = start();
        let x = b.input("x", DType::F32, [t, columns.into()]);
        let e = b.unary(UnaryOp::Exp, x);
        let sum = row_sum(&mut b, e, columns);
        let sums = b.broadcast(sum, [t, columns.into()]);
        let softmax = b.div(e, sums);
        let again = row_sum(&mut b, softmax, columns);
        b.output("softmax", softmax);
        b.output("again", again);
        let f = fused(b);
        assert_eq!(f.program.steps.len(), 1, "{columns}: {:?}", f.cuts);
    }
}

#[test]
fn what_would_be_evaluated_too_often_lies_in_memory() {
    // Each step asks for its operand at its own column and at one that is data: 2ⁿ columns after n steps.
    let (mut b, t) = start();
    let mut x = b.input("x", DType::I32, [t, 4.into()]);
    for _ in 0..14 {
        let picked = b.gather_row(x, x, OutOfRange::Clamp);
        x = b.add(picked, x);
    }
    b.output("x14", x);
    let f = fused(b);
    assert!((2..=4).contains(&f.program.steps.len()), "{} kernels", f.program.steps.len());
    assert!(f.cuts.iter().any(|c| matches!(&c.reason, Reason::Recomputation { budget, .. } if *budget == BUDGET)));
    assert!(f.cuts[0].to_string().ends_with("would take more than 4096 evaluations"), "{}", f.cuts[0]);
}

#[test]
fn a_chain_of_the_same_columns_is_never_cut() {
    // 2¹⁰⁰ paths, but every value is asked for at one column.
    let (mut b, t) = start();
    let mut x = b.input("x", DType::I32, [t, 4.into()]);
    for _ in 0..100 {
        x = b.add(x, x);
    }
    let x = b.add(x, x);
    b.output("out", x);
    assert_eq!(fused(b).program.steps.len(), 1);
}

#[test]
fn outputs_without_elements_have_no_store() {
    let (mut b, t) = start();
    let x = b.input("x", DType::I32, [t, 4.into()]);
    let none = b.input("none", DType::I32, [t, 0.into()]);
    let copied = b.copy(none);
    let joined = b.concat(&[none, x, none]);
    b.output("nothing", copied);
    b.output("joined", joined);
    let f = fused(b);
    assert_eq!(f.program.steps.len(), 1);
    let kernel = &f.program.steps[0].kernel;
    assert_eq!((kernel.stores.len(), kernel.values.len()), (1, 1));

    let (mut b, t) = start();
    let none = b.input("none", DType::I32, [t, 0.into()]);
    let copied = b.copy(none);
    b.output("nothing", copied);
    assert!(fused(b).program.steps.is_empty());
}

#[test]
fn a_kernel_is_convex() {
    // `late` needs `early`'s input and, by way of memory, `early` itself: they are two kernels, and the third value, which
    // needs neither order, joins the first.
    let (mut b, t) = start();
    let ids = b.input("ids", DType::I32, [t]);
    let one = b.constant(Literal::i32(1));
    let early = b.add(ids, one);
    let picked = b.gather(early, &[ids]);
    let again = b.gather(picked, &[ids]);
    let late = b.add(again, early);
    let other = b.mul(ids, ids);
    for (name, v) in [("early", early), ("late", late), ("other", other)] {
        b.output(name, v);
    }
    let f = fused(b);
    assert_eq!(f.program.steps.len(), 3);
    let stores = |k: usize, o: usize| f.program.steps[k].buffers.contains(&Buffer::Output(o));
    assert!(stores(0, 0) && stores(0, 2) && stores(2, 1));
    // `early` is loaded again, not computed again.
    assert!(stores(2, 0));
}

#[test]
fn movements_of_movements_are_one() {
    let (mut b, t) = start();
    let x = b.input("x", DType::I32, [t, 4.into()]);
    let y = b.input("y", DType::I32, [t, 4.into()]);
    let joined = b.concat(&[x, y]);
    let part = b.slice(joined, 5, 7);
    let shaped = b.reshape(part, [t, 1.into(), 2.into()]);
    let repeated = b.broadcast(shaped, [t, 3.into(), 2.into()]);
    b.output("repeated", repeated);
    let f = fused(b);
    let kernel = &f.program.steps[0].kernel;
    // Columns 1 and 2 of y, three times; x is not even a parameter.
    assert_eq!(kernel.params.len(), 2);
    assert!(matches!(&kernel.values[..], [_, v] if matches!(v.kind, ValueKind::Remap(..))), "{}", **kernel);
}
