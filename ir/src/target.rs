//! The target table: one row a target.

use crate::diag::{Code, Diagnostic};
use std::fmt;

/// What kind of machine a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// A processor that runs this process, or one like it.
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
    /// Two `bf16` in one word are multiplied, added and compared by one instruction.
    pub bf16_pairs: bool,
    /// Integers are multiplied and added by one instruction of a pipe of its own, beside the one that compares and adds them and
    /// takes an instruction every second cycle.
    pub products_beside: bool,
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
    /// KiB of it that one block may have, if its launch asks for them.
    pub block_kib: u32,
    /// Two 16-bit integers in one word are added and compared by one instruction.
    pub pairs_of_16: bool,
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

/// The vector registers of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VectorRegisters {
    /// Bits of one; 0 for a GPU.
    pub bits: u32,
    /// The architecture leaves the number of bits to the processor (Arm's SVE), and code rests on there being so many.
    pub exact: bool,
}

impl VectorRegisters {
    /// Lanes of 32 bits that one operation on a row's values has: a register's, or those of two where registers are short. 0
    /// for a GPU.
    pub const fn lanes(self) -> u32 {
        match self.bits {
            128 => 8,
            bits => bits / 32,
        }
    }

    /// Elements of a piece of a row that is stored: those of two operations.
    pub const fn stored_piece(self) -> u32 {
        2 * self.lanes()
    }

    /// Elements of a piece of a value that is kept of a row: those of several operations, which share the constants of what is
    /// computed.
    pub const fn kept_piece(self) -> u32 {
        4 * self.lanes()
    }
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TargetInfo {
    /// `host`, `sm_90`, `gfx942`, …
    pub name: &'static str,
    /// What kind of machine.
    pub kind: TargetKind,
    /// LLVM's triple; empty for `host`, which has the machine's own.
    pub triple: &'static str,
    /// LLVM's features: the PTX version for NVIDIA, beside the processor's own; for a named host all that its code may use
    /// beyond the base of its architecture.
    pub features: &'static str,
    /// LLVM's name of the processor that instructions are ordered for; what they are, the features say. Empty for `host`.
    pub tuning: &'static str,
    /// What a host's vector registers are. A GPU's lanes are threads.
    pub vectors: VectorRegisters,
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
    bf16_pairs: false,
    products_beside: false,
    warp_scalars: false,
    lane_moves: LaneMoves::None,
    small_blocks: false,
    preloaded_words: 0,
    clusters: false,
    signed_offsets: false,
    shared_kib: 64,
    block_kib: 48,
    pairs_of_16: false,
    keys_in_registers: false,
};
const VOLTA: Abilities = Abilities { shared_kib: 96, block_kib: 96, ..NONE };
const AMPERE: Abilities = Abilities {
    nan_min: true,
    warp_max: true,
    bf16_pairs: true,
    products_beside: true,
    shared_kib: 164,
    block_kib: 163,
    ..NONE
};
const AMPERE_8: Abilities = Abilities { shared_kib: 100, block_kib: 99, ..AMPERE };
const HOPPER: Abilities =
    Abilities { dependent_launch: true, pairs_of_16: true, shared_kib: 228, block_kib: 227, ..AMPERE };
const BLACKWELL_12: Abilities = Abilities { shared_kib: 100, block_kib: 99, ..HOPPER };
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
    tuning: "",
    vectors: VectorRegisters { bits: 256, exact: false },
    warp: 1,
    max_threads: 1,
    capability: None,
    abilities: NONE,
    processors: &[],
    product: "this machine's processor",
};

/// A processor of a family by what its code may use of it.
const fn host(
    name: &'static str,
    triple: &'static str,
    features: &'static str,
    (tuning, vectors): (&'static str, VectorRegisters),
    product: &'static str,
) -> TargetInfo {
    TargetInfo { name, triple, features, tuning, vectors, product, ..HOST }
}

const X86_64: &str = "x86_64-unknown-linux-gnu";
const AARCH64: &str = "aarch64-unknown-linux-gnu";

/// What every processor of a level of the psABI of x86-64 has beyond the level before.
macro_rules! x86_64_v2 {
    () => {
        "+cx16,+popcnt,+sahf,+sse3,+ssse3,+sse4.1,+sse4.2"
    };
}
macro_rules! x86_64_v3 {
    () => {
        concat!(x86_64_v2!(), ",+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+xsave")
    };
}
macro_rules! x86_64_v4 {
    () => {
        concat!(x86_64_v3!(), ",+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl")
    };
}

/// What Armv8.2-A says that every processor has, as far as code for kernels may use it.
macro_rules! armv8_2 {
    () => {
        "+fp-armv8,+neon,+crc,+lse,+rdm"
    };
}
macro_rules! armv8_4 {
    () => {
        concat!(armv8_2!(), ",+dotprod,+fullfp16")
    };
}

const NO_VECTORS: VectorRegisters = VectorRegisters { bits: 0, exact: false };
const SHORT: VectorRegisters = VectorRegisters { bits: 128, exact: false };
const LONG: VectorRegisters = VectorRegisters { bits: 256, exact: false };
const SVE_256: VectorRegisters = VectorRegisters { bits: 256, exact: true };

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
        vectors: NO_VECTORS,
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
    TargetInfo { name, kind, triple, vectors: NO_VECTORS, warp, max_threads: 1024, abilities, product, ..HOST }
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

/// Every target: those of a vendor, or of an architecture of hosts, from old to new, a generic one of AMD after what it stands for. PTX
/// versions are the first that knows the processor; the processors of a generic target are those of LLVM's manual of AMDGPU.
pub const TARGETS: &[TargetInfo] = &[
    HOST,
    host("x86-64-v2", X86_64, x86_64_v2!(), ("x86-64-v2", SHORT), "x86-64 with SSE4.2 (2008 on)"),
    host("x86-64-v3", X86_64, x86_64_v3!(), ("x86-64-v3", LONG), "x86-64 with AVX2 (2013 on)"),
    host("x86-64-v4", X86_64, x86_64_v4!(), ("x86-64-v4", LONG), "x86-64 with AVX-512 (2017 on)"),
    host("aarch64", AARCH64, armv8_2!(), ("generic", SHORT), "Armv8.2-A (2017 on)"),
    host("apple-m1", AARCH64, armv8_4!(), ("apple-m1", SHORT), "Apple M1, under Linux"),
    host("neoverse-v1", AARCH64, concat!(armv8_4!(), ",+sve"), ("neoverse-v1", SVE_256), "Neoverse V1 (Graviton3)"),
    host(
        "neoverse-v2",
        AARCH64,
        concat!(armv8_4!(), ",+sve,+sve2"),
        ("neoverse-v2", SHORT),
        "Neoverse V2 (Grace, Graviton4)",
    ),
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

    /// Whether it is a processor that is named, whichever this process runs on: its code is the same wherever it is made, and
    /// runs on every processor that has what the row says.
    pub fn is_named_host(self) -> bool {
        self.kind() == TargetKind::Host && self != Target::host()
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
