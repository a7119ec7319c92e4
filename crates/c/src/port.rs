//! What a plan takes and gives, as C reads it.

use crate::boundary::{self, Out, bad_call, call};
use crate::device::{number_of, routefuse_device, routefuse_dtype};
use crate::error::{routefuse_error, routefuse_status};
use crate::plan::{self, routefuse_plan};
use crate::tensor::{ROUTEFUSE_INPUT, ROUTEFUSE_OUTPUT};
use crate::text::c_text;
use routefuse::exec::Device;
use routefuse::ir::{Alias, Dim, Layout, Port};
use routefuse::{Error, Plan};
use std::ffi::{CString, c_char};

/// A plan in numbers. Its texts live as long as the plan.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct routefuse_plan_info {
    /// The graph's name.
    pub name: *const c_char,
    /// The target that its kernels are compiled for, as in "sm_90".
    pub target: *const c_char,
    /// Where it runs.
    pub device: routefuse_device,
    /// How many inputs it has.
    pub inputs: usize,
    /// How many outputs, without the error word.
    pub outputs: usize,
    /// How many dims have an extent that a launch says, such as T.
    pub symbols: usize,
    /// How many kernels one launch runs.
    pub kernels: usize,
    /// A launch takes, after the outputs, an error word: a `ROUTEFUSE_U32` scalar that is 0 before, and not 0 after a gather with
    /// `out_of_range = trap` met such an index.
    pub has_error_word: bool,
    /// A launch takes a workspace: `routefuse_plan_workspace` says how many bytes.
    pub has_workspace: bool,
}

/// Row-major without gaps.
pub const ROUTEFUSE_CONTIGUOUS: u32 = 1;
/// Rows may lie apart; each is without gaps.
pub const ROUTEFUSE_ROWS: u32 = 2;
/// Any strides.
pub const ROUTEFUSE_STRIDED: u32 = 3;

/// The output shares no input's memory.
pub const ROUTEFUSE_APART: u32 = 0;
/// The output is the input's memory.
pub const ROUTEFUSE_IN_PLACE: u32 = 1;
/// The output may be the input's memory.
pub const ROUTEFUSE_DONATES: u32 = 2;
/// The output is a copy of the input, and nothing is copied where both are the same memory.
pub const ROUTEFUSE_GUARDED: u32 = 3;

/// An input or an output of a plan. Name and extents live as long as the plan.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct routefuse_port {
    /// The name by which an argument is given.
    pub name: *const c_char,
    /// The extents, as many as `rank` says: a negative one, -1 - i, is that of the plan's symbol i.
    pub shape: *const i64,
    /// How many dims it has.
    pub rank: u32,
    /// What its elements are.
    pub dtype: routefuse_dtype,
    /// `ROUTEFUSE_CONTIGUOUS`, `ROUTEFUSE_ROWS` or `ROUTEFUSE_STRIDED`.
    pub layout: u32,
    /// Of an output: `ROUTEFUSE_APART`, `ROUTEFUSE_IN_PLACE`, `ROUTEFUSE_DONATES` or `ROUTEFUSE_GUARDED`.
    pub alias: u32,
    /// The index of that input; -1 where the output is apart.
    pub alias_of: i32,
    /// 0.
    pub reserved: u32,
}

/// What is told of a plan, in C's form.
pub(crate) struct Description {
    name: CString,
    target: CString,
    device: routefuse_device,
    inputs: Vec<PortText>,
    outputs: Vec<PortText>,
    symbols: Vec<CString>,
    kernels: Vec<CString>,
    has_error_word: bool,
    has_workspace: bool,
    names: Vec<KnownName>,
}

/// The name of an argument, so that a launch need not find out where the same text of C's ends, and that it is UTF-8.
pub(crate) struct KnownName {
    text: Box<str>,
    in_c: CString,
}

impl KnownName {
    fn of(name: &str) -> KnownName {
        KnownName { text: name.into(), in_c: c_text(name) }
    }

    /// The name, if a text of C's is the same.
    ///
    /// # Safety
    /// It is a text that ends in a zero byte.
    #[inline]
    pub(crate) unsafe fn if_same(&self, at: *const c_char) -> Option<&str> {
        let bytes = self.in_c.as_bytes_with_nul();
        // SAFETY: each byte is read after those before it were equal, so that none of them ended the text.
        let same = |(i, byte): (usize, &u8)| unsafe { at.add(i).cast::<u8>().read() } == *byte;
        bytes.iter().enumerate().all(same).then_some(&*self.text)
    }
}

struct PortText {
    name: CString,
    shape: Vec<i64>,
    dtype: routefuse_dtype,
    layout: u32,
    alias: (u32, i32),
}

