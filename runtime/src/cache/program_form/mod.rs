//! A plan's program and schedules as bytes, so that a process launches it which has neither the graph nor what makes kernels
//! of graphs: fixed tags, names of operations, little-endian integers.
//!
//! Nothing that is read becomes a plan before every kernel is verified again and every number in it names something that is
//! there. What a kernel's code does is not in here: it is found by the key of the kernel's text, as for any plan.

mod least;
mod phases;
mod row_op;
mod taken;
#[cfg(test)]
mod tests;

use super::form::{read_schedule, schedule};
use super::reader::{Malformed, Reader, Writer};
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_ir::kernel::{
    Bounds, ColumnMap, Kernel, Param, ParamId, Role, RowValue, Space, Store, Term, Value, ValueId, ValueKind,
};
use routefuse_ir::op::attribute::AttributeValue;
use routefuse_ir::op::{Op, OutOfRange, ScalarOp};
use routefuse_ir::program::{Buffer, Intermediate, Port, Program, Step};
use routefuse_ir::{Alias, DType, Dim, DimBound, Layout, Literal, SymbolId, TensorType};

/// The version of the form: another one is not read.
const VERSION: u32 = 8;

/// The bytes of a program and of the schedule of each of its kernels; `None` for one of a kind that this form does not have.
pub(in crate::cache) fn encode<'s>(
    program: &Program,
    schedules: impl IntoIterator<Item = &'s Schedule>,
) -> Option<Vec<u8>> {
    // Destructured, here and below, so that a new field cannot be forgotten.
    let Program { name, symbols, bounds, inputs, outputs, intermediates, has_trap, steps } = program;
    let mut w = Writer::default();
    w.u32(VERSION);
    w.text(name);
    w.list(symbols, |w, s| w.text(s));
    w.list(bounds, least::bound);
    w.list(inputs, port);
    w.list(outputs, port);
    w.list(intermediates, |w, Intermediate { name, ty }| {
        w.text(name);
        tensor_type(w, ty);
    });
    w.u8((*has_trap).into());
    w.u32(steps.len() as u32);
    let mut schedules = schedules.into_iter();
    for Step { kernel: k, buffers, symbols, taken } in steps {
        kernel(&mut w, k)?;
        w.list(buffers, |w, b| buffer(w, *b));
        w.list(symbols, |w, s| w.u32(s.0));
        taken::write(&mut w, *taken);
        schedule(&mut w, schedules.next()?)?;
    }
    Some(w.0)
}

/// The program of these bytes, and the schedule of each of its kernels.
///
/// # Errors
/// Another version, a value that the form does not have, a kernel that breaks the rules of its level, and numbers that name
/// nothing.
pub(in crate::cache) fn decode(bytes: &[u8]) -> Result<(Program, Vec<Schedule>), Malformed> {
    let mut r = Reader::new(bytes);
    match r.u32("plan")? {
        VERSION => {}
        found => return Err(Malformed::Version { found, known: VERSION }),
    }
    let name = r.text("plan")?.to_owned();
    let symbols = r.list("dims", |r| r.text("dims").map(str::to_owned))?;
    let bounds = r.list("dims", least::read_bound)?;
    let inputs = r.list("inputs", read_port)?;
    let outputs = r.list("outputs", read_port)?;
    let intermediates =
        r.list("workspace", |r| Ok(Intermediate { name: r.text("workspace")?.to_owned(), ty: read_type(r)? }))?;
    let has_trap = r.bool("plan")?;
    let steps = r.list("kernels", |r| {
        let kernel = read_kernel(r)?;
        if !refers_to_what_is_there(&kernel) {
            return Err(Malformed::Plan);
        }
        let kernel = kernel.verify().map_err(|d| Malformed::Kernel { why: d.to_string() })?;
        let buffers = r.list("buffers", read_buffer)?;
        let symbols = r.list("buffers", |r| r.u32("buffers").map(SymbolId))?;
        let taken = taken::read(r)?;
        Ok((Step { kernel, buffers, symbols, taken }, read_schedule(r)?))
    })?;
    r.end()?;
    let (steps, schedules): (Vec<Step>, Vec<Schedule>) = steps.into_iter().unzip();
    let program = Program { name, symbols, bounds, inputs, outputs, intermediates, has_trap, steps };
    if names_what_is_there(&program) { Ok((program, schedules)) } else { Err(Malformed::Plan) }
}

