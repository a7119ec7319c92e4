//! The document: what the page shows, as data.
//!
//! Names are made visible (a hidden character is written by its number). Values of the graph are named by their position in
//! [`Document::values`], which is the same in every list of the document.

use routefuse::inspect::ScheduleLanes;
use serde::Serialize;

/// The version of the document's form.
pub const SCHEMA: u32 = 1;

/// Everything that the page shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: u32,
    /// routefuse's version.
    pub version: String,
    /// The graph's name and the target.
    pub title: String,
    /// The command that makes this document again.
    pub command: String,
    /// What the user wrote.
    pub source: Source,
    /// The target's name.
    pub target: String,
    /// The symbol that the slider moves, and its extent at first; `None` for a graph without symbols.
    pub dim: Option<Dim>,
    /// Every symbol of the graph, with its extent at first.
    pub dims: Vec<Dim>,
    /// Every value of the graph as it was written, in its order: inputs, constants, operations.
    pub values: Vec<Value>,
    /// The graph drawn twice; `None` while it is still to be laid out.
    pub graph: Option<Drawings>,
    /// What is launched.
    pub launches: Launches,
    /// Texts, each made from one before it.
    pub stages: Vec<Stage>,
    /// How rows and columns meet lanes, one a kernel.
    pub schedules: Vec<ScheduleView>,
    /// Checks, times, keys, proofs.
    pub numbers: Numbers,
    /// Times from elsewhere.
    pub measured: Vec<Measured>,
    /// What a roofline is drawn of.
    pub bandwidth: Option<Bandwidth>,
    /// What is not in the document.
    pub left_out: Vec<LeftOut>,
    /// How commands are told of the graph.
    #[serde(skip)]
    pub(crate) graph_words: String,
}

/// What is not in a document, because it would be too large or cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// What, and why.
    pub what: String,
    /// The command that shows it, if there is one.
    pub command: Option<String>,
}

/// What the user wrote.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Source {
    /// The file's name, or the preset's.
    pub name: String,
    /// The text; of a preset, the graph as it is printed.
    pub text: String,
    /// In which form.
    pub form: Form,
    /// For each line of the text, the values that it defines.
    pub lines: Vec<Vec<usize>>,
}

/// The form of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `.route` text.
    #[default]
    Route,
    /// The JSON form.
    Json,
    /// A model preset: its graph as text.
    Preset,
}

/// An extent that is given at launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dim {
    /// The symbol's name.
    pub name: String,
    /// Its extent.
    pub at: u64,
}

/// A value of the graph as it was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Value {
    /// Its position in [`Document::values`].
    pub id: usize,
    /// Its name, with `%`.
    pub name: String,
    /// `i32[T, 8]`.
    pub r#type: String,
    /// The operation's mnemonic.
    pub op: String,
    /// The statement that defines it, as it is printed.
    pub text: String,
    /// Between which bounds it lies, if that is known and says something: `[-1, 287]`.
    pub range: Option<String>,
    /// Where it is after fusion.
    pub place: Place,
    /// The kernel that computes it, a position in [`Launches::after`]; the first, of several.
    pub kernel: Option<usize>,
    /// The symbol of its rows.
    pub rows: Option<String>,
    /// Bytes of one row of it.
    pub row_bytes: u64,
    /// Bytes of all of it, where it has no rows.
    pub once_bytes: u64,
    /// What became of it, if the passes left nothing of it.
    pub gone: Option<Gone>,
    /// What else is known of it; empty if nothing is.
    pub note: String,
}

/// What became of a value that the passes left nothing of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// The first pass after which nothing computes it.
    pub pass: String,
    /// The constant that it is, whatever the inputs are.
    pub constant: Option<String>,
    /// The values that stand in its place, or that it is a part of now.
    pub into: Vec<usize>,
    /// All of that in one sentence.
    pub why: String,
}

/// Where a value is after fusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Place {
    /// In an input's memory.
    #[serde(rename = "input")]
    Input,
    /// In an output's memory.
    #[serde(rename = "output")]
    Output,
    /// In memory between two kernels.
    #[serde(rename = "memory")]
    Memory,
    /// Computed once a row and kept in registers (on the host, on the stack), or in a flat schedule used where it is made.
    #[serde(rename = "registers")]
    Registers,
    /// Computed wherever it is asked for, and kept nowhere.
    #[serde(rename = "recomputed")]
    Recomputed,
    /// Part of the code.
    #[serde(rename = "code")]
    Code,
    /// The passes left nothing of it.
    #[serde(rename = "nowhere")]
    Nowhere,
}

