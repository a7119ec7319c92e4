//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Fuses the small tensor programs between a Mixture-of-Experts router and its expert GEMMs into one kernel.
#[derive(Debug, Parser)]
#[command(name = "routefuse", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "FILE is a .route text or its JSON form; `-` is standard input.\n\
Exit codes: 0 ok, 1 something is wrong with the input, 2 usage, 3 outputs differ, 70 a defect in routefuse.")]
pub struct Cli {
    /// When to colour: only on a terminal, unless told otherwise.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto)]
    pub colour: Colour,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// When to colour the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Verify a graph: every error at once, each with its code, place and help.
    Check(Check),
    /// Format a .route file in place, keeping comments.
    Fmt(Fmt),
    /// Print a graph at any stage of its way to machine code.
    Dump(Dump),
    /// Compile a graph for one or more targets and write code and metadata.
    Compile(Compile),
    /// Run a graph on this machine.
    Run(Run),
    /// Say what became of a graph: kernels, bytes, proofs, reasons.
    Explain(Explain),
    /// Time a graph, fused and unfused, on this machine.
    Bench(Bench),
    /// List the targets.
    Targets(Json),
    /// Say what this build and this machine have: LLVM, LLD, processor, GPU.
    Doctor(Json),
    /// Compile the chains, run them on a real routing trace, check every bit, print a table.
    Demo(Demo),
    /// Say what an error code means, or list them all.
    Code {
        /// A code such as RF0107.
        code: Option<String>,
    },
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// `--json` alone.
#[derive(Debug, Args)]
pub struct Json {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A graph file.
#[derive(Debug, Args)]
pub struct GraphFile {
    /// A .route text or its JSON form; `-` is standard input.
    pub file: PathBuf,
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub graph: GraphFile,
    /// Print the diagnostics as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `fmt`.
#[derive(Debug, Args)]
pub struct Fmt {
    #[command(flatten)]
    pub graph: GraphFile,
    /// Write nothing; exit with 1 if the file is not formatted.
    #[arg(long)]
    pub check: bool,
    /// Print the result instead of writing the file (always so for standard input).
    #[arg(long)]
    pub stdout: bool,
}

/// A stage of the way from text to machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// The graph as read.
    Graph,
    /// After canonicalisation.
    Canonical,
    /// The program: kernels and the buffers between them.
    Fused,
    /// Each kernel with its schedule.
    Kernel,
    /// MLIR, before its passes.
    Mlir,
    /// Optimised LLVM IR.
    Llvm,
    /// PTX, AMDGPU or host assembly.
    Asm,
    /// Every stage.
    All,
    /// The graph as JSON.
    Json,
}

/// `dump`.
#[derive(Debug, Args)]
pub struct Dump {
    #[command(flatten)]
    pub graph: GraphFile,
    /// Which stage.
    #[arg(long, value_enum, default_value_t = Stage::All)]
    pub stage: Stage,
    /// The target of the later stages.
    #[arg(long, default_value = "host")]
    pub target: String,
    /// Print what changed from stage A to stage B instead, as in `--diff graph,canonical`.
    #[arg(long, value_name = "A,B", value_enum, value_delimiter = ',', num_args = 2, conflicts_with = "stage")]
    pub diff: Vec<Stage>,
    /// One kernel for every op, as without fusion.
    #[arg(long)]
    pub unfused: bool,
}

/// `compile`.
#[derive(Debug, Args)]
pub struct Compile {
    #[command(flatten)]
    pub graph: GraphFile,
    /// A target, or several: `--target host,sm_90 --target gfx942`.
    #[arg(long, value_delimiter = ',', default_value = "host")]
    pub target: Vec<String>,
    /// The folder that the code and its metadata are written to; it is made if need be.
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// Print where the time went.
    #[arg(long)]
    pub timings: bool,
    /// One kernel for every op, as without fusion.
    #[arg(long)]
    pub unfused: bool,
    /// Print what was written as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Inputs and extents of a launch.
#[derive(Debug, Args)]
pub struct Inputs {
    /// An input: name=path.npy, or name=file.safetensors:key.
    #[arg(long = "in", value_name = "NAME=FILE")]
    pub inputs: Vec<String>,
    /// The extent of a dim: T=64.
    #[arg(long = "dim", value_name = "NAME=N")]
    pub dims: Vec<String>,
    /// Fill the inputs that are not given with random values from this seed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub graph: GraphFile,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Write each output to DIR/name.npy.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the outputs.
    #[arg(long)]
    pub print: bool,
    /// Compare with the interpreter, bit for bit; exit with 3 if they differ.
    #[arg(long)]
    pub check: bool,
    /// One kernel for every op, as without fusion.
    #[arg(long)]
    pub unfused: bool,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    pub graph: GraphFile,
    /// The target whose schedule is shown.
    #[arg(long, default_value = "host")]
    pub target: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(flatten)]
    pub graph: GraphFile,
    /// The extents, one dim with a list: T=1,64,4096,65536.
    #[arg(long = "dim", value_name = "NAME=N,…", default_value = "T=1,64,4096,65536")]
    pub dim: String,
    /// Seed of the random inputs.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// The routing trace.
    #[arg(long, default_value = "examples/data/router_trace.safetensors")]
    pub trace: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
