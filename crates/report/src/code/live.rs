//! How many registers hold something after each line, by liveness over the flow of control, where the text tells it.
//!
//! PTX's registers are virtual: the count is of the 32-bit registers that its values would fill, predicates apart, and what the
//! vendor's assembler allots may differ. AMD's are the machine's: the count is of vector registers. Of x86 and
//! aarch64 general and vector registers are counted, without the stack's pointer and without masks. A write under a condition, or to a part of a register, keeps
//! what was there.

use super::flow::Flow;
use super::instruction::{Dialect, Instruction};
use super::{aarch64, x86};
use std::collections::HashSet;

/// A register: its letter, and its number. PTX's `%rd3` is `('d', 3)`.
pub(super) type Register = (char, u32);

/// What an instruction reads and writes.
#[derive(Default)]
pub(super) struct Effect {
    /// What it reads, and what it keeps a part of.
    pub reads: Vec<Register>,
    /// What it writes for sure, and all of it.
    pub writes: Vec<Register>,
    /// What it may write, or a part of it.
    pub partly: Vec<Register>,
}

impl Effect {
    /// Whether it may write a register, or a part of it.
    pub(super) fn writes_any(&self, register: &str, dialect: Dialect) -> bool {
        let parts = match dialect {
            Dialect::X86 => x86::registers(register),
            Dialect::Aarch64 => aarch64::registers(register),
            Dialect::Amdgpu => amd_registers(register),
            _ => ptx_registers(register),
        };
        self.writes.iter().chain(&self.partly).any(|r| parts.contains(r))
    }
}

/// Registers that hold something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// For numbers and addresses: all of PTX's, none of AMD's.
    pub general: u32,
    /// For vectors, or of a lane.
    pub vector: u32,
}

impl Held {
    pub(crate) fn all(self) -> u32 {
        self.general + self.vector
    }
}

/// After each instruction, how many registers are read later.
pub(crate) fn live(flow: &Flow<'_, '_>, dialect: Dialect) -> Vec<(usize, Held)> {
    let sets = before_and_after(flow, dialect);
    flow.code.iter().zip(&sets).map(|(i, (_, after))| (i.line, held(after, dialect))).collect()
}

/// Before and after each instruction, the registers, or their parts, that are read later.
pub(super) fn before_and_after(flow: &Flow<'_, '_>, dialect: Dialect) -> Vec<(HashSet<Register>, HashSet<Register>)> {
    let Flow { code, next } = flow;
    let keeps = match dialect {
        Dialect::X86 => x86::kept(code.iter().copied()),
        Dialect::Aarch64 => aarch64::kept(code.iter().copied()),
        Dialect::Ptx | Dialect::Amdgpu => vec![],
    };
    let effects: Vec<Effect> = code.iter().map(|i| effect_of(i, dialect, &keeps)).collect();
    let mut after: Vec<HashSet<Register>> = vec![HashSet::new(); code.len()];
    let mut before: Vec<HashSet<Register>> = vec![HashSet::new(); code.len()];
    // Backwards until nothing changes: once for code without loops.
    loop {
        let mut changed = false;
        for at in (0..code.len()).rev() {
            let out: HashSet<Register> = next[at].iter().flat_map(|n| before[*n].iter().copied()).collect();
            let mut into = out.clone();
            effects[at].writes.iter().for_each(|r| {
                into.remove(r);
            });
            into.extend(&effects[at].reads);
            after[at] = out;
            if into.len() != before[at].len() {
                changed = true;
                before[at] = into;
            }
        }
        if !changed {
            break;
        }
    }
    before.into_iter().zip(after).collect()
}

/// Of a set of registers, or of their parts.
fn held(set: &HashSet<Register>, dialect: Dialect) -> Held {
    if dialect == Dialect::Aarch64 {
        let count = |letter: char| set.iter().filter(|r| r.0 == letter && **r != ('g', aarch64::SP)).count() as u32;
        return Held { general: count('g'), vector: count('x') };
    }
    if dialect != Dialect::X86 {
        let words = set.iter().map(|r| words(*r, dialect)).sum();
        return if dialect == Dialect::Ptx {
            Held { general: words, vector: 0 }
        } else {
            Held { general: 0, vector: words }
        };
    }
    let whole: HashSet<Register> = set.iter().map(|(letter, part)| (*letter, part / x86::PARTS)).collect();
    let count = |letter: char| whole.iter().filter(|r| r.0 == letter && **r != ('g', x86::RSP)).count() as u32;
    Held { general: count('g'), vector: count('x') }
}

