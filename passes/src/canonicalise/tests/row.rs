use super::{becomes, graph, same_bits, stays};
use crate::canonicalise::canonicalise;

/// The canonical form gives the same bits, and holds none of the operations that have formulas.
#[track_caller]
fn expands(statements: &str) {
    let before = graph(statements);
    let (after, _) = canonicalise(before.clone()).unwrap();
    let composite = ["softmax", "log_softmax", "dot", "group_score", "group_mask", "renorm", "argmax"];
    for n in after.nodes() {
        assert!(!composite.contains(&n.op.mnemonic()), "{} in\n{statements}", n.op.mnemonic());
    }
    same_bits(&before, &after);
}

#[test]
fn softmax_by_its_formula() {
    becomes(
        "%r = softmax %f",
        "%r.reduce_max = reduce_max %f {axis = 1}
         %r.broadcast = broadcast %r.reduce_max {shape = [T, 8]}
         %r.sub = sub %f, %r.broadcast
         %r.exp = exp %r.sub
         %r.reduce_sum = reduce_sum %r.exp {axis = 1}
         %r.broadcast.3 = broadcast %r.reduce_sum {shape = [T, 8]}
         %r = div %r.exp, %r.broadcast.3
         -> %r",
    );
    expands("%r = log_softmax %f");
    expands("%r = softmax %row");
    expands("%a = slice %f {start = 0, stop = 3}\n%r = log_softmax %a");
    expands("%r = dot %f, %g");
    expands("%r = dot %row, %row");
}

#[test]
fn denominators() {
    for rule in ["sum", "plus_epsilon", "clamp", "positive"] {
        expands(&format!("%r = renorm %f {{denominator = {rule}}}"));
        expands(&format!("%r = renorm %row {{denominator = {rule}}}"));
    }
    expands("%r = renorm %f {denominator = clamp, epsilon = 0.5}");
}

#[test]
fn groups() {
    becomes(
        "%r = group_score %f {groups = 2, score = top2_sum}",
        "%r.reshape = reshape %f {shape = [T, 2, 4]}
         %r.top2_sum = top2_sum %r.reshape {axis = 2}
         %r = reshape %r.top2_sum {shape = [T, 2]}
         -> %r",
    );
    for score in ["max", "top2_sum"] {
        for fill in ["neg_inf", "zero", "multiply"] {
            for (groups, keep) in [(1, 1), (2, 1), (4, 3), (4, 4), (8, 3)] {
                expands(&format!(
                    "%sc = group_score %f {{groups = {groups}, score = {score}}}
                     %r = group_mask %g, %sc {{keep = {keep}, masked = {fill}}}"
                ));
            }
        }
    }
    // Every group is kept.
    becomes(
        "%sc = group_score %f {groups = 2, score = max}\n%r = group_mask %g, %sc {keep = 2, masked = zero}",
        "-> %g",
    );
}

#[test]
fn one_column_is_no_row() {
    becomes("%r = reduce_sum %row {axis = 1}", "-> %row");
    becomes("%r = cumsum %row", "-> %row");
    // −0.0 is 0.0 there, and a NaN canonical.
    becomes("%r = top2_sum %row {axis = 1}", "%r = add %row, %f32.0.0\n-> %r");
    becomes("%r = argmax %row", "%r = broadcast %i32.0 {shape = [T, 1]}\n-> %r");
    becomes(
        "%r = topk %row {k = 1, candidates = above_neg_inf}",
        "%r.ne = ne %row, %f32.minf\n%r = select %r.ne, %i32.0, %i32.m1\n-> %r",
    );
    becomes("%r = topk_mask %row {k = 1, candidates = above_neg_inf}", "%r = ne %row, %f32.minf\n-> %r");
    becomes(
        "%h1 = slice %h {start = 2, stop = 3}\n%r = topk_mask %h1 {k = 1}",
        "%r = broadcast %bool.true {shape = [T, 1]}\n-> %r",
    );
    expands("%h1 = slice %h {start = 2, stop = 3}\n%r = topk %h1 {k = 1, candidates = above_neg_inf}");
    stays("%r = topk %f {k = 1}");
    becomes("%r = argmax %h", "%r = topk %h {k = 1, candidates = all, order = value}\n-> %r");
}

