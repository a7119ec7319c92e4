//! Which registers an x86 instruction reads and writes, those that its text does not show included.
//!
//! A register is counted in parts that are written apart: of a general one the lowest byte, the next, and the rest; of a vector the
//! first 16 bytes, the next 16 and the last 32. A write of 32 or 64 bits, and any write of an instruction with a `v`, is one of the
//! whole register. What is not known here is taken to read all of its operands and to write the last: then too much is counted,
//! never too little.

use super::instruction::Instruction;
use super::live::{Effect, Register};

/// Parts of a register that are counted apart.
pub(super) const PARTS: u32 = 4;

/// The general registers by what stands behind `r` or `e`, numbered as the machine does.
const GENERAL: [&str; 8] = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];

const RAX: u32 = 0;
const RCX: u32 = 1;
const RDX: u32 = 2;
pub(super) const RSP: u32 = 4;
const RSI: u32 = 6;
const RDI: u32 = 7;

/// What a function keeps for its caller.
const KEPT: [u32; 6] = [3, 5, 12, 13, 14, 15];

/// The parts of a register by its name, without `%`.
fn parts(name: &str) -> Option<(char, u32, std::ops::Range<u32>)> {
    if let Some(rest) = name.strip_prefix(['x', 'y', 'z']).and_then(|r| r.strip_prefix("mm")) {
        let width = match name.as_bytes()[0] {
            b'x' => 1,
            b'y' => 2,
            _ => 3,
        };
        return Some(('x', rest.parse().ok()?, 0..width));
    }
    if let Some(mask) = name.strip_prefix('k').and_then(|n| n.parse().ok()) {
        return Some(('k', mask, 0..1));
    }
    let numbered = name.strip_prefix('r').and_then(|rest| {
        let digits = rest.trim_end_matches(['d', 'w', 'b']);
        Some((digits.parse().ok()?, &rest[digits.len()..]))
    });
    if let Some((number, suffix)) = numbered {
        let width = match suffix {
            "b" => 1,
            "w" => 2,
            _ => 3,
        };
        return Some(('g', number, 0..width));
    }
    let place = |name: &str| GENERAL.iter().position(|g| *g == name).map(|p| p as u32);
    if let Some(number) = name.strip_prefix(['r', 'e']).and_then(place) {
        return Some(('g', number, 0..3));
    }
    if let Some(number) = place(name) {
        return Some(('g', number, 0..2));
    }
    let letter = name.strip_suffix('l').or_else(|| name.strip_suffix('h'))?;
    let number = match letter {
        "a" => RAX,
        "c" => RCX,
        "d" => RDX,
        "b" => 3,
        longer => place(longer)?,
    };
    Some(('g', number, if name.ends_with('h') { 1..2 } else { 0..1 }))
}

/// Every register in a text.
pub(super) fn registers(text: &str) -> Vec<Register> {
    let names = text.split('%').skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next());
    let parts = names.filter_map(|name| parts(name?));
    parts.flat_map(|(letter, number, range)| range.map(move |part| (letter, number * PARTS + part))).collect()
}

/// All of a general register.
fn whole(number: u32) -> impl Iterator<Item = Register> {
    (0..3).map(move |part| ('g', number * PARTS + part))
}

/// What a write of a register writes: more than its name, where the rest becomes zero.
fn written(operand: &str, vex: bool) -> Vec<Register> {
    let Some((letter, number, range)) =
        operand.strip_prefix('%').and_then(|r| parts(r.split(|c: char| !c.is_ascii_alphanumeric()).next()?))
    else {
        return vec![];
    };
    let all = match letter {
        'x' if vex => 0..3,
        'x' => 0..1,
        _ => range,
    };
    all.map(|part| (letter, number * PARTS + part)).collect()
}

