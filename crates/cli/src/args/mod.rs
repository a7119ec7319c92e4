//! The command line.

mod bench;
mod bundle;
mod cache;
mod cache_options;
mod check;
mod compile;
mod demo;
mod device;
mod diff;
mod dump;
mod explain;
mod explore;
mod fmt;
mod forced;
mod graph;
mod man;
mod model_name;
mod models;
mod new;
mod report;
mod run;
mod tune;
mod values;

#[cfg(any(feature = "cuda", feature = "hip"))]
pub use bench::Versus;
pub use bench::{Bench, IdsOf, RowsOf};
pub use bundle::{Bundle, BundleBuild, BundleFile, Keygen};
pub use cache::{Cache, CacheExport, GarbageCollect, WhyMiss};
pub use cache_options::{CacheOptions, Directory, LocalCache, LocalOptions, Remote, RemoteWriting, Sign, Trust};
pub use check::Check;
pub use compile::{Compile, ExportForm};
pub use demo::Demo;
pub use device::{DeviceChoice, On};
pub use diff::Diff;
pub use dump::{Dump, Stage};
pub use explain::{Explain, Format};
pub use explore::Explore;
pub use fmt::Fmt;
pub use forced::Forced;
pub use graph::GraphSource;
pub use man::Man;
pub use models::Models;
pub use new::New;
pub use report::Report;
pub use run::{Inputs, Run};
pub use tune::Tune;
pub use values::Extents;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use routefuse::diag::Code;

/// The heading of the options that say what is printed, and how.
const OUTPUT: &str = "Output options";

/// Fuses the small tensor programs between a Mixture-of-Experts router and its expert GEMMs into one kernel.
#[derive(Debug, Parser)]
#[command(name = "routefuse", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "FILE is a .route text or its JSON form; `-` is standard input. Instead of a\n\
FILE, `--model NAME` takes a model preset (`routefuse models` lists them).\n\
Exit codes: 0 ok, 1 something is wrong with the input, 2 usage, 3 outputs\n\
differ, 70 a defect in routefuse.\n\n\
Example: routefuse explain examples/e_post_chain.route")]
pub struct Cli {
    /// When to colour: auto, which is on a terminal, always, or never.
    #[arg(
        long,
        alias = "color",
        global = true,
        value_enum,
        default_value_t = Colour::Auto,
        value_name = "WHEN",
        hide_possible_values = true,
        display_order = 100,
        help_heading = OUTPUT
    )]
    pub colour: Colour,
    #[command(flatten)]
    pub verbosity: Verbosity,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How much is said beside the output, on standard error.
