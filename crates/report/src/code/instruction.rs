//! Assembly, line by line: which lines are instructions, and what stands in them.

/// Whose assembly a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// x86-64, as AT&T write it: sources first, then the destination.
    X86,
    /// aarch64.
    Aarch64,
    /// NVIDIA's PTX.
    Ptx,
    /// AMD's GPUs.
    Amdgpu,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instruction<'t> {
    /// Its line, from 0.
    pub line: usize,
    /// Its name.
    pub name: &'t str,
    /// What stands behind the name, with its commas.
    pub operands: Vec<&'t str>,
    /// It is done under a condition: the text of it.
    pub condition: Option<&'t str>,
}

/// A line of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line<'t> {
    /// A place that can be jumped to.
    Label(&'t str),
    /// An instruction.
    Instruction(Instruction<'t>),
}

/// Labels and instructions of a text, in order.
pub(crate) fn lines(text: &str, dialect: Dialect) -> Vec<Line<'_>> {
    let mut found = Vec::new();
    for (line, content) in text.lines().enumerate() {
        let comment = match dialect {
            Dialect::Ptx => "//",
            Dialect::Aarch64 => "//",
            Dialect::X86 => "#",
            Dialect::Amdgpu => ";",
        };
        let content = content.split(comment).next().unwrap_or_default();
        // What stands at the margin is a label, or a head of PTX.
        if !content.starts_with([' ', '\t']) {
            if let Some(label) = content.trim_end().strip_suffix(':') {
                found.push(Line::Label(label));
            }
            continue;
        }
        let content = content.trim().trim_end_matches(';');
        let (condition, content) = match content.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
            Some((condition, rest)) => (Some(condition), rest.trim()),
            None => (None, content),
        };
        let (name, rest) = content.split_once([' ', '\t']).unwrap_or((content, ""));
        let is_code =
            name.starts_with(|c: char| c.is_ascii_lowercase()) && (dialect != Dialect::Ptx || !content.ends_with(','));
        if is_code {
            let operands = split(rest.trim());
            found.push(Line::Instruction(Instruction { line, name, operands, condition }));
        }
    }
    found
}

/// Operands between commas that are in no bracket.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut operands) = (0i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                operands.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    if !text[from..].trim().is_empty() {
        operands.push(text[from..].trim());
    }
    operands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_between_commas() {
        assert_eq!(split("{%r1, %r2}, [%rd1+4]"), ["{%r1, %r2}", "[%rd1+4]"]);
        assert_eq!(split("%ymm0, 8(%rax,%rcx,4)"), ["%ymm0", "8(%rax,%rcx,4)"]);
        let text = "f:\n\t.reg .b32 %r<4>;\n\t@%p1 bra \t$L2; // far\n\tret;\n";
        let found = lines(text, Dialect::Ptx);
        let bra = Instruction { line: 2, name: "bra", operands: vec!["$L2"], condition: Some("%p1") };
        let ret = Instruction { line: 3, name: "ret", operands: vec![], condition: None };
        assert_eq!(found, [Line::Label("f"), Line::Instruction(bra), Line::Instruction(ret)]);
    }
}
