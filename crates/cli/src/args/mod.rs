//! The command line.

mod cache;
mod model_name;
mod tune;

pub use cache::{Bundle, BundleBuild, BundleFile, Cache, CacheExport, CacheOptions, GarbageCollect, Keygen, WhyMiss};

pub use tune::Tune;

use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand, ValueEnum};
use model_name::ModelName;
use routefuse::diag::Code;
use routefuse::exec::Device;
use routefuse::ir::RowShape;
use std::path::PathBuf;

/// Fuses the small tensor programs between a Mixture-of-Experts router and its expert GEMMs into one kernel.
#[derive(Debug, Parser)]
#[command(name = "routefuse", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "FILE is a .route text or its JSON form; `-` is standard input. Instead of a FILE, `--model NAME` takes a\n\
model preset (`routefuse models` lists them).\n\
Exit codes: 0 ok, 1 something is wrong with the input, 2 usage, 3 outputs differ, 70 a defect in routefuse.\n\n\
Example: routefuse explain examples/e_post_chain.route"
)]
pub struct Cli {
    /// When to colour: only on a terminal, unless told otherwise.
    #[arg(long, alias = "color", global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub colour: Colour,
    #[command(flatten)]
    pub verbosity: Verbosity,
    #[command(flatten)]
    pub cache: CacheOptions,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How much is said beside the output, on standard error.
#[derive(Debug, Args)]
pub struct Verbosity {
    /// Say more: where each kernel comes from; twice, everything. Without this and `-q`, $RUST_LOG says it.
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say no warnings.
    #[arg(short, long, global = true)]
    pub quiet: bool,
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
    #[command(after_help = "Example: routefuse check examples/c_pack.route")]
    Check(Check),
    /// Format a .route file in place, keeping comments.
    #[command(after_help = "Example: routefuse fmt --check examples/c_pack.route")]
    Fmt(Fmt),
    /// Print a graph at any stage of its way to machine code.
    #[command(after_help = "Example: routefuse dump examples/e_post_chain.route --stage asm --target sm_90\n\
                      Example: routefuse dump --model deepseek-v3 --stage svg > deepseek-v3.svg")]
    Dump(Dump),
    /// Compile a graph for one or more targets and write code and metadata.
    #[command(
        after_help = "Example: routefuse compile examples/e_post_chain.route --target host,sm_90,gfx942 -o out --timings"
    )]
    Compile(Compile),
    /// Run a graph on this machine, or on a GPU of it.
    #[command(after_help = "Example: routefuse run examples/c_pack.route --dim T=4 --seed 1 --print --check")]
    Run(Run),
    /// Say what became of a graph: kernels, bytes, proofs, reasons.
    #[command(after_help = "Example: routefuse explain examples/e_post_chain.route")]
    Explain(Explain),
    /// Time a graph, fused and unfused, on this machine or a GPU of it.
    #[command(after_help = "Example: routefuse bench examples/e_post_chain.route --dim T=1,64,4096,65536")]
    Bench(Bench),
    /// Measure on a GPU how its lanes best share the rows of a graph's routers, and keep the answer in the cache.
    #[command(after_help = "Example: routefuse tune --model deepseek-v3 --device cuda:0\n\
                      Example: routefuse tune examples/e_post_chain.route --device hip:0 --dry-run")]
    Tune(Tune),
    /// List the model presets, or the options of one.
    #[command(after_help = "Example: routefuse models deepseek-v3")]
    Models(Models),
    /// List the targets.
    #[command(after_help = "Example: routefuse targets --json")]
    Targets(Json),
    /// Say what this build and this machine have: LLVM, LLD, processor, GPU.
    #[command(after_help = "Example: routefuse doctor")]
    Doctor(Json),
    /// Compile the chains, run them on a real routing trace, check every bit, print a table.
    #[command(after_help = "Example: routefuse demo --json")]
    Demo(Demo),
    /// Say what an error code means, or list them all.
    #[command(after_help = "Example: routefuse code RF0107")]
    Code {
        /// A code such as RF0107; without one, all are listed.
        #[arg(value_parser = code)]
        code: Option<Code>,
    },
    /// Look at and look after the cache of compiled kernels.
    #[command(subcommand, after_help = "Example: routefuse cache stat")]
    Cache(Cache),
    /// Make and look at bundles: a model's compiled kernels in one file.
    #[command(
        subcommand,
        after_help = "Example: routefuse bundle build --model deepseek-v3 --target host,sm_90 -o model.rfb"
    )]
    Bundle(Bundle),
    /// Print the completion script of a shell.
    #[command(
        after_help = "Example: routefuse completions bash > ~/.local/share/bash-completion/completions/routefuse"
    )]
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

