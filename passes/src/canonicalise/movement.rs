//! Operations that move elements: fewer of them, and as late as they can be.

use super::Pass;
use super::rewrite::{Expr, Rule, apply};
use super::view::View;
use routefuse_ir::op::{BinaryOp, OutOfRange};
use routefuse_ir::{Dim, Graph, Literal, NodeId, Op};

/// Broadcasts, reshapes, slices and concats of one another become one or none, and broadcasts move towards the outputs.
pub struct Movement;

impl Pass for Movement {
    fn name(&self) -> &'static str {
        "movement"
    }

    fn run(&self, g: &mut Graph) -> bool {
        apply(g, RULES)
    }
}

const RULES: &[Rule] = &[
    same_shape,
    scalar_moved,
    broadcast_broadcast,
    broadcast_iota,
    reshape_reshape,
    reshape_iota,
    slice_slice,
    slice_broadcast,
    slice_iota,
    slice_concat,
    concat_one,
    concat_flat,
    concat_neighbours,
    scalar_operand,
    common_broadcast,
];

fn broadcast_source(v: View, id: NodeId) -> Option<NodeId> {
    match v.op(id) {
        Op::Broadcast { .. } => v.operands(id).map(|[x]| x),
        _ => None,
    }
}

fn reshape_source(v: View, id: NodeId) -> Option<NodeId> {
    match v.op(id) {
        Op::Reshape { .. } => v.operands(id).map(|[x]| x),
        _ => None,
    }
}

/// start, stop, operand.
fn slice(v: View, id: NodeId) -> Option<(u64, u64, NodeId)> {
    match v.op(id) {
        Op::Slice { start, stop } => v.operands(id).map(|[x]| (*start, *stop, x)),
        _ => None,
    }
}

fn concat_parts(v: View, id: NodeId) -> Option<Vec<NodeId>> {
    matches!(v.op(id), Op::Concat).then(|| v.g.operands(id))
}

fn inner(v: View, id: NodeId) -> Option<u64> {
    v.ty(id).shape.last().and_then(|d| d.as_const())
}

fn sliced(x: impl Into<Expr>, start: u64, stop: u64) -> Expr {
    Expr::Op(Op::Slice { start, stop }, vec![x.into()])
}

/// broadcast(x) = reshape(x) = slice(x) = x, to the same shape
fn same_shape(v: View, id: NodeId) -> Option<Expr> {
    let (Op::Broadcast { .. } | Op::Reshape { .. } | Op::Slice { .. }) = v.op(id) else { return None };
    let [x] = v.operands(id)?;
    (v.ty(x) == v.ty(id)).then_some(Expr::Value(x))
}

/// reshape(broadcast(s)) = slice(broadcast(s)) = broadcast(s), to the other shape, if s is a scalar; and so of concat, if
/// every part is a broadcast of s
fn scalar_moved(v: View, id: NodeId) -> Option<Expr> {
    let (Op::Reshape { .. } | Op::Slice { .. } | Op::Concat) = v.op(id) else { return None };
    let operands = v.g.operands(id);
    let s = v.scalar_source(operands[0])?;
    let same = |x: &NodeId| v.scalar_source(*x).is_some_and(|t| same_scalar(v, s, t));
    let shape = v.ty(id).shape.clone();
    operands.iter().all(same).then(|| Expr::Op(Op::Broadcast { shape }, vec![s.into()]))
}

/// broadcast(broadcast(x)) = broadcast(x)
fn broadcast_broadcast(v: View, id: NodeId) -> Option<Expr> {
    let x = broadcast_source(v, broadcast_source(v, id)?)?;
    Some(Expr::Op(v.op(id).clone(), vec![x.into()]))
}

/// broadcast(iota) = iota of the larger shape, along the same axis counted from the right. Its extent is not 1 there, or it
/// would be the constant 0, so that axis is not repeated.
fn broadcast_iota(v: View, id: NodeId) -> Option<Expr> {
    let x = broadcast_source(v, id)?;
    let Op::Iota { dtype, shape: from, axis } = v.op(x) else { return None };
    let shape = v.ty(id).shape.clone();
    let axis_here = axis + shape.len() - from.len();
    (from[*axis] == shape[axis_here]).then(|| Expr::Op(Op::Iota { dtype: *dtype, shape, axis: axis_here }, vec![]))
}

/// reshape(reshape(x)) = reshape(x)
fn reshape_reshape(v: View, id: NodeId) -> Option<Expr> {
    let x = reshape_source(v, reshape_source(v, id)?)?;
    Some(Expr::Op(v.op(id).clone(), vec![x.into()]))
}