/// The graph drawn twice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drawings {
    /// As it was written, each operation a launch.
    pub before: Drawing,
    /// As its kernels compute it.
    pub after: Drawing,
}

/// A laid-out drawing; lengths are pixels from the upper left corner.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Drawing {
    /// What it shows, in one line; if it is too large to be laid out, that.
    pub title: String,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// Values, operations and memory.
    pub boxes: Vec<DrawingBox>,
    /// A frame around what each kernel computes.
    pub hulls: Vec<Hull>,
    /// From where a value is made to where it is used.
    pub edges: Vec<Edge>,
}

/// A box of a drawing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrawingBox {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
    /// One or two short lines.
    pub lines: Vec<String>,
    /// The same in full, in one line.
    pub hint: String,
    /// The value that it stands for.
    pub value: Option<usize>,
    /// `input`, `output`, `memory`, `constant`, `op` (inside a kernel) or `kernel` (an operation by itself).
    pub kind: &'static str,
    /// The launch that computes it: a position in [`Launches::before`] or [`Launches::after`], as the drawing is.
    pub launch: Option<usize>,
}

/// A frame of a drawing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hull {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
    /// The kernel's name.
    pub title: String,
    /// A position in [`Launches::after`].
    pub launch: usize,
}

/// An arrow of a drawing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edge {
    /// The attribute `d` of a path of SVG.
    pub path: String,
    /// The value that it carries.
    pub value: Option<usize>,
    /// The box that it leads from, a position in [`Drawing::boxes`].
    pub from: usize,
    /// The box that it leads to.
    pub to: usize,
    /// It passes through memory.
    pub memory: bool,
    /// The symbol of the value's rows.
    pub rows: Option<String>,
    /// Bytes of the value for each row.
    pub row_bytes: u64,
    /// Bytes of the value in all, where it has no rows.
    pub once_bytes: u64,
}

/// What is launched, in the order in which it runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Launches {
    /// A launch an operation.
    pub before: Vec<Launch>,
    /// The kernels.
    pub after: Vec<Launch>,
}

/// One launch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Launch {
    /// The kernel's name.
    pub name: String,
    /// The name of its row extent; `None` is one row.
    pub rows: Option<String>,
    /// Bytes read for each row.
    pub read_row: u64,
    /// Bytes written for each row.
    pub written_row: u64,
    /// Bytes read once.
    pub read_once: u64,
    /// Bytes written once.
    pub written_once: u64,
    /// The values of the graph that it computes.
    pub values: Vec<usize>,
    /// What is compiled of it; empty before fusion.
    pub variants: Vec<Variant>,
}

/// One variant of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Variant {
    /// As schedules write it: `align16/i32/shape1`.
    pub name: String,
    /// When a launch takes it: the first of the list for which this holds.
    pub when: String,
    /// The fewest rows.
    pub rows_from: u64,
    /// The most rows, or `None`.
    pub rows_to: Option<u64>,
}

/// A text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    /// Unique in the document.
    pub id: String,
    /// For people.
    pub title: String,
    /// What kind of text it is.
    pub group: Group,
    /// A position in [`Launches::after`].
    pub kernel: Option<usize>,
    /// The variant's name.
    pub variant: Option<String>,
    /// The text; it ends in a newline.
    pub text: String,
    /// For each line, the values of the graph that stand behind it.
    pub lines: Vec<Vec<usize>>,
    /// What changed from another stage, which stands before this one.
    pub diff: Option<Diff>,
    /// Lines of machine code that touch memory, wait, talk to other lanes or jump, in order.
    pub marks: Vec<Mark>,
    /// For each line, how many registers hold something afterwards; `None` if the text does not tell.
    pub live: Option<Vec<Option<u32>>>,
    /// What was counted of it, with the unit in the name.
    pub counts: Vec<(String, f64)>,
    /// The loops of machine code, in order of their beginnings.
    pub loops: Vec<Loop>,
}