/// Whether every number in a kernel names something of the kernel, and operands come before users: the verifier takes that for
/// granted of kernels that were not read from bytes.
fn refers_to_what_is_there(k: &Kernel) -> bool {
    let symbol = |s: SymbolId| (s.0 as usize) < k.symbols.len();
    let param = |p: ParamId| (p.0 as usize) < k.params.len();
    let value = |v: ValueId| (v.0 as usize) < k.values.len();
    let params = k
        .params
        .iter()
        .all(|p| p.aliases.is_none_or(param) && p.ty.shape.iter().all(|d| d.as_sym().is_none_or(symbol)));
    let values = k.values.iter().enumerate().all(|(i, v)| {
        let table = match v.kind {
            ValueKind::Load(p) | ValueKind::Gather { table: p, .. } => param(p),
            _ => true,
        };
        table && v.kind.operands().iter().all(|o| (o.0 as usize) < i)
    });
    let stores = k
        .stores
        .iter()
        .all(|s| param(s.param) && value(s.value) && s.add_at.is_none_or(value) && s.put_at.is_none_or(value));
    k.rows.is_none_or(symbol)
        && params
        && values
        && stores
        && k.phases.as_deref().is_none_or(|of| phases::refer_to_what_is_there(k, of))
}

/// Whether every number of a dim, a buffer or an input names something, and each kernel is given buffers of the types that it
/// takes. Kernels by themselves are verified.
fn names_what_is_there(p: &Program) -> bool {
    let symbol = |s: SymbolId| (s.0 as usize) < p.symbols.len();
    let known_type = |ty: &TensorType| {
        let leading = |(i, d): (usize, &Dim)| d.as_sym().is_none_or(|s| i == 0 && symbol(s));
        ty.shape.iter().enumerate().all(leading) && ty.row_elements().is_some()
    };
    let port = |port: &Port| known_type(&port.ty) && port.alias.input().is_none_or(|i| i < p.inputs.len());
    let there = |b: &Buffer| match *b {
        Buffer::Input(i) => i < p.inputs.len(),
        Buffer::Output(i) => i < p.outputs.len(),
        Buffer::Intermediate(i) => i < p.intermediates.len(),
        Buffer::ErrorWord => p.has_trap,
    };
    let step = |Step { kernel, buffers, symbols, taken }: &Step| {
        let in_program = |d: &Dim| match d {
            Dim::Const(n) => Some(Dim::Const(*n)),
            Dim::Sym(s) => symbols.get(s.0 as usize).map(|s| Dim::Sym(*s)),
        };
        let given = |(param, buffer): (&Param, &Buffer)| {
            let shape: Option<Vec<Dim>> = param.ty.shape.iter().map(in_program).collect();
            let ty = p.buffer_type(*buffer);
            param.ty.dtype == ty.dtype && shape.as_ref() == Some(&ty.shape)
        };
        buffers.len() == kernel.params.len()
            && symbols.len() == kernel.symbols.len()
            && symbols.iter().all(|s| symbol(*s))
            && taken.is_none_or(|t| symbol(t.symbol))
            && buffers.iter().all(there)
            && kernel.params.iter().zip(buffers).all(given)
    };
    let bounded = |b: &DimBound| symbol(b.symbol()) && b.of().is_none_or(symbol);
    p.inputs.iter().chain(&p.outputs).all(port)
        && p.bounds.iter().all(bounded)
        && p.intermediates.iter().all(|i| known_type(&i.ty))
        && p.steps.iter().all(step)
}

fn port(w: &mut Writer, Port { name, ty, layout: how, alias }: &Port) {
    w.text(name);
    tensor_type(w, ty);
    layout(w, *how);
    let (tag, input) = match *alias {
        Alias::None => (0, 0),
        Alias::InPlace(i) => (1, i),
        Alias::Donates(i) => (2, i),
        Alias::Guarded(i) => (3, i),
    };
    w.u8(tag);
    w.u32(input as u32);
}

fn read_port(r: &mut Reader<'_>) -> Result<Port, Malformed> {
    let (name, ty, layout) = (r.text("arguments")?.to_owned(), read_type(r)?, read_layout(r)?);
    let (tag, input) = (r.u8("aliases")?, r.u32("aliases")? as usize);
    let alias = match (tag, input) {
        (0, 0) => Alias::None,
        (1, _) => Alias::InPlace(input),
        (2, _) => Alias::Donates(input),
        (3, _) => Alias::Guarded(input),
        _ => return Err(Malformed::Unknown { what: "aliases", value: tag.into() }),
    };
    Ok(Port { name, ty, layout, alias })
}

