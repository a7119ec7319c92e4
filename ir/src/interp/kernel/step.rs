//! One value of a kernel, ready to be computed row after row.

use super::{Bound, Row, defect};
use crate::diag::Diagnostics;
use crate::dtype::DType;
use crate::eval::bins::Ranks;
use crate::eval::{self, Evaluator, Position, ScalarFn};
use crate::interp::value::Elements;
use crate::kernel::{Bounds, Kernel, RowOp, RowValue, ValueId, ValueKind};
use crate::literal::Literal;
use crate::op::NanOrder;
use std::cell::RefCell;

/// An operand's columns: where they begin, and 1, or 0 where one column serves all.
#[derive(Clone, Copy)]
struct Columns {
    start: usize,
    step: usize,
}

impl Columns {
    fn at(self, column: usize) -> usize {
        self.start + column * self.step
    }
}

/// What happens out of range.
#[derive(Clone, Copy)]
struct Policy {
    bounds: Bounds,
    replacement: u64,
}

enum Kind<'a> {
    Const(u64),
    /// Elements, and how far one row is from the next.
    Load(Elements<'a>, usize),
    RowIndex(DType),
    Column(DType),
    Scalar(ScalarFn, [Columns; 3], usize),
    /// Where each column comes from.
    Move(Vec<usize>),
    Gather {
        table: Elements<'a>,
        extents: Vec<u64>,
        indices: Vec<(DType, Columns)>,
        policy: Policy,
    },
    GatherRow {
        value: usize,
        extent: u64,
        index: (DType, usize),
        policy: Policy,
    },
    /// What a segment becomes, and its operand's first column, number of columns and dtype.
    Row(RowValue, usize, usize, DType),
    /// The operand's first column and dtype, and what was seen of its rows.
    Rank(usize, DType, RefCell<Ranks>),
}

/// How one value is computed.
pub(super) struct Step<'a> {
    kind: Kind<'a>,
    id: ValueId,
    start: usize,
    cols: usize,
}

impl<'a> Step<'a> {
    /// The value is next in the row; its operands are there already. `params` is one for each parameter.
    pub(super) fn compile(
        kernel: &Kernel,
        id: ValueId,
        row: &Row,
        params: &[Bound<'a>],
        extents: &[u64],
    ) -> Result<Step<'a>, Diagnostics> {
        let value = kernel.value(id);
        let start = |v: ValueId| row.starts[v.0 as usize];
        let columns = |v: ValueId| Columns { start: start(v), step: usize::from(kernel.value(v).space.cols != 1) };
        let indexed = |v: ValueId| (kernel.value(v).dtype, columns(v));
        let policy = |bounds: Bounds| Policy { bounds, replacement: bounds.policy().replacement(value.dtype).bits() };
        let kind = match &value.kind {
            ValueKind::Const(l) => Kind::Const(l.bits()),
            ValueKind::Load(p) => {
                let space = kernel.param_space(*p);
                Kind::Load(params[p.0 as usize].elements, if space.per_row { space.cols as usize } else { 0 })
            }
            ValueKind::Row => Kind::RowIndex(value.dtype),
            ValueKind::Column => Kind::Column(value.dtype),
            ValueKind::Extent(s) => Kind::Const(Literal::from_bits(value.dtype, extents[s.0 as usize]).bits()),
            ValueKind::Scalar(op, operands) => {
                let dtypes: Vec<DType> = operands.iter().map(|o| kernel.value(*o).dtype).collect();
                let evaluator = Evaluator::resolve(*op, &dtypes)
                    .ok_or_else(|| defect(kernel, &format!("v{} has operands that its op does not take", id.0)))?;
                // An operand that the op does not take is ignored, so any place will do.
                let mut places = [Columns { start: 0, step: 0 }; 3];
                for (place, o) in places.iter_mut().zip(operands) {
                    *place = columns(*o);
                }
                Kind::Scalar(evaluator.function(), places, operands.len())
            }
            ValueKind::Remap(v, map) => Kind::Move((0..map.cols).map(|j| start(*v) + map.apply(j) as usize).collect()),
            ValueKind::Concat(parts) => Kind::Move(concat(parts, value.space.cols, start)),
            ValueKind::Gather { table, indices, bounds } => Kind::Gather {
                table: params[table.0 as usize].elements,
                extents: params[table.0 as usize].shape.clone(),
                indices: indices.iter().map(|i| indexed(*i)).collect(),
                policy: policy(*bounds),
            },
            ValueKind::GatherRow { value: v, index, bounds } => Kind::GatherRow {
                value: start(*v),
                extent: kernel.value(*v).space.cols,
                index: (kernel.value(*index).dtype, start(*index)),
                policy: policy(*bounds),
            },
            ValueKind::RowValue(row_value) => {
                let operand = kernel.value(row_value.value);
                if let RowOp::Rank { bins } = row_value.op {
                    let kind = Kind::Rank(start(row_value.value), operand.dtype, RefCell::new(Ranks::new(bins)));
                    return Ok(Step { kind, id, start: row.bits.len(), cols: value.space.cols as usize });
                }
                Kind::Row(*row_value, start(row_value.value), operand.space.cols as usize, operand.dtype)
            }
        };
        Ok(Step { kind, id, start: row.bits.len(), cols: value.space.cols as usize })
    }

