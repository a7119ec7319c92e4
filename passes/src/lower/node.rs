//! The values of nodes, one after the other.

use super::builder::{KernelBuilder, Stored};
use super::job::{Job, internal};
use super::rowwise::Rowwise;
use super::{columns, index};
use crate::canonicalise::Pass;
use crate::canonicalise::expand::ExpandAll;
use crate::canonicalise::expand::row::MAX_REDUCED;
use routefuse_ir::graph::{Graph, Input, Layout, Node, NodeId, Output};
use routefuse_ir::infer::MAX_ITEMS;
use routefuse_ir::kernel::{Bounds, ColumnMap, Param, ParamId, Role, RowOp, Term, ValueId};
use routefuse_ir::op::{BinaryOp, CompareOp, NanOrder, NanRule, Op, OutOfRange, ReduceOp};
use routefuse_ir::program::{Buffer, Program};
use routefuse_ir::{Alias, DType, Diagnostics, Dim, Literal};

/// A kernel that is being made, node by node.
pub(super) struct Lowering<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) builder: KernelBuilder,
}

/// By node index: the values of nodes that were lowered.
type Values = [Option<ValueId>];

fn value_of(values: &Values, id: NodeId) -> Result<ValueId, Diagnostics> {
    values[id.index()].ok_or_else(|| internal("an operand was not lowered"))
}

fn values_of(values: &Values, ids: &[NodeId]) -> Result<Vec<ValueId>, Diagnostics> {
    ids.iter().map(|id| value_of(values, *id)).collect()
}