#[derive(Debug, Args)]
pub struct Verbosity {
    /// Say more: where each kernel comes from; twice, everything.
    ///
    /// Without this and `-q`, $RUST_LOG says what is said.
    #[arg(short, long, global = true, display_order = 101, help_heading = OUTPUT, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say no warnings, and show no progress.
    #[arg(short, long, global = true, display_order = 102, help_heading = OUTPUT)]
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

/// What to do. `command_tree` says in which group of the help each stands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented graph to begin with, like that of a model.
    #[command(after_help = "Example: routefuse new my_router --like deepseek-v3 --option eplb=static")]
    New(New),
    /// List the model presets, or the options of one.
    #[command(after_help = "Example: routefuse models deepseek-v3")]
    Models(Models),
    /// Verify a graph: every error at once, with its place and a help.
    #[command(after_help = "Example: routefuse check examples/c_pack.route")]
    Check(Check),
    /// Format a .route file in place, keeping comments.
    #[command(after_help = "Example: routefuse fmt --check examples/c_pack.route")]
    Fmt(Fmt),
    /// Say what becomes of a graph: kernels, bytes, proofs, reasons.
    #[command(after_help = "Example: routefuse explain examples/e_post_chain.route")]
    Explain(Explain),
    /// Write one page on which a graph can be looked at, to machine code.
    ///
    /// The page is one HTML file that asks nothing of a network: the graph before and after fusion, the bytes of every launch, the
    /// text of every stage, and a check of the host's code against the interpreter.
    #[command(after_help = "Example: routefuse report examples/e_post_chain.route -o report.html\n\
                      Example: routefuse report --model gpt-oss --target sm_90 -o report.html")]
    Report(Report),
    /// Write a graph in the browser, and see what becomes of it.
    ///
    /// A page with an editor is served on this machine's loopback. What stands beside the editor is the page of `report`, which
    /// follows every key.
    #[command(after_help = "Example: routefuse explore --model deepseek-v3 --target sm_90")]
    Explore(Explore),
    /// Print a graph at any stage of its way to machine code.
    #[command(after_help = "Example: routefuse dump examples/e_post_chain.route --target sm_90\n\
                      Example: routefuse dump --model deepseek-v3 --stage svg > picture.svg")]
    Dump(Dump),
    /// List the targets that code can be compiled for.
    #[command(after_help = "Example: routefuse targets --json")]
    Targets(Json),
    /// Compile a graph for some targets, and write code and manifest.
    #[command(after_help = "Example: routefuse compile examples/c_pack.route --target sm_90 -o out")]
    Compile(Compile),
    /// Run a graph on this machine, or on a GPU of it.
    #[command(after_help = "Example: routefuse run examples/c_pack.route --dim T=4 --seed 1 --print")]
    Run(Run),
    /// Say how tensors in files differ: bits, ulp, ties, the first place.
    #[command(after_help = "Exit codes: 0 equal, 3 different, 1 a file is no tensor.\n\n\
Example: routefuse diff out/ids_out.npy engine/ids.npy\n\
Example: routefuse diff out/ engine/ --scores scores.npy --tolerance-ulp 1")]
    Diff(Diff),
    /// Time a graph, fused and unfused, on this machine or a GPU of it.
    #[command(after_help = "Example: routefuse bench examples/e_post_chain.route --dim T=1,64,4096")]
    Bench(Bench),
    /// Measure on a GPU how lanes best share a graph's rows.
    ///
    /// Only routers are tuned: kernels in which some lanes own a row together. The answer is kept in the cache, and every later
    /// compile for such a card follows it.
    #[command(after_help = "Example: routefuse tune --model deepseek-v3 --device cuda:0\n\
                      Example: routefuse tune --model gpt-oss --device hip:0 --dry-run")]
    Tune(Tune),
    /// Compile the chains, run them on a real trace, check every bit.
    #[command(after_help = "Example: routefuse demo --json")]
    Demo(Demo),
    /// Look at and look after the cache of compiled kernels.
    #[command(subcommand, after_help = "Example: routefuse cache stat")]
    Cache(Cache),
    /// Make and look at bundles: a model's kernels in one file.
    #[command(subcommand, after_help = "Example: routefuse bundle build --model gpt-oss -o model.rfb")]
    Bundle(Bundle),
    /// Say what this build and this machine have: LLVM, processor, GPU.
    #[command(after_help = "Example: routefuse doctor")]
    Doctor(Doctor),
    /// Say what an error code means, or list them all.
    #[command(after_help = "Example: routefuse code RF0107")]
    Code {
        /// A code such as RF0107; without one, all are listed.
        #[arg(value_parser = values::code)]
        code: Option<Code>,
        /// Print JSON.
        #[arg(long, help_heading = OUTPUT)]
        json: bool,
    },
    /// Print the completion script of a shell.
    #[command(after_help = "Example: routefuse completions fish > routefuse.fish")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the pages of all commands.
    #[command(after_help = "Example: routefuse man | man -l -\n\
                      Example: routefuse man -o ~/.local/share/man/man1")]
    Man(Man),
}

/// `--json` alone.
#[derive(Debug, Args)]
pub struct Json {
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub cache: LocalOptions,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