    /// Computes every column at row `t`. The error is an index that is proved in range but is not.
    pub(super) fn evaluate(&self, t: u64, row: &mut Row) -> Result<(), String> {
        let to = self.start..self.start + self.cols;
        match &self.kind {
            Kind::Const(bits) => row.bits[self.start] = *bits,
            Kind::Load(elements, stride) => {
                let from = t as usize * stride;
                for (j, bits) in row.bits[to].iter_mut().enumerate() {
                    *bits = elements.get(from + j);
                }
            }
            Kind::RowIndex(dtype) => row.bits[self.start] = Literal::from_bits(*dtype, t).bits(),
            Kind::Column(dtype) => {
                for (j, bits) in row.bits[to].iter_mut().enumerate() {
                    *bits = Literal::from_bits(*dtype, j as u64).bits();
                }
            }
            Kind::Scalar(f, places, arity) => self.scalar(*f, places, *arity, row),
            Kind::Move(from) => {
                for (to, from) in to.zip(from) {
                    row.bits[to] = row.bits[*from];
                    row.traps[to] = row.traps[*from];
                }
            }
            Kind::Gather { table, extents, indices, policy } => self.gather(*table, extents, indices, policy, row)?,
            Kind::GatherRow { value, extent, index, policy } => {
                self.gather_row(*value, *extent, *index, policy, row)?
            }
            Kind::Rank(from, dtype, ranks) => {
                let mut ranks = ranks.borrow_mut();
                let trapped = row.traps[*from..from + self.cols].contains(&true);
                for (j, to) in to.enumerate() {
                    row.bits[to] = u64::from(ranks.next(eval::as_index(*dtype, row.bits[from + j])) as u32);
                    row.traps[to] = trapped;
                }
            }
            Kind::Row(of, from, cols, dtype) => self.row_value(*of, *from, *cols, *dtype, row)?,
        }
        Ok(())
    }

    /// Column by column. A column of the result traps if a column that it is made of does.
    fn scalar(&self, f: ScalarFn, places: &[Columns; 3], arity: usize, row: &mut Row) {
        let [a, b, c] = places;
        // Operands come before users.
        let (operands, results) = row.bits.split_at_mut(self.start);
        for (j, bits) in results[..self.cols].iter_mut().enumerate() {
            *bits = f(operands[a.at(j)], operands[b.at(j)], operands[c.at(j)]);
        }
        if row.tracing {
            for j in 0..self.cols {
                row.traps[self.start + j] = places[..arity].iter().any(|o| row.traps[o.at(j)]);
            }
        }
    }

