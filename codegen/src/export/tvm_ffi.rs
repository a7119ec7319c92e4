//! A shared object that TVM-FFI loads (`tvm_ffi.load_module`): the kernels of a program for the host, and a function that checks
//! the tensors of a call and launches them.
//!
//! The function `name` is the symbol `__tvm_ffi_name`. It takes tensors, the program's inputs and then its outputs, but for those
//! that lie in an input; it returns nothing, and raises what does not fit. What it does is `cpp/tvm_ffi.c`, an object that the build
//! made and that is linked with the kernels and a description of the program.

use super::ir_text::Constants;
use crate::compile::host_object;
use crate::error::{CodegenError, Problem};
use crate::llvm::{assemble, link};
use crate::machine::host::HOST_SYMBOLS;
use routefuse_ir::cancel::Cancel;
use routefuse_ir::dim::shape_text;
use routefuse_ir::kernel::abi::{self, Slot};
use routefuse_ir::kernel::schedule::Scheduled;
use routefuse_ir::program::{Buffer, Port, Program};
use routefuse_ir::target::Target;
use routefuse_ir::{Alias, DType, Dim, Layout, Verified};

/// `cpp/tvm_ffi.c`, compiled.
const LAUNCHER: &[u8] = include_bytes!(env!("ROUTEFUSE_TVM_FFI_OBJECT"));

/// What the launcher calls: libc, and the library that loads it.
const ALLOWED: &[&str] = &["TVMFFIErrorSetRaisedFromCStr", "aligned_alloc", "free", "memset", "memcpy", "snprintf"];

/// The most of each that the launcher has room for.
const MOST_PORTS: usize = 64;
const MOST_SYMBOLS: usize = 16;
const MOST_INTERMEDIATES: usize = 64;
const MOST_SLOTS: usize = 256;

/// The shared object of a program whose kernels are scheduled for the host.
///
/// # Errors
/// A name that is no identifier, another target than the host, a layout that a call has no words for, more ports than there is
/// room for, an extent that no tensor says ([`Problem::Export`]); those of [`compile`](crate::compile()).
pub fn export(
    name: &str,
    program: &Program,
    kernels: &[Verified<Scheduled>],
    cancel: &Cancel,
) -> Result<Vec<u8>, CodegenError> {
    let target = kernels.first().map_or(Target::host(), |k| k.target);
    let refused = |message: String| CodegenError::new(target, Problem::Export(message));
    if target != Target::host() {
        return Err(refused(format!(
            "a module for TVM-FFI has code for the host, not for `{target}`: leave out `--target`"
        )));
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_word) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(refused(format!("`{name}` is no name of a function: letters, digits and `_`")));
    }
    let ports = Ports::of(program).map_err(refused)?;
    let mut objects = vec![LAUNCHER.to_vec()];
    for (i, kernel) in kernels.iter().enumerate() {
        objects.push(host_object(kernel, kernel.variants()[0], &entry(i), cancel)?);
    }
    let text = described(name, program, kernels, &ports).map_err(refused)?;
    objects.push(assemble(target, &text)?);
    let allowed: Vec<&'static str> = ALLOWED.iter().chain(&HOST_SYMBOLS).copied().collect();
    link::link_all(target, &objects, &allowed)
}

/// The symbol of a kernel's entry point.
fn entry(kernel: usize) -> String {
    format!("routefuse_kernel_{kernel}")
}

