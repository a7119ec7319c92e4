//! Several counts of one kernel, made one count of bins side by side.

use routefuse_ir::kernel::{ColumnMap, Kernel, Param, ParamId, Role, Space, Store, Value, ValueId, ValueKind};
use routefuse_ir::op::{BinaryOp, CompareOp, ScalarOp};
use routefuse_ir::program::{Buffer, Intermediate, Program, Step};
use routefuse_ir::{DType, Diagnostics, Dim, Layout, Literal, TensorType};

/// Of a kernel that does nothing but to add 1 to several counts: a kernel that adds 1 to one buffer of all of them, one behind the
/// other, and one that takes them apart again. Gives the buffer, which is new, as well.
pub(super) fn together(program: &mut Program, counts: &Step) -> Result<(Buffer, [Step; 2]), Diagnostics> {
    let whole = &counts.kernel;
    let bins = |s: &Store| whole.param(s.param).ty.row_elements().unwrap_or(0);
    let ty = TensorType { dtype: DType::I32, shape: vec![Dim::Const(whole.stores.iter().map(bins).sum())] };
    let all = Buffer::Intermediate(program.intermediates.len());
    program.intermediates.push(Intermediate { name: "counts".to_owned(), ty: ty.clone() });
    let param = |role, aliases| {
        let (name, ty) = ("counts".to_owned(), ty.clone());
        Param { name, role, ty, layout: Layout::Contiguous, aliases }
    };

    // What each count was added to is read and written no more.
    let mut kernel = Kernel { stores: vec![], ..Kernel::clone(whole) };
    let index_of = |s: &Store| s.add_at.unwrap_or(s.value);
    let narrow = whole.stores.iter().all(|s| whole.value(index_of(s)).dtype == DType::I32);
    let mut k = More { kernel: &mut kernel, dtype: if narrow { DType::I32 } else { DType::I64 } };
    let (mut first, mut parts) = (0, vec![]);
    for store in &whole.stores {
        parts.push((k.moved(index_of(store), first, bins(store)), whole.store_cols(store)));
        first += bins(store);
    }
    let columns = parts.iter().map(|p| p.1).sum();
    let (dtype, per_row) = (k.dtype, parts.iter().any(|p| k.kernel.value(p.0).space.per_row));
    let index = k.add(ValueKind::Concat(parts), dtype, Space { per_row, cols: columns });
    let one = k.add(ValueKind::Const(Literal::i32(1)), DType::I32, Space { per_row: false, cols: 1 });
    let kept = ParamId(kernel.params.len() as u32);
    kernel.params.extend([param(Role::Input, None), param(Role::Output, Some(kept))]);
    kernel.stores.push(Store { param: ParamId(kept.0 + 1), value: one, add_at: Some(index), put_at: None });
    let buffers = counts.buffers.iter().copied().chain([all, all]).collect();
    let outputs: Vec<ParamId> = whole.stores.iter().map(|s| s.param).collect();
    // They are no outputs of it any more, and what is read of them is nothing.
    outputs.iter().for_each(|p| {
        let p = &mut kernel.params[p.0 as usize];
        (p.role, p.aliases) = (Role::Input, None);
    });
    kernel.name = format!("{}.counts", whole.name);
    let counting = Step { kernel: kernel.verify()?, buffers, symbols: counts.symbols.clone(), taken: None };
    let counting = super::part::part(&counting, &[0])?;

    let mut apart =
        Kernel { name: format!("{}.each", whole.name), params: vec![param(Role::Input, None)], ..Kernel::default() };
    let mut k = More { kernel: &mut apart, dtype: DType::I32 };
    let sum = ty.row_elements().unwrap_or(0);
    let load = k.add(ValueKind::Load(ParamId(0)), DType::I32, Space { per_row: false, cols: sum });
    let (mut first, mut buffers) = (0, vec![all]);
    for store in &whole.stores {
        let cols = bins(store);
        let own = ValueKind::Remap(load, ColumnMap::offset(cols, first));
        let own = k.add(own, DType::I32, Space { per_row: false, cols });
        let to = ParamId(k.kernel.params.len() as u32);
        k.kernel.params.push(Param { aliases: None, ..whole.param(store.param).clone() });
        k.kernel.stores.push(Store { param: to, value: own, add_at: None, put_at: None });
        buffers.push(counts.buffers[store.param.0 as usize]);
        first += cols;
    }
    Ok((all, [counting, Step { kernel: apart.verify()?, buffers, symbols: vec![], taken: None }]))
}

/// Values behind those of a kernel.
struct More<'k> {
    kernel: &'k mut Kernel,
    /// Of indices.
    dtype: DType,
}

impl More<'_> {
    fn add(&mut self, kind: ValueKind, dtype: DType, space: Space) -> ValueId {
        self.kernel.values.push(Value { kind, dtype, space, name: String::new() });
        ValueId(self.kernel.values.len() as u32 - 1)
    }

    fn number(&mut self, n: i64) -> ValueId {
        let mask = if self.dtype.bits() < 64 { (1 << self.dtype.bits()) - 1 } else { u64::MAX };
        let literal = Literal::from_bits(self.dtype, n as u64 & mask);
        self.add(ValueKind::Const(literal), self.dtype, Space { per_row: false, cols: 1 })
    }

    /// A bin of so many, `first` bins further on; −1 for what is in none.
    fn moved(&mut self, index: ValueId, first: u64, bins: u64) -> ValueId {
        let Value { dtype, space, .. } = *self.kernel.value(index);
        let scalar = |k: &mut Self, op, operands, dtype| k.add(ValueKind::Scalar(op, operands), dtype, space);
        let (of, wide) = (self.dtype, ScalarOp::Cast(self.dtype));
        let index = if dtype == of { index } else { scalar(self, wide, vec![index], of) };
        let (zero, end) = (self.number(0), self.number(bins as i64));
        let (first, none) = (self.number(first as i64), self.number(-1));
        let not_less = scalar(self, ScalarOp::Compare(CompareOp::Ge), vec![index, zero], DType::Bool);
        let not_more = scalar(self, ScalarOp::Compare(CompareOp::Lt), vec![index, end], DType::Bool);
        let is_one = scalar(self, ScalarOp::Binary(BinaryOp::And), vec![not_less, not_more], DType::Bool);
        let further = scalar(self, ScalarOp::Binary(BinaryOp::Add), vec![index, first], of);
        scalar(self, ScalarOp::Select, vec![is_one, further, none], of)
    }
}
