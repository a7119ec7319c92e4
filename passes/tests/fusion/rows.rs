//! Routers, with what comes after selection: each is one kernel, and every form of it gives the same bits.

use crate::agreement::agree;
use routefuse_ir::graph::Alias;
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_ir::op::{
    BinaryOp, Candidates, CompareOp, Denominator, GroupFill, GroupScore, OutOfRange, PackForm, ReduceOp, TopKOrder,
    UnaryOp,
};
use routefuse_ir::target::Target;
use routefuse_ir::{DType, Dim, GraphBuilder, Layout, Literal, NodeId};
use routefuse_passes::canonicalise::canonicalise;
use routefuse_passes::explain::Traffic;
use routefuse_passes::fuse::{BUDGET, Fusion, Reason, fuse};
use routefuse_passes::schedule::schedule_of;

/// A router under construction: logits `[T, E]` in, ids and weights `[T, K]` out.
struct Router {
    b: GraphBuilder,
    t: Dim,
    experts: u64,
    k: u64,
}

type Selected = (NodeId, NodeId);

impl Router {
    fn new(experts: u64, k: u64) -> Router {
        let mut b = GraphBuilder::new("router");
        let t = Dim::Sym(b.symbol("T"));
        Router { b, t, experts, k }
    }

    fn logits(&mut self, dtype: DType) -> NodeId {
        let x = self.b.input("logits", dtype, [self.t, self.experts.into()]);
        self.b.cast(x, DType::F32)
    }

    fn bias(&mut self) -> NodeId {
        let bias = self.b.input("bias", DType::F32, [self.experts.into()]);
        self.b.broadcast(bias, [self.t, self.experts.into()])
    }

    fn top(&mut self, x: NodeId) -> NodeId {
        self.b.topk(x, self.k, Candidates::AboveNegInf, TopKOrder::Value)
    }

    fn pick(&mut self, x: NodeId, ids: NodeId) -> NodeId {
        self.b.gather_row(x, ids, OutOfRange::Fill(Literal::f32(0.0)))
    }

    fn scaled(&mut self, w: NodeId, factor: f32) -> NodeId {
        let factor = self.b.constant(Literal::f32(factor));
        self.b.mul(w, factor)
    }

    /// R1 and R2: softmax before or after the choice.
    fn softmax_topk(&mut self, before: bool) -> Selected {
        let x = self.logits(DType::Bf16);
        let p = if before { self.b.softmax(x) } else { x };
        let ids = self.top(p);
        let w = self.pick(p, ids);
        let w = if before { self.b.renorm(w, Denominator::Sum) } else { self.b.softmax(w) };
        (ids, w)
    }

    /// R3: one expert, σ of its logit.
    fn sigmoid_after(&mut self) -> Selected {
        let x = self.logits(DType::F16);
        let ids = self.b.argmax(x);
        let w = self.pick(x, ids);
        (ids, self.b.unary(UnaryOp::Sigmoid, w))
    }

    /// R4 and R7: a score, biased for the choice alone.
    fn biased(&mut self, score: impl FnOnce(&mut GraphBuilder, NodeId) -> NodeId) -> Selected {
        let x = self.logits(DType::F32);
        let s = score(&mut self.b, x);
        let bias = self.bias();
        let c = self.b.add(s, bias);
        let ids = self.top(c);
        let w = self.pick(s, ids);
        let w = self.b.renorm(w, Denominator::PlusEpsilon(Literal::f32(1e-20)));
        (ids, self.scaled(w, 2.827))
    }

    /// R5 and R6: groups first.
    fn grouped(&mut self, groups: u64, keep: u64, score: GroupScore, fill: GroupFill) -> Selected {
        let x = self.logits(DType::Bf16);
        let s = if score == GroupScore::Max { self.b.softmax(x) } else { self.b.unary(UnaryOp::Sigmoid, x) };
        let bias = self.bias();
        let c = if score == GroupScore::Max { s } else { self.b.add(s, bias) };
        let scores = self.b.group_score(c, groups, score);
        let masked = self.b.group_mask(c, scores, keep, fill);
        let ids = self.top(masked);
        let w = self.pick(s, ids);
        let w = self.b.renorm(w, Denominator::Positive);
        (ids, self.scaled(w, 2.5))
    }

