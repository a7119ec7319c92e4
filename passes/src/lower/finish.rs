//! The last steps of lowering: what nothing uses goes, and parameters, values and symbols get their final numbers.

use super::Job;
use super::builder::{KernelBuilder, Stored};
use routefuse_ir::graph::{Layout, TensorType};
use routefuse_ir::kernel::analysis::reached_from;
use routefuse_ir::kernel::{Bounds, Kernel, Param, ParamId, Role, Store, ValueId, ValueKind};
use routefuse_ir::program::{Buffer, Step};
use routefuse_ir::{DType, Diagnostics, Dim, SymbolId};

/// The verified kernel and its buffers: read ones by kind and number, then stored ones, then the error word.
pub(super) fn finish(builder: KernelBuilder, job: &Job) -> Result<Step, Diagnostics> {
    let KernelBuilder { rows, mut values, inputs, stores, .. } = builder;
    let live = reached_from(&values, stores.iter().flat_map(Stored::operands));
    // What is added to is a parameter even where nothing reads it.
    let counts = |b: &Buffer| stores.iter().any(|s| s.add_at.is_some() && s.aliases == Some(*b));
    let mut read: Vec<bool> = inputs.iter().map(|(b, _)| counts(b)).collect();
    let mut traps = false;
    for (value, _) in values.iter().zip(&live).filter(|(_, live)| **live) {
        if let ValueKind::Load(p) | ValueKind::Gather { table: p, .. } = value.kind {
            read[p.0 as usize] = true;
        }
        traps |= value.kind.bounds().is_some_and(Bounds::may_trap);
    }

    let mut order: Vec<usize> = (0..inputs.len()).filter(|i| read[*i]).collect();
    order.sort_by_key(|i| rank(inputs[*i].0));
    let mut param_number = vec![ParamId(0); inputs.len()];
    let mut params: Vec<Param> = Vec::with_capacity(order.len() + stores.len() + 1);
    let mut buffers: Vec<Buffer> = Vec::with_capacity(params.capacity());
    for i in order {
        param_number[i] = ParamId(params.len() as u32);
        params.push(inputs[i].1.clone());
        buffers.push(inputs[i].0);
    }

    let mut value_number = vec![ValueId(0); values.len()];
    for (number, i) in (0..values.len()).filter(|i| live[*i]).enumerate() {
        value_number[i] = ValueId(number as u32);
    }
    let mut position = 0;
    values.retain(|_| {
        position += 1;
        live[position - 1]
    });
    for v in &mut values {
        renumber(&mut v.kind, &value_number, &param_number);
    }

    let mut kernel_stores = Vec::with_capacity(stores.len());
    for s in stores {
        let aliases = s.aliases.and_then(|a| buffers.iter().position(|b| *b == a)).map(|i| ParamId(i as u32));
        kernel_stores.push(Store {
            param: ParamId(params.len() as u32),
            value: value_number[s.value.0 as usize],
            add_at: s.add_at.map(|index| value_number[index.0 as usize]),
        });
        params.push(Param { aliases, ..s.param });
        buffers.push(s.buffer);
    }
    if traps {
        let (name, ty) = ("error".to_owned(), TensorType::scalar(DType::U32));
        params.push(Param { name, role: Role::ErrorWord, ty, layout: Layout::Contiguous, aliases: None });
        buffers.push(Buffer::ErrorWord);
    }

    // The row symbol comes first, so that kernels that differ in names alone have one text.
    let mut symbols: Vec<SymbolId> = rows.into_iter().collect();
    for p in &mut params {
        for d in &mut p.ty.shape {
            if let Dim::Sym(s) = d {
                let known = symbols.iter().position(|k| k == s);
                let number = known.unwrap_or_else(|| {
                    symbols.push(*s);
                    symbols.len() - 1
                });
                *d = Dim::Sym(SymbolId(number as u32));
            }
        }
    }
    let kernel = Kernel {
        name: job.name.to_owned(),
        symbols: symbols.iter().map(|s| job.program.symbols[s.0 as usize].clone()).collect(),
        rows: rows.map(|_| SymbolId(0)),
        params,
        values,
        stores: kernel_stores,
    };
    Ok(Step { kernel: kernel.verify()?, buffers, symbols })
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
        ValueKind::Const(_) | ValueKind::Row | ValueKind::Column => {}
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