impl Lowering<'_> {
    /// The parameter of a buffer that is read.
    pub(super) fn input(&mut self, buffer: Buffer) -> ParamId {
        let program = self.job.program;
        let (name, layout) = name_and_layout(program, buffer);
        self.builder.input(buffer, name, &program.buffer_type(buffer), layout)
    }

    /// The value of a node whose operands have theirs. The graph is the job's, or the expansion of a node of it.
    pub(super) fn node(&mut self, g: &Rowwise, id: NodeId, values: &Values) -> Result<ValueId, Diagnostics> {
        let (node, at) = (g.node(id), g.at(id));
        let operand = |i: usize| value_of(values, at.operands[i]);
        match &node.op {
            Op::Input(_) => Err(internal("an input is in no buffer")),
            Op::Const(l) => Ok(self.builder.constant(*l)),
            Op::Scalar(op) => Ok(self.builder.scalar(*op, values_of(values, &at.operands)?, node.ty.dtype)),
            Op::Iota { dtype, shape, axis } => Ok(self.iota(*dtype, shape, *axis, at.cols)),
            Op::Rows { dtype, shape } => Ok(match shape[0] {
                Dim::Sym(symbol) => self.builder.extent(symbol, *dtype),
                Dim::Const(n) => self.builder.constant(Literal::from_bits(*dtype, n)),
            }),
            Op::Broadcast { .. } | Op::Slice { .. } => {
                let map = columns::movement(&node.op, &g.node(at.operands[0]).ty, &node.ty);
                let map = map.ok_or_else(|| internal("a movement without a map"))?;
                Ok(self.builder.remap(operand(0)?, map))
            }
            Op::Reshape { .. } | Op::Copy => operand(0),
            Op::Concat => self.concat(g, id, values),
            Op::Gather { out_of_range } => self.gather(g, id, *out_of_range, values),
            Op::GatherRow { out_of_range } => self.gather_row(g, id, *out_of_range, values),
            Op::BinOf { step, shape } => self.bin_of(g, id, *step, shape),
            Op::BinRank { bins } => Ok(self.rank(g, at.operands[0], operand(0)?, *bins)),
            _ => {
                let width = segment_width(g, id);
                match row_op(node, width) {
                    Some(op) => {
                        let (value, cols) = (operand(0)?, g.at(at.operands[0]).cols);
                        Ok(self.builder.row_value(op, value, cols, width, node.ty.dtype))
                    }
                    None => self.expanded(g, id, &values_of(values, &at.operands)?),
                }
            }
        }
    }

    /// How many items before each, by row and then by column, have its id. Of ids that are the same in every row too.
    fn rank(&mut self, g: &Rowwise, node: NodeId, ids: ValueId, bins: u64) -> ValueId {
        self.builder.rank(ids, g.at(node).cols, g.at(node).rows.is_some(), bins)
    }

    /// The bin of place j × `step`: with e = 0, for b = 2ⁿ, …, 4, 2, 1, the largest not above E: c = min(e + b, E), e =
    /// `starts[c]` ≤ place ? c : e. Then e = E ? −1 : e.
    ///
    /// Starts do not fall and the first is 0, so each turn keeps `starts[e]` ≤ place, and the last e is the largest such. No start
    /// is above 2³¹ − 1, so no larger j has to be told from that, and the product fits.
    fn bin_of(&mut self, g: &Rowwise, id: NodeId, step: u64, shape: &[Dim]) -> Result<ValueId, Diagnostics> {
        let starts = g.at(id).operands[0];
        let (last, cols) = (g.at(starts).cols - 1, g.at(id).cols);
        let buffer = self.job.memory[starts.index()].ok_or_else(|| internal("starts are in no buffer"))?;
        let table = self.input(buffer);
        let j = self.iota(DType::I64, shape, 0, cols);
        let b = &mut self.builder;
        let (most, step, end) = (b.integer(MAX_ITEMS), b.integer(step), b.integer(last));
        let least = BinaryOp::Min(NanRule::Number);
        let j = b.binary(least, j, most);
        let place = b.binary(BinaryOp::Mul, j, step);
        let mut bin = b.integer(0);
        let mut bit = 1u64 << last.ilog2();
        while bit > 0 {
            let more = b.integer(bit);
            let next = b.binary(BinaryOp::Add, bin, more);
            let next = b.binary(least, next, end);
            let start = b.gather(table, vec![next], Bounds::Proved);
            let start = b.cast(start, DType::I64);
            let begun = b.compare(CompareOp::Le, start, place);
            bin = b.select(begun, next, bin);
            bit >>= 1;
        }
        let behind = b.compare(CompareOp::Eq, bin, end);
        let none = b.integer(u64::MAX);
        let bin = b.select(behind, none, bin);
        Ok(b.cast(bin, DType::I32))
    }

    /// The row, or a digit of the column.
    fn iota(&mut self, dtype: DType, shape: &[Dim], axis: usize, cols: u64) -> ValueId {
        let Some(extent) = shape[axis].as_const() else { return self.builder.row(dtype) };
        let counted = self.builder.column(dtype, extent);
        let inner = routefuse_ir::dim::const_product(&shape[axis + 1..]).unwrap_or(1);
        let map = ColumnMap { cols, base: 0, terms: vec![Term { div: inner, modulo: extent, mul: 1 }] };
        self.builder.remap(counted, columns::normalise(map))
    }

    /// Parts without columns are left out.
    fn concat(&mut self, g: &Rowwise, id: NodeId, values: &Values) -> Result<ValueId, Diagnostics> {
        let mut parts = Vec::with_capacity(g.at(id).operands.len());
        for o in g.at(id).operands.iter().filter(|o| g.at(**o).cols > 0) {
            parts.push((value_of(values, *o)?, inner_extent(g, *o)));
        }
        let inner_rows = g.at(id).cols / parts.iter().map(|p| p.1).sum::<u64>();
        Ok(self.builder.concat(parts, inner_rows))
    }

    /// From a table in memory, or from the columns of one that is computed.
    fn gather(
        &mut self,
        g: &Rowwise,
        id: NodeId,
        out_of_range: OutOfRange,
        values: &Values,
    ) -> Result<ValueId, Diagnostics> {
        let bounds = self.job.bounds(id, out_of_range);
        let (table, indices) = (g.at(id).operands[0], values_of(values, &g.at(id).operands[1..])?);
        if let Some(buffer) = self.job.memory[table.index()] {
            let table = self.input(buffer);
            return Ok(self.builder.gather(table, indices, bounds));
        }
        let extents: Option<Vec<u64>> = g.node(table).ty.shape.iter().map(|d| d.as_const()).collect();
        let extents = extents.ok_or_else(|| internal("a computed table of rows is in no buffer"))?;
        let wide = self.builder.widen(value_of(values, table)?, g.at(table).cols);
        if let [index] = indices[..] {
            return Ok(self.builder.gather_row(wide, index, bounds));
        }
        let axes: Vec<index::Axis> = indices.into_iter().zip(extents).collect();
        Ok(self.builder.gather_columns(wide, None, &axes, bounds))
    }

    /// From the columns of the same row.
    fn gather_row(
        &mut self,
        g: &Rowwise,
        id: NodeId,
        out_of_range: OutOfRange,
        values: &Values,
    ) -> Result<ValueId, Diagnostics> {
        let (at, bounds) = (g.at(id), self.bounds(g, id, out_of_range));
        let x = at.operands[0];
        let (value, index) = (value_of(values, x)?, value_of(values, at.operands[1])?);
        let (extent, inner_rows) = (inner_extent(g, x), g.inner_rows(x));
        let b = &mut self.builder;
        if inner_rows == 1 || b.space(value).cols == 1 {
            let wide = b.widen(value, extent);
            return Ok(b.gather_row(wide, index, bounds));
        }
        // Inner rows are columns here: each counts from its own first column.
        let term = Term { div: at.cols / inner_rows, modulo: inner_rows, mul: 1 };
        let inner_row = b.column(DType::I64, inner_rows);
        let inner_row = b.remap(inner_row, columns::normalise(ColumnMap { cols: at.cols, base: 0, terms: vec![term] }));
        let scale = b.constant(Literal::i64(extent as i64));
        let begin = b.binary(BinaryOp::Mul, inner_row, scale);
        Ok(b.gather_columns(value, Some(begin), &[(index, extent)], bounds))
    }

    /// What a gather within the row has to check. Of the graph of an expansion nothing is proved.
    fn bounds(&self, g: &Rowwise, id: NodeId, out_of_range: OutOfRange) -> Bounds {
        if std::ptr::eq(g, self.job.rowwise) {
            self.job.bounds(id, out_of_range)
        } else {
            Bounds::Checked(out_of_range)
        }
    }

    /// A macro operation, by way of the graph that it expands to.
    fn expanded(&mut self, g: &Rowwise, id: NodeId, operands: &[ValueId]) -> Result<ValueId, Diagnostics> {
        let mut graph = Graph::default();
        graph.symbols.clone_from(&g.graph.symbols);
        let mut inputs = Vec::with_capacity(operands.len());
        for (i, o) in g.at(id).operands.iter().enumerate() {
            let (ty, name) = (g.node(*o).ty.clone(), format!("x{i}"));
            let node = graph.add_node(Node { op: Op::Input(i), ty, name: name.clone(), span: None }, &[]);
            graph.inputs.push(Input { name, node, layout: Layout::Contiguous });
            inputs.push(node);
        }
        let node = graph.add_node(g.node(id).clone(), &inputs);
        let name = "result".to_owned();
        graph.outputs.push(Output { name, node, layout: Layout::Contiguous, alias: Alias::None, span: None });
        if !ExpandAll.run(&mut graph) {
            return Err(internal("a macro operation does not expand"));
        }
        let expansion = Rowwise::new(&graph);
        let mut values: Vec<Option<ValueId>> = vec![None; expansion.bound()];
        for id in &expansion.order {
            values[id.index()] = Some(match expansion.node(*id).op {
                Op::Input(i) => operands[i],
                _ => self.node(&expansion, *id, &values)?,
            });
        }
        values[graph.outputs[0].node.index()].ok_or_else(|| internal("an expansion has no result"))
    }

    pub(super) fn store(&mut self, buffer: Buffer, value: ValueId) {
        let aliases = self.overwritten(buffer);
        self.stored(buffer, value, (None, None), aliases);
    }

    /// The input in whose memory an output lies.
    fn overwritten(&self, buffer: Buffer) -> Option<Buffer> {
        match buffer {
            Buffer::Output(o) => self.job.program.outputs[o].alias.input().map(Buffer::Input),
            _ => None,
        }
    }

    fn stored(
        &mut self,
        buffer: Buffer,
        value: ValueId,
        (add_at, put_at): (Option<ValueId>, Option<ValueId>),
        aliases: Option<Buffer>,
    ) {
        let program = self.job.program;
        let (name, layout) = name_and_layout(program, buffer);
        let ty = program.buffer_type(buffer);
        let param = Param { name: name.to_owned(), role: Role::Output, ty, layout, aliases: None };
        self.builder.stores.push(Stored { buffer, param, value, add_at, put_at, aliases });
    }

    /// The store of what goes on from what lies in its buffer already.
    pub(super) fn update(&mut self, id: NodeId, buffer: Buffer, values: &Values) -> Result<(), Diagnostics> {
        let g = self.job.rowwise;
        let value = |o: NodeId| value_of(values, o);
        match (&g.node(id).op, &g.at(id).operands[..]) {
            (Op::BinCount { .. }, [ids, _]) => {
                self.input(buffer);
                let one = self.builder.constant(Literal::i32(1));
                let ids = self.builder.widen(value(*ids)?, g.at(*ids).cols);
                self.stored(buffer, one, (Some(ids), None), Some(buffer));
                Ok(())
            }
            (Op::BinScatter { .. }, [values, ids, starts, _]) => {
                self.input(buffer);
                let at = self.places(*ids, value(*ids)?, *starts)?;
                self.stored(buffer, value(*values)?, (None, Some(at)), Some(buffer));
                Ok(())
            }
            _ => self.add(id, buffer, values),
        }
    }

    /// Where items are laid out: at the start of their bin plus their rank in it, if that is before the next bin; else −1.
    fn places(&mut self, node: NodeId, ids: ValueId, starts: NodeId) -> Result<ValueId, Diagnostics> {
        let g = self.job.rowwise;
        let bins = g.at(starts).cols - 1;
        let cols = g.at(node).cols;
        let rank = self.rank(g, node, ids, bins);
        let buffer = self.job.memory[starts.index()].ok_or_else(|| internal("starts are in no buffer"))?;
        let table = self.input(buffer);
        let b = &mut self.builder;
        let (zero, one) = (b.integer(0), b.integer(1));
        // A bin that there is, or any: what has no rank has no place either.
        let is_ranked = {
            let none = b.constant(Literal::i32(0));
            b.compare(CompareOp::Ge, rank, none)
        };
        let ids = b.widen(ids, cols);
        let ids = b.cast(ids, DType::I64);
        let bin = b.select(is_ranked, ids, zero);
        let next = b.binary(BinaryOp::Add, bin, one);
        let [first, end] = [bin, next].map(|at| {
            let start = b.gather(table, vec![at], Bounds::Proved);
            b.cast(start, DType::I64)
        });
        let rank = b.cast(rank, DType::I64);
        let place = b.binary(BinaryOp::Add, first, rank);
        let fits = b.compare(CompareOp::Lt, place, end);
        let fits = b.binary(BinaryOp::And, is_ranked, fits);
        let nowhere = b.constant(Literal::i64(-1));
        Ok(b.select(fits, place, nowhere))
    }

    /// The store of an `atomic_add`: amounts, added to the counts that the output lies in.
    fn add(&mut self, id: NodeId, buffer: Buffer, values: &Values) -> Result<(), Diagnostics> {
        let g = self.job.rowwise;
        let [counts, indices, amounts] = g.at(id).operands[..] else {
            return Err(internal("an addition without three operands"));
        };
        let value = |o: NodeId| value_of(values, o);
        if !g.is_addition(id) {
            let counts = value(counts)?;
            self.store(buffer, counts);
            return Ok(());
        }
        let memory = self.job.memory[counts.index()].ok_or_else(|| internal("counts are in no buffer"))?;
        // A parameter even where nothing loads it.
        self.input(memory);
        // One index for all columns is still added at once for each.
        let indices = self.builder.widen(value(indices)?, g.at(indices).cols);
        let aliases = self.overwritten(buffer);
        self.stored(buffer, value(amounts)?, (Some(indices), None), aliases);
        Ok(())
    }
}

/// The extent of the inner dim; 1 of a value without dims.
fn inner_extent(g: &Rowwise, id: NodeId) -> u64 {
    g.node(id).ty.shape.last().and_then(|d| d.as_const()).unwrap_or(1)
}

/// The columns of a segment of a row operation: its operand's inner dim.
fn segment_width(g: &Rowwise, id: NodeId) -> u64 {
    g.at(id).operands.first().map_or(1, |o| inner_extent(g, *o))
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
        Op::TopK { k, candidates, order, nan: NanOrder::Last } => RowOp::TopK { k, candidates, order },
        Op::TopKMask { k, candidates, nan: NanOrder::Last } => RowOp::TopKMask { k, candidates },
        _ => return None,
    };
    (width > 1).then_some(op)
}

/// A buffer's name and layout.
fn name_and_layout(program: &Program, buffer: Buffer) -> (&str, Layout) {
    match buffer {
        Buffer::Input(i) => (&program.inputs[i].name, program.inputs[i].layout),
        Buffer::Output(i) => (&program.outputs[i].name, program.outputs[i].layout),
        Buffer::Intermediate(i) => (&program.intermediates[i].name, Layout::Contiguous),
        Buffer::ErrorWord => ("error", Layout::Contiguous),
    }
}