    /// R8: experts by a table of token ids.
    fn hashed(&mut self) -> Selected {
        let x = self.logits(DType::F32);
        let token = self.b.input("token", DType::I32, [self.t, 1.into()]);
        let token = self.b.broadcast(token, [self.t, self.k.into()]);
        let table = self.b.input("tid2eid", DType::I32, [64.into(), self.k.into()]);
        let slot = self.b.iota(DType::I32, [self.t, self.k.into()], 1);
        let ids = self.b.gather(table, &[token, slot]);
        let s = self.b.unary(UnaryOp::Softplus, x);
        let s = self.b.unary(UnaryOp::Sqrt, s);
        let w = self.pick(s, ids);
        let w = self.b.renorm(w, Denominator::Clamp(Literal::f32(1e-20)));
        (ids, w)
    }

    /// R9: a scale for each expert.
    fn scaled_experts(&mut self) -> Selected {
        let (ids, w) = self.softmax_topk(false);
        let scales = self.b.input("scales", DType::F32, [self.experts.into()]);
        let s = self.b.gather_with(scales, &[ids], OutOfRange::Fill(Literal::f32(0.0)));
        (ids, self.b.mul(w, s))
    }

    /// R10: logits of sinks behind the chosen, log-sigmoid, softmax over both; the sinks' share is dropped.
    fn sinks(&mut self) -> Selected {
        let x = self.logits(DType::F32);
        let bias = self.bias();
        let c = self.b.add(x, bias);
        let ids = self.top(c);
        let w = self.pick(x, ids);
        let sinks = self.b.input("sinks", DType::F32, [2.into()]);
        let sinks = self.b.broadcast(sinks, [self.t, 2.into()]);
        let all = self.b.concat(&[w, sinks]);
        let minus = self.b.unary(UnaryOp::Neg, all);
        let soft = self.b.unary(UnaryOp::Softplus, minus);
        let log = self.b.unary(UnaryOp::Neg, soft);
        let p = self.b.softmax(log);
        let w = self.b.slice(p, 0, self.k);
        (ids, self.scaled(w, 1.5))
    }

    /// R11: weights past an adaptive k are 0: the slots in which the running sum of the others has passed a bound.
    fn adaptive(&mut self) -> Selected {
        let (ids, w) = self.softmax_topk(true);
        let sums = self.b.cumsum(w);
        let bound = self.b.constant(Literal::f32(0.9));
        let before = self.b.sub(sums, w);
        let kept = self.b.compare(CompareOp::Lt, before, bound);
        let zero = self.b.constant(Literal::f32(0.0));
        (ids, self.b.select(kept, w, zero))
    }

    /// P2, P5, P7, P8, P14, P4's load record and P6: everything that comes after.
    fn post(&mut self, (ids, w): Selected) {
        let (t, k, experts) = (self.t, self.k, self.experts);
        let b = &mut self.b;
        let replicas = b.input("replicas", DType::I32, [experts.into(), 4.into()]);
        let counts = b.input("counts", DType::I32, [experts.into()]);
        let n = b.input("n", DType::I32, []);
        let enabled = b.input("enabled", DType::Bool, []);
        let load = b.input("load", DType::I32, [64.into()]);
        let one = b.constant(Literal::i32(1));
        let row = b.iota(DType::I32, [t, k.into()], 0);
        let hash = b.multiplicative_hash(row);
        let hash = b.cast(hash, DType::I32);
        let valid = b.gather(counts, &[ids]);
        let valid = b.max(valid, one);
        let turn = b.binary(BinaryOp::Rem, hash, valid);
        let physical = b.gather(replicas, &[ids, turn]);
        let masked = b.mask_rows(physical, n, Literal::i32(-1));
        let zero = b.constant(Literal::f32(0.0));
        let none = b.constant(Literal::i32(-1));
        let real = b.compare(CompareOp::Ne, masked, none);
        let w = b.select(real, w, zero);
        let total = b.reduce_inner(ReduceOp::Sum, w);
        let shared = b.input("shared", DType::Bf16, [t, 1.into()]);
        let shared = b.cast(shared, DType::F32);
        let gate = b.unary(UnaryOp::Sigmoid, shared);
        let both = b.mul(gate, total);
        let id = b.constant(Literal::i32(60));
        let id = b.broadcast(id, [t, 1.into()]);
        let all_ids = b.concat(&[masked, id]);
        let all_w = b.concat(&[w, both]);
        let packed = b.pack(all_ids, all_w, PackForm::Masked);
        let amount = b.cast(real, DType::I32);
        let amount_if = b.broadcast(enabled, [t, k.into()]);
        let zero_count = b.constant(Literal::i32(0));
        let amount = b.select(amount_if, amount, zero_count);
        let loads = b.atomic_add(load, masked, amount);
        b.output("packed", packed);
        b.output("ids", all_ids);
        b.output("weights", all_w);
        let place = b.input_position(load).unwrap();
        b.output_with("load_out", loads, Layout::Contiguous, Alias::InPlace(place));
    }

