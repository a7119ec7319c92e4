//! The tensors of a call of an exported function.

use crate::export::ir_text::Constants;
use routefuse_ir::dim::shape_text;
use routefuse_ir::program::{Buffer, Port, Program};
use routefuse_ir::{Alias, DType, Dim, Layout};

/// The most of each that the launcher has room for.
const MOST_PORTS: usize = 64;
const MOST_SYMBOLS: usize = 16;
const MOST_INTERMEDIATES: usize = 64;

/// The tensors of a call, and where each buffer of the program is among them.
pub(super) struct Ports<'p> {
    /// In the order of a call, and whether the kernels write each.
    pub(super) passed: Vec<(&'p Port, bool)>,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

impl<'p> Ports<'p> {
    /// Says what a call has no words or no room for.
    pub(super) fn of(program: &'p Program) -> Result<Ports<'p>, String> {
        let mut passed: Vec<(&Port, bool)> = program.inputs.iter().map(|p| (p, false)).collect();
        let inputs = (0..passed.len()).collect();
        let mut outputs = vec![];
        for port in &program.outputs {
            match port.alias {
                Alias::InPlace(input) => {
                    passed[input].1 = true;
                    outputs.push(input);
                }
                Alias::None | Alias::Donates(_) | Alias::Guarded(_) => {
                    outputs.push(passed.len());
                    passed.push((port, true));
                }
            }
        }
        if let Some((port, _)) = passed.iter().find(|(p, _)| p.layout == Layout::Strided) {
            return Err(format!(
                "`{}` is strided, and a module for TVM-FFI takes contiguous tensors and `rows`",
                port.name
            ));
        }
        let most = |what: &str, have: usize, most: usize| match have <= most {
            true => Ok(()),
            false => Err(format!("a module for TVM-FFI has room for {most} {what}, and the graph has {have}")),
        };
        most("tensors", passed.len(), MOST_PORTS)?;
        most("dims of their own", program.symbols.len(), MOST_SYMBOLS)?;
        most("tensors between kernels", program.intermediates.len(), MOST_INTERMEDIATES)?;
        Ok(Ports { passed, inputs, outputs })
    }

    /// The number of a buffer: of the ports, then the intermediates, then the error word.
    pub(super) fn number(&self, buffer: Buffer, program: &Program) -> usize {
        match buffer {
            Buffer::Input(i) => self.inputs[i],
            Buffer::Output(i) => self.outputs[i],
            Buffer::Intermediate(i) => self.passed.len() + i,
            Buffer::ErrorWord => self.passed.len() + program.intermediates.len(),
        }
    }
}

/// A `Port` of `cpp/tvm_ffi/launcher.h`.
pub(super) fn port_value(c: &mut Constants, program: &Program, port: &Port, written: bool) -> String {
    let extents: Vec<String> = port
        .ty
        .shape
        .iter()
        .map(|d| match d {
            Dim::Const(n) => n.to_string(),
            Dim::Sym(s) => (-1 - i64::from(s.0)).to_string(),
        })
        .collect();
    let rank = extents.len();
    let text = format!("{}[{}]", port.ty.dtype, shape_text(&port.ty.shape, &program.symbols));
    let (name, text, shape) = (c.string(&port.name), c.string(&text), c.array("i64", &extents));
    let (code, bits) = dlpack(port.ty.dtype);
    let rows = u8::from(port.layout == Layout::Rows);
    let written = u8::from(written);
    format!("{{ ptr {name}, ptr {text}, ptr {shape}, i32 {rank}, i8 {code}, i8 {bits}, i8 {rows}, i8 {written} }}")
}

/// A dtype's code in DLPack, and its bits.
fn dlpack(dtype: DType) -> (u8, u8) {
    let code = match dtype {
        DType::Bool => 6,
        DType::Bf16 => 4,
        DType::F16 | DType::F32 => 2,
        other if other.is_signed() => 0,
        _ => 1,
    };
    (code, 8 * dtype.size() as u8)
}