/// The effect of an instruction. `keeps` are the registers that a return hands back, as [`kept`] says.
pub(super) fn effect(i: &Instruction<'_>, keeps: &[Register]) -> Effect {
    let (name, operands) = (i.name, &i.operands[..]);
    if matches!(name, "lock" | "rep" | "repe" | "repne" | "repz" | "repnz") {
        return prefixed(i, keeps);
    }
    let begins = |list: &[&str]| list.iter().any(|p| name.starts_with(p));
    let mut effect = Effect::default();
    implicit(name, operands, keeps, &mut effect);
    let Some((last, sources)) = operands.split_last() else { return effect };
    sources.iter().for_each(|o| effect.reads.extend(registers(o)));
    let (place, mask) = last.split_once('{').unwrap_or((last, ""));
    effect.reads.extend(registers(mask));
    let place = place.trim();
    let only_reads =
        begins(&["cmp", "test", "push", "j", "call", "nop", "prefetch", "vzero", "div", "idiv", "kortest", "ktest"])
            && !begins(&["cmpxchg"])
            || begins(&["ucomis", "comis", "vucomis", "vcomis", "ptest", "vtest"])
            || name == "vptest"
            || matches!(name, "bt" | "btl" | "btq" | "btw" | "ldmxcsr" | "vldmxcsr")
            || (operands.len() == 1 && begins(&["mul", "imul"]) && !begins(&["mulx"]));
    if only_reads || place.contains('(') || !place.starts_with('%') {
        // An address is read, whatever is written there.
        effect.reads.extend(registers(place));
        return effect;
    }
    let vex = name.starts_with('v');
    let selects = begins(&["vpblendm", "vblendm"]);
    let merges = mask.contains("%k") && !mask.contains("{z}") && !selects && !place.starts_with("%k");
    if begins(&["vpgather", "vgather"]) {
        effect.partly.extend(written(place, vex));
        effect.writes.extend(registers(mask));
    } else if merges || if vex { adds_to_last(name) } else { !replaces(name, operands.len()) } {
        effect.partly.extend(written(place, vex));
    } else {
        effect.writes.extend(written(place, vex));
    }
    if begins(&["xchg", "xadd"]) {
        effect.partly.extend(sources.iter().flat_map(|o| registers(o)));
    }
    if begins(&["mulx"]) {
        effect.reads.extend(whole(RDX));
        if let [_, low, _] = operands {
            effect.reads.retain(|r| !registers(low).contains(r) || registers(operands[0]).contains(r));
            effect.writes.extend(written(low, false));
        }
    }
    if says_nothing_of_them(name, operands) {
        effect.reads.clear();
        effect.reads.extend(registers(mask));
        let parts = std::mem::take(&mut effect.partly);
        if merges { effect.partly = parts } else { effect.writes.extend(parts) }
    }
    effect.reads.extend(effect.partly.iter().copied());
    effect
}

/// `lock cmpxchgl …`, `rep movsb …`: the name stands before the first operand.
fn prefixed(i: &Instruction<'_>, keeps: &[Register]) -> Effect {
    let first = i.operands.first().copied().unwrap_or_default();
    let (name, operand) = first.split_once(char::is_whitespace).unwrap_or((first, ""));
    if i.name != "lock" {
        let mut effect = Effect::default();
        for number in [RSI, RDI, RCX] {
            effect.partly.extend(whole(number));
        }
        if name.starts_with("stos") || name.starts_with("scas") {
            effect.reads.extend(whole(RAX));
        }
        effect.reads.extend(effect.partly.iter().copied());
        return effect;
    }
    let operands = std::iter::once(operand.trim()).chain(i.operands.iter().skip(1).copied()).collect();
    effect(&Instruction { name, operands, ..i.clone() }, keeps)
}