/// reshape(iota) = iota along another axis of the same extent with as many elements inside it:
/// element f in row-major order is (f / inside) % extent in both
fn reshape_iota(v: View, id: NodeId) -> Option<Expr> {
    let x = reshape_source(v, id)?;
    let Op::Iota { dtype, shape: from, axis } = v.op(x) else { return None };
    let shape = v.ty(id).shape.clone();
    let inside = |shape: &[Dim], axis: usize| routefuse_ir::dim::const_product(&shape[axis + 1..]);
    let fits = |a: &usize| shape[*a] == from[*axis] && inside(&shape, *a) == inside(from, *axis);
    let axis = (0..shape.len()).find(fits)?;
    Some(Expr::Op(Op::Iota { dtype: *dtype, shape, axis }, vec![]))
}

/// x[a..b][c..d] = x[a + c..a + d]
fn slice_slice(v: View, id: NodeId) -> Option<Expr> {
    let (start, stop, y) = slice(v, id)?;
    let (base, _, x) = slice(v, y)?;
    Some(sliced(x, base + start, base + stop))
}

/// broadcast(x)[a..b] = broadcast(x), of a smaller shape, if the inner dim is repeated; else broadcast(x[a..b])
fn slice_broadcast(v: View, id: NodeId) -> Option<Expr> {
    let (start, stop, y) = slice(v, id)?;
    let x = broadcast_source(v, y)?;
    let whole = inner(v, y)?;
    let shape = v.ty(id).shape.clone();
    let x = match inner(v, x) {
        Some(n) if n == whole && n != 1 => sliced(x, start, stop),
        _ => Expr::Value(x),
    };
    Some(Expr::Op(Op::Broadcast { shape }, vec![x]))
}

/// iota[a..b] = iota of the smaller shape along an outer axis, and iota + a along the inner one; either side wraps alike
fn slice_iota(v: View, id: NodeId) -> Option<Expr> {
    let (start, _, y) = slice(v, id)?;
    let Op::Iota { dtype, axis, .. } = v.op(y) else { return None };
    let shape = v.ty(id).shape.clone();
    let outer = *axis + 1 < shape.len();
    let iota = Expr::Op(Op::Iota { dtype: *dtype, shape, axis: *axis }, vec![]);
    if outer || start == 0 {
        return Some(iota);
    }
    Some(Expr::binary(BinaryOp::Add, iota, Literal::from_bits(*dtype, start)))
}

/// concat(x, y, …)[a..b] = concat of what a..b takes of each part; parts of which it takes nothing go
fn slice_concat(v: View, id: NodeId) -> Option<Expr> {
    let (start, stop, y) = slice(v, id)?;
    let mut taken = Vec::new();
    let mut base = 0;
    for part in concat_parts(v, y)? {
        let width = inner(v, part)?;
        let (from, to) = (start.max(base), stop.min(base + width));
        if from < to {
            taken.push(if to - from == width { Expr::Value(part) } else { sliced(part, from - base, to - base) });
        }
        base += width;
    }
    Some(concat_of(taken))
}

/// concat(x) = x
fn concat_one(v: View, id: NodeId) -> Option<Expr> {
    match concat_parts(v, id)?[..] {
        [x] => Some(Expr::Value(x)),
        _ => None,
    }
}

/// The most parts of a concat: a kernel asks for each of them wherever it asks for a column that only the running code knows,
/// and twice as many can be too much for it.
pub(super) const MAX_PARTS: usize = 128;

/// concat(…, concat(x, y), …) = concat(…, x, y, …); and parts without columns go
///
/// Asked of the outermost of nested concats only, or the parts of the inner ones would be listed once for each around them.
fn concat_flat(v: View, id: NodeId) -> Option<Expr> {
    let parts = concat_parts(v, id)?;
    let users = v.g.users(id);
    let stored = || v.g.outputs.iter().any(|o| o.node == id);
    if !users.is_empty() && users.iter().all(|u| matches!(v.op(*u), Op::Concat)) && !stored() {
        return None;
    }
    let mut flat = parts.clone();
    let mut i = 0;
    while i < flat.len() {
        match concat_parts(v, flat[i]) {
            Some(inner) if flat.len() + inner.len() <= MAX_PARTS + 1 => drop(flat.splice(i..=i, inner)),
            _ => i += 1,
        }
    }
    let first = flat.first().copied();
    flat.retain(|p| inner(v, *p) != Some(0));
    if flat.is_empty() {
        flat.extend(first);
    }
    (flat != parts).then(|| concat_of(flat.into_iter().map(Expr::Value).collect()))
}

