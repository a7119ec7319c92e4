//! What an instruction does that is worth a mark: it touches memory, waits, talks to other lanes, or jumps.

use super::instruction::{Dialect, Instruction};
use crate::model::{Mark, MarkKind};

/// The mark of an instruction, if it has one.
pub(crate) fn mark(i: &Instruction<'_>, dialect: Dialect) -> Option<Mark> {
    let (kind, what) = match dialect {
        Dialect::X86 => x86(i),
        Dialect::Aarch64 => aarch64(i),
        Dialect::Ptx => ptx(i),
        Dialect::Amdgpu => amdgpu(i),
    }?;
    Some(Mark { line: i.line, kind, what: what.to_owned() })
}

type Found = Option<(MarkKind, &'static str)>;

fn x86(i: &Instruction<'_>) -> Found {
    let name = i.name;
    if name.starts_with('j') || matches!(name, "ret" | "retq") {
        return Some((MarkKind::Branch, if name.starts_with('r') { "returns" } else { "jumps" }));
    }
    if name.starts_with("lea") || name.starts_with("nop") || name.starts_with("prefetch") {
        return None;
    }
    if name == "lock" {
        return Some((MarkKind::Store, "changes memory, atomically"));
    }
    if name.starts_with("call") {
        return Some((MarkKind::Branch, "calls"));
    }
    if name.starts_with("push") {
        return Some((MarkKind::Store, "writes the stack"));
    }
    if name.starts_with("pop") && !name.starts_with("popcnt") {
        return Some((MarkKind::Load, "reads the stack"));
    }
    let at = i.operands.iter().position(|o| o.contains('('))?;
    let place = i.operands[at];
    let stack = place.contains("(%rsp") || place.contains("(%rbp");
    let compares =
        ["cmp", "test", "vucomis", "vcomis", "ucomis", "comis", "vptest", "vtest"].iter().any(|p| name.starts_with(p));
    let last = at + 1 == i.operands.len();
    let reads_its_one = ["mul", "imul", "div", "idiv", "ldmxcsr", "vldmxcsr"].iter().any(|p| name.starts_with(p));
    let only_reads = compares || !last || (i.operands.len() == 1 && reads_its_one);
    if only_reads {
        let what = if place.contains("(%rip)") {
            "reads a constant"
        } else if stack {
            "reads the stack"
        } else {
            "reads memory"
        };
        return Some((MarkKind::Load, what));
    }
    Some((MarkKind::Store, if stack { "writes the stack" } else { "writes memory" }))
}

fn aarch64(i: &Instruction<'_>) -> Found {
    let name = i.name;
    let stack = i.operands.iter().any(|o| o.contains("[sp") || o.contains("[x29"));
    match name {
        "ret" => Some((MarkKind::Branch, "returns")),
        "b" | "cbz" | "cbnz" | "tbz" | "tbnz" | "br" => Some((MarkKind::Branch, "jumps")),
        _ if name.starts_with("b.") => Some((MarkKind::Branch, "jumps")),
        _ if name.starts_with("ld") => Some((MarkKind::Load, if stack { "reads the stack" } else { "reads memory" })),
        _ if name.starts_with("st") || name.starts_with("cas") || name.starts_with("swp") => {
            Some((MarkKind::Store, if stack { "writes the stack" } else { "writes memory" }))
        }
        _ => None,
    }
}

fn ptx(i: &Instruction<'_>) -> Found {
    let mut words = i.name.split('.');
    let (first, rest): (&str, Vec<&str>) = (words.next().unwrap_or_default(), words.collect());
    let has = |word: &str| rest.contains(&word);
    match first {
        "ld" if has("param") => Some((MarkKind::Load, "reads an argument")),
        "ld" if has("shared") => Some((MarkKind::Load, "reads shared memory")),
        "ld" | "ldu" => Some((MarkKind::Load, "reads memory")),
        "cp" => Some((MarkKind::Load, "copies memory to shared memory")),
        "st" if has("shared") => Some((MarkKind::Store, "writes shared memory")),
        "st" => Some((MarkKind::Store, "writes memory")),
        "red" | "atom" if has("shared") => Some((MarkKind::Store, "changes shared memory, atomically")),
        "red" | "atom" => Some((MarkKind::Store, "changes memory, atomically")),
        "griddepcontrol" if has("wait") => Some((MarkKind::Wait, "waits for the launch before this one")),
        // Lets the next launch begin, and waits for nothing.
        "griddepcontrol" => None,
        "membar" | "fence" => Some((MarkKind::Wait, "orders memory")),
        "bar" | "barrier" if has("warp") => Some((MarkKind::Barrier, "waits for the lanes of the warp")),
        "bar" | "barrier" => Some((MarkKind::Barrier, "waits for the threads of the block")),
        "shfl" => Some((MarkKind::Exchange, "takes another lane's value")),
        "redux" => Some((MarkKind::Exchange, "reduces over lanes")),
        "vote" | "match" => Some((MarkKind::Exchange, "asks all lanes")),
        "bra" | "brx" => Some((MarkKind::Branch, "jumps")),
        "ret" | "exit" => Some((MarkKind::Branch, "ends")),
        _ => None,
    }
}

fn amdgpu(i: &Instruction<'_>) -> Found {
    let name = i.name;
    let begins = |list: &[&str]| list.iter().any(|p| name.starts_with(p));
    if begins(&["ds_bpermute", "ds_permute", "ds_swizzle", "v_permlane"]) {
        return Some((MarkKind::Exchange, "takes another lane's value"));
    }
    if begins(&["v_readlane", "v_readfirstlane"]) {
        return Some((MarkKind::Exchange, "takes one lane's value for all"));
    }
    if begins(&["s_waitcnt", "s_wait_"]) {
        return Some((MarkKind::Wait, "waits for memory"));
    }
    if begins(&["s_barrier"]) {
        return Some((MarkKind::Barrier, "waits for the threads of the block"));
    }
    if begins(&["s_branch", "s_cbranch"]) {
        return Some((MarkKind::Branch, "jumps"));
    }
    if begins(&["s_endpgm"]) {
        return Some((MarkKind::Branch, "ends"));
    }
    if begins(&["s_load", "s_buffer_load"]) {
        return Some((MarkKind::Load, "reads memory, for all lanes at once"));
    }
    if begins(&["scratch_load"]) {
        return Some((MarkKind::Load, "reads spilled registers"));
    }
    if begins(&["scratch_store"]) {
        return Some((MarkKind::Store, "spills registers"));
    }
    if name.contains("_atomic") {
        return Some((MarkKind::Store, "changes memory, atomically"));
    }
    if begins(&["global_load", "flat_load", "buffer_load"]) {
        return Some((MarkKind::Load, "reads memory"));
    }
    if begins(&["global_store", "flat_store", "buffer_store"]) {
        return Some((MarkKind::Store, "writes memory"));
    }
    if begins(&["ds_read", "ds_load"]) {
        return Some((MarkKind::Load, "reads shared memory"));
    }
    if begins(&["ds_write", "ds_store", "ds_add"]) {
        return Some((MarkKind::Store, "writes shared memory"));
    }
    let crosses = ["row_", "quad_perm:", "wave_", "dpp8:"];
    if name.ends_with("_dpp") || i.operands.iter().any(|o| crosses.iter().any(|word| o.contains(word))) {
        return Some((MarkKind::Exchange, "takes a neighbouring lane's value"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::instruction::{Line, lines};
    use super::*;

    fn marks(text: &str, dialect: Dialect) -> Vec<MarkKind> {
        let marked = lines(text, dialect).into_iter().filter_map(|line| match line {
            Line::Instruction(i) => mark(&i, dialect),
            Line::Label(_) => None,
        });
        marked.map(|m| m.kind).collect()
    }

    #[test]
    fn what_lines_do() {
        use MarkKind::{Barrier, Branch, Exchange, Load, Store, Wait};
        let x86 = "\tvmovups (%rcx,%r8), %ymm4\n\tvmovdqu %ymm3, (%rdi,%r8)\n\tleaq 8(%rax), %rcx\n\tcmpl $3, 8(%rsp)\n\
                   \taddl %eax, 8(%rdi)\n\tjl .LBB0_2\n\tretq\n\tvaddps %ymm0, %ymm1, %ymm2\n";
        assert_eq!(marks(x86, Dialect::X86), [Load, Store, Load, Store, Branch, Branch]);
        let one = "\tpushq %rbx\n\tidivl 8(%rsp)\n\tcallq *f@GOTPCREL(%rip)\n\tpopcntl %eax, %ecx\n\tnegl 8(%rdi)\n\tpopq %rbx\n";
        assert_eq!(marks(one, Dialect::X86), [Store, Load, Branch, Store, Load]);
        let ptx = "\tld.param.b64 %rd1, [p];\n\tgriddepcontrol.wait;\n\tld.global.v4.b32 {%r1, %r2, %r3, %r4}, [%rd1];\n\
                   \tshfl.sync.bfly.b32 %r5|%p1, %r1, 1, 31, -1;\n\tbar.sync 0;\n\tst.shared.b32 [%rd2], %r5;\n\
                   \tadd.s32 %r6, %r5, 1;\n\t@%p1 bra $L2;\n\tret;\n";
        assert_eq!(marks(ptx, Dialect::Ptx), [Load, Wait, Load, Exchange, Barrier, Store, Branch, Branch]);
        let amd = "\ts_load_dwordx2 s[2:3], s[0:1], 0x0\n\ts_waitcnt lgkmcnt(0)\n\tglobal_load_dword v1, v[2:3], off\n\
                   \tv_min_u32_dpp v9, v15, v15 quad_perm:[1,0,3,2] row_mask:0xf bank_mask:0xf\n\
                   \tds_bpermute_b32 v8, v7, v12\n\tds_write_b32 v1, v2\n\tv_add_u32_e32 v1, v2, v3\n\ts_endpgm\n";
        assert_eq!(marks(amd, Dialect::Amdgpu), [Load, Wait, Load, Exchange, Exchange, Store, Branch]);
    }
}
