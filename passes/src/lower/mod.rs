//! From tensor operations to one kernel: the values that its stores need, by row and column.
//!
//! A tensor's symbolic leading dim is the row; its other dims, flattened in row-major order, are the columns. So a reshape
//! is nothing at all, a broadcast or slice is a change of column or nothing, and a value that is the same in every column
//! has one. Zero-width parts and outputs without elements vanish.

mod builder;
pub(crate) mod columns;
mod finish;
mod index;
pub(crate) mod rowwise;

use crate::canonicalise::expand::row::MAX_REDUCED;
use crate::canonicalise::{Expand, Pass};
use builder::{KernelBuilder, Stored};
use routefuse_ir::graph::{Graph, Input, Layout, Node, NodeId, Output};
use routefuse_ir::kernel::{Bounds, Param, Role, RowOp, ValueId};
use routefuse_ir::op::{Op, OutOfRange, ReduceOp};
use routefuse_ir::program::{Buffer, Program, Step};
use routefuse_ir::{Alias, Code, DType, Diagnostic, Diagnostics, Literal};
use rowwise::Rowwise;

/// One kernel to be made.
pub(crate) struct Job<'a> {
    /// The graph.
    pub(crate) rowwise: &'a Rowwise<'a>,
    /// The program that the kernel will be part of: what its buffers are.
    pub(crate) program: &'a Program,
    /// By node index: where a value lies that the kernel loads instead of computing it.
    pub(crate) memory: &'a [Option<Buffer>],
    /// What is stored, and where; of one row symbol, and none without elements.
    pub(crate) stores: &'a [(NodeId, Buffer)],
    /// By node index: the gather's indices are proved in range.
    pub(crate) proved: &'a [bool],
    /// The kernel's name.
    pub(crate) name: &'a str,
}

impl Job<'_> {
    /// What a gather has to check.
    fn bounds(&self, id: NodeId, out_of_range: OutOfRange) -> Bounds {
        if self.proved[id.0.index()] { Bounds::Proved } else { Bounds::Checked(out_of_range) }
    }
}

/// A kernel, and the operations that it holds in order.
pub(crate) struct Lowered {
    pub(crate) step: Step,
    pub(crate) ops: Vec<NodeId>,
}

/// Makes the kernel.
///
/// # Errors
/// Only by a defect of this crate (`RF0501`, `RF0901`).
pub(crate) fn lower(job: &Job) -> Result<Lowered, Diagnostics> {
    let rowwise = job.rowwise;
    let rows = job.stores.first().and_then(|(n, _)| rowwise.at(*n).rows);
    let mut lowering = Lowering { job, builder: KernelBuilder::new(rows) };
    let cone = cone(rowwise, job.memory, job.stores.iter().map(|s| s.0));
    let mut values: Vec<Option<ValueId>> = vec![None; rowwise.bound()];
    let mut ops = Vec::new();
    for id in cone {
        let value = match job.memory[id.0.index()] {
            Some(buffer) => {
                let param = lowering.input(buffer);
                lowering.builder.load(param)
            }
            None => {
                if rowwise.is_op(id) {
                    ops.push(id);
                }
                if matches!(rowwise.node(id).op, Op::AtomicAdd) {
                    continue;
                }
                lowering.node(rowwise, id, &values)?
            }
        };
        lowering.builder.name(value, &rowwise.node(id).name);
        values[id.0.index()] = Some(value);
    }
    for (id, buffer) in job.stores {
        if matches!(rowwise.node(*id).op, Op::AtomicAdd) && job.memory[id.0.index()].is_none() {
            lowering.add(*id, *buffer, &values)?;
            continue;
        }
        let value = values[id.0.index()].ok_or_else(|| internal("a stored value was not lowered"))?;
        lowering.store(*buffer, value);
    }
    Ok(Lowered { step: finish::finish(lowering.builder, job)?, ops })
}

fn internal(message: &str) -> Diagnostics {
    Diagnostic::new(Code::Internal, message).help("this is a defect; please report the graph").into()
}

