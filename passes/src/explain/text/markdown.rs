//! The report as Markdown, to be pasted where a change is discussed: tables, details that open, fenced drawings.

use super::super::{KernelReport, Report};
use super::page::Page;
use super::{count, holds, list, schedule, targets};
use routefuse_ir::visible::visible;

impl Report {
    /// The report as Markdown as GitHub and GitLab show it. Names are inert in it, whatever they are.
    pub fn to_markdown(&self) -> String {
        let Report { graph, before, after, kernels, joined, apart, simplified, cuts, gathers, passes } = self;
        let mut text = format!(
            "### `@{}`: {} → {}\n\n",
            code(graph),
            count(before.launches, "launch", "launches"),
            count(after.launches, "launch", "launches")
        );
        text.push_str("| | launches and bytes |\n|---|---|\n");
        text.push_str(&format!(
            "| before | {} |\n| after | {} |\n",
            words(&before.to_string()),
            words(&after.to_string())
        ));
        if !cuts.is_empty() {
            text.push_str("\nNot one kernel, because\n\n");
            cuts.iter().for_each(|c| text.push_str(&format!("- {}\n", words(&c.to_string()))));
        }
        for of in joined {
            text.push_str(&format!("\nOn a GPU, {}:\n\n", words(&of.to_string())));
            of.phases.iter().for_each(|p| text.push_str(&format!("- {}\n", words(&p.to_string()))));
            of.memory().iter().for_each(|m| text.push_str(&format!("- {}\n", words(m))));
        }
        if !apart.is_empty() {
            text.push_str("\nOn a GPU, launches of their own:\n\n");
            apart.iter().for_each(|a| text.push_str(&format!("- {}\n", words(&a.to_string()))));
        }
        kernels.iter().for_each(|k| kernel(&mut text, k));
        if !simplified.is_empty() {
            let names: Vec<String> = simplified.iter().map(|s| format!("`%{}`", code(s))).collect();
            text.push_str(&format!("\nSimplified away: {}\n", names.join(", ")));
        }
        if !gathers.is_empty() {
            text.push_str("\n| gather | table | indices | why |\n|---|---|---|---|\n");
            for g in gathers {
                let verdict =
                    if g.proved { "proved in range".to_owned() } else { format!("checked, {}", g.out_of_range) };
                text.push_str(&format!(
                    "| `%{}` | `%{}` | {} | {} |\n",
                    code(&g.gather),
                    code(&g.table),
                    words(&verdict),
                    words(&g.why.join("; "))
                ));
            }
        }
        let list: Vec<String> = passes.iter().map(ToString::to_string).collect();
        text.push_str(&format!("\nPasses: {}.\n", words(&list.join("; "))));
        text
    }
}

fn kernel(text: &mut String, k: &KernelReport) {
    let rows = k.rows.as_ref().map_or_else(|| "one row".to_owned(), |r| format!("a loop over {}", visible(r)));
    text.push_str(&format!(
        "\n<details>\n<summary>kernel <code>@{}</code>: {}, {}</summary>\n\n| | |\n|---|---|\n",
        html(&k.name),
        html(&rows),
        count(k.ops.len(), "operation", "operations")
    ));
    for (name, what) in
        [("holds", holds(k)), ("reads", list(&k.reads)), ("writes", list(&k.writes)), ("moves", k.traffic.to_string())]
    {
        text.push_str(&format!("| {name} | {} |\n", words(&what)));
    }
    for s in &k.schedules {
        text.push_str(&format!("\n**On {}**: `{}`", words(&targets(&s.targets)), code(&s.schedule)));
        text.push_str(&format!(", variants {}\n\n", s.variants.join(", ")));
        s.why.iter().for_each(|w| text.push_str(&format!("- {}\n", words(w))));
        for shape in &s.lanes.shapes {
            let mut page = Page::new(80);
            page.paragraph(0, 2, &format!("{}: {}", shape.rows, shape.notation));
            schedule::shape(&mut page, shape);
            text.push_str(&fenced(&page.text));
        }
        text.push_str("\n| word | meaning |\n|---|---|\n");
        for word in &s.lanes.words {
            text.push_str(&format!("| `{}` | {} |\n", code(&word.term), words(&word.meaning)));
        }
    }
    text.push_str(&format!("\nSignature:\n{}\n</details>\n", fenced(&k.signature)));
}

/// A block of code, between fences that are longer than any that is in it.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("\n{fence}text\n{}\n{fence}\n", text.trim_end())
}

/// Words in which no sign is Markdown's.
fn words(text: &str) -> String {
    let mut out = String::new();
    for c in visible(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#') {
            out.push('\\');
        }
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

/// Text between single backticks, in a table as well: what would end either is another character.
fn code(text: &str) -> String {
    visible(text).replace('`', "'").replace('|', "¦")
}

/// Text of HTML.
fn html(text: &str) -> String {
    visible(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