/// A graph: from a file, or a model preset.
#[derive(Debug, Args)]
pub struct GraphSource {
    /// A .route text or its JSON form; `-` is standard input.
    #[arg(required_unless_present = "model", conflicts_with = "model")]
    pub file: Option<PathBuf>,
    /// A model preset instead of a file; `routefuse models` lists them.
    #[arg(long, value_name = "NAME", value_parser = ModelName { all: false }, hide_possible_values = true)]
    pub model: Option<String>,
    /// An option of the model, as in eplb=static; `routefuse models NAME` lists them.
    #[arg(long = "option", value_name = "NAME=VALUE", requires = "model", conflicts_with = "file", value_parser = named_value)]
    pub options: Vec<(String, String)>,
}

/// `models`.
#[derive(Debug, Args)]
pub struct Models {
    /// A preset, whose options are listed.
    #[arg(value_parser = ModelName { all: false }, hide_possible_values = true)]
    pub name: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub graph: GraphSource,
    /// Print the diagnostics as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `fmt`.
#[derive(Debug, Args)]
pub struct Fmt {
    /// A .route text; `-` is standard input.
    pub file: PathBuf,
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
    /// A picture of the graph before and after fusion, laid out: `--stage svg > graph.svg`.
    Svg,
    /// The same picture as DOT, for Graphviz and other programs that lay it out.
    Dot,
}

/// What is otherwise chosen.
#[derive(Debug, Args)]
pub struct Forced {
    /// Give the row schedules of GPUs this one shape for any number of rows, to measure or to test it: as `dump --stage kernel`
    /// prints it, "lanes=4 threads=128 sorted".
    #[arg(long, value_name = "SHAPE")]
    pub shape: Option<RowShape>,
}

/// `dump`.
#[derive(Debug, Args)]
pub struct Dump {
    #[command(flatten)]
    pub graph: GraphSource,
    /// Which stage.
    #[arg(long, value_enum, default_value_t = Stage::All)]
    pub stage: Stage,
    /// The target of the later stages.
    #[arg(long, default_value = "host")]
    pub target: String,
    /// Print what changed from stage A to stage B instead, as in `--diff graph,canonical`.
    #[arg(long, value_name = "A,B", value_parser = two_stages, conflicts_with = "stage")]
    pub diff: Option<(Stage, Stage)>,
    /// One kernel for every op, as without fusion.
    #[arg(long)]
    pub unfused: bool,
    #[command(flatten)]
    pub forced: Forced,
}

/// `compile`.
#[derive(Debug, Args)]
pub struct Compile {
    #[command(flatten)]
    pub graph: GraphSource,
    /// A target, or several: `--target host,sm_90 --target gfx942`.
    #[arg(long, value_delimiter = ',', default_value = "host")]
    pub target: Vec<String>,
    /// The folder that the code and its metadata are written to, which is made if need be; with --export the file.
    #[arg(short, long, value_name = "PATH")]
    pub out: PathBuf,
    /// One file that another system loads, with all kernels in it, instead of a folder.
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "timings")]
    pub export: Option<ExportForm>,
    /// Write over files that are there, whatever they are; former ones of the same are written over without.
    #[arg(long)]
    pub force: bool,
    /// Print where the time went.
    #[arg(long)]
    pub timings: bool,
    /// One kernel for every op, as without fusion.
    #[arg(long)]
    pub unfused: bool,
    #[command(flatten)]
    pub forced: Forced,
    /// Print what was written as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A form in which another system loads code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportForm {
    /// A shared object for the host with a function of the graph's name, for `tvm_ffi.load_module`.
    TvmFfi,
}

