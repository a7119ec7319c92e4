//! What becomes of a graph, and why: stages as text, keys, manifests, reports, single compiles.
//!
//! The methods `stages`, `keys`, `explain` and `manifest` of an [`Engine`](crate::Engine) give these. All of them show one and
//! the same lowering, the one that `compile` makes a plan of.

#[cfg(feature = "compiler")]
mod code;
#[cfg(feature = "compiler")]
mod compiler_info;
#[cfg(feature = "graphs")]
mod history;
mod keys;
#[cfg(feature = "graphs")]
mod lowering;
#[cfg(feature = "graphs")]
pub(crate) mod manifest;
#[cfg(feature = "graphs")]
mod program_text;
#[cfg(feature = "graphs")]
mod stages;

#[cfg(feature = "graphs")]
pub use crate::picture::Picture;
#[cfg(feature = "svg")]
pub use crate::picture::{Drawn, DrawnArrow, DrawnBox, DrawnFrame, Layouts};
#[cfg(feature = "compiler")]
pub use code::{
    CodeStages, Compilation, Module, code, code_until, compile, compile_until, export_tvm_ffi, located_code_until,
};
#[cfg(feature = "compiler")]
pub use compiler_info::{CompilerInfo, compiler_info};
#[cfg(feature = "graphs")]
pub use history::{Became, Fate, History, PassText};
pub use keys::KernelKey;
#[cfg(feature = "graphs")]
pub use lowering::Lowering;
#[cfg(feature = "graphs")]
pub use manifest::TargetFiles;
#[cfg(feature = "graphs")]
pub use routefuse_passes::explain::{
    AddedReport, ApartReport, AtOnceReport, Cost, DimTraffic, GatherReport, InChunksReport, JoinedReport, KernelReport,
    LaneIs, ParamReport, PassSummary, Phase, PhaseReport, Report, ScheduleLanes, ScheduleReport, ShapeLanes,
    SpreadLanes, Traffic, ValueReport, Word,
};
pub use routefuse_runtime::processor_lacks;
#[cfg(feature = "graphs")]
pub use stages::{Stages, kernel_text};