    /// Checks every form at some extents; the fused one is a single kernel.
    fn one_kernel(mut self, selected: Selected) -> Fusion {
        let logits = self.b.input_position(selected.0);
        assert!(logits.is_none());
        self.post(selected);
        let g = self.b.finish().unwrap_or_else(|d| panic!("{d}"));
        let [.., fusion] = [0, 1, 3].map(|rows| agree(&g, &[("T", rows)], 7 * rows + self.experts));
        assert_eq!(fusion.program.steps.len(), 1, "{:?}", fusion.cuts);
        assert!(fusion.cuts.is_empty() && fusion.program.intermediates.is_empty());
        let kernel = &fusion.program.steps[0].kernel;
        for target in Target::all() {
            assert!(matches!(schedule_of(kernel, target), Schedule::Row { .. }));
        }
        fusion
    }
}

#[test]
fn a_softmax_router_and_its_chain_are_one_kernel() {
    let mut r = Router::new(40, 6);
    let s = r.softmax_topk(true);
    let f = r.one_kernel(s);
    // The logits of a row are read once, whoever asks for them.
    let traffic = Traffic::of_kernel(&f.program.steps[0].kernel);
    assert_eq!(traffic.read_per_row, 40 * 2 + 2);
    let mut r = Router::new(32, 4);
    let s = r.softmax_topk(false);
    r.one_kernel(s);
}

#[test]
fn one_expert_by_sigmoid_is_one_kernel() {
    let mut r = Router::new(16, 1);
    let s = r.sigmoid_after();
    r.one_kernel(s);
}

#[test]
fn biased_scores_are_one_kernel() {
    let mut r = Router::new(48, 8);
    let s = r.biased(|b, x| b.unary(UnaryOp::Sigmoid, x));
    r.one_kernel(s);
    let mut r = Router::new(24, 6);
    let s = r.biased(|b, x| {
        let s = b.unary(UnaryOp::Softplus, x);
        b.unary(UnaryOp::Sqrt, s)
    });
    r.one_kernel(s);
}

#[test]
fn groups_are_one_kernel() {
    for fill in [GroupFill::NegInf, GroupFill::Zero, GroupFill::Multiply] {
        let mut r = Router::new(32, 4);
        let s = r.grouped(8, 4, GroupScore::TopTwoSum, fill);
        r.one_kernel(s);
        let mut r = Router::new(36, 6);
        let s = r.grouped(4, 2, GroupScore::Max, fill);
        r.one_kernel(s);
    }
}

#[test]
fn tables_scales_sinks_and_adaptive_k_are_one_kernel() {
    for build in [Router::hashed, Router::scaled_experts, Router::sinks, Router::adaptive] {
        let mut r = Router::new(24, 4);
        let s = build(&mut r);
        r.one_kernel(s);
    }
}

#[test]
fn routers_of_real_models_stay_in_the_budget() {
    for (experts, k, groups, keep) in [(256, 8, 8, 4), (384, 8, 1, 1), (160, 6, 8, 3), (512, 22, 1, 1)] {
        let mut r = Router::new(experts, k);
        let s = r.grouped(groups, keep, GroupScore::TopTwoSum, GroupFill::NegInf);
        r.post(s);
        let g = r.b.finish().unwrap_or_else(|d| panic!("{d}"));
        let (canonical, _) = canonicalise(g).unwrap();
        let f = fuse(&canonical, |_| false).unwrap();
        assert_eq!((f.program.steps.len(), f.cuts.len()), (1, 0), "{experts}: {:?}", f.cuts);
        if std::env::var_os("SHOW").is_some() {
            println!("{}", *f.program.steps[0].kernel);
            for name in ["host", "sm_90", "gfx942"] {
                println!("{}", schedule_of(&f.program.steps[0].kernel, Target::named(name).unwrap()));
            }
        }
    }
}

