//! Outputs in an input's memory: what may share their kernel, what comes before it, what is staged.

use crate::agreement::agree;
use routefuse_ir::graph::Alias;
use routefuse_ir::kernel::{Role, ValueKind};
use routefuse_ir::program::Buffer;
use routefuse_ir::{DType, Dim, GraphBuilder, Layout, Literal, NodeId};
use routefuse_passes::fuse::{Fusion, Reason};

/// A graph over `x` and `y`, i32[T, 4], and `n`, i32[].
fn build(outputs: impl FnOnce(&mut GraphBuilder, NodeId, NodeId, NodeId)) -> Fusion {
    let mut b = GraphBuilder::new("g");
    let t = Dim::Sym(b.symbol("T"));
    let x = b.input("x", DType::I32, [t, 4.into()]);
    let y = b.input("y", DType::I32, [t, 4.into()]);
    let n = b.input("n", DType::I32, []);
    outputs(&mut b, x, y, n);
    let g = b.finish().unwrap_or_else(|d| panic!("{d}"));
    let fusions = [0, 1, 2, 7].map(|rows| agree(&g, &[("T", rows)], rows + 1));
    let [.., fusion] = fusions;
    fusion
}

fn rotated(b: &mut GraphBuilder, x: NodeId) -> NodeId {
    let (tail, head) = (b.slice(x, 1, 4), b.slice(x, 0, 1));
    b.concat(&[tail, head])
}

fn in_place(b: &mut GraphBuilder, name: &str, value: NodeId, input: usize) {
    b.output_with(name, value, Layout::Contiguous, Alias::InPlace(input));
}

/// The kernel that stores this output.
fn kernel_of(f: &Fusion, output: usize) -> usize {
    let stores = |b: &Buffer| *b == Buffer::Output(output);
    f.program.steps.iter().position(|s| s.buffers.iter().any(stores)).unwrap()
}

#[test]
fn reads_at_the_same_place_share_the_kernel() {
    let f = build(|b, x, y, n| {
        let masked = b.mask_rows(x, n, Literal::i32(-1));
        in_place(b, "masked", masked, 0);
        let sum = b.add(x, y);
        b.output("sum", sum);
    });
    assert_eq!(f.program.steps.len(), 1);
    let kernel = &f.program.steps[0].kernel;
    let output = kernel.params.iter().find(|p| p.role == Role::Output && p.name == "masked").unwrap();
    assert_eq!(kernel.param(output.aliases.unwrap()).name, "x");
    assert!(f.cuts.is_empty());
}

#[test]
fn an_op_that_moves_what_it_overwrites_is_staged() {
    let f = build(|b, x, _, _| {
        let r = rotated(b, x);
        in_place(b, "rotated", r, 0);
    });
    assert_eq!(f.program.steps.len(), 2);
    assert_eq!(f.program.intermediates.len(), 1);
    let staged = Reason::Staged { output: "rotated".into(), input: "x".into() };
    assert!(f.cuts.iter().any(|c| c.reason == staged), "{:?}", f.cuts);
    assert!(f.cuts[0].to_string().starts_with("`rotated` is stored elsewhere and copied at the end"));
    // The second kernel only copies.
    let copy = &f.program.steps[1].kernel;
    assert!(matches!(copy.values[..], [ref v] if matches!(v.kind, ValueKind::Load(_))));
}

#[test]
fn reads_at_other_places_come_before() {
    let f = build(|b, x, y, _| {
        let sum = b.add(x, y);
        in_place(b, "sum", sum, 0);
        let r = rotated(b, x);
        b.output("rotated", r);
        let first = b.slice(x, 0, 2);
        b.output("first", first);
    });
    // Those of other columns belong to other threads, even at the same columns.
    assert_eq!(f.program.steps.len(), 2);
    assert_eq!((kernel_of(&f, 0), kernel_of(&f, 1), kernel_of(&f, 2)), (1, 0, 0));
    let reason = Reason::Overwrite { input: "x".into(), output: "sum".into() };
    assert!(f.cuts.iter().any(|c| c.kernels == Some([0, 1]) && c.reason == reason), "{:?}", f.cuts);
    assert!(f.program.intermediates.is_empty());
}