/// The operands of a node that a kernel computes or loads: not a table in memory, not parts without columns, of counts that
/// are added to not the counts.
pub(crate) fn pulled<'f>(
    rowwise: &'f Rowwise,
    memory: &'f [Option<Buffer>],
    id: NodeId,
) -> impl Iterator<Item = NodeId> + use<'f> {
    let operands = &rowwise.at(id).operands;
    let table_in_memory = table(rowwise, id).is_some_and(|t| memory[t.0.index()].is_some());
    let joins = matches!(rowwise.node(id).op, Op::Concat);
    // Where there is nothing to add, the counts alone are stored.
    let (adds, counts) = (rowwise.is_addition(id), matches!(rowwise.node(id).op, Op::AtomicAdd));
    let last = if counts && !adds { 1 } else { operands.len() };
    operands[..last]
        .iter()
        .skip(usize::from(table_in_memory || adds))
        .copied()
        .filter(move |o| !joins || rowwise.at(*o).cols > 0)
}

/// The table of a gather.
pub(crate) fn table(rowwise: &Rowwise, id: NodeId) -> Option<NodeId> {
    matches!(rowwise.node(id).op, Op::Gather { .. }).then(|| rowwise.at(id).operands[0])
}

/// What a kernel over these roots computes or loads, operands first.
pub(crate) fn cone(rowwise: &Rowwise, memory: &[Option<Buffer>], roots: impl Iterator<Item = NodeId>) -> Vec<NodeId> {
    let mut seen = vec![false; rowwise.bound()];
    let mut waiting: Vec<NodeId> = roots.collect();
    let mut found = Vec::new();
    while let Some(id) = waiting.pop() {
        if std::mem::replace(&mut seen[id.0.index()], true) {
            continue;
        }
        found.push(id);
        if memory[id.0.index()].is_none() {
            waiting.extend(pulled(rowwise, memory, id));
        }
    }
    found.sort_unstable_by_key(|id| rowwise.at(*id).position);
    found
}

struct Lowering<'a> {
    job: &'a Job<'a>,
    builder: KernelBuilder,
}