#[test]
fn what_a_row_value_is_made_of_is_nobodys_recomputation() {
    // Each round is a softmax of the last: pulled, it would double.
    let mut b = GraphBuilder::new("g");
    let t = Dim::Sym(b.symbol("T"));
    let x = b.input("x", DType::F32, [t, 16.into()]);
    let mut y = x;
    for _ in 0..40 {
        y = b.renorm(y, Denominator::Sum);
    }
    b.output("y", y);
    let g = b.finish().unwrap();
    let f = agree(&g, &[("T", 2)], 1);
    assert!(f.cuts.iter().all(|c| !matches!(c.reason, Reason::Recomputation { budget: BUDGET, .. })), "{:?}", f.cuts);
    assert_eq!(f.program.steps.len(), 1);
}

/// A row that one team reads whole before it writes any of it is one kernel, in place too.
#[test]
fn f17_a_row_that_is_read_whole_is_overwritten_in_one_kernel() {
    let build = |alias: Alias, value: fn(&mut GraphBuilder, NodeId) -> NodeId| {
        let mut b = GraphBuilder::new("g");
        let t = Dim::Sym(b.symbol("T"));
        let x = b.input("x", DType::F32, [t, 8.into()]);
        let y = value(&mut b, x);
        b.output_with("y", y, Layout::Contiguous, alias);
        agree(&b.finish().unwrap(), &[("T", 3)], 1)
    };
    let values: [fn(&mut GraphBuilder, NodeId) -> NodeId; 4] = [
        |b, x| b.softmax(x),
        |b, x| b.renorm(x, Denominator::Sum),
        |b, x| b.cumsum(x),
        // The rows' best is subtracted from what a slice and a concatenation leave in its place.
        |b, x| {
            let best = b.reduce_inner(ReduceOp::Max, x);
            let parts = [b.slice(x, 0, 3), b.slice(x, 3, 8)];
            let same = b.concat(&parts);
            let shape = b.ty(x).shape.clone();
            let best = b.broadcast(best, shape);
            b.sub(same, best)
        },
    ];
    for value in values {
        for alias in [Alias::InPlace(0), Alias::Donates(0)] {
            let f = build(alias, value);
            assert_eq!((f.program.steps.len(), &f.cuts[..]), (1, &[][..]));
            assert_eq!(f.program.outputs[0].alias, alias);
        }
    }
}

#[test]
fn a_row_whose_elements_are_read_at_other_columns_is_staged() {
    let mut b = GraphBuilder::new("g");
    let t = Dim::Sym(b.symbol("T"));
    let x = b.input("x", DType::F32, [t, 8.into()]);
    let ids = b.topk(x, 8, Candidates::All, TopKOrder::Value);
    let best = b.gather_row(x, ids, OutOfRange::Pass);
    let sum = b.add(x, best);
    b.output_with("sum", sum, Layout::Contiguous, Alias::InPlace(0));
    let f = agree(&b.finish().unwrap(), &[("T", 3)], 1);
    assert!(f.cuts.iter().any(|c| matches!(c.reason, Reason::Staged { .. })), "{:?}", f.cuts);
}

#[test]
fn counts_are_kept_without_rows_and_by_every_kind_of_index() {
    let mut b = GraphBuilder::new("g");
    let t = Dim::Sym(b.symbol("T"));
    let ids = b.input("ids", DType::I64, [t, 3.into()]);
    let token = b.input("token", DType::U8, [t]);
    let fixed = b.input("fixed", DType::I32, [4.into()]);
    let empty = b.input("empty", DType::I32, [t, 0.into()]);
    let one = b.constant(Literal::i32(1));
    let seven = b.constant(Literal::i32(7));
    let everywhere = b.broadcast(seven, [t, 5.into()]);
    for (i, index) in [ids, token, fixed, empty, everywhere].into_iter().enumerate() {
        let counts = b.input(&format!("counts{i}"), DType::I32, [9.into()]);
        let added = b.atomic_add(counts, index, one);
        let place = b.input_position(counts).unwrap();
        b.output_with(&format!("added{i}"), added, Layout::Contiguous, Alias::InPlace(place));
    }
    let g = b.finish().unwrap_or_else(|d| panic!("{d}"));
    for rows in [0, 1, 5] {
        let f = agree(&g, &[("T", rows)], rows);
        // One over rows, one of what has none.
        assert_eq!(f.program.steps.len(), 2);
    }
}
