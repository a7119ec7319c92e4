//! Programs of two kernels, good and defective.

use super::kernels::Builder;
use super::*;
use crate::kernel::{Kernel, Role, ValueKind};
use crate::layout::{Alias, Layout};
use crate::op::{BinaryOp, ScalarOp};
use crate::program::{Buffer, Intermediate, Port, Program, Step};
use crate::tensor_type::TensorType;
use crate::{Code, Dim, SymbolId, Verified};

/// `y = x + a` over rows of two columns; a is a second input of the same shape.
fn add() -> Verified<Kernel> {
    let mut k = Builder::new();
    let (p, a, q) =
        (k.rows(Role::Input, DType::I32, 2), k.rows(Role::Input, DType::I32, 2), k.rows(Role::Output, DType::I32, 2));
    let x = k.value(ValueKind::Load(p), DType::I32, true, 2);
    let a = k.value(ValueKind::Load(a), DType::I32, true, 2);
    let y = k.value(ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Add), vec![x, a]), DType::I32, true, 2);
    k.store(y, q);
    k.finish()
}

fn ty() -> TensorType {
    TensorType::new(DType::I32, [Dim::Sym(SymbolId(1)), 2.into()])
}

fn port(name: &str, alias: Alias) -> Port {
    Port { name: name.to_owned(), ty: ty(), layout: Layout::Contiguous, alias }
}

/// Each step adds two buffers into a third. The kernel's row extent is the program's symbol 1.
fn program(outputs: Vec<Port>, steps: &[[Buffer; 3]]) -> Program {
    Program {
        name: "p".to_owned(),
        symbols: vec!["unused".to_owned(), "N".to_owned()],
        bounds: vec![],
        inputs: vec![port("x", Alias::None)],
        outputs,
        intermediates: vec![Intermediate { name: "v".to_owned(), ty: ty() }],
        has_trap: false,
        steps: steps
            .iter()
            .map(|b| Step { kernel: add(), buffers: b.to_vec(), symbols: vec![SymbolId(1), SymbolId(0)], taken: None })
            .collect(),
    }
}

const X: Buffer = Buffer::Input(0);
const V: Buffer = Buffer::Intermediate(0);
const Y: Buffer = Buffer::Output(0);

fn run_on(p: &Program, t: i32) -> Result<Outcome, crate::Diagnostics> {
    let x: Vec<i32> = (0..2 * t).collect();
    program::run(p, &[Tensor::from_i32(&[t as u64, 2], &x)], &[])
}

fn defect(p: &Program) -> String {
    let d = run_on(p, 2).expect_err("the program is defective");
    assert_eq!(d[0].code, Code::InvalidKernel);
    d.to_string()
}

#[test]
fn kernels_run_in_order_over_intermediates() {
    let p = program(vec![port("y", Alias::None)], &[[X, X, V], [V, X, Y]]);
    assert_eq!(values(&run_on(&p, 2).expect("runs").outputs[0]), [0, 3, 6, 9]);
    let empty = run_on(&p, 0).expect("runs");
    assert_eq!((empty.outputs[0].shape(), empty.trapped), (&[0, 2][..], false));
}

#[test]
fn a_later_kernel_sees_what_an_output_in_place_left() {
    let outputs = |alias| vec![port("y", alias), port("z", Alias::None)];
    let steps = [[X, X, Y], [X, X, Buffer::Output(1)]];
    let z = |alias| values(&run_on(&program(outputs(alias), &steps), 2).expect("runs").outputs[1]);
    assert_eq!(z(Alias::None), [0, 2, 4, 6]);
    assert_eq!(z(Alias::InPlace(0)), [0, 4, 8, 12]);
    assert_eq!(z(Alias::Donates(0)), [0, 4, 8, 12]);
    assert_eq!(z(Alias::Guarded(0)), [0, 2, 4, 6]);
}

#[test]
fn every_output_is_written_once() {
    let y = || vec![port("y", Alias::None)];
    assert!(defect(&program(y(), &[[X, X, V]])).contains("program `p`: output `y` is never written"));
    assert!(defect(&program(y(), &[[X, X, Y], [X, X, Y]])).contains("kernel `k` writes Output(0) again"));
    assert!(defect(&program(y(), &[[X, V, Y]])).contains("kernel `k` reads Intermediate(0) before it is written"));
    assert!(defect(&program(y(), &[[X, X, X]])).contains("writes Input(0), which it cannot"));
    assert!(defect(&program(y(), &[[X, Buffer::Input(3), Y]])).contains("reads unknown input 3"));
}

#[test]
fn a_step_binds_everything() {
    let mut p = program(vec![port("y", Alias::None)], &[[X, X, Y]]);
    p.steps[0].buffers.pop();
    assert!(defect(&p).contains("kernel `k` is bound in part"));
    let mut p = program(vec![port("y", Alias::None)], &[[X, X, Y]]);
    p.steps[0].symbols[0] = SymbolId(9);
    assert!(defect(&p).contains("unknown dims"));
    let mut p = program(vec![port("y", Alias::None)], &[[X, X, Y]]);
    p.outputs[0].ty.dtype = DType::U32;
    assert!(defect(&p).contains("writes i32[2, 2] to Output(0), which is u32[2, 2]"));
    let d = program::run(&p, &[], &[]).expect_err("x is missing");
    assert_eq!(d[0].code, Code::MissingArgument);
}
