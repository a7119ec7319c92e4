//! Which registers an aarch64 instruction reads and writes, those that its text does not show included.
//!
//! A write of a part of a register (`w0`, `s0`) is one of all of it: the rest becomes zero. A write of one lane of a vector, of its upper
//! half, or under a predicate of SVE that merges, keeps what was there. What is not known here is taken to write its first operand
//! and to read the others.

use super::instruction::Instruction;
use super::live::{Effect, Register};

/// The stack's pointer, by the number that instructions have for it.
pub(super) const SP: u32 = 31;
/// Where a function returns to.
const LINK: u32 = 30;
/// What a function keeps for its caller: general registers, and the lower halves of vector registers.
const KEPT: [(char, std::ops::RangeInclusive<u32>); 2] = [('g', 19..=LINK), ('x', 8..=15)];

/// The register of this name, if it is one: general ones have the letter `g`, vectors `x`, predicates `k`.
fn register(name: &str) -> Option<Register> {
    if name == "sp" || name == "wsp" {
        return Some(('g', SP));
    }
    let (letter, number) = name.split_at_checked(1)?;
    let number: u32 = number.parse().ok()?;
    let letter = match letter {
        "x" | "w" => 'g',
        "b" | "h" | "s" | "d" | "q" | "v" | "z" => 'x',
        "p" => 'k',
        _ => return None,
    };
    (number < 32).then_some((letter, number))
}

/// Every register in a text: `[x0, x1, lsl #2]`, `{ v0.4s, v1.4s }`, `p0/z`.
pub(super) fn registers(text: &str) -> Vec<Register> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    let mut found: Vec<Register> = words.filter_map(|word| register(word.split('.').next()?)).collect();
    // From one to another: `{ v0.16b - v3.16b }`.
    if let ([first, last], true) = (&found[..], text.contains('{') && text.contains(" - ")) {
        let (letter, first, last) = (first.0, first.1, last.1);
        found = (first..=last).map(|number| (letter, number)).collect();
    }
    found
}

/// The effect of an instruction. `keeps` are the registers that a return hands back, as [`kept`] says.
pub(super) fn effect(i: &Instruction<'_>, keeps: &[Register]) -> Effect {
    let (name, operands) = (i.name, &i.operands[..]);
    let begins = |list: &[&str]| list.iter().any(|p| name.starts_with(p));
    let mut effect = Effect::default();
    if name == "ret" {
        effect.reads.extend(keeps.iter().copied().chain([('g', LINK), ('g', SP)]));
        return effect;
    }
    if matches!(name, "bl" | "blr") {
        // Arguments of what copies and fills memory; all that a callee need not keep.
        effect.reads.extend((0..3).map(|n| ('g', n)).chain([('g', SP)]));
        effect.reads.extend(operands.iter().flat_map(|o| registers(o)));
        effect.writes.extend((0..=18).chain([LINK]).map(|n| ('g', n)));
        effect.writes.extend((0..8).chain(16..32).map(|n| ('x', n)));
        return effect;
    }
    let jumps = ["cbz", "cbnz", "tbz", "tbnz"];
    let only_reads = (jumps.contains(&name)
        || begins(&["st", "cmp", "cmn", "tst", "ccmp", "ccmn", "fcmp", "fccmp", "prf", "ptest", "msr"]))
        // Of SVE, comparisons write a predicate; a store that may fail writes whether it has.
        && !(begins(&["cmp", "fcm"]) && is_predicate(operands.first()))
        && !begins(&["stx", "stlx"]);
    let written = match name {
        _ if only_reads => 0..0,
        "b" | "br" => 0..0,
        _ if name.starts_with("b.") => 0..0,
        _ if begins(&["ldp", "ldnp", "ldaxp", "ldxp"]) => 0..2,
        // The old value goes to the second: `ldadd w0, w1, [x2]`.
        _ if begins(&["ldadd", "ldset", "ldclr", "ldeor", "ldsm", "ldum", "swp"]) => 1..2,
        _ => 0..1,
    };
    let merges = operands.get(1).is_some_and(|o| o.starts_with('p') && o.ends_with("/m"));
    for (position, operand) in operands.iter().enumerate() {
        let all = registers(operand);
        if !written.contains(&position) || operand.starts_with('[') {
            effect.reads.extend(all);
        } else if merges || operand.ends_with(']') || adds_to_first(name) {
            effect.reads.extend(&all);
            effect.partly.extend(all);
        } else {
            effect.writes.extend(all);
        }
    }
    // An address that moves on: `[x0, #16]!`, and `[x0], #16`.
    let address = operands.iter().position(|o| o.starts_with('['));
    if let Some(at) = address.filter(|at| operands[*at].ends_with('!') || at + 1 < operands.len()) {
        effect.partly.extend(registers(operands[at]).into_iter().take(1));
    }
    effect
}

fn is_predicate(operand: Option<&&str>) -> bool {
    operand.is_some_and(|o| registers(o).iter().any(|r| r.0 == 'k'))
}

/// Instructions whose first operand is read as well as written.
fn adds_to_first(name: &str) -> bool {
    let begins = |list: &[&str]| list.iter().any(|p| name.starts_with(p));
    let upper_half =
        name.ends_with('2') && begins(&["xtn", "sqxtn", "uqxtn", "fcvtn", "shrn", "rshrn", "addhn", "subhn"]);
    upper_half
        || begins(&["movk", "bfi", "bfxil", "bfm", "ins", "insr", "cas", "tbx", "sli", "sri", "saba", "uaba"])
        || begins(&["fmla", "fmls", "fmlal", "mla", "mls", "smlal", "umlal", "smlsl", "umlsl", "sdot", "udot", "usdot"])
        || matches!(name, "bif" | "bit" | "bsl" | "usra" | "ssra")
}