fn buffer(w: &mut Writer, buffer: Buffer) {
    let (tag, at) = match buffer {
        Buffer::Input(i) => (0, i),
        Buffer::Output(i) => (1, i),
        Buffer::Intermediate(i) => (2, i),
        Buffer::ErrorWord => (3, 0),
    };
    w.u8(tag);
    w.u32(at as u32);
}

fn read_buffer(r: &mut Reader<'_>) -> Result<Buffer, Malformed> {
    let (tag, at) = (r.u8("buffers")?, r.u32("buffers")? as usize);
    match (tag, at) {
        (0, _) => Ok(Buffer::Input(at)),
        (1, _) => Ok(Buffer::Output(at)),
        (2, _) => Ok(Buffer::Intermediate(at)),
        (3, 0) => Ok(Buffer::ErrorWord),
        _ => Err(Malformed::Unknown { what: "buffers", value: tag.into() }),
    }
}

fn dtype(w: &mut Writer, dtype: DType) {
    w.text(dtype.name());
}

fn read_dtype(r: &mut Reader<'_>) -> Result<DType, Malformed> {
    named(r, "dtypes", DType::from_name)
}

/// What a name of this kind names.
fn named<T>(r: &mut Reader<'_>, what: &'static str, find: impl FnOnce(&str) -> Option<T>) -> Result<T, Malformed> {
    let name = r.text(what)?;
    find(name).ok_or_else(|| Malformed::Name { what, name: name.to_owned() })
}

fn tensor_type(w: &mut Writer, ty: &TensorType) {
    dtype(w, ty.dtype);
    w.list(&ty.shape, |w, d| match *d {
        Dim::Const(n) => {
            w.u8(0);
            w.u64(n);
        }
        Dim::Sym(SymbolId(s)) => {
            w.u8(1);
            w.u32(s);
        }
    });
}

fn read_type(r: &mut Reader<'_>) -> Result<TensorType, Malformed> {
    let dtype = read_dtype(r)?;
    let shape = r.list("shapes", |r| match r.u8("shapes")? {
        0 => r.u64("shapes").map(Dim::Const),
        1 => r.u32("shapes").map(|s| Dim::Sym(SymbolId(s))),
        other => Err(Malformed::Unknown { what: "shapes", value: other.into() }),
    })?;
    Ok(TensorType { dtype, shape })
}

fn layout(w: &mut Writer, layout: Layout) {
    w.u8(match layout {
        Layout::Contiguous => 0,
        Layout::Rows => 1,
        Layout::Strided => 2,
    });
}

fn read_layout(r: &mut Reader<'_>) -> Result<Layout, Malformed> {
    match r.u8("layouts")? {
        0 => Ok(Layout::Contiguous),
        1 => Ok(Layout::Rows),
        2 => Ok(Layout::Strided),
        other => Err(Malformed::Unknown { what: "layouts", value: other.into() }),
    }
}

/// A number that may be missing.
fn optional(w: &mut Writer, number: Option<u32>) {
    w.u8(number.is_some().into());
    if let Some(n) = number {
        w.u32(n);
    }
}

fn read_optional(r: &mut Reader<'_>, what: &'static str) -> Result<Option<u32>, Malformed> {
    if r.bool(what)? { r.u32(what).map(Some) } else { Ok(None) }
}

fn kernel(w: &mut Writer, kernel: &Kernel) -> Option<()> {
    let Kernel { name, symbols, rows, params, values, stores, phases: of } = kernel;
    w.text(name);
    w.list(symbols, |w, s| w.text(s));
    optional(w, rows.map(|s| s.0));
    w.list(params, |w, Param { name, role, ty, layout: how, aliases }| {
        w.text(name);
        w.u8(match role {
            Role::Input => 0,
            Role::Output => 1,
            Role::ErrorWord => 2,
        });
        tensor_type(w, ty);
        layout(w, *how);
        optional(w, aliases.map(|p| p.0));
    });
    w.u32(values.len() as u32);
    for Value { kind, dtype: of, space: Space { per_row, cols }, name } in values {
        dtype(w, *of);
        w.u8((*per_row).into());
        w.u64(*cols);
        w.text(name);
        value_kind(w, kind)?;
    }
    w.list(stores, |w, Store { param, value, add_at, put_at }| {
        w.u32(param.0);
        w.u32(value.0);
        optional(w, add_at.map(|v| v.0));
        optional(w, put_at.map(|v| v.0));
    });
    w.u8(of.is_some().into());
    match of {
        Some(of) => phases::write(w, of),
        None => Some(()),
    }
}

