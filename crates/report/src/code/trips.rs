//! How often a loop is gone through, where the code says it: a register that begins at a constant, grows by a constant once a trip,
//! and is compared with a constant where the loop ends.

use super::flow::{Flow, NaturalLoop};
use super::instruction::{Dialect, Instruction};
use super::live::effect;

/// Trips that are counted by hand; of a loop with more nothing is said.
const MOST: u64 = 1 << 20;

/// A comparison of a register with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Test<'t> {
    register: &'t str,
    relation: Relation,
    with: i64,
    bits: u32,
    signed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// The trips of a loop; none if the code does not say it.
pub(crate) fn trips(flow: &Flow<'_, '_>, of: &NaturalLoop, all: &[NaturalLoop], dialect: Dialect) -> Option<u64> {
    let mut leaving = of
        .body
        .iter()
        .copied()
        .filter(|at| flow.next[*at].iter().any(|n| !of.body.contains(n)) || flow.next[*at].is_empty());
    let (leaves, None) = (leaving.next()?, leaving.next()) else { return None };
    let inside =
        |at: usize| all.iter().any(|l| l.header != of.header && of.body.contains(&l.header) && l.body.contains(&at));
    if inside(leaves) {
        return None;
    }
    // The first that may follow is where the jump leads.
    let (jump, to) = (flow.code[leaves], *flow.next[leaves].first()?);
    let jumps_out = !of.body.contains(&to);
    let ends_trip = flow.next[leaves].iter().find(|n| of.body.contains(n)).is_some_and(|at| is_way_back(flow, of, *at));
    let (test_at, test, jumps_if) = test(flow, leaves, jump, dialect)?;
    let mut changes = of.body.iter().copied().filter(|at| writes(flow.code[*at], test.register, dialect));
    let (change, None) = (changes.next()?, changes.next()) else { return None };
    if inside(change) {
        return None;
    }
    let step = step(flow.code[change], test.register, dialect)?;
    let begins = beginning(flow, of, test.register, dialect)?;
    let changes_first = reaches(flow, of, change, test_at)?;
    let mut value = begins;
    for trip in 0..MOST {
        if changes_first {
            value = value.wrapping_add(step);
        }
        if (test.holds(value) == jumps_if) == jumps_out {
            // The last trip is one if it is left at its end; what is left before that has not been gone through.
            return Some(trip + u64::from(ends_trip));
        }
        if !changes_first {
            value = value.wrapping_add(step);
        }
    }
    None
}

impl Test<'_> {
    fn holds(&self, value: i64) -> bool {
        let cut = 64 - self.bits;
        let (a, b) = (value << cut, self.with << cut);
        let order =
            if self.signed { (a >> cut).cmp(&(b >> cut)) } else { ((a as u64) >> cut).cmp(&((b as u64) >> cut)) };
        match self.relation {
            Relation::Less => order.is_lt(),
            Relation::LessOrEqual => order.is_le(),
            Relation::Greater => order.is_gt(),
            Relation::GreaterOrEqual => order.is_ge(),
            Relation::Equal => order.is_eq(),
            Relation::NotEqual => order.is_ne(),
        }
    }
}

/// Whether nothing is left of a trip but jumps to where the next begins.
fn is_way_back(flow: &Flow<'_, '_>, of: &NaturalLoop, mut at: usize) -> bool {
    while at != of.header {
        match flow.next[at][..] {
            [to] if to != at + 1 => at = to,
            _ => return false,
        }
    }
    true
}