/// The tensors of a call, and where each buffer of the program is among them.
struct Ports<'p> {
    passed: Vec<(&'p Port, bool)>,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

impl<'p> Ports<'p> {
    fn of(program: &'p Program) -> Result<Ports<'p>, String> {
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

    fn number(&self, buffer: Buffer, program: &Program) -> usize {
        match buffer {
            Buffer::Input(i) => self.inputs[i],
            Buffer::Output(i) => self.outputs[i],
            Buffer::Intermediate(i) => self.passed.len() + i,
            Buffer::ErrorWord => self.passed.len() + program.intermediates.len(),
        }
    }
}

/// The `Program` of `cpp/tvm_ffi.c`, and the function that gives it to the launcher.
fn described(
    name: &str,
    program: &Program,
    kernels: &[Verified<Scheduled>],
    ports: &Ports<'_>,
) -> Result<String, String> {
    let target = Target::host();
    let mut c = Constants::default();
    let written: Vec<String> =
        ports.passed.iter().map(|(port, written)| port_value(&mut c, program, port, *written)).collect();
    let ports_name = c.array("%port", &written);
    let symbols: Vec<String> = program.symbols.iter().map(|s| c.string(s)).collect();
    let symbols_name = c.array("ptr", &symbols);
    let intermediates: Vec<String> = program
        .intermediates
        .iter()
        .map(|i| {
            let bytes = i.ty.row_elements().unwrap_or(0).saturating_mul(i.ty.dtype.size());
            let symbol = i.ty.row_symbol().map_or(-1, |s| i64::from(s.0));
            format!("{{ i64 {bytes}, i64 {symbol} }}")
        })
        .collect();
    let intermediates_name = c.array("%intermediate", &intermediates);
    let mut steps = vec![];
    for (i, (step, kernel)) in program.steps.iter().zip(kernels).enumerate() {
        let slots = abi::slots(&kernel.kernel, target);
        if slots.len() > MOST_SLOTS {
            return Err(format!("a kernel has {} arguments, and there is room for {MOST_SLOTS}", slots.len()));
        }
        let slots: Vec<String> = slots
            .iter()
            .map(|slot| {
                let (kind, of) = match *slot {
                    Slot::Pointer(p) => (0, ports.number(step.buffers[p.0 as usize], program)),
                    Slot::Stride(p, _) => (1, ports.number(step.buffers[p.0 as usize], program)),
                    Slot::Extent(s) => (2, step.symbols[s.0 as usize].0 as usize),
                };
                format!("{{ i32 {kind}, i32 {of} }}")
            })
            .collect();
        let count = slots.len();
        let slots = c.array("%slot", &slots);
        let rows = kernel.kernel.rows.map_or(-1, |s| i64::from(step.symbols[s.0 as usize].0));
        let scratch = kernel.scratch_bytes();
        steps.push(format!("{{ ptr @{}, ptr {slots}, i64 {count}, i64 {rows}, i64 {scratch} }}", entry(i)));
    }
    let steps_name = c.array("%step", &steps);
    let called = c.string(name);
    let counts = [ports.passed.len(), program.symbols.len(), program.intermediates.len(), steps.len()];
    let [a, b, d, e] = counts;
    let whole = c.add(
        "%program",
        &format!(
            "{{ ptr {called}, ptr {ports_name}, ptr {symbols_name}, ptr {intermediates_name}, ptr {steps_name}, i32 {a}, i32 {b}, \
             i32 {d}, i32 {e} }}"
        ),
    );
    let declared: String =
        (0..steps.len()).map(|i| format!("declare hidden void @{}(ptr, i64, i64, ptr)\n", entry(i))).collect();
    Ok(format!(
        "%port = type {{ ptr, ptr, ptr, i32, i8, i8, i8, i8 }}\n\
         %slot = type {{ i32, i32 }}\n\
         %intermediate = type {{ i64, i64 }}\n\
         %step = type {{ ptr, ptr, i64, i64, i64 }}\n\
         %program = type {{ ptr, ptr, ptr, ptr, ptr, i32, i32, i32, i32 }}\n\
         {}{declared}\
         declare hidden i32 @routefuse_tvm_ffi_call(ptr, ptr, i32, ptr)\n\
         define i32 @__tvm_ffi_{name}(ptr %self, ptr %args, i32 %count, ptr %result) {{\n\
         %status = tail call i32 @routefuse_tvm_ffi_call(ptr {whole}, ptr %args, i32 %count, ptr %result)\n\
         ret i32 %status\n}}\n",
        c.into_text()
    ))
}

fn port_value(c: &mut Constants, program: &Program, port: &Port, written: bool) -> String {
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