fn read_kernel(r: &mut Reader<'_>) -> Result<Kernel, Malformed> {
    let mut kernel = read_plain_kernel(r)?;
    if r.bool("phases")? {
        kernel.phases = Some(Box::new(phases::read(r)?));
    }
    Ok(kernel)
}

/// All but its phases.
fn read_plain_kernel(r: &mut Reader<'_>) -> Result<Kernel, Malformed> {
    let name = r.text("kernels")?.to_owned();
    let symbols = r.list("kernels", |r| r.text("kernels").map(str::to_owned))?;
    let rows = read_optional(r, "kernels")?.map(SymbolId);
    let params = r.list("parameters", |r| {
        let name = r.text("parameters")?.to_owned();
        let role = match r.u8("parameters")? {
            0 => Role::Input,
            1 => Role::Output,
            2 => Role::ErrorWord,
            other => return Err(Malformed::Unknown { what: "parameters", value: other.into() }),
        };
        let (ty, layout) = (read_type(r)?, read_layout(r)?);
        Ok(Param { name, role, ty, layout, aliases: read_optional(r, "parameters")?.map(ParamId) })
    })?;
    let values = r.list("values", |r| {
        let (dtype, per_row, cols) = (read_dtype(r)?, r.bool("values")?, r.u64("values")?);
        let name = r.text("values")?.to_owned();
        Ok(Value { kind: read_value_kind(r)?, dtype, space: Space { per_row, cols }, name })
    })?;
    let stores = r.list("stores", |r| {
        let (param, value) = (ParamId(r.u32("stores")?), ValueId(r.u32("stores")?));
        let add_at = read_optional(r, "stores")?.map(ValueId);
        Ok(Store { param, value, add_at, put_at: read_optional(r, "stores")?.map(ValueId) })
    })?;
    Ok(Kernel { name, symbols, rows, params, values, stores, phases: None })
}

fn ids(w: &mut Writer, ids: &[ValueId]) {
    w.list(ids, |w, v| w.u32(v.0));
}

fn read_ids(r: &mut Reader<'_>) -> Result<Vec<ValueId>, Malformed> {
    r.list("operands", |r| r.u32("operands").map(ValueId))
}

fn literal(w: &mut Writer, l: Literal) {
    dtype(w, l.dtype());
    w.u64(l.bits());
}

/// Bits that no literal of its dtype has are refused.
fn read_literal(r: &mut Reader<'_>) -> Result<Literal, Malformed> {
    let (dtype, bits) = (read_dtype(r)?, r.u64("constants")?);
    let literal = Literal::from_bits(dtype, bits);
    if literal.bits() == bits { Ok(literal) } else { Err(Malformed::Unknown { what: "constants", value: bits }) }
}

/// By its mnemonic and its attributes, which are words and numbers.
fn scalar_op(w: &mut Writer, op: ScalarOp) -> Option<()> {
    let op = Op::Scalar(op);
    let attributes = op.attributes();
    w.text(op.mnemonic());
    w.u32(attributes.len() as u32);
    for (name, value) in attributes {
        let AttributeValue::Word(word) = value else { return None };
        w.text(name);
        w.text(&word);
    }
    Some(())
}

fn read_scalar_op(r: &mut Reader<'_>) -> Result<ScalarOp, Malformed> {
    let mnemonic = r.text("operations")?;
    let attributes = r.list("operations", |r| {
        Ok((r.text("operations")?.to_owned(), AttributeValue::Word(r.text("operations")?.to_owned())))
    })?;
    match Op::from_attributes(mnemonic, &attributes) {
        Ok(Op::Scalar(op)) => Ok(op),
        _ => Err(Malformed::Name { what: "operations", name: mnemonic.to_owned() }),
    }
}

fn bounds(w: &mut Writer, bounds: Bounds) {
    match bounds {
        Bounds::Proved => w.u8(0),
        Bounds::Checked(OutOfRange::Pass) => w.u8(1),
        Bounds::Checked(OutOfRange::Clamp) => w.u8(2),
        Bounds::Checked(OutOfRange::Wrap) => w.u8(3),
        Bounds::Checked(OutOfRange::Trap) => w.u8(4),
        Bounds::Checked(OutOfRange::Fill(l)) => {
            w.u8(5);
            literal(w, l);
        }
    }
}

