//! Kernels that found a mistake, each with what it was.

use crate::amd::Emulator;
use crate::data::Case;
use crate::{agree_on_amd, agree_on_host, number, skipped, verified};
use routefuse_codegen::{Dump, compile};
use routefuse_ir::dim::SymbolId;
use routefuse_ir::graph::{Layout, TensorType};
use routefuse_ir::kernel::schedule::{Domain, Piece, Schedule, Scheduled, Variant};
use routefuse_ir::kernel::{Bounds, Kernel, Param, ParamId, Role, Space, Store, Value, ValueId, ValueKind};
use routefuse_ir::op::{BinaryOp, OutOfRange, ScalarOp, UnaryOp};
use routefuse_ir::target::Target;
use routefuse_ir::{DType, Dim};

const COLUMNS: u64 = 8;

/// Ops one after the other, each on the one before in every operand, from `dtype[T, 8]` to `to[T, 8]`.
fn pointwise(ops: &[ScalarOp], dtype: DType, to: DType) -> Case {
    let rows = SymbolId(0);
    let ty = |dtype| TensorType::new(dtype, [Dim::Sym(rows), Dim::Const(COLUMNS)]);
    let param = |name: &str, role, dtype| Param {
        name: name.to_owned(),
        role,
        ty: ty(dtype),
        layout: Layout::Contiguous,
        aliases: None,
    };
    let value = |kind| Value { kind, dtype, space: Space { per_row: true, cols: COLUMNS }, name: String::new() };
    let mut values = vec![value(ValueKind::Load(ParamId(0)))];
    for op in ops {
        let operands = vec![ValueId(values.len() as u32 - 1); op.arity()];
        values.push(value(ValueKind::Scalar(*op, operands)));
    }
    // Only the last op may change the dtype.
    if let Some(last) = values.last_mut() {
        last.dtype = to;
    }
    let last = ValueId(values.len() as u32 - 1);
    let kernel = Kernel {
        name: "pointwise".to_owned(),
        symbols: vec!["T".to_owned()],
        rows: Some(rows),
        params: vec![param("x", Role::Input, dtype), param("out", Role::Output, to)],
        values,
        stores: vec![Store { param: ParamId(1), value: last, add_at: None, put_at: None }],
        phases: None,
    };
    let schedule = |threads, width| Schedule::Flat {
        threads,
        domains: vec![Domain { cols: COLUMNS, stores: vec![0], piece: Piece::InRow { width } }],
    };
    Case {
        kernel: kernel.verify().expect("a right kernel"),
        host_schedule: schedule(1, 8),
        gpu_schedule: schedule(64, 2),
        rows: vec![64],
        seed: number("SEED", 0),
    }
}

/// LLVM knows that the root of a negative number is a NaN and drops a selection of the NaN that we want.
#[test]
fn the_nan_of_a_root_is_canonical() {
    let ops = [ScalarOp::Binary(BinaryOp::Sub), ScalarOp::Unary(UnaryOp::Sqrt)];
    agree_on_host(&pointwise(&ops, DType::F32, DType::F32), 0);
    agree_on_host(&pointwise(&ops[1..], DType::F32, DType::F32), 0);
}

/// A PTX shift of 64 bits takes an amount of 32: the upper half has to count before it is cut off.
#[test]
fn a_long_shift_sees_its_whole_amount() {
    for op in [BinaryOp::Shl, BinaryOp::Shr] {
        for dtype in [DType::I64, DType::U64] {
            let case = pointwise(&[ScalarOp::Binary(op)], dtype, dtype);
            agree_on_host(&case, 0);
            let target = Target::named("sm_90").expect("a known target");
            let scheduled =
                verified(Scheduled { kernel: case.kernel.clone(), schedule: case.gpu_schedule.clone(), target });
            let compiled = compile(&scheduled, Variant::GPU[0], Dump::default()).expect("compiles");
            let ptx = String::from_utf8(compiled.artifact.code).expect("PTX is text");
            assert!(ptx.contains("min.u64"), "{op:?} {dtype}:\n{ptx}");
        }
    }
}

/// AMD's mixed fma gives a product that is −0.0 as +0.0 in `f16`.
#[test]
fn a_narrowed_product_keeps_the_sign_of_zero() {
    let ops = [ScalarOp::Binary(BinaryOp::Mul), ScalarOp::Unary(UnaryOp::Neg), ScalarOp::Cast(DType::F16)];
    let case = pointwise(&ops, DType::F32, DType::F16);
    agree_on_host(&case, 0);
    let Some(mut emulator) = Emulator::find() else { return skipped("no AMD emulator") };
    for name in ["gfx942", "gfx1100"] {
        agree_on_amd(&mut emulator, &case, name, Variant { aligned: false, narrow: true, shape: 0 }, 0);
    }
}

/// An index that trapped has trapped, even where it leads out of range itself under a policy that does not trap.
#[test]
fn a_trap_on_the_way_to_an_index_is_kept() {
    let mut kernel = pointwise(&[ScalarOp::Unary(UnaryOp::Neg)], DType::I64, DType::I64).kernel.into_inner();
    let param =
        |name: &str, role, ty| Param { name: name.to_owned(), role, ty, layout: Layout::Contiguous, aliases: None };
    kernel.params.push(param("table", Role::Input, TensorType::new(DType::I64, [Dim::Const(4)])));
    kernel.params.push(param("error", Role::ErrorWord, TensorType::scalar(DType::U32)));
    let gather = |index, policy| ValueKind::Gather {
        table: ParamId(2),
        indices: vec![ValueId(index)],
        bounds: Bounds::Checked(policy),
    };
    let space = kernel.values[1].space;
    let value = |kind| Value { kind, dtype: DType::I64, space, name: String::new() };
    kernel.values.truncate(1);
    kernel.values.push(value(gather(0, OutOfRange::Trap)));
    kernel.values.push(value(gather(1, OutOfRange::Pass)));
    kernel.stores[0].value = ValueId(2);
    let case = pointwise(&[ScalarOp::Unary(UnaryOp::Neg)], DType::I64, DType::I64);
    agree_on_host(&Case { kernel: kernel.verify().expect("a right kernel"), ..case }, 0);
}