/// The 32-bit registers that a register counts as.
fn words((letter, _): Register, dialect: Dialect) -> u32 {
    match (dialect, letter) {
        (Dialect::Ptx, 'p') => 0,
        (Dialect::Ptx, 'd') => 2,
        (Dialect::Ptx, 'q') => 4,
        (Dialect::Ptx, _) => 1,
        (_, 'v') => 1,
        _ => 0,
    }
}

/// What an instruction does by itself.
pub(super) fn effect(i: &Instruction<'_>, dialect: Dialect) -> Effect {
    effect_of(i, dialect, &[])
}

/// As [`effect`]; what a host's function hands back to its caller is read by a return.
fn effect_of(i: &Instruction<'_>, dialect: Dialect, keeps: &[Register]) -> Effect {
    if dialect == Dialect::X86 {
        return x86::effect(i, keeps);
    }
    if dialect == Dialect::Aarch64 {
        return aarch64::effect(i, keeps);
    }
    if dialect == Dialect::Amdgpu
        && let Some(halves) = halves(i)
    {
        // Both read before either writes.
        return halves.iter().map(|half| effect(half, dialect)).fold(Effect::default(), |mut all, half| {
            all.reads.extend(half.reads);
            all.writes.extend(half.writes);
            all.partly.extend(half.partly);
            all
        });
    }
    let registers =
        |operand: &str| if dialect == Dialect::Ptx { ptx_registers(operand) } else { amd_registers(operand) };
    let written = match dialect {
        Dialect::Ptx => ptx_written(i),
        _ => amd_written(i),
    };
    let mut effect = Effect::default();
    for (position, operand) in i.operands.iter().enumerate() {
        let all = registers(operand);
        // What stands in an address is read, whatever is written there.
        if position < written && !operand.starts_with('[') {
            if i.condition.is_some() || (dialect == Dialect::Amdgpu && keeps_old(i)) {
                effect.reads.extend(&all);
                effect.partly.extend(all);
            } else {
                effect.writes.extend(all);
            }
        } else {
            effect.reads.extend(all);
        }
    }
    effect.reads.extend(i.condition.map(ptx_registers).unwrap_or_default());
    effect
}

/// The two instructions that are issued as one: `v_dual_mov_b32 v1, v0 :: v_dual_add_f32 v3, v4, v5`.
fn halves<'t>(i: &Instruction<'t>) -> Option<[Instruction<'t>; 2]> {
    let (at, (last, second)) = i.operands.iter().enumerate().find_map(|(at, o)| Some((at, o.split_once("::")?)))?;
    let (name, first) = second.trim().split_once(char::is_whitespace)?;
    let operands = [[&i.operands[..at], &[last.trim()]].concat(), [&[first.trim()], &i.operands[at + 1..]].concat()];
    let [one, other] = operands;
    Some([Instruction { operands: one, ..i.clone() }, Instruction { name, operands: other, ..i.clone() }])
}

/// How many operands PTX writes: the first, but for what has no result.
fn ptx_written(i: &Instruction<'_>) -> usize {
    let without = [
        "st",
        "red",
        "bra",
        "bar",
        "barrier",
        "ret",
        "exit",
        "membar",
        "fence",
        "griddepcontrol",
        "prefetch",
        "cp",
        "trap",
    ];
    let first = i.name.split('.').next().unwrap_or_default();
    usize::from(!without.contains(&first))
}