#[test]
fn another_axis_is_a_tree() {
    becomes(
        "%x3 = reshape %f {shape = [T, 4, 2]}\n%r = reduce_sum %x3 {axis = 1}",
        "%r.slice = slice %f {start = 0, stop = 4}
         %r.slice.2 = slice %f {start = 4, stop = 8}
         %r.add = add %r.slice, %r.slice.2
         %r.slice.3 = slice %r.add {start = 0, stop = 2}
         %r.slice.4 = slice %r.add {start = 2, stop = 4}
         %r.add.2 = add %r.slice.3, %r.slice.4
         %r = reshape %r.add.2 {shape = [T, 1, 2]}
         -> %r",
    );
    for op in ["reduce_sum", "reduce_max", "reduce_min"] {
        for shape in ["[T, 4, 2]", "[T, 8, 1]", "[T, 1, 8]", "[T, 2, 2, 2]"] {
            expands(&format!("%x3 = reshape %f {{shape = {shape}}}\n%r = {op} %x3 {{axis = 1}}"));
            expands(&format!("%x3 = reshape %y {{shape = {shape}}}\n%r = {op} %x3 {{axis = 1}}"));
        }
        // Odd extents leave some of the first half alone.
        for (stop, shape) in [(6, "[T, 3, 2]"), (5, "[T, 5, 1]"), (7, "[T, 7, 1]")] {
            expands(&format!(
                "%part = slice %f {{start = 0, stop = {stop}}}\n%x3 = reshape %part {{shape = {shape}}}
                 %r = {op} %x3 {{axis = 1}}"
            ));
        }
        expands(&format!("%r = {op} %map {{axis = 0}}"));
        expands(&format!("%m = reshape %map {{shape = [4, 4]}}\n%r = {op} %m {{axis = 0}}"));
        expands(&format!("%n3 = reshape %none {{shape = [T, 5, 0]}}\n%r = {op} %n3 {{axis = 1}}"));
    }
}

#[test]
fn wide_sums_are_halved_first() {
    let wide = "%b = broadcast %row {shape = [T, 3000]}\n%i = iota {dtype = i32, shape = [T, 3000], axis = 1}
                %j = cast %i {dtype = f32}\n%x2 = mul %b, %j\n";
    for op in ["reduce_sum", "reduce_max"] {
        let before = graph(&format!("{wide}%r = {op} %x2 {{axis = 1}}"));
        let (after, _) = canonicalise(before.clone()).unwrap();
        let widths: Vec<_> = after.nodes().filter(|n| n.op.mnemonic() == op).collect();
        assert_eq!(widths.len(), 1);
        same_bits(&before, &after);
        let reduce = after.node_ids().find(|n| after.node(*n).op.mnemonic() == op).unwrap();
        let operand = after.operands(reduce)[0];
        assert_eq!(after.node(operand).ty.row_elements(), Some(2048));
    }
}

#[test]
fn constants_are_reduced() {
    becomes(
        "%cc = broadcast f32:0.1 {shape = [T, 5]}\n%r = reduce_sum %cc {axis = 1}",
        "%r = broadcast %f32.0.5 {shape = [T, 1]}\n-> %r",
    );
    becomes(
        "%cc = broadcast i32:7 {shape = [T, 5]}\n%r = reduce_min %cc {axis = 1}",
        "%r = broadcast %i32.7 {shape = [T, 1]}\n-> %r",
    );
}

#[test]
fn keys_above_neg_inf_are_all_candidates() {
    let all = |statements: &str| {
        let (after, _) = canonicalise(graph(statements)).unwrap();
        let shown = super::shown(&after);
        same_bits(&graph(statements), &after);
        !shown.contains("above_neg_inf")
    };
    let top = "%r = topk %p {k = 2, candidates = above_neg_inf}";
    assert!(all(&format!("%p = softmax %f\n{top}")));
    assert!(all(&format!("%p = sigmoid %f\n{top}")));
    assert!(all(&format!("%a = softplus %f\n%p = sqrt %a\n{top}")));
    assert!(all(&format!("%a = exp %f\n%b = cumsum %a\n%p = max %b, %a\n{top}")));
    assert!(all("%r = topk %x {k = 2, candidates = above_neg_inf}"));
    assert!(all("%r = topk_mask %w {k = 2, candidates = above_neg_inf}"));
    assert!(!all(&format!("%p = copy %f\n{top}")));
    assert!(!all(&format!("%a = sigmoid %f\n%p = log %a\n{top}")));
    // A bias may be −∞; and what is divided by −0.0.
    assert!(!all(&format!("%a = sigmoid %f\n%p = add %a, %g\n{top}")));
    assert!(!all(&format!(
        "%a = exp %f\n%b = neg %a\n%c1 = neg %b\n%d1 = sub %c1, %c1\n%e1 = neg %d1\n%p = div %a, %e1\n{top}"
    )));
    assert!(!all(&format!("%a = exp %f\n%p = max %a, %g\n{top}")));
}

#[test]
fn the_first_slots_are_a_smaller_topk() {
    becomes(
        "%t = topk %f {k = 5}\n%r = slice %t {start = 0, stop = 2}",
        "%r = topk %f {k = 2, candidates = all, order = value}\n-> %r",
    );
    stays("%t = topk %f {k = 5, order = column}\n%r = slice %t {start = 0, stop = 2}");
    stays("%t = topk %f {k = 5}\n%r = slice %t {start = 1, stop = 2}");
    stays(
        "%t = topk %f {k = 5}\n%a = slice %t {start = 0, stop = 2}\n%b = slice %t {start = 2, stop = 4}\n%r = add %a, %b",
    );
}