/// Inputs and extents of a launch.
#[derive(Debug, Args)]
pub struct Inputs {
    /// An input: name=path.npy, or name=file.safetensors:key. Columns of a wider file, whose rows then lie as far apart as
    /// the file's, are written as in numpy: name=wide.npy[:,0:256].
    #[arg(long = "in", value_name = "NAME=FILE", value_parser = named_file)]
    pub inputs: Vec<(String, String)>,
    /// The extent of a dim: T=64.
    #[arg(long = "dim", value_name = "NAME=N", value_parser = extent)]
    pub dims: Vec<(String, u64)>,
    /// Fill the inputs that are not given with random values from this seed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Write the inputs that the seed made as .npy files into this folder, for `--in` and for other programs.
    #[arg(long, value_name = "DIR", requires = "seed")]
    pub save_inputs: Option<PathBuf>,
}

/// `run`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("folders").args(["out", "save_inputs"]).multiple(true)))]
pub struct Run {
    #[command(flatten)]
    pub graph: GraphSource,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Write each output to DIR/name.npy.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write over files that are there.
    #[arg(long, requires = "folders")]
    pub force: bool,
    /// Print the outputs.
    #[arg(long)]
    pub print: bool,
    /// Compare with the interpreter, bit for bit; exit with 3 if they differ.
    #[arg(long)]
    pub check: bool,
    /// One kernel for every op, as without fusion.
    #[arg(long)]
    pub unfused: bool,
    #[command(flatten)]
    pub forced: Forced,
    #[command(flatten)]
    pub on: On,
}

/// Where to run.
#[derive(Debug, Args)]
pub struct On {
    /// `host`, an NVIDIA GPU (cuda:0) or an AMD GPU (hip:0).
    #[arg(long, default_value = "host", value_parser = device)]
    pub device: DeviceChoice,
}

/// `host`, `cuda:N` or `hip:N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// This process.
    Host,
    /// The NVIDIA GPU of this number.
    Cuda(u32),
    /// The AMD GPU of this number.
    Hip(u32),
}

impl From<DeviceChoice> for Device {
    fn from(choice: DeviceChoice) -> Device {
        match choice {
            DeviceChoice::Host => Device::Host,
            DeviceChoice::Cuda(ordinal) => Device::Cuda(ordinal),
            DeviceChoice::Hip(ordinal) => Device::Hip(ordinal),
        }
    }
}

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    pub graph: GraphSource,
    /// Print instead, for each kernel and variant, the key of its code and all that the key is made of.
    #[arg(long)]
    pub key: bool,
    /// The target of the keys.
    #[arg(long, default_value = "host", requires = "key")]
    pub target: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(flatten)]
    pub graph: GraphSource,
    #[command(flatten)]
    pub forced: Forced,
    /// A dim and the extents to time, which all dims take in turn [default: 1,64,4096,65536].
    #[arg(long = "dim", value_name = "NAME=N,N,…", value_parser = extents)]
    pub dim: Option<(String, Extents)>,
    /// Seed of the random inputs.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// What rows of floats are like: what a router takes depends on it where it has a quick way for most of them.
    #[arg(long, value_enum, default_value_t = RowsOf::Ordinary)]
    pub rows: RowsOf,
    #[command(flatten)]
    pub on: On,
    /// On a GPU: time replays of a CUDA or HIP graph of many launches instead of launches on a stream.
    #[arg(long)]
    pub graph_replay: bool,
    /// What to compare with.
    #[arg(long, value_enum, default_value_t = Versus::Unfused)]
    pub vs: Versus,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What a time is compared with, beside a copy of as many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Versus {
    /// The same graph with one kernel for every op.
    Unfused,
    /// Nothing.
    None,
}

/// What every row of floats is like that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowsOf {
    /// Of about normal distribution.
    Ordinary,
    /// One number in all columns.
    Tied,
    /// Ordinary ones times 64.
    Huge,
    /// Ordinary ones, and a NaN.
    Nan,
    /// −∞ in all columns.
    NegInf,
}

/// `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// A routing trace, a .safetensors file [default: the one that the program carries].
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The values of one dim, each of which is timed.
#[derive(Clone, Debug)]
pub struct Extents(pub Vec<u64>);

/// `graph,canonical`.
fn two_stages(text: &str) -> Result<(Stage, Stage), String> {
    let known = || {
        let names = Stage::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        format!("write two of {}", names.map(|n| n.get_name().to_owned()).collect::<Vec<_>>().join(", "))
    };
    let stage = |name: &str| Stage::from_str(name.trim(), false).map_err(|_| known());
    let (from, to) = text.split_once(',').ok_or_else(known)?;
    Ok((stage(from)?, stage(to)?))
}