impl Lowering<'_> {
    /// The parameter of a buffer that is read.
    fn input(&mut self, buffer: Buffer) -> routefuse_ir::kernel::ParamId {
        let program = self.job.program;
        let (name, layout) = place(program, buffer);
        self.builder.input(buffer, name, &program.buffer_type(buffer), layout)
    }

    fn store(&mut self, buffer: Buffer, value: ValueId) {
        self.stored(buffer, value, None);
    }

    fn stored(&mut self, buffer: Buffer, value: ValueId, add_at: Option<ValueId>) {
        let program = self.job.program;
        let (name, layout) = place(program, buffer);
        let aliases = match buffer {
            Buffer::Output(o) => program.outputs[o].alias.input().map(Buffer::Input),
            _ => None,
        };
        let ty = program.buffer_type(buffer);
        let param = Param { name: name.to_owned(), role: Role::Output, ty, layout, aliases: None };
        self.builder.stores.push(Stored { buffer, param, value, add_at, aliases });
    }

    /// The store of an `atomic_add`: amounts, added to the counts that the output lies in.
    fn add(&mut self, id: NodeId, buffer: Buffer, values: &[Option<ValueId>]) -> Result<(), Diagnostics> {
        let rowwise = self.job.rowwise;
        let [counts, indices, amounts] = rowwise.at(id).operands[..] else {
            return Err(internal("an addition without three operands"));
        };
        let value = |o: NodeId| values[o.0.index()].ok_or_else(|| internal("an operand was not lowered"));
        if !rowwise.is_addition(id) {
            let counts = value(counts)?;
            self.store(buffer, counts);
            return Ok(());
        }
        let memory = self.job.memory[counts.0.index()].ok_or_else(|| internal("counts are in no buffer"))?;
        // A parameter even where nothing loads it.
        self.input(memory);
        // One index for all columns is still added at once for each.
        let indices = self.builder.widen(value(indices)?, rowwise.at(indices).cols);
        self.stored(buffer, value(amounts)?, Some(indices));
        Ok(())
    }

    /// The value of a node whose operands have theirs.
    fn node(&mut self, rowwise: &Rowwise, id: NodeId, values: &[Option<ValueId>]) -> Result<ValueId, Diagnostics> {
        let node = rowwise.node(id);
        let place = rowwise.at(id);
        let value = |o: NodeId| values[o.0.index()].ok_or_else(|| internal("an operand was not lowered"));
        let operand = |i: usize| value(place.operands[i]);
        let b = &mut self.builder;
        Ok(match &node.op {
            Op::Input(_) => return Err(internal("an input is in no buffer")),
            Op::Const(l) => b.constant(*l),
            Op::Scalar(op) => {
                let operands = place.operands.iter().map(|o| value(*o)).collect::<Result<Vec<_>, _>>()?;
                b.scalar(*op, operands, node.ty.dtype)
            }
            Op::Iota { dtype, shape, axis } => {
                let Some(extent) = shape[*axis].as_const() else { return Ok(b.row(*dtype)) };
                let counted = b.column(*dtype, extent);
                let inner = routefuse_ir::dim::const_product(&shape[axis + 1..]).unwrap_or(1);
                let term = routefuse_ir::kernel::Term { div: inner, modulo: extent, mul: 1 };
                let map = routefuse_ir::kernel::ColumnMap { cols: place.cols, base: 0, terms: vec![term] };
                b.remap(counted, columns::normalise(map))
            }
            Op::Broadcast { .. } | Op::Slice { .. } => {
                let from = &rowwise.node(place.operands[0]).ty;
                let map = columns::movement(&node.op, from, &node.ty);
                let map = map.ok_or_else(|| internal("a movement without a map"))?;
                b.remap(operand(0)?, map)
            }
            Op::Reshape { .. } | Op::Copy => operand(0)?,
            Op::Concat => {
                let inner = |o: NodeId| rowwise.node(o).ty.shape.last().and_then(|d| d.as_const()).unwrap_or(1);
                let mut parts = Vec::with_capacity(place.operands.len());
                for o in place.operands.iter().filter(|o| rowwise.at(**o).cols > 0) {
                    parts.push((value(*o)?, inner(*o)));
                }
                let groups = place.cols / parts.iter().map(|p| p.1).sum::<u64>();
                b.concat(parts, groups)
            }
            Op::Gather { out_of_range } => {
                let bounds = self.job.bounds(id, *out_of_range);
                let indices = place.operands[1..].iter().map(|o| value(*o)).collect::<Result<Vec<_>, _>>()?;
                let table = place.operands[0];
                if let Some(buffer) = self.job.memory[table.0.index()] {
                    let table = self.input(buffer);
                    return Ok(self.builder.gather(table, indices, bounds));
                }
                let shape = &rowwise.node(table).ty.shape;
                let extents: Option<Vec<u64>> = shape.iter().map(|d| d.as_const()).collect();
                let extents = extents.ok_or_else(|| internal("a computed table of rows is in no buffer"))?;
                let wide = b.widen(value(table)?, rowwise.at(table).cols);
                if let [index] = indices[..] {
                    return Ok(b.gather_row(wide, index, bounds));
                }
                let axes: Vec<index::Axis> = indices.into_iter().zip(extents).collect();
                b.gather_columns(wide, None, &axes, bounds)
            }
            Op::GatherRow { out_of_range } => {
                let bounds = self.job.bounds(id, *out_of_range);
                let (x, index) = (place.operands[0], operand(1)?);
                let extent = rowwise.node(x).ty.shape[1].as_const().unwrap_or(1);
                let (value, groups) = (operand(0)?, rowwise.row_groups(x));
                if groups == 1 || b.space(value).cols == 1 {
                    let wide = b.widen(value, extent);
                    return Ok(b.gather_row(wide, index, bounds));
                }
                // Rows of a constant leading dim are columns here: each group counts from its own first column.
                let width = place.cols / groups;
                let group = b.column(DType::I64, groups);
                let term = routefuse_ir::kernel::Term { div: width, modulo: groups, mul: 1 };
                let map = routefuse_ir::kernel::ColumnMap { cols: place.cols, base: 0, terms: vec![term] };
                let group = b.remap(group, columns::normalise(map));
                let scale = b.constant(Literal::i64(extent as i64));
                let begin = b.binary(routefuse_ir::op::BinaryOp::Mul, group, scale);
                b.gather_columns(value, Some(begin), &[(index, extent)], bounds)
            }
            _ if let Some(row_op) = row_op(node, self.width(rowwise, id)) => {
                let (cols, width, value) = (rowwise.at(place.operands[0]).cols, self.width(rowwise, id), operand(0)?);
                self.builder.row_value(row_op, value, cols, width, node.ty.dtype)
            }
            _ => {
                let operands = place.operands.iter().map(|o| value(*o)).collect::<Result<Vec<_>, _>>()?;
                self.expanded(rowwise, id, &operands)?
            }
        })
    }

    /// The columns of a segment of a row operation: its operand's inner dim.
    fn width(&self, rowwise: &Rowwise, id: NodeId) -> u64 {
        let operand = rowwise.at(id).operands[0];
        rowwise.node(operand).ty.shape.last().and_then(|d| d.as_const()).unwrap_or(1)
    }

    /// A macro operation, by way of the graph that it expands to.
    fn expanded(&mut self, rowwise: &Rowwise, id: NodeId, operands: &[ValueId]) -> Result<ValueId, Diagnostics> {
        let mut g = Graph { symbols: rowwise.graph.symbols.clone(), ..Graph::default() };
        let mut inputs = Vec::with_capacity(operands.len());
        for (i, o) in rowwise.at(id).operands.iter().enumerate() {
            let (ty, name) = (rowwise.node(*o).ty.clone(), format!("x{i}"));
            let node = g.add_node(Node { op: Op::Input(i), ty, name: name.clone(), span: None }, &[]);
            g.inputs.push(Input { name, node, layout: Layout::Contiguous });
            inputs.push(node);
        }
        let node = g.add_node(rowwise.node(id).clone(), &inputs);
        let name = "result".to_owned();
        g.outputs.push(Output { name, node, layout: Layout::Contiguous, alias: Alias::None, span: None });
        if !Expand.run(&mut g) {
            return Err(internal("a macro operation does not expand"));
        }
        let expansion = Rowwise::new(&g);
        let mut values: Vec<Option<ValueId>> = vec![None; expansion.bound()];
        for id in &expansion.order {
            values[id.0.index()] = Some(match expansion.node(*id).op {
                Op::Input(i) => operands[i],
                _ => self.node(&expansion, *id, &values)?,
            });
        }
        values[g.outputs[0].node.0.index()].ok_or_else(|| internal("an expansion has no result"))
    }
}

/// What an operation on rows makes of segments of the operand's inner dim, of this width, if it is a row value. Those that
/// are none are expanded.
fn row_op(node: &Node, width: u64) -> Option<RowOp> {
    let op = match node.op {
        Op::Reduce { op, axis } if axis + 1 == node.ty.shape.len() => {
            let at_once = width <= MAX_REDUCED || op == ReduceOp::TopTwoSum;
            at_once.then_some(RowOp::Reduce(op))?
        }
        Op::CumSum => RowOp::CumSum,
        Op::TopK { k, candidates, order } => RowOp::TopK { k, candidates, order },
        Op::TopKMask { k, candidates } => RowOp::TopKMask { k, candidates },
        _ => return None,
    };
    (width > 1).then_some(op)
}

/// A buffer's name and layout.
fn place(program: &Program, buffer: Buffer) -> (&str, Layout) {
    match buffer {
        Buffer::Input(i) => (&program.inputs[i].name, program.inputs[i].layout),
        Buffer::Output(i) => (&program.outputs[i].name, program.outputs[i].layout),
        Buffer::Intermediate(i) => (&program.intermediates[i].name, Layout::Contiguous),
        Buffer::ErrorWord => ("error", Layout::Contiguous),
    }
}
