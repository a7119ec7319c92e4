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
    /// The word of one lane can be read into a register of the whole warp, and such a word be put into one lane, so that what
    /// all lanes of a warp agree on need not go through memory.
    pub warp_scalars: bool,
    /// How lanes of a warp that are near each other get each other's words without memory.
    pub lane_moves: LaneMoves,
    /// Many threads with little work each are as quick as fewer with more: blocks of 64 fill a multiprocessor.
    pub small_blocks: bool,
    /// Words of 32 bits of a kernel's first arguments that are in registers when it begins; others are loaded.
    pub preloaded_words: u32,
    /// Blocks may be launched in clusters. A kernel that is not says so, or it looks at each launch where in a cluster it is.
    pub clusters: bool,
    /// The 32-bit offset that a load or store adds to a base address is signed.
    pub signed_offsets: bool,
    /// KiB of memory that the blocks on one multiprocessor share among them.
    pub shared_kib: u32,
    /// A lane has many registers and little of that memory: what it selects from stays in registers.
    pub keys_in_registers: bool,
}

/// How the lanes of AMD's wavefronts get each other's words as operands of an instruction, beyond what all of them can do: among
/// the lanes of a row, which are 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LaneMoves {
    /// None.
    None,
    /// The last lane of a row or of two gives its word to all of the next row or two (`row_bcast`).
    Broadcast,
    /// As [`Self::Broadcast`]; two rows, or the halves of a wavefront, swap words (`v_permlane16_swap`, `v_permlane32_swap`).
    BroadcastAndSwap,
    /// A lane gets the word of any other of its row whose number differs in given bits (`row_xmask`), and any of the row beside
    /// its own (`v_permlanex16`).
    Xor,
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
    /// The processors, by their LLVM names, that code for a generic target runs on, the oldest first; empty for a target that
    /// is one processor.
    pub processors: &'static [&'static str],
    /// What it is, for people.
    pub product: &'static str,
}

const NONE: Abilities = Abilities {
    dependent_launch: false,
    nan_min: false,
    warp_max: false,
    warp_scalars: false,
    lane_moves: LaneMoves::None,
    small_blocks: false,
    preloaded_words: 0,
    clusters: false,
    signed_offsets: false,
    shared_kib: 64,
    keys_in_registers: false,
};
const VOLTA: Abilities = Abilities { shared_kib: 96, ..NONE };
const AMPERE: Abilities = Abilities { nan_min: true, warp_max: true, shared_kib: 164, ..NONE };
const AMPERE_8: Abilities = Abilities { shared_kib: 100, ..AMPERE };
const HOPPER: Abilities = Abilities { dependent_launch: true, shared_kib: 228, ..AMPERE };
const BLACKWELL_12: Abilities = Abilities { shared_kib: 100, ..HOPPER };
const AMD: Abilities = Abilities { warp_scalars: true, small_blocks: true, keys_in_registers: true, ..NONE };
const CDNA_2: Abilities = Abilities { lane_moves: LaneMoves::Broadcast, preloaded_words: 14, ..AMD };
const CDNA_4: Abilities = Abilities { lane_moves: LaneMoves::BroadcastAndSwap, shared_kib: 160, ..CDNA_2 };
const RDNA_2: Abilities = Abilities { lane_moves: LaneMoves::Xor, ..AMD };
const CDNA_5: Abilities =
    Abilities { preloaded_words: 14, clusters: true, signed_offsets: true, shared_kib: 320, ..RDNA_2 };

const HOST: TargetInfo = TargetInfo {
    name: "host",
    kind: TargetKind::Host,
    triple: "",
    features: "",
    warp: 1,
    max_threads: 1,
    capability: None,
    abilities: NONE,
    processors: &[],
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

const fn amd(name: &'static str, warp: u32, abilities: Abilities, product: &'static str) -> TargetInfo {
    let (kind, triple) = (TargetKind::Amdgpu, "amdgcn-amd-amdhsa");
    TargetInfo { name, kind, triple, warp, max_threads: 1024, abilities, product, ..HOST }
}

/// A target of AMD whose code runs on each of `processors`.
const fn generic(
    name: &'static str,
    warp: u32,
    abilities: Abilities,
    processors: &'static [&'static str],
    product: &'static str,
) -> TargetInfo {
    TargetInfo { processors, ..amd(name, warp, abilities, product) }
}