/// `eplb=static`.
fn named_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, as in eplb=static".to_owned()),
    }
}

/// `ids=path.npy`.
fn named_file(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.to_owned())),
        _ => Err("write NAME=FILE.npy or NAME=FILE.safetensors:KEY".to_owned()),
    }
}

/// `T=64`.
fn extent(text: &str) -> Result<(String, u64), String> {
    let pair = text.split_once('=').and_then(|(name, n)| Some((name.trim(), n.trim().parse().ok()?)));
    pair.filter(|p| !p.0.is_empty())
        .map(|(name, n)| (name.to_owned(), n))
        .ok_or_else(|| "write NAME=N, as in T=64".to_owned())
}

/// `host`, `cuda:0`, `hip:0`.
fn device(text: &str) -> Result<DeviceChoice, String> {
    let gpu = |vendor: &str| match text.strip_prefix(vendor) {
        Some("") => Some(0),
        Some(number) => number.strip_prefix(':')?.parse().ok(),
        None => None,
    };
    if text == "host" {
        return Ok(DeviceChoice::Host);
    }
    gpu("cuda")
        .map(DeviceChoice::Cuda)
        .or_else(|| gpu("hip").map(DeviceChoice::Hip))
        .ok_or_else(|| "write host, cuda:N as in cuda:0, or hip:N as in hip:0".to_owned())
}

/// `cuda:0`.
fn gpu_number(text: &str) -> Result<u32, String> {
    match device(text) {
        Ok(DeviceChoice::Cuda(ordinal)) => Ok(ordinal),
        _ => Err("write cuda:N as in cuda:0".to_owned()),
    }
}

/// `T=1,64,4096`.
fn extents(text: &str) -> Result<(String, Extents), String> {
    let wrong = || "write NAME=N,N,…, as in T=1,64,4096".to_owned();
    let (name, list) = text.split_once('=').filter(|(name, _)| !name.trim().is_empty()).ok_or_else(wrong)?;
    let values = list.split(',').map(|n| n.trim().parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    Ok((name.trim().to_owned(), Extents(values)))
}

/// `RF0107`.
fn code(text: &str) -> Result<Code, String> {
    Code::from_text(&text.to_uppercase())
        .ok_or_else(|| "no error has this code; `routefuse code` lists them all".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn values_are_read() {
        assert_eq!(named_file("ids=a=b.npy").unwrap(), ("ids".to_owned(), "a=b.npy".to_owned()));
        assert!(named_file("ids").is_err() && named_file("=x").is_err() && named_file("x=").is_err());
        assert_eq!(named_value("eplb=static").unwrap(), ("eplb".to_owned(), "static".to_owned()));
        assert!(named_value("eplb").is_err() && named_value("=static").is_err());
        assert_eq!(extent("T=64").unwrap(), ("T".to_owned(), 64));
        assert!(extent("T").is_err() && extent("=1").is_err() && extent("T=-1").is_err());
        assert_eq!(extents("T=1, 64").unwrap().1.0, [1, 64]);
        assert!(extents("T=").is_err() && extents("T=1,").is_err() && extents("1,2").is_err());
        assert_eq!(device("host"), Ok(DeviceChoice::Host));
        assert_eq!(gpu_number("cuda:1"), Ok(1));
        assert!(gpu_number("host").is_err() && gpu_number("1").is_err());
        assert_eq!((device("cuda"), device("cuda:3")), (Ok(DeviceChoice::Cuda(0)), Ok(DeviceChoice::Cuda(3))));
        assert_eq!((device("hip"), device("hip:1")), (Ok(DeviceChoice::Hip(0)), Ok(DeviceChoice::Hip(1))));
        assert!(gpu_number("hip:0").is_err() && device("hip1").is_err());
        assert!(device("cuda3").is_err() && device("gpu").is_err() && device("cuda:-1").is_err());
        assert_eq!(two_stages("graph, asm"), Ok((Stage::Graph, Stage::Asm)));
        assert!(two_stages("graph").is_err() && two_stages("graph,ptx").unwrap_err().contains("canonical, fused"));
        assert_eq!(code("rf0107"), Ok(Code::UnknownOp));
        assert!(code("RF9999").is_err());
    }
}