impl PortText {
    fn of(port: &Port) -> PortText {
        let extent = |dim: &Dim| match dim {
            Dim::Const(n) => i64::try_from(*n).unwrap_or(i64::MAX),
            Dim::Sym(s) => -1 - i64::from(s.0),
        };
        PortText {
            name: c_text(&port.name),
            shape: port.ty.shape.iter().map(extent).collect(),
            dtype: number_of(port.ty.dtype),
            layout: match port.layout {
                Layout::Contiguous => ROUTEFUSE_CONTIGUOUS,
                Layout::Rows => ROUTEFUSE_ROWS,
                Layout::Strided => ROUTEFUSE_STRIDED,
            },
            alias: match port.alias {
                Alias::None => (ROUTEFUSE_APART, -1),
                Alias::InPlace(i) => (ROUTEFUSE_IN_PLACE, i as i32),
                Alias::Donates(i) => (ROUTEFUSE_DONATES, i as i32),
                Alias::Guarded(i) => (ROUTEFUSE_GUARDED, i as i32),
            },
        }
    }
}

impl Description {
    /// The names of its arguments: inputs, outputs, the error word.
    #[inline]
    pub(crate) fn names(&self) -> &[KnownName] {
        &self.names
    }

    /// Where the plan runs.
    pub(crate) fn device(&self) -> Device {
        self.device.known().unwrap_or_default()
    }

    pub(crate) fn of(plan: &Plan, device: Device) -> Description {
        let program = plan.program();
        Description {
            name: c_text(&program.name),
            target: c_text(plan.target().name()),
            device: routefuse_device::of(device),
            inputs: program.inputs.iter().map(PortText::of).collect(),
            outputs: program.outputs.iter().map(PortText::of).collect(),
            symbols: program.symbols.iter().map(|s| c_text(s)).collect(),
            kernels: plan.kernels().iter().map(|k| c_text(&k.kernel.name)).collect(),
            has_error_word: program.has_trap,
            has_workspace: !program.intermediates.is_empty(),
            names: {
                let ports = program.inputs.iter().chain(&program.outputs).map(|port| port.name.as_str());
                ports.chain(program.has_trap.then_some("error_word")).map(KnownName::of).collect()
            },
        }
    }
}

/// One of several things, by its index.
fn at<'t, T>(things: &'t [T], index: usize, what: &str) -> Result<&'t T, Error> {
    let missing =
        || bad_call(format!("the plan has no {what} {index}"), format!("it has {}, counted from 0", things.len()));
    things.get(index).ok_or_else(missing)
}

/// The plan in numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_plan_describe(
    plan: *const routefuse_plan,
    info: *mut routefuse_plan_info,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("info", info) }?;
        let plan = plan::plan(plan)?;
        let of = &plan.description;
        out.write(routefuse_plan_info {
            name: of.name.as_ptr(),
            target: of.target.as_ptr(),
            device: of.device,
            inputs: of.inputs.len(),
            outputs: of.outputs.len(),
            symbols: of.symbols.len(),
            kernels: of.kernels.len(),
            has_error_word: of.has_error_word,
            has_workspace: of.has_workspace,
        });
        Ok(())
    })
}

/// An input (`ROUTEFUSE_INPUT`) or an output (`ROUTEFUSE_OUTPUT`) of the plan, by its index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_plan_port(
    plan: *const routefuse_plan,
    role: u32,
    index: usize,
    port: *mut routefuse_port,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("port", port) }?;
        let plan = plan::plan(plan)?;
        let of = match role {
            ROUTEFUSE_INPUT => at(&plan.description.inputs, index, "input")?,
            ROUTEFUSE_OUTPUT => at(&plan.description.outputs, index, "output")?,
            _ => {
                let help = "the roles are ROUTEFUSE_INPUT (1) and ROUTEFUSE_OUTPUT (2)";
                return Err(bad_call(format!("`role` is {role}"), help));
            }
        };
        out.write(routefuse_port {
            name: of.name.as_ptr(),
            shape: of.shape.as_ptr(),
            rank: of.shape.len() as u32,
            dtype: of.dtype,
            layout: of.layout,
            alias: of.alias.0,
            alias_of: of.alias.1,
            reserved: 0,
        });
        Ok(())
    })
}

/// The name of a dim whose extent a launch says, by its index. It lives as long as the plan.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_plan_symbol(
    plan: *const routefuse_plan,
    index: usize,
    name: *mut *const c_char,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("name", name) }?;
        out.write(at(&plan::plan(plan)?.description.symbols, index, "symbol")?.as_ptr());
        Ok(())
    })
}

/// The name of a kernel of the plan, by its index in the order in which they run. It lives as long as the plan.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_plan_kernel(
    plan: *const routefuse_plan,
    index: usize,
    name: *mut *const c_char,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("name", name) }?;
        out.write(at(&plan::plan(plan)?.description.kernels, index, "kernel")?.as_ptr());
        Ok(())
    })
}

/// How many bytes of workspace a launch takes with these extents, one for each of the plan's symbols, in order. 0 for a plan of one
/// kernel.
///
/// RF0606 for another number of extents; RF0614 if the bytes do not fit 63 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_plan_workspace(
    plan: *const routefuse_plan,
    extents: *const u64,
    count: usize,
    bytes: *mut u64,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let (out, extents) = unsafe { (Out::of("bytes", bytes)?, boundary::array("extents", extents, count)?) };
        out.write(plan::plan(plan)?.plan().workspace_size(extents)?);
        Ok(())
    })
}
