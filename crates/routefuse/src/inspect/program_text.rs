//! A program as text.

use routefuse_ir::program::{Buffer, Port, Program};
use routefuse_ir::visible::visible;
use routefuse_ir::{Alias, Layout};
use std::fmt::Write;

/// Ports, workspace, and each kernel with the buffers that it is given.
pub(super) fn print(p: &Program) -> String {
    let mut s = String::new();
    // Writing to a String cannot fail.
    let _ = write_program(p, &mut s);
    s
}

fn write_program(p: &Program, s: &mut String) -> std::fmt::Result {
    // Destructured so that a new field cannot be forgotten.
    let Program { name, symbols, bounds, inputs, outputs, intermediates, has_trap, steps } = p;
    let dims: Vec<_> = symbols.iter().map(|s| visible(s)).collect();
    writeln!(s, "program @{} dims=[{}] {{", visible(name), dims.join(", "))?;
    for bound in bounds {
        let dim = visible(&symbols[bound.symbol().0 as usize]);
        writeln!(s, "  dim {dim} >= {}", bound.text(symbols))?;
    }
    for port in inputs {
        writeln!(s, "  input {}", port_text(port, p))?;
    }
    for port in outputs {
        writeln!(s, "  output {}", port_text(port, p))?;
    }
    if *has_trap {
        writeln!(s, "  output error_word: u32[]")?;
    }
    for i in intermediates {
        writeln!(s, "  workspace {}: {}", visible(&i.name), i.ty.text(symbols))?;
    }
    for step in steps {
        let buffers: Vec<String> = step.buffers.iter().map(|b| buffer(*b, p)).collect();
        let dims: Vec<_> = step.symbols.iter().map(|d| visible(&symbols[d.0 as usize])).collect();
        writeln!(s, "  run {}({}) dims=[{}]", visible(&step.kernel.name), buffers.join(", "), dims.join(", "))?;
    }
    writeln!(s, "}}")?;
    for step in steps {
        write!(s, "\n{}", *step.kernel)?;
    }
    Ok(())
}

fn port_text(port: &Port, p: &Program) -> String {
    let Port { name, ty, layout, alias } = port;
    let layout = match layout {
        Layout::Contiguous => "",
        Layout::Rows => " rows",
        Layout::Strided => " strided",
    };
    let of = |i: &usize| visible(&p.inputs[*i].name);
    let alias = match alias {
        Alias::None => String::new(),
        Alias::InPlace(i) => format!(" in_place({})", of(i)),
        Alias::Donates(i) => format!(" donates({})", of(i)),
        Alias::Guarded(i) => format!(" guarded({})", of(i)),
    };
    format!("{}: {}{layout}{alias}", visible(name), ty.text(&p.symbols))
}

fn buffer(b: Buffer, p: &Program) -> String {
    match b {
        Buffer::Input(i) => visible(&p.inputs[i].name).into_owned(),
        Buffer::Output(i) => format!("&{}", visible(&p.outputs[i].name)),
        Buffer::Intermediate(i) => format!("&{}", visible(&p.intermediates[i].name)),
        Buffer::ErrorWord => "&error_word".to_owned(),
    }
}
