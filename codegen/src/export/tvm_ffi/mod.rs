//! A shared object that TVM-FFI loads (`tvm_ffi.load_module`): the kernels of a program, for this host or for an NVIDIA GPU, and a
//! function that checks the tensors of a call and launches them.
//!
//! The function `name` is the symbol `__tvm_ffi_name`. It takes tensors, the program's inputs and then its outputs, but for those
//! that lie in an input; it returns nothing, and raises what does not fit. What it does is in `cpp/tvm_ffi/`: objects that the build
//! made, and that are linked with the kernels and a description of the program.
//!
//! On a GPU the kernels are PTX, which the driver makes machine code of at the first call on a GPU, or before, when the function
//! `name_prepare` is called with the GPU's number. They run on the stream that TVM-FFI has for the caller.

mod cuda;
mod host;
mod ports;

use super::ir_text::Constants;
use crate::error::{CodegenError, Problem};
use crate::llvm::{assemble, link};
use crate::machine::host::HOST_SYMBOLS;
use ports::Ports;
use routefuse_ir::cancel::Cancel;
use routefuse_ir::kernel::abi::{self, Slot};
use routefuse_ir::kernel::schedule::Scheduled;
use routefuse_ir::program::{Buffer, Program, Step};
use routefuse_ir::target::Target;
use routefuse_ir::{DimBound, Verified, dim};

/// `cpp/tvm_ffi/arguments.c`, compiled.
const ARGUMENTS: &[u8] = include_bytes!(env!("ROUTEFUSE_TVM_FFI_ARGUMENTS"));

/// What it calls: libc, and the library that loads it.
const ALLOWED: &[&str] = &["TVMFFIErrorSetRaisedFromCStr", "snprintf"];

/// The most of each that the launcher has room for.
const MOST_SLOTS: usize = 256;
const MOST_STEPS: usize = 64;

/// What a kind of target adds to a module.
struct Side {
    /// Objects: the launcher, and kernels that are linked.
    objects: Vec<Vec<u8>>,
    /// What they call beyond [`ALLOWED`].
    allowed: &'static [&'static str],
    /// DLPack's number of the kind of device, and the compute capability that a GPU has to have.
    device: (u32, u32),
    /// The launcher, and what beside it is a function of the module: the end of its name, and its symbol.
    call: &'static str,
    more: &'static [(&'static str, &'static str)],
    /// The type of a step, and each step, as the launcher reads them.
    step: &'static str,
    steps: Vec<String>,
    /// Types and declarations that the steps need.
    declared: String,
}

/// The shared object of a program with its kernels, which are scheduled for the host or for an NVIDIA GPU.
///
/// # Errors
/// A name that is no identifier, another target, a layout that a call has no words for, more ports than there is room for, an index
/// that a GPU would have to check ([`Problem::Export`]); those of [`compile`](crate::compile()).
pub fn export(
    name: &str,
    program: &Program,
    kernels: &[Verified<Scheduled>],
    cancel: &Cancel,
) -> Result<Vec<u8>, CodegenError> {
    let target = kernels.first().map_or(Target::host(), |k| k.target);
    let refused = |message: String| CodegenError::new(target, Problem::Export(message));
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_word) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(refused(format!("`{name}` is no name of a function: letters, digits and `_`")));
    }
    let ports = Ports::of(program).map_err(refused)?;
    if kernels.len() > MOST_STEPS {
        return Err(refused(format!(
            "a module for TVM-FFI has room for {MOST_STEPS} kernels, and the graph became {}",
            kernels.len()
        )));
    }
    let mut constants = Constants::default();
    let side = if target == Target::host() {
        host::side(program, kernels, &ports, &mut constants, cancel)?
    } else if target.sm().is_some() {
        cuda::side(program, kernels, &ports, &mut constants, cancel)?
    } else {
        return Err(refused(format!(
            "a module for TVM-FFI has code for this host or for NVIDIA's GPUs, not for `{target}`"
        )));
    };
    let text = described(name, program, &ports, &side, constants);
    let mut objects = vec![ARGUMENTS.to_vec(), assemble(Target::host(), &text)?];
    objects.extend(side.objects);
    let allowed: Vec<&'static str> = ALLOWED.iter().chain(side.allowed).chain(&HOST_SYMBOLS).copied().collect();
    link::link_all(target, &objects, &allowed)
}