/// A loop of machine code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loop {
    /// Its first line, from 0. Other code may stand between its lines.
    pub first: usize,
    /// Its last line.
    pub last: usize,
    /// The line that each trip begins at.
    pub header: usize,
    /// Its instructions, those of loops inside once.
    pub instructions: usize,
    /// How often it is gone through, where the code says it.
    pub trips: Option<u64>,
}

/// What kind of text a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// The graph.
    Graph,
    /// The graph after a pass.
    Passes,
    /// The program and its kernels.
    Kernel,
    /// MLIR, LLVM IR and machine code.
    Code,
}

/// A difference line by line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// The id of the older stage.
    pub from: String,
    /// Runs of lines in order: `=` lines of both, `-` of the older, `+` of this one.
    pub runs: Vec<(char, usize)>,
}

/// A line of machine code that is worth a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// The line, from 0.
    pub line: usize,
    /// Of which kind.
    pub kind: MarkKind,
    /// In words.
    pub what: String,
}

/// What a marked line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MarkKind {
    /// Reads memory.
    Load,
    /// Writes memory.
    Store,
    /// Waits for memory or for another launch.
    Wait,
    /// Waits for the other threads of the block.
    Barrier,
    /// Takes a value from another lane.
    Exchange,
    /// Jumps.
    Branch,
}

/// How a kernel's rows and columns meet lanes on the target. Values are named as in [`Value::name`], or by their number in the
/// kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduleView {
    /// A position in [`Launches::after`].
    pub kernel: usize,
    /// The target's name.
    pub target: String,
    /// The schedule in its notation.
    pub notation: String,
    /// The words of the notation explained, and its shapes drawn.
    #[serde(flatten)]
    pub lanes: ScheduleLanes,
}

/// Checks, times, keys, proofs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Numbers {
    /// Host code against the interpreter, where code was made.
    pub check: Option<Check>,
    /// Times of the phases of each compile.
    pub compile: Vec<CompileTime>,
    /// Under which keys code is kept.
    pub keys: Vec<KeyOf>,
    /// Kernels whose shapes are those of a record of a tuning, a sentence each.
    pub tuned: Vec<String>,
    /// Gathers whose indices are proved in range, a sentence each.
    pub proved: Vec<String>,
    /// Gathers that check their indices when they run, a sentence each.
    pub checked: Vec<String>,
    /// Why there is not one kernel, a sentence each.
    pub why_not_fewer: Vec<String>,
}

/// Host code against the interpreter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The extent of each symbol.
    pub dims: Vec<Dim>,
    /// The rows that were compared: the extent of the first symbol.
    pub rows: u64,
    /// Where the inputs came from.
    pub inputs: String,
    /// Every output.
    pub outputs: Vec<CheckedOutput>,
}

/// An output beside the reference's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckedOutput {
    /// Its name.
    pub name: String,
    /// Its type.
    pub r#type: String,
    /// Elements that were compared.
    pub compared: u64,
    /// Elements whose bits differ.
    pub differing: u64,
    /// The first rows of the host's.
    pub ours: Vec<Vec<String>>,
    /// The same rows of the interpreter's.
    pub reference: Vec<Vec<String>>,
}

/// Where the time of a compile went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompileTime {
    /// A position in [`Launches::after`].
    pub kernel: usize,
    /// The variant's name.
    pub variant: String,
    /// Each phase in order, with its microseconds.
    pub phases: Vec<(String, f64)>,
    /// Bytes of the code.
    pub code_bytes: usize,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyOf {
    /// A position in [`Launches::after`].
    pub kernel: usize,
    /// The variant's name.
    pub variant: String,
    /// The key.
    pub key: String,
    /// What it is the hash of.
    pub text: String,
}

/// A time that was measured elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The card or processor.
    pub card: String,
    /// `before` (a launch an operation) or `after` (the kernels).
    pub launches: String,
    /// Rows of the launch.
    pub rows: u64,
    /// Its time.
    pub microseconds: f64,
}

/// The memory bandwidth that a roofline is drawn of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bandwidth {
    /// Bytes a second.
    pub bytes_per_second: f64,
    /// Of what.
    pub of: String,
}