#[test]
fn a_table_that_is_overwritten_is_gathered_before() {
    let f = build(|b, x, y, n| {
        let picked = b.gather(x, &[y, n]);
        b.output("picked", picked);
        let sum = b.add(x, y);
        in_place(b, "sum", sum, 0);
    });
    assert_eq!((kernel_of(&f, 0), kernel_of(&f, 1)), (0, 1));
}

#[test]
fn f17_a_donation_that_would_cost_a_kernel_is_not_taken() {
    let f = build(|b, x, y, n| {
        let picked = b.gather(x, &[y, n]);
        b.output("picked", picked);
        let sum = b.add(x, y);
        b.output_with("sum", sum, Layout::Contiguous, Alias::Donates(0));
        let next = b.add(y, y);
        b.output_with("next", next, Layout::Contiguous, Alias::Donates(1));
    });
    assert_eq!(f.program.steps.len(), 1);
    assert_eq!([f.program.outputs[1].alias, f.program.outputs[2].alias], [Alias::None, Alias::Donates(1)]);
    let apart = Reason::Apart { output: "sum".into(), input: "x".into() };
    assert!(f.cuts.iter().any(|c| c.kernels.is_none() && c.reason == apart), "{:?}", f.cuts);
}

/// A remap of the first columns of a wider buffer: every element reads its own place and no other.
#[test]
fn f17_parts_of_a_wider_buffer_are_remapped_in_place() {
    let mut b = GraphBuilder::new("wide");
    let t = Dim::Sym(b.symbol("T"));
    let wide = b.input("wide", DType::I32, [t, 2.into(), 5.into()]);
    let map = b.input("map", DType::I32, [4.into()]);
    let (routed, shared, last) = (b.slice(wide, 0, 2), b.slice(wide, 2, 4), b.slice(wide, 4, 5));
    let (physical, more) = (b.gather(map, &[routed]), b.add(last, last));
    let tail = b.concat(&[shared, more]);
    let all = b.concat(&[physical, tail]);
    b.output_with("wide_out", all, Layout::Contiguous, Alias::InPlace(0));
    let f = agree(&b.finish().unwrap(), &[("T", 5)], 3);
    assert_eq!((f.program.steps.len(), &f.cuts[..]), (1, &[][..]));
}

#[test]
fn two_inputs_swap_in_one_kernel_or_by_way_of_others() {
    let swap = build(|b, x, y, _| {
        in_place(b, "new_x", y, 0);
        in_place(b, "new_y", x, 1);
    });
    assert_eq!(swap.program.steps.len(), 1);
    let turned = build(|b, x, y, _| {
        in_place(b, "new_x", y, 0);
        let r = rotated(b, x);
        in_place(b, "new_y", r, 1);
    });
    assert_eq!(turned.program.steps.len(), 2);
    assert_eq!(turned.program.intermediates.len(), 2);
}

#[test]
fn a_scalar_is_counted_up_after_the_rows_have_read_it() {
    let f = build(|b, x, _, n| {
        let one = b.constant(Literal::i32(1));
        let next = b.add(n, one);
        in_place(b, "next", next, 2);
        let masked = b.mask_rows(x, n, Literal::i32(0));
        b.output("masked", masked);
    });
    assert_eq!((kernel_of(&f, 0), kernel_of(&f, 1)), (1, 0));
    assert!(
        f.cuts
            .iter()
            .any(|c| matches!(&c.reason, Reason::Rows { first, second } if first == "T" && second == "one row"))
    );
}

#[test]
fn a_guarded_copy_shares_the_kernel() {
    let f = build(|b, x, y, _| {
        let c = b.copy(x);
        b.output_with("copied", c, Layout::Contiguous, Alias::Guarded(0));
        let half = b.slice(y, 0, 2);
        b.output("half", half);
    });
    assert_eq!(f.program.steps.len(), 1);
}

#[test]
fn what_is_overwritten_before_it_is_read_is_staged() {
    // `late` needs the rotated `y` and, through a table, the new `x`: the new `x` cannot wait for it.
    let f = build(|b, x, y, n| {
        let sum = b.add(x, y);
        in_place(b, "sum", sum, 0);
        let gathered = b.gather(sum, &[y, n]);
        let r = rotated(b, x);
        let late = b.add(gathered, r);
        b.output("late", late);
    });
    assert!(f.cuts.iter().any(|c| matches!(c.reason, Reason::Staged { .. })), "{:?}", f.cuts);
    assert!(kernel_of(&f, 0) > kernel_of(&f, 1));
}