fn concat_of(mut parts: Vec<Expr>) -> Expr {
    if parts.len() == 1 { parts.remove(0) } else { Expr::Op(Op::Concat, parts) }
}

/// A part of a concat, as far as it matters whether the next one continues it.
enum Part {
    /// x[start..stop]
    Slice(NodeId, u64, u64),
    /// A scalar in every element, and the part's width.
    Splat(NodeId, u64),
    Other(NodeId),
}

/// concat(…, x[a..b], x[b..c], …) = concat(…, x[a..c], …), and neighbouring broadcasts of one scalar become one
fn concat_neighbours(v: View, id: NodeId) -> Option<Expr> {
    let parts = concat_parts(v, id)?;
    let mut joined: Vec<Part> = Vec::new();
    for part in &parts {
        let part = match (slice(v, *part), v.scalar_source(*part)) {
            (Some((start, stop, x)), _) => Part::Slice(x, start, stop),
            (_, Some(s)) => Part::Splat(s, inner(v, *part)?),
            _ => Part::Other(*part),
        };
        match (joined.last_mut(), part) {
            (Some(Part::Slice(x, _, end)), Part::Slice(y, start, stop)) if *x == y && *end == start => *end = stop,
            (Some(Part::Splat(s, width)), Part::Splat(t, more)) if same_scalar(v, *s, t) => *width += more,
            (_, part) => joined.push(part),
        }
    }
    if joined.len() == parts.len() {
        return None;
    }
    let outer = v.ty(id).shape.split_last()?.1;
    let expr = |part: Part| match part {
        Part::Slice(x, start, stop) => sliced(x, start, stop),
        Part::Splat(s, width) => {
            let shape = outer.iter().copied().chain([Dim::Const(width)]).collect();
            Expr::Op(Op::Broadcast { shape }, vec![s.into()])
        }
        Part::Other(x) => Expr::Value(x),
    };
    Some(concat_of(joined.into_iter().map(expr).collect()))
}

/// One value, or two equal constants.
fn same_scalar(v: View, s: NodeId, t: NodeId) -> bool {
    s == t || (v.literal(s).is_some() && v.literal(s) == v.literal(t))
}

/// The operands that have one shape, or are scalars that serve every element: all of an elementwise operation, the indices
/// of a gather.
fn pointwise_from(v: View, id: NodeId) -> Option<usize> {
    match v.op(id) {
        Op::Scalar(_) => Some(0),
        // One index for all is looked up once, and so may trap where there is no element at all.
        Op::Gather { out_of_range } if *out_of_range != OutOfRange::Trap => Some(1),
        _ => None,
    }
}

/// f(broadcast(s), y) = f(s, y) and f(broadcast(s), broadcast(t)) = broadcast(f(s, t)), if s and t are scalars: a scalar
/// serves every element, and what is made of scalars alone is broadcast where it is put in the place of a tensor
fn scalar_operand(v: View, id: NodeId) -> Option<Expr> {
    let from = pointwise_from(v, id)?;
    let operands = v.g.operands(id);
    let served = |x: NodeId| v.scalar_source(x).unwrap_or(x);
    let new: Vec<NodeId> = operands.iter().enumerate().map(|(i, x)| if i < from { *x } else { served(*x) }).collect();
    (new != operands).then(|| Expr::Op(v.op(id).clone(), new.into_iter().map(Expr::Value).collect()))
}

/// f(broadcast(x), broadcast(y), s) = broadcast(f(x, y, s)), if x and y have one shape and s is a scalar
fn common_broadcast(v: View, id: NodeId) -> Option<Expr> {
    let from = pointwise_from(v, id)?;
    let operands = v.g.operands(id);
    let mut small: Option<&[Dim]> = None;
    let mut new = operands[..from].to_vec();
    for x in &operands[from..] {
        if v.is_scalar(*x) {
            new.push(*x);
            continue;
        }
        let source = broadcast_source(v, *x)?;
        let shape = &v.ty(source).shape[..];
        if *small.get_or_insert(shape) != shape {
            return None;
        }
        new.push(source);
    }
    small?;
    let shape = v.ty(id).shape.clone();
    let op = Expr::Op(v.op(id).clone(), new.into_iter().map(Expr::Value).collect());
    Some(Expr::Op(Op::Broadcast { shape }, vec![op]))
}
