//! Which value of a kernel each line of a text was made for, from the same text with locations.
//!
//! The text that is shown is the one that was made without locations. The two are walked together: a line of the located text is
//! the next one of the plain text, or it is there for the locations alone. Where that does not hold for every line, LLVM has
//! chosen otherwise, and nothing is said of any.

/// For each line of the plain text, the number of the kernel's value that it was made for.
pub(crate) type Places = Vec<Option<u32>>;

/// Of assembly: `.loc 1 n 0` says it of the lines behind it. None if the texts are not the same.
pub(crate) fn assembly(plain: &str, located: &str) -> Option<Places> {
    let mut places = Vec::new();
    let mut expected = plain.lines().peekable();
    let mut current = None;
    for line in located.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [".loc", _, number, ..] = words[..] {
            current = value_of(number);
        } else if expected.peek() == Some(&line) {
            expected.next();
            let is_code = line.starts_with('\t') && !words.first().is_some_and(|w| w.starts_with('.'));
            places.push(current.filter(|_| is_code));
        } else if !is_for_locations(line, &words) {
            return None;
        }
    }
    expected.next().is_none().then_some(places)
}

/// Lines that assembly has for the sake of locations.
fn is_for_locations(line: &str, words: &[&str]) -> bool {
    let label = |prefix: &str| line.starts_with(prefix) && line.ends_with(':');
    let directive = words.first().is_some_and(|w| w.starts_with(".cfi_") || *w == ".file");
    let section = words.first() == Some(&".section") && words.get(1).is_some_and(|name| name.starts_with(".debug_"));
    let labels = [".Ltmp", ".Lfunc_begin", ".Lfunc_end", "$L__tmp", "$L__func_begin", "$L__func_end"];
    line.trim().is_empty() || directive || section || labels.into_iter().any(label)
}

/// Line 0 is none, and line n the value n − 1.
fn value_of(line: &str) -> Option<u32> {
    line.parse::<u32>().ok()?.checked_sub(1)
}

/// Of LLVM IR: `!dbg !7` at the end of a line, and `!7 = !DILocation(line: n, …)` below.
pub(crate) fn llvm(plain: &str, located: &str) -> Option<Places> {
    let numbers: std::collections::HashMap<&str, u32> = located
        .lines()
        .filter_map(|line| {
            let (name, what) = line.split_once(" = !DILocation(line: ")?;
            Some((name, value_of(what.split([',', ')']).next()?)?))
        })
        .collect();
    let metadata = |line: &&str| line.starts_with('!');
    let mut places = Vec::new();
    let mut code = located.lines().filter(|line| !metadata(line) && !line.starts_with("; Function Attrs"));
    for line in plain.lines() {
        if metadata(&line) || line.starts_with("; Function Attrs") {
            places.push(None);
            continue;
        }
        let located = code.by_ref().find(|l| !l.is_empty() || line.is_empty())?;
        if without_metadata(line) != without_metadata(located) {
            return None;
        }
        let name = located.split_once("!dbg ").map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default());
        places.push(name.and_then(|name| numbers.get(name)).copied());
    }
    code.all(str::is_empty).then_some(places)
}

/// A line of LLVM IR without the numbers of metadata, which are counted through the whole text, and without its location.
fn without_metadata(line: &str) -> String {
    let mut parts = line.split('!');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push('!');
        text.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    text.replace(", !dbg !", "").replace(" !dbg !", "")
}

/// Of MLIR: `loc(#loc3)` behind an operation, and `#loc3 = loc("kernel":n:0)` below.
pub(crate) fn mlir(plain: &str, located: &str) -> Option<Places> {
    let numbers: std::collections::HashMap<&str, u32> = located
        .lines()
        .filter_map(|line| {
            let (name, what) = line.strip_prefix('#')?.split_once(" = loc(\"kernel\":")?;
            Some((name, value_of(what.split(':').next()?)?))
        })
        .collect();
    let mut places = Vec::new();
    let mut code = located.lines().filter(|line| !line.starts_with('#'));
    for line in plain.lines() {
        let located = code.next()?;
        let mut name = None;
        let mut text = String::new();
        let mut rest = located;
        while let Some((before, behind)) = rest.split_once(" loc(") {
            let (location, after) = behind.split_once(')')?;
            text.push_str(before);
            name = Some(location);
            rest = after;
        }
        text.push_str(rest);
        if text.trim_end() != line.trim_end() {
            return None;
        }
        places.push(name.and_then(|name| numbers.get(name.strip_prefix('#')?)).copied());
    }
    code.next().is_none().then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_say_of_what_is_behind_them() {
        let plain = "f:\n\tadd\n\tmul\n\t.size f\n";
        let located = "f:\n.Lfunc_begin0:\n\t.cfi_startproc\n\t.file\t1 \"kernel\"\n\t.loc\t1 3 0 prologue_end\n\tadd\n\
                       \t.loc\t1 0 0 is_stmt 0\n\tmul\n.Ltmp1:\n\t.size f\n\t.cfi_endproc\n";
        assert_eq!(assembly(plain, located), Some(vec![None, Some(2), None, None]));
        assert_eq!(assembly(plain, &located.replace("\tmul", "\tsub")), None);
        assert_eq!(assembly(plain, &located.replace("\tmul\n", "")), None);
    }

    #[test]
    fn metadata_of_llvm_is_followed() {
        let plain = "define void @f() {\n  %1 = load i32, ptr %0, align 4, !noalias !2\n  ret void\n}\n\n!2 = !{}\n";
        let located = "define void @f() !dbg !4 {\n  %1 = load i32, ptr %0, align 4, !dbg !7, !noalias !9\n  ret void, !dbg !8\n}\n\n\
                       !llvm.dbg.cu = !{!0}\n!7 = !DILocation(line: 6, scope: !4)\n!8 = !DILocation(line: 0, scope: !4)\n!9 = !{}\n";
        assert_eq!(llvm(plain, located), Some(vec![None, Some(5), None, None, None, None]));
        assert_eq!(llvm(plain, &located.replace("align 4", "align 8")), None);
    }

    #[test]
    fn locations_of_mlir_are_followed() {
        let plain = "module {\n  %0 = arith.addi %a, %b : i32\n  scf.if %c {\n  }\n}\n";
        let located = "#loc1 = loc(\"kernel\":0:0)\nmodule {\n  %0 = arith.addi %a, %b : i32 loc(#loc2)\n  scf.if %c {\n  } loc(#loc1)\n\
                       } loc(#loc)\n#loc = loc(unknown)\n#loc2 = loc(\"kernel\":4:0)\n";
        assert_eq!(mlir(plain, located), Some(vec![None, Some(3), None, None, None]));
        assert_eq!(mlir(plain, &located.replace("addi", "muli")), None);
    }
}