/// The registers that a function hands back to its caller as they were: those that it takes from the stack before it returns.
pub(super) fn kept<'i>(code: impl Iterator<Item = &'i Instruction<'i>>) -> Vec<Register> {
    let loads = code.filter(|i| i.name.starts_with("ld") && i.operands.iter().any(|o| o.contains("[sp")));
    let of = |i: &'i Instruction<'i>| i.operands.iter().take_while(|o| !o.starts_with('[')).flat_map(|o| registers(o));
    let is_kept = |r: &Register| KEPT.iter().any(|(letter, numbers)| *letter == r.0 && numbers.contains(&r.1));
    let mut kept: Vec<Register> = loads.flat_map(of).filter(is_kept).collect();
    kept.sort_unstable();
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::super::flow::Flow;
    use super::super::instruction::{Dialect, Line, lines};
    use super::super::live::before_and_after;
    use super::*;
    use crate::{Document, Request};
    use routefuse::{Engine, Target, chains, models};

    /// What an instruction reads and writes, by name.
    fn of(text: &str) -> (Vec<String>, Vec<String>) {
        let text = format!("\t{text}\n");
        let code = lines(&text, Dialect::Aarch64);
        let Line::Instruction(i) = &code[0] else { panic!("{text}") };
        let effect = effect(i, &[]);
        let names = |list: &[Register]| {
            let mut names: Vec<String> = list.iter().map(|(letter, r)| format!("{letter}{r}")).collect();
            names.sort();
            names.dedup();
            names
        };
        (names(&effect.reads), names(&effect.writes))
    }

    #[test]
    fn effects_by_hand() {
        let cases: [(&str, &[&str], &[&str]); 20] = [
            ("add\tx0, x1, w2, sxtw #2", &["g1", "g2"], &["g0"]),
            ("ldp\tq0, q1, [x8, #32]", &["g8"], &["x0", "x1"]),
            ("str\tw9, [x10, x11, lsl #2]", &["g10", "g11", "g9"], &[]),
            ("ldr\tx9, [x10], #16", &["g10"], &["g9"]),
            ("mov\tv0.s[1], w8", &["g8", "x0"], &[]),
            ("ld1\t{ v3.s }[2], [x8]", &["g8", "x3"], &[]),
            ("movk\tw8, #32704, lsl #16", &["g8"], &[]),
            ("fmla\tv0.4s, v1.4s, v2.s[0]", &["x0", "x1", "x2"], &[]),
            ("xtn\tv0.4h, v1.4s", &["x1"], &["x0"]),
            ("xtn2\tv0.8h, v1.4s", &["x0", "x1"], &[]),
            ("cmp\tx20, x12", &["g12", "g20"], &[]),
            ("cmgt\tv0.4s, v1.4s, v2.4s", &["x1", "x2"], &["x0"]),
            ("tbl\tv0.16b, { v1.16b, v2.16b }, v3.16b", &["x1", "x2", "x3"], &["x0"]),
            ("tbnz\tw8, #0, .LBB0_4", &["g8"], &[]),
            ("csel\tx8, x9, xzr, lo", &["g9"], &["g8"]),
            ("ldaddal\tw8, w9, [x10]", &["g10", "g8"], &["g9"]),
            ("cmphi\tp4.s, p0/z, z7.s, z2.s", &["k0", "x2", "x7"], &["k4"]),
            ("mov\tz7.s, p4/m, #-1", &["k4", "x7"], &[]),
            ("ld1h\t{ z7.s }, p0/z, [x10, x20, lsl #1]", &["g10", "g20", "k0"], &["x7"]),
            ("adrp\tx8, .LCPI0_0", &[], &["g8"]),
        ];
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        for (text, reads, writes) in cases {
            assert_eq!(of(text), (owned(reads), owned(writes)), "{text}");
        }
    }

    /// What compilers make reads nothing that nobody wrote, but for arguments and what is kept for the caller: a write that is not
    /// known here would be such a read.
    #[test]
    fn compiled_code_reads_what_it_writes() {
        let presets = ["deepseek-v3", "gpt-oss"].map(|n| models::named(n).unwrap().graph(&Default::default()).unwrap());
        let graphs = chains::examples().into_iter().map(|(_, g)| g.unwrap()).chain(presets);
        let engine = Engine::builder().build().unwrap();
        let request = Request { all_variants: false, target: Target::named("aarch64").unwrap(), ..Request::default() };
        for graph in graphs {
            let mut document = Document::of(&engine, &graph, &request).unwrap();
            document.add_code(&engine, &graph, &request, &|_, _, _| ()).unwrap();
            let stages: Vec<_> = document.stages.iter().filter(|s| s.id.ends_with("asm")).collect();
            assert!(!stages.is_empty());
            for stage in stages {
                let code = lines(&stage.text, Dialect::Aarch64);
                let flow = Flow::of(&code, Dialect::Aarch64).unwrap();
                let sets = before_and_after(&flow, Dialect::Aarch64);
                let given = |r: &&Register| {
                    matches!(r, ('g', 0..=3 | SP))
                        || KEPT.iter().any(|(letter, numbers)| *letter == r.0 && numbers.contains(&r.1))
                };
                let strange: Vec<_> = sets[0].0.iter().filter(|r| !given(r)).collect();
                assert!(strange.is_empty(), "{}: {strange:?} are read before they are written", graph.name);
                let general = stage.counts.iter().find(|c| c.0 == "general registers at most at once").map(|c| c.1);
                assert!(general.is_some_and(|n| (2.0..=31.0).contains(&n)), "{}: {general:?}", graph.name);
            }
        }
    }
}
