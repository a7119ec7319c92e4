//! The identity of compiled code: the shape signature.

use super::compiler::Compiler;
use routefuse_ir::kernel::abi::{self, Slot};
use routefuse_ir::kernel::schedule::{Schedule, Scheduled, Variant};
use routefuse_ir::kernel::{Kernel, ValueId};
use routefuse_ir::target::Target;
use std::fmt;

/// The version of what a key is made of.
const FORMAT: u32 = 3;
/// The version of the calling convention, [`routefuse_ir::kernel::abi`].
const ABI: u32 = 1;

/// The hash of a [`KeyText`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of one variant of a kernel.
    pub fn of(scheduled: &Scheduled, variant: Variant, compiler: &dyn Compiler) -> Key {
        KeyText::of(scheduled, variant, compiler).key
    }

    /// The key of a text: its blake3 hash.
    pub(crate) fn of_text(text: &str) -> Key {
        Key(*blake3::hash(text.as_bytes()).as_bytes())
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// The key whose [`Display`](fmt::Display) text this is: 64 hexadecimal digits in lower case.
    pub fn from_text(text: &str) -> Option<Key> {
        let digit = |b: u8| char::from(b).to_digit(16).filter(|_| !b.is_ascii_uppercase());
        let pairs = text.as_bytes().chunks(2).map(|p| match p {
            [high, low] => Some((digit(*high)? * 16 + digit(*low)?) as u8),
            _ => None,
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        Some(Key(bytes?.try_into().ok()?))
    }

    /// The hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Everything that decides what machine code a kernel becomes, as text: the version of the calling convention, the compiler,
/// the target (with the PTX version that it asks of the driver, or the features of a named host), the processor if the code is for
/// one alone (that of `host`; for
/// a GPU's machine code, its own, and the driver whose assembler made it), the variant, the schedule, the slots, and the
/// kernel without names. Never an extent, a name, a path or a time.
///
/// One ingredient a line, `name value`, the kernel's lines last:
/// ```text
/// routefuse key 3
/// abi 1
/// compiler routefuse 0.1.0 llvm 22.1.8 …
/// target sm_90 nvptx64-nvidia-cuda +ptx80
/// processor
/// variant align16/i32
/// schedule flat threads=256 [cols=8 in_row=4 stores=0]
/// slots p0 p0.0 p1 p2 s0
/// kernel rows=s0 symbols=1 {
///   …
/// }
/// ```
/// Under a key whose text has the line `tuning` instead of a variant lies the record of a tuning; its schedule is the built-in
/// one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyText {
    key: Key,
    text: String,
}

impl KeyText {
    /// The text of one variant of a kernel.
    pub fn of(scheduled: &Scheduled, variant: Variant, compiler: &dyn Compiler) -> KeyText {
        let processor = if scheduled.target == Target::host() { compiler.host_cpu() } else { "" };
        KeyText::on(processor, scheduled, variant, compiler)
    }

    /// The text of one variant of a kernel as machine code: `processor` says of which GPU, and by which assembler.
    pub fn on(processor: &str, scheduled: &Scheduled, variant: Variant, compiler: &dyn Compiler) -> KeyText {
        KeyText::with(processor, scheduled, &format!("variant {variant}"), compiler)
    }

    /// The text of the record of a tuning: that of the kernel with its built-in schedule, whichever the variant.
    pub fn of_tuning(built_in: &Scheduled, compiler: &dyn Compiler) -> KeyText {
        KeyText::with("", built_in, "tuning", compiler)
    }

    /// `of` is the line that says of what it is.
    fn with(processor: &str, scheduled: &Scheduled, of: &str, compiler: &dyn Compiler) -> KeyText {
        // Destructured so that a new field cannot be forgotten.
        let Scheduled { kernel, schedule, target } = scheduled;
        let info = target.info();
        let mut text = format!("routefuse key {FORMAT}\nabi {ABI}\n");
        let mut line = |name: &str, value: &str| {
            text.push_str(name);
            if !value.is_empty() {
                text.push(' ');
                // No ingredient reaches into the next line.
                text.push_str(&value.replace('\\', "\\\\").replace('\n', "\\n"));
            }
            text.push('\n');
        };
        line("compiler", compiler.version());
        line("target", [info.name, info.triple, info.features].join(" ").trim_end());
        line("processor", processor);
        line(of, "");
        line("schedule", &canonical_schedule(schedule, kernel).to_string());
        line("slots", &slots_text(&abi::slots(kernel, *target)));
        text.push_str(&kernel.canonical_text());
        KeyText { key: Key::of_text(&text), text }
    }

    /// Its hash.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The schedule, with values named as the kernel's canonical text names them.
fn canonical_schedule(schedule: &Schedule, kernel: &Kernel) -> Schedule {
    let order = kernel.canonical_order();
    let number = |v: &ValueId| order.iter().position(|o| o == v).map(|n| ValueId(n as u32));
    let mut held: Vec<ValueId> = schedule.held().iter().filter_map(number).collect();
    held.sort();
    schedule.clone().with_held(held)
}

/// `p0` a pointer, `p0.1` the stride of its dim 1, `s0` an extent.
fn slots_text(slots: &[Slot]) -> String {
    let words: Vec<String> = slots
        .iter()
        .map(|slot| match slot {
            Slot::Pointer(p) => format!("p{}", p.0),
            Slot::Stride(p, dim) => format!("p{}.{dim}", p.0),
            Slot::Extent(s) => format!("s{}", s.0),
        })
        .collect();
    words.join(" ")
}