/// Every virtual register in a text: `%rd12`, but not `%tid.x`.
fn ptx_registers(text: &str) -> Vec<Register> {
    let mut found = Vec::new();
    for part in text.split('%').skip(1) {
        let letters: String = part.chars().take_while(char::is_ascii_lowercase).collect();
        let rest = &part[letters.len()..];
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if let Ok(number) = digits.parse() {
            let letter = match letters.as_str() {
                "p" => 'p',
                "r" | "f" => letters.chars().next().unwrap_or('r'),
                "rd" | "fd" => 'd',
                "rq" => 'q',
                "rs" | "h" => 's',
                _ => continue,
            };
            // `%fd` and `%rd` are counted apart.
            let number: u32 = number;
            found.push((letter, if letters == "fd" { number | 1 << 31 } else { number }));
        }
    }
    found
}

/// How many operands AMD's instructions write: the first, but for stores and jumps; two where a carry or a sign goes beside.
fn amd_written(i: &Instruction<'_>) -> usize {
    let name = i.name;
    let begins = |list: &[&str]| list.iter().any(|p| name.starts_with(p));
    let no_result = [
        "global_store",
        "flat_store",
        "buffer_store",
        "scratch_store",
        "ds_write",
        "ds_store",
        "s_waitcnt",
        "s_wait_",
        "s_barrier",
        "s_branch",
        "s_cbranch",
        "s_endpgm",
        "s_cmp",
        "s_bitcmp",
        "s_nop",
        "s_delay",
        "s_setprio",
        "s_sleep",
        "s_clause",
        "s_code",
        "s_setreg",
        "s_sendmsg",
        "ds_add_u32",
        "buffer_wb",
        "buffer_inv",
        "buffer_gl",
        "global_wb",
        "global_inv",
        "v_cmpx",
        "s_set_gpr",
        "s_inst_prefetch",
        "s_version",
        "s_icache",
        "s_dcache",
        "s_round_mode",
        "s_denorm_mode",
        "v_nop",
    ];
    if begins(&no_result)
        || (name.contains("_atomic")
            && !i.operands.iter().any(|o| o.ends_with(" sc0") || o.ends_with(" glc") || o.contains("TH_ATOMIC_RETURN")))
    {
        return 0;
    }
    let two = [
        "v_add_co",
        "v_sub_co",
        "v_subrev_co",
        "v_addc_co",
        "v_subb_co",
        "v_subbrev_co",
        "v_add_co_ci",
        "v_sub_co_ci",
        "v_div_scale",
        "v_mad_u64_u32",
        "v_mad_i64_i32",
        "v_mad_co",
        "v_swap",
    ];
    if begins(&two) { 2 } else { 1 }
}

/// What is written keeps a part of what was there: half a register, some lanes, or a sum that goes on.
fn keeps_old(i: &Instruction<'_>) -> bool {
    let name = i.name;
    let begins = |list: &[&str]| list.iter().any(|p| name.starts_with(p));
    begins(&[
        "v_fmac",
        "v_mac",
        "v_dot2c",
        "v_dot4c",
        "v_dot8c",
        "v_pk_fmac",
        "v_dual_fmac",
        "v_writelane",
        "v_swap",
        "s_cmov",
        "s_addk",
        "s_mulk",
        "s_bitset",
    ]) || name.contains("_d16")
        || name.ends_with("_dpp")
        || name.contains("_sdwa")
        // Of packed operations it says which halves are read, and both are written.
        || i.operands
            .iter()
            .any(|o| (o.contains("op_sel:") && !name.starts_with("v_pk_")) || o.contains("row_") || o.contains("quad_perm") || o.contains("dpp8"))
}

