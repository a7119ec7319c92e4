//! What this machine's processor can do, asked without LLVM: of the processor itself on x86-64, and on aarch64 of the system (Linux's
//! `AT_HWCAP`, the `sysctl` names of macOS).

use routefuse_ir::target::Target;

/// LLVM's names of the features of a processor, as asked of this one: whether it has it, or `None` if we cannot say.
#[cfg(target_arch = "x86_64")]
fn has(feature: &str) -> Option<bool> {
    macro_rules! table {
        ($($llvm:literal = $rust:tt,)+) => {
            match feature { $($llvm => Some(std::arch::is_x86_feature_detected!($rust)),)+ _ => None }
        };
    }
    // Of every x86-64, or never in code that reads and writes arrays: instructions of systems, of caches, of keys, of
    // transactions, of random numbers; tuning.
    const IRRELEVANT: &[&str] = &[
        "64bit",
        "amx-bf16",
        "amx-complex",
        "amx-fp16",
        "amx-int8",
        "amx-tile",
        "cldemote",
        "clflushopt",
        "clwb",
        "clzero",
        "cmov",
        "crc32",
        "cx16",
        "cx8",
        "enqcmd",
        "fsgsbase",
        "fxsr",
        "invpcid",
        "kl",
        "lwp",
        "mmx",
        "movdir64b",
        "movdiri",
        "mwaitx",
        "pconfig",
        "pku",
        "prefetchi",
        "prfchw",
        "ptwrite",
        "rdpid",
        "rdpru",
        "rdrnd",
        "rdseed",
        "rtm",
        "sahf",
        "serialize",
        "sgx",
        "shstk",
        "sse",
        "sse2",
        "tsxldtrk",
        "uintr",
        "usermsr",
        "waitpkg",
        "wbnoinvd",
        "widekl",
        "x87",
        "xsave",
        "xsavec",
        "xsaveopt",
        "xsaves",
        "hreset",
        "invlpgb",
        "cmpccxadd",
        "raoint",
    ];
    if IRRELEVANT.contains(&feature) {
        return Some(true);
    }
    table! {
        "sse3" = "sse3", "ssse3" = "ssse3", "sse4.1" = "sse4.1", "sse4.2" = "sse4.2", "sse4a" = "sse4a", "popcnt" = "popcnt",
        "lzcnt" = "lzcnt", "bmi" = "bmi1", "bmi2" = "bmi2", "tbm" = "tbm", "movbe" = "movbe", "adx" = "adx", "aes" = "aes",
        "pclmul" = "pclmulqdq", "sha" = "sha", "avx" = "avx", "avx2" = "avx2", "fma" = "fma", "f16c" = "f16c",
        "gfni" = "gfni", "vaes" = "vaes", "vpclmulqdq" = "vpclmulqdq", "avx512f" = "avx512f", "avx512cd" = "avx512cd",
        "avx512bw" = "avx512bw", "avx512dq" = "avx512dq", "avx512vl" = "avx512vl", "avx512ifma" = "avx512ifma",
        "avx512vbmi" = "avx512vbmi", "avx512vbmi2" = "avx512vbmi2", "avx512vnni" = "avx512vnni",
        "avx512bitalg" = "avx512bitalg", "avx512vpopcntdq" = "avx512vpopcntdq", "avx512bf16" = "avx512bf16",
        "avx512fp16" = "avx512fp16", "avx512vp2intersect" = "avx512vp2intersect", "avxvnni" = "avxvnni",
        "avxifma" = "avxifma", "avxneconvert" = "avxneconvert", "avxvnniint8" = "avxvnniint8",
        "avxvnniint16" = "avxvnniint16", "sha512" = "sha512", "sm3" = "sm3", "sm4" = "sm4",
    }
}