fn read_bounds(r: &mut Reader<'_>) -> Result<Bounds, Malformed> {
    Ok(match r.u8("gathers")? {
        0 => Bounds::Proved,
        1 => Bounds::Checked(OutOfRange::Pass),
        2 => Bounds::Checked(OutOfRange::Clamp),
        3 => Bounds::Checked(OutOfRange::Wrap),
        4 => Bounds::Checked(OutOfRange::Trap),
        5 => Bounds::Checked(OutOfRange::Fill(read_literal(r)?)),
        other => return Err(Malformed::Unknown { what: "gathers", value: other.into() }),
    })
}

fn value_kind(w: &mut Writer, kind: &ValueKind) -> Option<()> {
    match kind {
        ValueKind::Const(l) => {
            w.u8(0);
            literal(w, *l);
        }
        ValueKind::Load(p) => {
            w.u8(1);
            w.u32(p.0);
        }
        ValueKind::Row => w.u8(2),
        ValueKind::Column => w.u8(3),
        ValueKind::Extent(symbol) => {
            w.u8(10);
            w.u32(symbol.0);
        }
        ValueKind::Scalar(op, operands) => {
            w.u8(4);
            scalar_op(w, *op)?;
            ids(w, operands);
        }
        ValueKind::Remap(value, ColumnMap { cols, base, terms }) => {
            w.u8(5);
            w.u32(value.0);
            w.u64(*cols);
            w.u64(*base);
            w.list(terms, |w, Term { div, modulo, mul }| [div, modulo, mul].into_iter().for_each(|n| w.u64(*n)));
        }
        ValueKind::Concat(parts) => {
            w.u8(6);
            w.list(parts, |w, (value, columns)| {
                w.u32(value.0);
                w.u64(*columns);
            });
        }
        ValueKind::Gather { table, indices, bounds: checks } => {
            w.u8(7);
            w.u32(table.0);
            ids(w, indices);
            bounds(w, *checks);
        }
        ValueKind::GatherRow { value, index, bounds: checks } => {
            w.u8(8);
            w.u32(value.0);
            w.u32(index.0);
            bounds(w, *checks);
        }
        ValueKind::RowValue(RowValue { op, value, width }) => {
            w.u8(9);
            w.u32(value.0);
            w.u64(*width);
            row_op::write(w, *op);
        }
    }
    Some(())
}

fn read_value_kind(r: &mut Reader<'_>) -> Result<ValueKind, Malformed> {
    Ok(match r.u8("values")? {
        0 => ValueKind::Const(read_literal(r)?),
        1 => ValueKind::Load(ParamId(r.u32("values")?)),
        2 => ValueKind::Row,
        3 => ValueKind::Column,
        4 => ValueKind::Scalar(read_scalar_op(r)?, read_ids(r)?),
        5 => {
            let (value, cols, base) = (ValueId(r.u32("values")?), r.u64("columns")?, r.u64("columns")?);
            let terms = r.list("columns", |r| {
                Ok(Term { div: r.u64("columns")?, modulo: r.u64("columns")?, mul: r.u64("columns")? })
            })?;
            ValueKind::Remap(value, column_map(cols, base, terms)?)
        }
        6 => ValueKind::Concat(r.list("parts", |r| Ok((ValueId(r.u32("parts")?), r.u64("parts")?)))?),
        7 => ValueKind::Gather { table: ParamId(r.u32("gathers")?), indices: read_ids(r)?, bounds: read_bounds(r)? },
        8 => ValueKind::GatherRow {
            value: ValueId(r.u32("gathers")?),
            index: ValueId(r.u32("gathers")?),
            bounds: read_bounds(r)?,
        },
        9 => {
            let (value, width) = (ValueId(r.u32("row values")?), r.u64("row values")?);
            ValueKind::RowValue(RowValue { op: row_op::read(r)?, value, width })
        }
        10 => ValueKind::Extent(SymbolId(r.u32("values")?)),
        other => return Err(Malformed::Unknown { what: "values", value: other.into() }),
    })
}

/// Refuses a map of which no 64-bit number says the largest column, or that divides by 0.
fn column_map(cols: u64, base: u64, terms: Vec<Term>) -> Result<ColumnMap, Malformed> {
    let largest = |t: &Term| t.modulo.checked_sub(1).filter(|_| t.div > 0)?.checked_mul(t.mul);
    match terms.iter().try_fold(base, |sum, t| sum.checked_add(largest(t)?)) {
        Some(_) => Ok(ColumnMap { cols, base, terms }),
        None => Err(Malformed::Unknown { what: "columns", value: base }),
    }
}