/// Whether, within one trip, the one comes before the other. None if either may be passed by.
fn reaches(flow: &Flow<'_, '_>, of: &NaturalLoop, first: usize, second: usize) -> Option<bool> {
    // What counts sets the flags that are asked, too.
    if first == second {
        return Some(true);
    }
    // From the header on, without what is asked for: what is still reached is reached without it.
    let without = |wall: usize| {
        let (mut seen, mut left) = (std::collections::BTreeSet::new(), vec![]);
        if of.header != wall {
            left.push(of.header);
        }
        let mut around = false;
        while let Some(at) = left.pop() {
            if seen.insert(at) {
                for n in flow.next[at].iter().filter(|n| of.body.contains(n) && **n != wall) {
                    around |= *n == of.header;
                    left.push(*n);
                }
            }
        }
        (seen, around)
    };
    let (without_first, skips_first) = without(first);
    let (without_second, skips_second) = without(second);
    match (skips_first || skips_second, without_first.contains(&second), without_second.contains(&first)) {
        (false, false, true) => Some(true),
        (false, true, false) => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<i64> {
    let text = text.trim_start_matches('$');
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let value = digits.strip_prefix("0x").map_or_else(|| digits.parse().ok(), |hex| i64::from_str_radix(hex, 16).ok());
    value.map(|v: i64| sign * v)
}

fn relation(word: &str) -> Option<(Relation, bool)> {
    Some(match word {
        "lt" | "l" => (Relation::Less, true),
        "le" => (Relation::LessOrEqual, true),
        "gt" | "g" => (Relation::Greater, true),
        "ge" => (Relation::GreaterOrEqual, true),
        "eq" | "e" => (Relation::Equal, true),
        "ne" | "lg" => (Relation::NotEqual, true),
        "b" | "lo" => (Relation::Less, false),
        "be" | "ls" => (Relation::LessOrEqual, false),
        "a" | "hi" => (Relation::Greater, false),
        "ae" | "hs" => (Relation::GreaterOrEqual, false),
        _ => return None,
    })
}

/// The comparison that a jump asks, where it stands, and whether the jump is taken if it holds.
fn test<'t>(
    flow: &Flow<'_, 't>,
    at: usize,
    jump: &Instruction<'t>,
    dialect: Dialect,
) -> Option<(usize, Test<'t>, bool)> {
    // What comes before in the text is what came before, until a jump or a place that is jumped to.
    let straight = (0..at).rev().take_while(|before| flow.next[*before] == [before + 1]);
    match dialect {
        Dialect::Ptx => {
            let condition = jump.condition?;
            let (predicate, holds) = condition.strip_prefix('!').map_or((condition, true), |p| (p, false));
            let at = straight.into_iter().find(|at| flow.code[*at].operands.first() == Some(&predicate))?;
            let i = flow.code[at];
            let mut words = i.name.strip_prefix("setp.")?.split('.');
            let (relation, _) = relation(words.next()?)?;
            let kind = words.next()?;
            let (class, bits) = kind.split_at_checked(1)?;
            let [_, register, with] = i.operands[..] else { return None };
            let signed = match class {
                "s" => true,
                "u" => false,
                "b" if matches!(relation, Relation::Equal | Relation::NotEqual) => true,
                _ => return None,
            };
            Some((at, Test { register, relation, with: number(with)?, bits: bits.parse().ok()?, signed }, holds))
        }
        Dialect::Amdgpu => {
            let holds = match jump.name {
                "s_cbranch_scc1" => true,
                "s_cbranch_scc0" => false,
                _ => return None,
            };
            let at = straight.into_iter().find(|at| writes_scc(flow.code[*at]))?;
            let i = flow.code[at];
            let name = i.name.strip_prefix("s_cmpk_").or_else(|| i.name.strip_prefix("s_cmp_"))?;
            let (word, kind) = name.split_once('_')?;
            let (relation, _) = relation(word)?;
            let [register, with] = i.operands[..] else { return None };
            let test = Test {
                register,
                relation,
                with: number(with)?,
                bits: kind.get(1..)?.parse().ok()?,
                signed: kind.starts_with('i'),
            };
            Some((at, test, holds))
        }
        Dialect::X86 => {
            let (relation, signed) = match jump.name.strip_prefix('j')? {
                "ge" => (Relation::GreaterOrEqual, true),
                "le" => (Relation::LessOrEqual, true),
                "nz" => (Relation::NotEqual, true),
                "z" => (Relation::Equal, true),
                word => relation(word)?,
            };
            let at = straight.into_iter().find(|at| !keeps_flags(flow.code[*at].name))?;
            let i = flow.code[at];
            let bits = if i.name.ends_with('q') { 64 } else { 32 };
            let equality = matches!(relation, Relation::Equal | Relation::NotEqual);
            let (register, with) = match (i.name, &i.operands[..]) {
                ("cmpq" | "cmpl", [with, register]) => (*register, number(with)?),
                ("testq" | "testl", [one, other]) if one == other && equality => (*one, 0),
                ("decq" | "decl" | "incq" | "incl", [register]) if equality => (*register, 0),
                ("addq" | "addl" | "subq" | "subl", [_, register]) if equality => (*register, 0),
                _ => return None,
            };
            register.starts_with('%').then_some((at, Test { register, relation, with, bits, signed }, true))
        }
        Dialect::Aarch64 => None,
    }
}

/// Scalar instructions of AMD that say something of their result beside it.
fn writes_scc(i: &Instruction<'_>) -> bool {
    let keeps = [
        "s_mov",
        "s_load",
        "s_buffer",
        "s_cselect",
        "s_mul_i32",
        "s_mul_hi",
        "s_nop",
        "s_wait",
        "s_barrier",
        "s_delay",
    ];
    i.name.starts_with("s_") && !keeps.iter().any(|k| i.name.starts_with(k))
}

/// Instructions of x86 that leave the flags as they are.
fn keeps_flags(name: &str) -> bool {
    let tests = ["vptest", "vtest", "vucomis", "vcomis"];
    ["mov", "lea", "v", "k", "set", "cmov", "push", "pop", "nop", "not"].iter().any(|p| name.starts_with(p))
        && !name.starts_with("kortest")
        && !name.starts_with("ktest")
        && !tests.iter().any(|t| name.starts_with(t))
}

/// Whether an instruction may write a register, by whatever name of it.
fn writes(i: &Instruction<'_>, register: &str, dialect: Dialect) -> bool {
    effect(i, dialect).writes_any(register, dialect)
}

/// By how much an instruction makes a register larger.
fn step(i: &Instruction<'_>, register: &str, dialect: Dialect) -> Option<i64> {
    match (dialect, i.name, &i.operands[..]) {
        (Dialect::Ptx, name, [to, from, by]) if *to == register && *from == register && i.condition.is_none() => {
            let by = number(by)?;
            match name.split('.').next()? {
                "add" => Some(by),
                "sub" => Some(-by),
                _ => None,
            }
        }
        (Dialect::Amdgpu, "s_add_i32" | "s_add_u32", [to, from, by]) if *to == register && *from == register => {
            number(by)
        }
        (Dialect::Amdgpu, "s_sub_i32" | "s_sub_u32", [to, from, by]) if *to == register && *from == register => {
            number(by).map(|n| -n)
        }
        (Dialect::Amdgpu, "s_addk_i32", [to, by]) if *to == register => number(by),
        (Dialect::X86, "incq" | "incl", [of]) if *of == register => Some(1),
        (Dialect::X86, "decq" | "decl", [of]) if *of == register => Some(-1),
        (Dialect::X86, "addq" | "addl", [by, of]) if *of == register && by.starts_with('$') => number(by),
        (Dialect::X86, "subq" | "subl", [by, of]) if *of == register && by.starts_with('$') => number(by).map(|n| -n),
        _ => None,
    }
}

/// What a register holds where the loop is entered.
fn beginning(flow: &Flow<'_, '_>, of: &NaturalLoop, register: &str, dialect: Dialect) -> Option<i64> {
    let from = |to: usize| (0..flow.code.len()).filter(move |at| flow.next[*at].contains(&to));
    let mut enter = from(of.header).filter(|at| !of.body.contains(at));
    let (mut at, None) = (enter.next()?, enter.next()) else { return None };
    let mut register = register.to_owned();
    let mut seen = std::collections::BTreeSet::new();
    loop {
        if !seen.insert(at) {
            return None;
        }
        let i = flow.code[at];
        if writes(i, &register, dialect) {
            match set_to(i, &register, dialect)? {
                Source::Constant(value) => return Some(value),
                Source::Register(other) => register = other.to_owned(),
            }
        }
        let mut before = from(at);
        let (only, None) = (before.next()?, before.next()) else { return None };
        at = only;
    }
}

enum Source<'t> {
    Constant(i64),
    Register(&'t str),
}

/// What an instruction sets a register to.
fn set_to<'t>(i: &Instruction<'t>, register: &str, dialect: Dialect) -> Option<Source<'t>> {
    let of = |text: &'t str| Some(number(text).map_or(Source::Register(text), Source::Constant));
    match (dialect, &i.operands[..]) {
        (Dialect::Ptx, [to, from]) if *to == register && i.name.starts_with("mov.") && i.condition.is_none() => {
            of(from)
        }
        (Dialect::Amdgpu, [to, from]) if *to == register && matches!(i.name, "s_mov_b32" | "s_movk_i32") => of(from),
        (Dialect::X86, [one, other]) if one == other && matches!(i.name, "xorl" | "xorq") => {
            // The lower half that is set to nothing is all of it.
            writes(i, register, dialect).then_some(Source::Constant(0))
        }
        (Dialect::X86, [from, to])
            if *to == register
                && matches!(i.name, "movq" | "movl")
                && (from.starts_with('$') || from.starts_with('%')) =>
        {
            of(from)
        }
        (Dialect::X86, [from, _]) if i.name == "movl" && from.starts_with('$') => {
            writes(i, register, dialect).then_some(Source::Constant(number(from)? & 0xffff_ffff))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::instruction::lines;
    use super::*;

    fn all(text: &str, dialect: Dialect) -> Vec<Option<u64>> {
        let lines = lines(text, dialect);
        let flow = Flow::of(&lines, dialect).unwrap();
        let loops = flow.loops();
        loops.iter().map(|l| trips(&flow, l, &loops, dialect)).collect()
    }

    #[test]
    fn loops_of_ptx() {
        // Asked at the end, from -1 by one while below 7 without a sign: 0 to 7.
        let end = "\tmov.b32 %r485, -1;\n\tmov.b32 %r555, %r485;\n$L5:\n\tadd.s32 %r555, %r555, 1;\n\tadd.s64 %rd46, %rd46, 4;\n\
                   \tsetp.lt.u32 %p102, %r555, 7;\n\t@%p102 bra $L5;\n\tret;\n";
        assert_eq!(all(end, Dialect::Ptx), [Some(8)]);
        // Asked at the beginning: 0 and 1.
        let begin = "\tmov.b32 %r1, 0;\n$L26:\n\tsetp.gt.s32 %p165, %r1, 1;\n\t@%p165 bra $L29;\n\tadd.s32 %r1, %r1, 1;\n\
                     \tbra.uni $L26;\n$L29:\n\tret;\n";
        assert_eq!(all(begin, Dialect::Ptx), [Some(2)]);
        // Asked before the register grows, and left at the end of a trip: 0 to 7.
        let late =
            "\tmov.b32 %r1, 0;\n$L3:\n\tsetp.lt.u32 %p1, %r1, 7;\n\tadd.s32 %r1, %r1, 1;\n\t@%p1 bra $L3;\n\tret;\n";
        assert_eq!(all(late, Dialect::Ptx), [Some(8)]);
        // Left in the middle: the fourth time nothing comes after; and at the end, before a jump back.
        let middle = "\tmov.b32 %r1, 0;\n$L4:\n\tadd.s32 %r1, %r1, 1;\n\tsetp.gt.s32 %p1, %r1, 3;\n\t@%p1 bra $L6;\n\tadd.s64 %rd1, %rd1, 4;\n\
                      \tbra.uni $L4;\n$L6:\n\tret;\n";
        assert_eq!(all(middle, Dialect::Ptx), [Some(3)]);
        assert_eq!(all(&middle.replace("\tadd.s64 %rd1, %rd1, 4;\n", ""), Dialect::Ptx), [Some(4)]);
        // What is compared with is no constant; the register is set in another way, too; the step may be left out.
        assert_eq!(all(&begin.replace("%r1, 1;\n\t@", "%r2, %r1;\n\t@"), Dialect::Ptx), [None]);
        assert_eq!(all(&begin.replace("\tbra.uni", "\tmov.b32 %r1, %r5;\n\tbra.uni"), Dialect::Ptx), [None]);
        assert_eq!(all(&begin.replace("\tadd.s32", "\t@%p9 bra $L26;\n\tadd.s32"), Dialect::Ptx), [None]);
        assert_eq!(all(&begin.replace("\tadd.s32", "\t@%p9 add.s32"), Dialect::Ptx), [None]);
    }

    #[test]
    fn loops_of_amd() {
        let text = "\ts_mov_b32 s34, 0\n.LBB0_17:\n\ts_add_i32 s34, s34, 2\n\ts_mov_b32 s3, 5\n\ts_cmp_gt_i32 s34, 7\n\
                    \ts_cbranch_scc0 .LBB0_17\n\ts_endpgm\n";
        assert_eq!(all(text, Dialect::Amdgpu), [Some(4)]);
        assert_eq!(all(&text.replace("s_mov_b32 s3, 5", "s_mov_b64 s[34:35], 0"), Dialect::Amdgpu), [None]);
    }

    #[test]
    fn loops_of_x86() {
        let text = "\txorl %eax, %eax\n.L10:\n\tvmovdqa64 %zmm0, (%rsi,%rax,4)\n\taddq $32, %rax\n\tcmpq $255, %rax\n\tjle .L10\n\tretq\n";
        assert_eq!(all(text, Dialect::X86), [Some(8)]);
        let down = "\tmovl $5, %ecx\n.L1:\n\tvaddps %ymm0, %ymm1, %ymm0\n\tdecq %rcx\n\tjne .L1\n\tretq\n";
        assert_eq!(all(down, Dialect::X86), [Some(5)]);
        // One in the other, asked in the middle of the text.
        let two = "\txorl %edi, %edi\n.L0:\n\tcmpq $6, %rdi\n\tjge .L9\n\txorl %r10d, %r10d\n.L1:\n\taddq $2, %r10\n\tcmpq $8, %r10\n\
                   \tjl .L1\n\tincq %rdi\n\tjmp .L0\n.L9:\n\tretq\n";
        assert_eq!(all(two, Dialect::X86), [Some(6), Some(4)]);
        assert_eq!(all(&two.replace("$6", "64(%rsp)"), Dialect::X86), [None, Some(4)]);
    }
}
