//! The last steps of lowering: what nothing uses goes, and parameters, values and symbols get their final numbers.

use super::builder::{KernelBuilder, Stored};
use super::job::Job;
use routefuse_ir::graph::{Layout, TensorType};
use routefuse_ir::kernel::analysis::reached_from;
use routefuse_ir::kernel::{Bounds, Kernel, Param, ParamId, Role, Store, Value, ValueId, ValueKind};
use routefuse_ir::program::{Buffer, Step};
use routefuse_ir::{DType, Diagnostics, Dim, SymbolId};

/// The verified kernel and its buffers: read ones by kind and number, then stored ones, then the error word. With the number of
/// each of the builder's values in it, if it is there.
pub(super) fn finish(builder: KernelBuilder, job: &Job) -> Result<(Step, Vec<Option<ValueId>>), Diagnostics> {
    let KernelBuilder { rows, mut values, inputs, stores, .. } = builder;
    let live = reached_from(&values, stores.iter().flat_map(Stored::operands));
    let (read, traps) = reads(&values, &live, &inputs, &stores);
    let (mut params, param_number) = Params::of(inputs, &read);
    let value_number = keep_live(&mut values, &live);
    for v in &mut values {
        renumber(&mut v.kind, &value_number, &param_number);
    }
    let stores = stores.into_iter().map(|s| params.stored(s, &value_number)).collect();
    if traps {
        params.error_word();
    }
    let Params { mut params, buffers } = params;
    let symbols = number_symbols(rows, &mut params, &mut values);
    let kernel = Kernel {
        name: job.name.to_owned(),
        symbols: symbols.iter().map(|s| job.program.symbols[s.0 as usize].clone()).collect(),
        rows: rows.map(|_| SymbolId(0)),
        params,
        values,
        stores,
        phases: None,
    };
    let numbers = value_number.into_iter().zip(&live).map(|(number, live)| live.then_some(number)).collect();
    Ok((Step { kernel: kernel.verify()?, buffers, symbols, taken: None }, numbers))
}

/// Of every input, whether the kernel needs it; and whether a gather may trap.
fn reads(values: &[Value], live: &[bool], inputs: &[(Buffer, Param)], stores: &[Stored]) -> (Vec<bool>, bool) {
    // What is added to is a parameter even where nothing reads it.
    let counts =
        |b: &Buffer| stores.iter().any(|s| (s.add_at.is_some() || s.put_at.is_some()) && s.aliases == Some(*b));
    let mut read: Vec<bool> = inputs.iter().map(|(b, _)| counts(b)).collect();
    let mut traps = false;
    for (value, _) in values.iter().zip(live).filter(|(_, live)| **live) {
        if let ValueKind::Load(p) | ValueKind::Gather { table: p, .. } = value.kind {
            read[p.0 as usize] = true;
        }
        traps |= value.kind.bounds().is_some_and(Bounds::may_trap);
    }
    (read, traps)
}

/// Lets go of the other values. The new number of each that stays.
fn keep_live(values: &mut Vec<Value>, live: &[bool]) -> Vec<ValueId> {
    let mut numbers = vec![ValueId(0); values.len()];
    for (number, i) in (0..values.len()).filter(|i| live[*i]).enumerate() {
        numbers[i] = ValueId(number as u32);
    }
    let mut live = live.iter();
    values.retain(|_| live.next().copied().unwrap_or(false));
    numbers
}

/// Parameters in their final order, and what each is.
struct Params {
    params: Vec<Param>,
    buffers: Vec<Buffer>,
}

impl Params {
    /// The inputs that are read, and the new number of each.
    fn of(inputs: Vec<(Buffer, Param)>, read: &[bool]) -> (Params, Vec<ParamId>) {
        let mut numbers = vec![ParamId(0); inputs.len()];
        let mut inputs: Vec<(usize, (Buffer, Param))> =
            inputs.into_iter().enumerate().filter(|(i, _)| read[*i]).collect();
        inputs.sort_by_key(|(_, (buffer, _))| rank(*buffer));
        let mut all = Params { params: vec![], buffers: vec![] };
        for (i, (buffer, param)) in inputs {
            numbers[i] = all.push(buffer, param);
        }
        (all, numbers)
    }

    fn push(&mut self, buffer: Buffer, param: Param) -> ParamId {
        self.buffers.push(buffer);
        self.params.push(param);
        ParamId(self.params.len() as u32 - 1)
    }

    /// Adds an output; its store.
    fn stored(&mut self, stored: Stored, numbers: &[ValueId]) -> Store {
        let alias = stored.aliases.and_then(|a| self.buffers.iter().position(|b| *b == a));
        let aliases = alias.map(|i| ParamId(i as u32));
        Store {
            param: self.push(stored.buffer, Param { aliases, ..stored.param }),
            value: numbers[stored.value.0 as usize],
            add_at: stored.add_at.map(|index| numbers[index.0 as usize]),
            put_at: stored.put_at.map(|index| numbers[index.0 as usize]),
        }
    }

    fn error_word(&mut self) {
        let (name, ty) = ("error".to_owned(), TensorType::scalar(DType::U32));
        let param = Param { name, role: Role::ErrorWord, ty, layout: Layout::Contiguous, aliases: None };
        self.push(Buffer::ErrorWord, param);
    }
}

/// Numbers the symbols of the parameters and of the values; those of the program, by number. The row symbol comes first, so that kernels that
/// differ in names alone have one text.
fn number_symbols(rows: Option<SymbolId>, params: &mut [Param], values: &mut [Value]) -> Vec<SymbolId> {
    let mut symbols: Vec<SymbolId> = rows.into_iter().collect();
    let mut numbered = |symbol: SymbolId| {
        let known = symbols.iter().position(|k| *k == symbol);
        let number = known.unwrap_or_else(|| {
            symbols.push(symbol);
            symbols.len() - 1
        });
        SymbolId(number as u32)
    };
    for d in params.iter_mut().flat_map(|p| &mut p.ty.shape) {
        if let Dim::Sym(s) = d {
            *d = Dim::Sym(numbered(*s));
        }
    }
    for value in values {
        if let ValueKind::Extent(s) = &mut value.kind {
            *s = numbered(*s);
        }
    }
    symbols
}

fn rank(buffer: Buffer) -> (u8, usize) {
    match buffer {
        Buffer::Input(i) => (0, i),
        Buffer::Intermediate(i) => (1, i),
        Buffer::Output(i) => (2, i),
        Buffer::ErrorWord => (3, 0),
    }
}

fn renumber(kind: &mut ValueKind, values: &[ValueId], params: &[ParamId]) {
    let value = |v: &mut ValueId| *v = values[v.0 as usize];
    let param = |p: &mut ParamId| *p = params[p.0 as usize];
    match kind {
        ValueKind::Const(_) | ValueKind::Row | ValueKind::Column | ValueKind::Extent(_) => {}
        ValueKind::Load(p) => param(p),
        ValueKind::Scalar(_, operands) => operands.iter_mut().for_each(value),
        ValueKind::Remap(v, _) => value(v),
        ValueKind::Concat(parts) => parts.iter_mut().for_each(|p| value(&mut p.0)),
        ValueKind::Gather { table, indices, .. } => {
            param(table);
            indices.iter_mut().for_each(value);
        }
        ValueKind::GatherRow { value: x, index, .. } => {
            value(x);
            value(index);
        }
        ValueKind::RowValue(row) => value(&mut row.value),
    }
}