/// Registers that stand in no operand.
fn implicit(name: &str, operands: &[&str], keeps: &[Register], effect: &mut Effect) {
    let begins = |list: &[&str]| list.iter().any(|p| name.starts_with(p));
    match name {
        "cltd" | "cqto" | "cwtd" => {
            effect.reads.extend(whole(RAX));
            effect.writes.extend(whole(RDX));
        }
        "cltq" | "cwtl" | "cbtw" => effect.partly.extend(whole(RAX)),
        "ret" | "retq" => effect.reads.extend(keeps),
        "vzeroupper" | "vzeroall" => {
            let from = if name == "vzeroall" { 0 } else { 1 };
            effect.writes.extend((0..16).flat_map(|r| (from..3).map(move |part| ('x', r * PARTS + part))));
        }
        _ if begins(&["call"]) => {
            // What the C library takes and gives back: blocks of memory, or a number.
            let memory = operands.first().is_some_and(|o| o.contains("mem"));
            let known = operands.first().is_some_and(|o| !o.starts_with('*') || o.contains("@GOTPCREL"));
            let taken: &[u32] = if memory {
                &[RDI, RSI, RDX]
            } else if known {
                &[]
            } else {
                &[RDI, RSI, RDX, RCX, 8, 9]
            };
            taken.iter().for_each(|r| effect.reads.extend(whole(*r)));
            if !memory {
                effect.reads.push(('x', 0));
            }
            let kept = |r: &u32| KEPT.contains(r) || *r == RSP;
            (0..16).filter(|r| !kept(r)).for_each(|r| effect.writes.extend(whole(r)));
            effect.writes.extend((0..32).flat_map(|r| (0..3).map(move |part| ('x', r * PARTS + part))));
        }
        _ if operands.len() == 1 && begins(&["mul", "imul", "div", "idiv"]) && !begins(&["mulx"]) => {
            effect.reads.extend(whole(RAX));
            if begins(&["div", "idiv"]) {
                effect.reads.extend(whole(RDX));
            }
            effect.writes.extend(whole(RAX).chain(whole(RDX)));
        }
        _ if begins(&["cmpxchg"]) => effect.partly.extend(whole(RAX)),
        _ => {}
    }
}

/// Instructions without a `v` that write the last operand whatever it was.
fn replaces(name: &str, operands: usize) -> bool {
    let begins = |list: &[&str]| list.iter().any(|p| name.starts_with(p));
    // Of vector registers these keep the upper part.
    let keeps = begins(&["movss", "movsd", "movlp", "movhp", "movlhps", "movhlps"]);
    let extends = matches!(name, "movslq" | "movsbl" | "movswl" | "movsbq" | "movswq" | "movsbw");
    let moves =
        ["mov", "lea", "set", "pop", "pshuf", "pmovmsk", "pmovzx", "pmovsx", "pextr", "extractps", "pabs", "k", "lahf"];
    let counts = ["popcnt", "lzcnt", "tzcnt", "andn", "bextr", "pdep", "pext", "blsr", "blsi", "blsmsk", "bzhi"];
    let shifts = ["shlx", "sarx", "shrx", "rorx", "mulx"];
    let converts = ["cvtt", "cvtps", "cvtdq", "cvtss2si", "cvtsd2si", "sqrtps", "sqrtpd"];
    let all = begins(&moves) || begins(&counts) || begins(&shifts) || begins(&converts);
    (all || (operands == 3 && begins(&["imul"]))) && (extends || !keeps)
}

/// Instructions with a `v` whose last operand is read, too.
fn adds_to_last(name: &str) -> bool {
    [
        "vfmadd",
        "vfmsub",
        "vfnmadd",
        "vfnmsub",
        "vfmaddsub",
        "vfmsubadd",
        "vpternlog",
        "vpermt2",
        "vpermi2",
        "vpdp",
        "vdpbf",
        "vpmadd52",
    ]
    .iter()
    .any(|p| name.starts_with(p))
        || ["vpshldv", "vpshrdv", "vfixupimm", "vpexpand", "vexpand"].iter().any(|p| name.starts_with(p))
}

