//! The command line of `dump`.

use super::{Forced, GraphSource};
use clap::{Args, ValueEnum};

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
    /// The variant of each kernel whose code is printed, as in align1/i64; without it, the one that assumes most.
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Print what changed between two stages, as in graph,canonical.
    #[arg(long, value_name = "A,B", value_parser = two_stages, conflicts_with = "stage")]
    pub diff: Option<(Stage, Stage)>,
    /// One kernel for every op, as without fusion.
    #[arg(long)]
    pub unfused: bool,
    #[command(flatten)]
    pub forced: Forced,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_stages_are_read() {
        assert_eq!(two_stages("graph, asm"), Ok((Stage::Graph, Stage::Asm)));
        assert!(two_stages("graph").is_err() && two_stages("graph,ptx").unwrap_err().contains("canonical, fused"));
    }
}