/// Every target: those of a vendor from old to new, a generic one after what it stands for. PTX versions are the first that knows the
/// processor; the processors of a generic target are those of LLVM's manual of AMDGPU.
pub const TARGETS: &[TargetInfo] = &[
    HOST,
    nv("sm_70", 70, "+ptx63", VOLTA, "Volta (V100)"),
    nv("sm_75", 75, "+ptx63", NONE, "Turing (T4)"),
    nv("sm_80", 80, "+ptx70", AMPERE, "Ampere (A100)"),
    nv("sm_86", 86, "+ptx71", AMPERE_8, "Ampere (A10, RTX 30)"),
    nv("sm_87", 87, "+ptx74", AMPERE, "Ampere (Orin)"),
    nv("sm_88", 88, "+ptx90", AMPERE_8, "Ampere (8.8)"),
    nv("sm_89", 89, "+ptx78", AMPERE_8, "Ada (L4, L40, RTX 40)"),
    nv("sm_90", 90, "+ptx80", HOPPER, "Hopper (H100, H200)"),
    nv("sm_100", 100, "+ptx86", HOPPER, "Blackwell (B200)"),
    nv("sm_103", 103, "+ptx88", HOPPER, "Blackwell (B300)"),
    nv("sm_110", 110, "+ptx90", HOPPER, "Blackwell (Jetson Thor)"),
    nv("sm_120", 120, "+ptx87", BLACKWELL_12, "Blackwell (RTX 50)"),
    nv("sm_121", 121, "+ptx88", BLACKWELL_12, "Blackwell (DGX Spark)"),
    amd("gfx90a", 64, CDNA_2, "CDNA 2 (MI250)"),
    amd("gfx942", 64, CDNA_2, "CDNA 3 (MI300)"),
    amd("gfx950", 64, CDNA_4, "CDNA 4 (MI350)"),
    generic("gfx9-4-generic", 64, CDNA_2, &["gfx942", "gfx950"], "CDNA 3 and 4"),
    amd("gfx1030", 32, RDNA_2, "RDNA 2 (RX 6800)"),
    amd("gfx1100", 32, RDNA_2, "RDNA 3 (RX 7900)"),
    amd("gfx1101", 32, RDNA_2, "RDNA 3 (RX 7800)"),
    amd("gfx1102", 32, RDNA_2, "RDNA 3 (RX 7600)"),
    amd("gfx1103", 32, RDNA_2, "RDNA 3 (Ryzen 7040, 8040)"),
    amd("gfx1150", 32, RDNA_2, "RDNA 3.5 (Ryzen AI 300)"),
    amd("gfx1151", 32, RDNA_2, "RDNA 3.5 (Ryzen AI Max)"),
    generic("gfx11-generic", 32, RDNA_2, GFX11, "RDNA 3 and 3.5"),
    amd("gfx1200", 32, RDNA_2, "RDNA 4 (RX 9060)"),
    amd("gfx1201", 32, RDNA_2, "RDNA 4 (RX 9070)"),
    generic("gfx12-generic", 32, RDNA_2, &["gfx1200", "gfx1201"], "RDNA 4"),
    amd("gfx1250", 32, CDNA_5, "CDNA 5 (MI450)"),
    amd("gfx1251", 32, CDNA_5, "CDNA 5 (12.5.1)"),
];

const GFX11: &[&str] = &["gfx1100", "gfx1101", "gfx1102", "gfx1103", "gfx1150", "gfx1151", "gfx1152", "gfx1153"];

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