/// As above.
#[cfg(target_arch = "aarch64")]
fn has(feature: &str) -> Option<bool> {
    macro_rules! table {
        ($($llvm:literal = $rust:tt,)+) => {
            match feature { $($llvm => Some(std::arch::is_aarch64_feature_detected!($rust)),)+ _ => None }
        };
    }
    // Of every aarch64 with a system, or never in code that reads and writes arrays: instructions of systems, of caches, of keys, of
    // counters and of random numbers; how memory is protected; tuning.
    const IRRELEVANT: &[&str] = &[
        "altnzcv",
        "amvs",
        "brbe",
        "ccdp",
        "ccidx",
        "ccpp",
        "ecv",
        "ete",
        "fgt",
        "fp-armv8",
        "hcx",
        "lor",
        "mops",
        "mpam",
        "mte",
        "nv",
        "pan",
        "pan-rwv",
        "perfmon",
        "predres",
        "rand",
        "ras",
        "sel2",
        "spe",
        "specrestrict",
        "tlb-rmi",
        "trace",
        "trbe",
        "uaops",
        "vh",
        "wfxt",
        "xs",
    ];
    if IRRELEVANT.contains(&feature) {
        return Some(true);
    }
    table! {
        "neon" = "asimd", "crc" = "crc", "lse" = "lse", "rdm" = "rdm", "aes" = "aes", "sha2" = "sha2", "sha3" = "sha3",
        "dotprod" = "dotprod", "fullfp16" = "fp16", "fp16fml" = "fhm", "rcpc" = "rcpc", "sve" = "sve", "sve2" = "sve2",
        "sve2-aes" = "sve2-aes", "sve2-bitperm" = "sve2-bitperm", "sve2-sha3" = "sve2-sha3", "sve2-sm4" = "sve2-sm4",
        "f32mm" = "f32mm", "f64mm" = "f64mm", "sm4" = "sm4", "rcpc-immo" = "rcpc2",
        "fptoint" = "frintts", "lse2" = "lse2",
        "i8mm" = "i8mm", "bf16" = "bf16", "jsconv" = "jsconv", "complxnum" = "fcma", "flagm" = "flagm", "sb" = "sb",
        "ssbs" = "ssbs", "pauth" = "paca", "bti" = "bti", "dit" = "dit",
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn has(_: &str) -> Option<bool> {
    None
}

/// Bits of an SVE register, as this process has them; `None` without SVE.
#[cfg(all(target_arch = "aarch64", target_os = "linux"))]
fn scalable_bits() -> Option<u32> {
    /// `PR_SVE_GET_VL` of Linux.
    const GET_LENGTH: libc::c_int = 51;
    // SAFETY: the call reads a number of this thread, and takes no address.
    let length = unsafe { libc::prctl(GET_LENGTH) };
    // Bytes, below flags.
    u32::try_from(length).ok().map(|length| (length & 0xffff) * 8)
}

/// As above: no other system tells of SVE.
#[cfg(not(all(target_arch = "aarch64", target_os = "linux")))]
fn scalable_bits() -> Option<u32> {
    None
}

/// What code for a target of the host's kind may use and this machine's processor lacks; nothing for `host`, which is this
/// machine's processor. Where it is empty, the code runs here. A GPU's target is no host's, which is said.
pub fn processor_lacks(target: Target) -> Vec<String> {
    let info = target.info();
    if target == Target::host() {
        return vec![];
    }
    if !target.is_named_host() {
        return vec![format!("the instructions of {target}")];
    }
    let mut all = lacking(&format!("{} {} {}", info.triple, info.tuning, info.features));
    let bits = info.vectors.bits;
    let is_other = info.triple.split('-').next() != Some(std::env::consts::ARCH);
    if info.vectors.exact && !is_other && scalable_bits() != Some(bits) {
        all.push(format!("SVE registers of {bits} bits"));
    }
    all
}

/// What code for `processor` (LLVM's triple, name, and features such as `+avx2,-avx512f`) may use and this machine's
/// processor lacks, or is not known to have. Empty: the code runs here.
pub(crate) fn lacking(processor: &str) -> Vec<String> {
    let mut words = processor.split(' ');
    let (triple, _, features) = (words.next().unwrap_or(""), words.next(), words.next().unwrap_or(""));
    if triple.split('-').next() != Some(std::env::consts::ARCH) {
        return vec![format!("the instructions of {triple}")];
    }
    let needed = features.split(',').filter_map(|f| f.strip_prefix('+'));
    needed.filter(|f| has(f) != Some(true)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is asked for that this table does not know: it would be lacking on every machine.
    #[test]
    fn every_feature_of_a_target_is_known() {
        let here = Target::all().filter(|t| t.info().triple.starts_with(std::env::consts::ARCH) && t.is_named_host());
        for target in here {
            let features = target.info().features.split(',').filter_map(|f| f.strip_prefix('+'));
            features.for_each(|f| assert!(has(f).is_some(), "{target}: {f}"));
        }
        let other = if cfg!(target_arch = "aarch64") { "x86-64-v2" } else { "neoverse-v1" };
        let other = Target::named(other).unwrap();
        assert_eq!(processor_lacks(other), [format!("the instructions of {}", other.info().triple)]);
        assert!(processor_lacks(Target::host()).is_empty());
        assert_eq!(processor_lacks(Target::named("sm_90").unwrap()), ["the instructions of sm_90"]);
    }

    #[test]
    fn what_is_there_and_what_is_not() {
        let arch = std::env::consts::ARCH;
        let base = if arch == "x86_64" { "+cx8,+sse2,-sse3" } else { "+fp-armv8,+neon" };
        assert!(lacking(&format!("{arch}-pc-linux-gnu somecpu {base}")).is_empty());
        assert!(lacking(&format!("{arch}-pc-linux-gnu somecpu ")).is_empty());
        assert_eq!(lacking(&format!("{arch}-pc-linux-gnu somecpu {base},+nonsense")), ["nonsense"]);
        assert_eq!(lacking("sparc-sun-solaris somecpu +vis"), ["the instructions of sparc-sun-solaris"]);
        assert_eq!(lacking(""), ["the instructions of "]);
    }
}