/// The `Program` of `cpp/tvm_ffi/launcher.h`, and the functions that give it to the launcher.
fn described(name: &str, program: &Program, ports: &Ports<'_>, side: &Side, mut c: Constants) -> String {
    let written: Vec<String> =
        ports.passed.iter().map(|(port, written)| ports::port_value(&mut c, program, port, *written)).collect();
    let ports_name = c.array("%port", &written);
    let symbols: Vec<String> = program.symbols.iter().map(|s| c.string(s)).collect();
    let symbols_name = c.array("ptr", &symbols);
    let intermediates: Vec<String> = program
        .intermediates
        .iter()
        .map(|i| {
            let size = i.ty.dtype.size();
            let bytes = i.ty.row_elements().unwrap_or(0).saturating_mul(size);
            let symbol = i.ty.row_symbol().map_or(-1, |s| i64::from(s.0));
            format!("{{ i64 {bytes}, i64 {symbol}, i64 {size} }}")
        })
        .collect();
    let intermediates_name = c.array("%intermediate", &intermediates);
    let bounds: Vec<String> = program.bounds.iter().map(|b| bound_value(&mut c, program, b)).collect();
    let (bounds_name, bound_count) = (c.array("%least", &bounds), bounds.len());
    let steps_name = c.array(side.step, &side.steps);
    let called = c.string(name);
    let [a, b, d, e] = [ports.passed.len(), program.symbols.len(), program.intermediates.len(), side.steps.len()];
    let (device, processor) = side.device;
    let whole = c.add(
        "%program",
        &format!(
            "{{ ptr {called}, ptr {ports_name}, ptr {symbols_name}, ptr {intermediates_name}, ptr {steps_name}, i32 {a}, i32 {b}, \
             i32 {d}, i32 {e}, i32 {device}, i32 {processor}, ptr @loaded, ptr {bounds_name}, i64 {bound_count} }}"
        ),
    );
    let mut functions = String::new();
    for (end, symbol) in [("", side.call)].iter().chain(side.more) {
        functions += &format!(
            "declare hidden i32 @{symbol}(ptr, ptr, i32, ptr)\n\
             define i32 @__tvm_ffi_{name}{end}(ptr %self, ptr %args, i32 %count, ptr %result) {{\n\
             %status = tail call i32 @{symbol}(ptr {whole}, ptr %args, i32 %count, ptr %result)\n\
             ret i32 %status\n}}\n"
        );
    }
    format!(
        "%port = type {{ ptr, ptr, ptr, i32, i8, i8, i8, i8 }}\n\
         %slot = type {{ i64, i64 }}\n\
         %intermediate = type {{ i64, i64, i64 }}\n\
         %program = type {{ ptr, ptr, ptr, ptr, ptr, i32, i32, i32, i32, i32, i32, ptr, ptr, i64 }}\n\
         %term = type {{ i64, i64, i64 }}\n\
         %least = type {{ ptr, ptr, i64, i64, i64, i64 }}\n\
         @loaded = internal global [64 x ptr] zeroinitializer\n\
         {}{}{functions}",
        side.declared,
        c.into_text()
    )
}

/// The slots of a step, and how many: where each argument of its kernel comes from.
fn slots(
    c: &mut Constants,
    program: &Program,
    (step, kernel): (&Step, &Scheduled),
    ports: &Ports<'_>,
) -> Result<(String, usize), CodegenError> {
    let slots = abi::slots(&kernel.kernel, kernel.target);
    if slots.len() > MOST_SLOTS {
        let message = format!("a kernel has {} arguments, and there is room for {MOST_SLOTS}", slots.len());
        return Err(CodegenError::new(kernel.target, Problem::Export(message)));
    }
    let values: Vec<String> = slots
        .iter()
        .map(|slot| {
            let (kind, of) = match *slot {
                Slot::Pointer(p) => (0, ports.number(step.buffers[p.0 as usize], program) as u64),
                Slot::Stride(p, dim) => match step.buffers[p.0 as usize] {
                    // Without gaps.
                    Buffer::Intermediate(_) => (3, stride(kernel, p, dim)),
                    port => (1, ports.number(port, program) as u64),
                },
                Slot::Extent(s) => (2, u64::from(step.symbols[s.0 as usize].0)),
            };
            format!("{{ i64 {kind}, i64 {of} }}")
        })
        .collect();
    Ok((c.array("%slot", &values), slots.len()))
}

/// The stride of a parameter's dim, in elements, where nothing lies between its rows.
fn stride(kernel: &Scheduled, param: routefuse_ir::kernel::ParamId, of: u32) -> u64 {
    let shape = &kernel.kernel.param(param).ty.shape;
    dim::const_product(&shape[(of as usize + 1).min(shape.len())..]).unwrap_or(0)
}

/// A `Least` of `cpp/tvm_ffi/launcher.h`.
fn bound_value(c: &mut Constants, program: &Program, bound: &DimBound) -> String {
    let terms: Vec<String> =
        bound.terms().iter().map(|t| format!("{{ i64 {}, i64 {}, i64 {} }}", t.over, t.times, t.plus)).collect();
    let (text, list) = (c.string(&bound.text(&program.symbols)), c.array("%term", &terms));
    let of = bound.of().map_or(-1, |s| i64::from(s.0));
    let (symbol, times, count) = (bound.symbol().0, bound.times(), terms.len());
    format!("{{ ptr {text}, ptr {list}, i64 {symbol}, i64 {of}, i64 {times}, i64 {count} }}")
}

/// The program's symbol that counts the rows of a step; −1 is one row.
fn rows(step: &Step, kernel: &Scheduled) -> i64 {
    kernel.kernel.rows.map_or(-1, |s| i64::from(step.symbols[s.0 as usize].0))
}