    fn gather(
        &self,
        table: Elements,
        extents: &[u64],
        indices: &[(DType, Columns)],
        policy: &Policy,
        row: &mut Row,
    ) -> Result<(), String> {
        for (j, to) in (self.start..self.start + self.cols).enumerate() {
            let at = indices.iter().map(|(dtype, i)| eval::as_index(*dtype, row.bits[i.at(j)]));
            let position = eval::gather_element(policy.bounds.policy(), extents, at);
            let before = indices.iter().any(|(_, i)| row.traps[i.at(j)]);
            let element = self.element(position, policy, || {
                let at = indices.iter().map(|(dtype, i)| eval::as_index(*dtype, row.bits[i.at(j)]));
                at.zip(extents).any(|(i, &extent)| i < 0 || i >= i128::from(extent))
            })?;
            row.bits[to] = element.map_or(policy.replacement, |e| table.get(e as usize));
            row.traps[to] = before || position == Position::Trap;
        }
        Ok(())
    }

    fn gather_row(
        &self,
        value: usize,
        extent: u64,
        (dtype, index): (DType, usize),
        policy: &Policy,
        row: &mut Row,
    ) -> Result<(), String> {
        for (j, to) in (self.start..self.start + self.cols).enumerate() {
            let i = eval::as_index(dtype, row.bits[index + j]);
            let position = eval::gather_index(policy.bounds.policy(), i, extent);
            let before = row.traps[index + j];
            let outside = || i < 0 || i >= i128::from(extent);
            let element = self.element(position, policy, outside)?.map(|e| value + e as usize);
            row.bits[to] = element.map_or(policy.replacement, |e| row.bits[e]);
            row.traps[to] = before || position == Position::Trap || element.is_some_and(|e| row.traps[e]);
        }
        Ok(())
    }

    /// Segment after segment. A column of the result traps if any column of its segment does.
    fn row_value(&self, of: RowValue, from: usize, cols: usize, dtype: DType, row: &mut Row) -> Result<(), String> {
        let width = of.width as usize;
        let mut to = self.start;
        for begin in (from..from + cols).step_by(width) {
            let segment = &row.bits[begin..begin + width];
            let result = match of.op {
                RowOp::Reduce(op) => eval::row::reduce(op, dtype, segment).map(|bits| vec![bits]),
                RowOp::CumSum => eval::row::cumsum(dtype, segment),
                RowOp::TopK { k, candidates, order } => {
                    let columns = eval::row::topk(dtype, segment, k as usize, candidates, order, NanOrder::Last);
                    Some(columns.into_iter().map(|c| u64::from(c as u32)).collect())
                }
                RowOp::TopKMask { k, candidates } => {
                    let mask = eval::row::topk_mask(dtype, segment, k as usize, candidates, NanOrder::Last);
                    Some(mask.into_iter().map(u64::from).collect())
                }
                RowOp::Rank { .. } => None,
            };
            let result = result.ok_or_else(|| format!("v{} has an operand that it does not take", self.id.0))?;
            let trapped = row.traps[begin..begin + width].contains(&true);
            for bits in result {
                row.bits[to] = bits;
                row.traps[to] = trapped;
                to += 1;
            }
        }
        Ok(())
    }

    /// The element that a gather reads, if there is one.
    fn element(&self, position: Position, policy: &Policy, outside: impl Fn() -> bool) -> Result<Option<u64>, String> {
        if policy.bounds == Bounds::Proved && outside() {
            return Err(format!("v{} is proved in range but is not", self.id.0));
        }
        match position {
            Position::At(e) => Ok(Some(e)),
            Position::Fill | Position::Trap => Ok(None),
        }
    }
}

/// Where each column of a concat comes from: see [`ValueKind::Concat`].
fn concat(parts: &[(ValueId, u64)], cols: u64, start: impl Fn(ValueId) -> usize) -> Vec<usize> {
    let width: u64 = parts.iter().map(|p| p.1).sum();
    let groups = cols.checked_div(width).unwrap_or(0);
    (0..groups)
        .flat_map(|g| parts.iter().map(move |(v, w)| (*v, g * w, *w)))
        .flat_map(|(v, from, w)| {
            let first = start(v) + from as usize;
            first..first + w as usize
        })
        .collect()
}