/// `xorl %eax, %eax` is zero and `vpcmpeqd %ymm0, %ymm0, %ymm0` is all ones, whatever the register was.
fn says_nothing_of_them(name: &str, operands: &[&str]) -> bool {
    let begins = |list: &[&str]| list.iter().any(|p| name.starts_with(p));
    let registers = |from: usize| {
        let bare = |o: &&str| o.split('{').next().unwrap_or_default().trim().to_owned();
        operands.get(from..).unwrap_or_default().iter().map(bare).collect::<Vec<_>>()
    };
    let same = |list: &[String]| list.len() >= 2 && list[0] == list[1] && list[0].starts_with('%');
    if name.starts_with("vpternlog") {
        let three = registers(1);
        return operands.first() == Some(&"$255") && same(&three) || operands.first() == Some(&"$0");
    }
    let zero =
        ["xor", "sub", "sbb", "pxor", "xorps", "xorpd", "psub", "vpxor", "vxorp", "vpsub", "vpandn", "kxor", "kxnor"];
    let ones = ["vpcmpeq", "pcmpeq"];
    (begins(&zero) || (begins(&ones) && !operands.last().is_some_and(|o| o.starts_with("%k")))) && same(&registers(0))
}

/// The registers that a function hands back to its caller as they were: those that it takes from the stack before it returns.
pub(super) fn kept<'i>(code: impl Iterator<Item = &'i Instruction<'i>>) -> Vec<Register> {
    let popped =
        code.filter(|i| i.name.starts_with("pop") && !i.name.starts_with("popcnt")).flat_map(|i| i.operands.iter());
    let mut kept: Vec<Register> =
        popped.flat_map(|o| registers(o)).filter(|(letter, r)| *letter == 'g' && KEPT.contains(&(r / PARTS))).collect();
    kept.sort_unstable();
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::super::instruction::{Dialect, Line, lines};
    use super::*;

    /// What an instruction reads and writes, whole registers by name.
    fn of(text: &str) -> (Vec<String>, Vec<String>) {
        let text = format!("\t{text}\n");
        let code = lines(&text, Dialect::X86);
        let Line::Instruction(i) = &code[0] else { panic!("{text}") };
        let effect = effect(i, &[]);
        let names = |list: &[Register]| {
            let mut names: Vec<String> = list.iter().map(|(letter, r)| format!("{letter}{}", r / PARTS)).collect();
            names.sort();
            names.dedup();
            names
        };
        (names(&effect.reads), names(&effect.writes))
    }

    #[test]
    fn effects_by_hand() {
        let cases: [(&str, &[&str], &[&str]); 26] = [
            ("addq\t%rsi, %r11", &["g11", "g6"], &[]),
            ("movq\t24(%rdi), %rax", &["g7"], &["g0"]),
            ("movq\t%rdx, -24(%rsp)", &["g2", "g4"], &[]),
            ("leaq\t(%rax,%rax,8), %rax", &["g0"], &["g0"]),
            ("xorl\t%r11d, %r11d", &[], &["g11"]),
            ("movzbl\t%bl, %r10d", &["g3"], &["g10"]),
            ("cmovgq\t%rdi, %rax", &["g0", "g7"], &[]),
            ("cmpq\t$255, %rax", &["g0"], &[]),
            ("setge\t%cl", &[], &["g1"]),
            ("shlq\t%cl, %rdx", &["g1", "g2"], &[]),
            ("idivl\t%esi", &["g0", "g2", "g6"], &["g0", "g2"]),
            ("imulq\t$12, %rsi, %r9", &["g6"], &["g9"]),
            ("imulq\t%rsi, %r9", &["g6", "g9"], &[]),
            ("tzcntl\t%edi, %edi", &["g7"], &["g7"]),
            ("vbroadcastss\t.LCPI0_1(%rip), %ymm1", &[], &["x1"]),
            ("vbroadcastss\t.LCPI0_2(%rip), %ymm8 {%k1}", &["k1", "x8"], &[]),
            ("vmovdqu8\t.LCPI0_19(%rip), %xmm0 {%k1} {z}", &["k1"], &["x0"]),
            ("vpblendmd\t.LCPI0_0(%rip){1to8}, %ymm5, %ymm9 {%k1}", &["k1", "x5"], &["x9"]),
            ("vfmadd213ps\t%ymm2, %ymm1, %ymm0", &["x0", "x1", "x2"], &[]),
            ("vpcmpgtq\t%zmm8, %zmm3, %k1", &["x3", "x8"], &["k1"]),
            ("vptestmd\t%ymm8, %ymm9, %k1 {%k1}", &["k1", "x8", "x9"], &["k1"]),
            ("vpcmpeqd\t%ymm5, %ymm5, %ymm5", &[], &["x5"]),
            ("vpextrd\t$1, %xmm10, 68(%r14,%rax)", &["g0", "g14", "x10"], &[]),
            ("vmovdqa64\t%zmm0, 64(%r8,%rax,4) {%k2}", &["g0", "g8", "k2", "x0"], &[]),
            ("addps\t%xmm1, %xmm0", &["x0", "x1"], &[]),
            ("popcntl\t%eax, %ecx", &["g0"], &["g1"]),
        ];
        for (text, reads, writes) in cases {
            let (is_read, is_written) = of(text);
            assert_eq!((is_read, is_written), (owned(reads), owned(writes)), "{text}");
        }
    }

    fn owned(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn parts_of_registers() {
        assert_eq!(parts("ah"), Some(('g', 0, 1..2)));
        assert_eq!(parts("sil"), Some(('g', 6, 0..1)));
        assert_eq!(parts("r10w"), Some(('g', 10, 0..2)));
        assert_eq!(parts("ebp"), Some(('g', 5, 0..3)));
        assert_eq!(parts("zmm31"), Some(('x', 31, 0..3)));
        assert_eq!(parts("rip"), None);
        assert_eq!(parts("es"), None);
    }

    /// What compilers make has no write that nobody reads, and reads nothing that nobody wrote: but for arguments, and what is kept
    /// for the caller. A read that is not known here would be the first, a write the second.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn compiled_code_reads_what_it_writes() {
        use super::super::flow::Flow;
        use super::super::live::before_and_after;
        use crate::{Document, Request};
        use routefuse::{Engine, chains, models};
        let presets = ["deepseek-v3", "gpt-oss"].map(|n| models::named(n).unwrap().graph(&Default::default()).unwrap());
        let graphs = chains::examples().into_iter().map(|(_, g)| g.unwrap()).chain(presets);
        let engine = Engine::builder().build().unwrap();
        for graph in graphs {
            let request = Request { all_variants: false, ..Request::default() };
            let mut document = Document::of(&engine, &graph, &request).unwrap();
            document.add_code(&engine, &graph, &request, &|_, _, _| ()).unwrap();
            for stage in document.stages.iter().filter(|s| s.id.ends_with("asm")) {
                let code = lines(&stage.text, Dialect::X86);
                let flow = Flow::of(&code, Dialect::X86).unwrap();
                let sets = before_and_after(&flow, Dialect::X86);
                let (first, _) = &sets[0];
                let arguments = [RDI, RSI, RDX, RCX, 8, 9, RSP];
                let strange: Vec<_> = first
                    .iter()
                    .filter(|(l, r)| *l != 'g' || !(arguments.contains(&(r / PARTS)) || KEPT.contains(&(r / PARTS))))
                    .collect();
                assert!(strange.is_empty(), "{}: {strange:?} are read before they are written", graph.name);
                for (at, (i, (_, after))) in flow.code.iter().zip(&sets).enumerate() {
                    // Some are there for their flags.
                    let reads_flags =
                        |i: &Instruction<'_>| ["j", "set", "cmov", "sbb", "adc"].iter().any(|p| i.name.starts_with(p));
                    let for_flags = flow.code.get(at + 1).is_some_and(|next| reads_flags(next));
                    let effect = effect(i, &[]);
                    let own = [effect.writes, effect.partly].concat();
                    let helps = own.iter().any(|r| after.contains(r) || *r == ('g', RSP * PARTS));
                    let aside = ["vzero", "call", "pop", "neg"].iter().any(|p| i.name.starts_with(p));
                    let line = stage.text.lines().nth(i.line);
                    assert!(
                        own.is_empty() || helps || aside || for_flags,
                        "{}: nobody reads what {line:?} writes",
                        graph.name
                    );
                }
            }
        }
    }
}
