//! The target table: one row a target.

use crate::diag::{Code, Diagnostic};
use std::fmt;

/// What kind of machine a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// This process's own processor.
    Host,
    /// NVIDIA, through PTX.
    Nvptx,
    /// AMD, through HSACO.
    Amdgpu,
}

/// What a machine can do beyond what every one of its kind can. A column of the table for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Abilities {
    /// A kernel may be launched while the one before it in the stream runs, and waits for it by itself (CUDA's programmatic
    /// dependent launch).
    pub dependent_launch: bool,
    /// The lesser of two floats, or a NaN where one is, is one instruction.
    pub nan_min: bool,
    /// A warp finds its largest 32-bit word in one instruction.
    pub warp_max: bool,
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TargetInfo {
    /// `host`, `sm_90`, `gfx942`, …
    pub name: &'static str,
    /// What kind of machine.
    pub kind: TargetKind,
    /// LLVM's triple; empty for `host`, which is the machine's own.
    pub triple: &'static str,
    /// LLVM's features, beside the processor's own: the PTX version for NVIDIA.
    pub features: &'static str,
    /// Lanes that run in lock step: 1 on the host.
    pub warp: u32,
    /// Most threads of a block.
    pub max_threads: u32,
    /// Its compute capability without the point: 90 for `sm_90`. `None` if it is not NVIDIA's.
    pub capability: Option<u32>,
    /// What it can do.
    pub abilities: Abilities,
    /// What it is, for people.
    pub product: &'static str,
}

const NONE: Abilities = Abilities { dependent_launch: false, nan_min: false, warp_max: false };
const AMPERE: Abilities = Abilities { nan_min: true, warp_max: true, ..NONE };
const HOPPER: Abilities = Abilities { dependent_launch: true, ..AMPERE };

const HOST: TargetInfo = TargetInfo {
    name: "host",
    kind: TargetKind::Host,
    triple: "",
    features: "",
    warp: 1,
    max_threads: 1,
    capability: None,
    abilities: NONE,
    product: "this machine's processor",
};

const fn nv(
    name: &'static str,
    capability: u32,
    features: &'static str,
    abilities: Abilities,
    product: &'static str,
) -> TargetInfo {
    TargetInfo {
        name,
        kind: TargetKind::Nvptx,
        triple: "nvptx64-nvidia-cuda",
        features,
        warp: 32,
        max_threads: 1024,
        capability: Some(capability),
        abilities,
        product,
        ..HOST
    }
}

const fn amd(name: &'static str, warp: u32, product: &'static str) -> TargetInfo {
    let (kind, triple) = (TargetKind::Amdgpu, "amdgcn-amd-amdhsa");
    TargetInfo { name, kind, triple, warp, max_threads: 1024, product, ..HOST }
}

/// Every target. PTX versions are the first that knows the processor.
pub const TARGETS: &[TargetInfo] = &[
    HOST,
    nv("sm_70", 70, "+ptx63", NONE, "Volta (V100)"),
    nv("sm_75", 75, "+ptx63", NONE, "Turing (T4)"),
    nv("sm_80", 80, "+ptx70", AMPERE, "Ampere (A100)"),
    nv("sm_86", 86, "+ptx71", AMPERE, "Ampere (A10, RTX 30)"),
    nv("sm_87", 87, "+ptx74", AMPERE, "Ampere (Orin)"),
    nv("sm_89", 89, "+ptx78", AMPERE, "Ada (L4, L40, RTX 40)"),
    nv("sm_90", 90, "+ptx80", HOPPER, "Hopper (H100, H200)"),
    nv("sm_100", 100, "+ptx86", HOPPER, "Blackwell (B200)"),
    nv("sm_103", 103, "+ptx88", HOPPER, "Blackwell (B300)"),
    nv("sm_120", 120, "+ptx87", HOPPER, "Blackwell (RTX 50)"),
    nv("sm_121", 121, "+ptx88", HOPPER, "Blackwell (DGX Spark)"),
    amd("gfx90a", 64, "CDNA 2 (MI250)"),
    amd("gfx942", 64, "CDNA 3 (MI300)"),
    amd("gfx950", 64, "CDNA 4 (MI350)"),
    amd("gfx1030", 32, "RDNA 2 (RX 6800)"),
    amd("gfx1100", 32, "RDNA 3 (RX 7900)"),
    amd("gfx1101", 32, "RDNA 3 (RX 7800)"),
    amd("gfx1200", 32, "RDNA 4 (RX 9060)"),
    amd("gfx1201", 32, "RDNA 4 (RX 9070)"),
];

/// A target: a row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target(&'static TargetInfo);

impl Target {
    /// This process's own processor.
    pub fn host() -> Target {
        Target(&TARGETS[0])
    }

    /// The target of this name.
    ///
    /// # Errors
    /// `RF0801`, listing the known names.
    pub fn named(name: &str) -> Result<Target, Diagnostic> {
        TARGETS.iter().find(|t| t.name == name).map(Target).ok_or_else(|| {
            let known: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
            Diagnostic::new(Code::UnknownTarget, format!("unknown target `{name}`"))
                .help(format!("the targets are {}", known.join(", ")))
        })
    }

    /// Every target.
    pub fn all() -> impl Iterator<Item = Target> {
        TARGETS.iter().map(Target)
    }

    /// Its row.
    pub fn info(self) -> &'static TargetInfo {
        self.0
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// What kind of machine.
    pub fn kind(self) -> TargetKind {
        self.0.kind
    }

    /// Its compute capability without the point: 90 for `sm_90`. `None` if it is not NVIDIA's.
    pub fn sm(self) -> Option<u32> {
        self.0.capability
    }

    /// What it can do beyond what every machine of its kind can.
    pub fn abilities(self) -> Abilities {
        self.0.abilities
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.0.name)
    }
}
