//! Loads, stores and addresses, on `!llvm.ptr`.

use super::{Builder, Val};
use melior::ir::{
    Attribute, Type,
    attribute::{DenseI32ArrayAttribute, IntegerAttribute, StringAttribute, TypeAttribute},
};

/// MLIR's marker of an index given as an operand instead of a constant.
const DYNAMIC_INDEX: i32 = i32::MIN;
/// `inbounds` in MLIR's no-wrap flags, which implies `nusw`.
const INBOUNDS: i64 = 3;
/// MLIR's code of an atomic addition.
const ADD: i64 = 1;
/// MLIR's code of the order of an atomic operation that orders nothing else.
const MONOTONIC: i64 = 2;

impl<'m> Builder<'m> {
    /// The address of element `index` (any integer, signed) past `base`, which must lie inside the object.
    pub fn gep(&self, base: Val<'m>, index: Val<'m>, element: Type<'m>) -> Val<'m> {
        let indices = DenseI32ArrayAttribute::new(self.context, &[DYNAMIC_INDEX]).into();
        self.gep_with(base, &[index], indices, element)
    }

    /// The address `count` elements past `base`, a constant.
    pub fn gep_const(&self, base: Val<'m>, count: i32, element: Type<'m>) -> Val<'m> {
        if count == 0 {
            return base;
        }
        let indices = DenseI32ArrayAttribute::new(self.context, &[count]).into();
        self.gep_with(base, &[], indices, element)
    }

    fn gep_with(&self, base: Val<'m>, dynamic: &[Val<'m>], indices: Attribute<'m>, element: Type<'m>) -> Val<'m> {
        let mut operands = vec![base];
        operands.extend(dynamic);
        let attributes = [
            ("elem_type", TypeAttribute::new(element).into()),
            ("noWrapFlags", IntegerAttribute::new(self.int(32), INBOUNDS).into()),
            ("rawConstantIndices", indices),
        ];
        self.op("llvm.getelementptr", &operands, &attributes, self.pointer())
    }

    /// Loads a scalar or vector; `align` is the known alignment in bytes.
    ///
    /// `invariant` promises that nothing writes these bytes while the code runs.
    pub fn load(&self, pointer: Val<'m>, ty: Type<'m>, align: u32, invariant: bool) -> Val<'m> {
        let mut attributes = vec![self.alignment(align), self.ordering()];
        if invariant {
            attributes.push(("invariant", Attribute::unit(self.context)));
        }
        self.op("llvm.load", &[pointer], &attributes, ty)
    }

    /// Stores a scalar or vector; `align` is the known alignment in bytes.
    pub fn store(&self, value: Val<'m>, pointer: Val<'m>, align: u32) {
        let attributes = [self.alignment(align), self.ordering()];
        self.append("llvm.store", &[value, pointer], &attributes, &[], vec![]);
    }

    /// Adds an integer to the one in memory, atomically among all threads of LLVM's `scope`, or of the system; orders nothing
    /// else.
    pub fn atomic_add(&self, pointer: Val<'m>, amount: Val<'m>, align: u32, scope: Option<&str>) {
        let code = |value: i64| IntegerAttribute::new(self.int(64), value).into();
        let mut attributes = vec![("bin_op", code(ADD)), ("ordering", code(MONOTONIC)), self.alignment(align)];
        if let Some(scope) = scope {
            attributes.push(("syncscope", StringAttribute::new(self.context, scope).into()));
        }
        self.op("llvm.atomicrmw", &[pointer, amount], &attributes, self.type_of(amount));
    }

    /// Memory of the function's frame for `count` elements. To be asked for outside of loops.
    pub fn stack(&self, element: Type<'m>, count: u64, align: u32) -> Val<'m> {
        let array = melior::dialect::llvm::r#type::array(element, count as u32);
        let attributes = [("elem_type", TypeAttribute::new(array).into()), self.alignment(align)];
        self.op("llvm.alloca", &[self.const_int(self.int(64), 1)], &attributes, self.pointer())
    }

    fn alignment(&self, align: u32) -> (&'static str, Attribute<'m>) {
        ("alignment", IntegerAttribute::new(self.int(64), i64::from(align)).into())
    }

    /// Not atomic.
    fn ordering(&self) -> (&'static str, Attribute<'m>) {
        ("ordering", IntegerAttribute::new(self.int(64), 0).into())
    }
}