/// Every register in an operand: `v3`, `v[2:3]`, `-v1`, `|s4|`.
fn amd_registers(text: &str) -> Vec<Register> {
    // Options stand behind the last operand: `v3 quad_perm:[1,0,3,2]`.
    let text = text.split_whitespace().next().unwrap_or_default();
    let text = text.trim_start_matches(['-', '|', '(']).trim_end_matches(['|', ')']);
    let text =
        text.trim_start_matches("neg").trim_start_matches("abs").trim_start_matches("sext").trim_start_matches('(');
    let Some(letter) = text.chars().next().filter(|c| matches!(c, 'v' | 's' | 'a')) else { return vec![] };
    let rest = &text[1..];
    let number = |digits: &str| digits.parse::<u32>().ok();
    let range = rest
        .strip_prefix('[')
        .and_then(|r| r.split(']').next())
        .map(|range| range.split_once(':').unwrap_or((range, range)));
    let range = match range {
        Some((from, to)) => number(from).zip(number(to)),
        None => number(rest.trim_end_matches(".l").trim_end_matches(".h")).map(|n| (n, n)),
    };
    range.map_or_else(Vec::new, |(from, to)| (from..=to.min(from + 31)).map(|n| (letter, n)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::instruction::lines;
    use super::*;

    fn counts(text: &str, dialect: Dialect) -> Vec<u32> {
        let lines = lines(text, dialect);
        let flow = Flow::of(&lines, dialect).unwrap();
        live(&flow, dialect).into_iter().map(|(_, held)| held.all()).collect()
    }

    #[test]
    fn straight_code_by_hand() {
        let ptx = "\tmov.u32 %r1, %tid.x;\n\tmul.wide.u32 %rd1, %r1, 4;\n\tld.global.b32 %r2, [%rd1];\n\tadd.s32 %r3, %r2, %r1;\n\
                   \tst.global.b32 [%rd1], %r3;\n\tret;\n";
        assert_eq!(counts(ptx, Dialect::Ptx), [1, 3, 4, 3, 0, 0]);
        let amd = "\tv_lshlrev_b32_e32 v1, 2, v0\n\tglobal_load_dwordx2 v[2:3], v1, s[0:1]\n\tv_add_u32_e32 v2, v2, v3\n\
                   \tglobal_store_dword v1, v2, s[0:1]\n\ts_endpgm\n";
        assert_eq!(counts(amd, Dialect::Amdgpu), [1, 3, 2, 0, 0]);
    }

    #[test]
    fn what_a_loop_reads_again_lives_through_it() {
        let ptx = "\tmov.b32 %r1, 0;\n\tmov.b32 %r2, 5;\n$L:\n\tadd.s32 %r1, %r1, %r2;\n\tsetp.lt.s32 %p1, %r1, 99;\n\
                   \t@%p1 bra $L;\n\tst.global.b32 [%rd1], %r1;\n\tret;\n";
        // %rd1 is an address from before.
        assert_eq!(counts(ptx, Dialect::Ptx), [3, 4, 4, 4, 4, 0, 0]);
    }

    #[test]
    fn two_instructions_that_are_one_write_twice() {
        let amd = "\tv_dual_mov_b32 v1, v0 :: v_dual_mov_b32 v2, 0\n\tv_pk_add_f16 v3, v1, v2 op_sel_hi:[1,0]\n\
                   \tv_dual_fmac_f32 v3, v1, v1 :: v_dual_mov_b32 v4, v2\n\tglobal_store_b64 v4, v[3:4], s[0:1]\n\ts_endpgm\n";
        assert_eq!(counts(amd, Dialect::Amdgpu), [2, 3, 2, 0, 0]);
    }

    #[test]
    fn a_write_under_a_condition_keeps_what_was_there() {
        let ptx = "\tmov.b32 %r1, 0;\n\t@%p1 mov.b32 %r1, 1;\n\tst.shared.b32 [%r9], %r1;\n\tret;\n";
        assert_eq!(counts(ptx, Dialect::Ptx), [2, 2, 0, 0]);
    }

    /// Two arguments; a loop that keeps a sum in a vector; what is popped was the caller's.
    #[test]
    fn x86_by_hand() {
        let x86 = "f:\n\tpushq %rbx\n\txorl %eax, %eax\n\tvpxor %xmm0, %xmm0, %xmm0\n.L1:\n\tmovq (%rdi,%rax,8), %rbx\n\
                   \tvaddps (%rbx), %ymm0, %ymm0\n\tincq %rax\n\tcmpq %rsi, %rax\n\tjl .L1\n\tvmovups %ymm0, (%rdi)\n\
                   \tpopq %rbx\n\tretq\n";
        assert_eq!(counts(x86, Dialect::X86), [2, 3, 4, 5, 4, 4, 4, 4, 0, 1, 0]);
    }
}
