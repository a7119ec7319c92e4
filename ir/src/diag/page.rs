//! The page of a code: what it means, an example, its message, and the cure.
//!
//! A page is a file of Markdown beside this one, `pages/RF0102.md`, in four parts: sentences, `## Example`, `## Message` and
//! `## Cure`. Code blocks say by their kind how a test runs them: `route` and `json` are graphs, `sh` are commands of the
//! program, `rust,ignore` is part of a program in Rust; `text` is not run.

use super::Code;

/// The page of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The code.
    pub code: Code,
    /// Two or three sentences.
    pub meaning: &'static str,
    /// What produces the error.
    pub example: Example,
    /// What is then said, without place and context.
    pub message: &'static str,
    /// What to do.
    pub cure: &'static str,
    /// The example, mended; none where words are all there is.
    pub mended: Option<Example>,
}

/// A block of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// What it is.
    pub kind: ExampleKind,
    /// Its text, without a newline at the end.
    pub text: &'static str,
}

/// What an example is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExampleKind {
    /// A graph as text.
    Route,
    /// A graph in the JSON form.
    Json,
    /// Commands of a shell, in a folder in which `examples` is the one of the repository.
    Commands,
    /// Part of a program in Rust. `graph()` is a graph, `plan` a prepared plan of it for the host, and `folder` an empty folder.
    Rust,
    /// Words.
    Words,
}

impl ExampleKind {
    /// What it is, as one word: `route`, `json`, `sh`, `rust` or `text`.
    pub fn name(self) -> &'static str {
        if self == ExampleKind::Rust { "rust" } else { self.fence() }
    }

    /// The words behind the fence of a code block.
    pub fn fence(self) -> &'static str {
        match self {
            ExampleKind::Route => "route",
            ExampleKind::Json => "json",
            ExampleKind::Commands => "sh",
            // It is run as part of a test, and is no program by itself.
            ExampleKind::Rust => "rust,ignore",
            ExampleKind::Words => "text",
        }
    }

    fn of_fence(fence: &str) -> Option<ExampleKind> {
        use ExampleKind::{Commands, Json, Route, Rust, Words};
        [Route, Json, Commands, Rust, Words].into_iter().find(|kind| kind.fence() == fence)
    }
}

impl Page {
    /// The page of a code. Every code has one: a test reads them all.
    ///
    /// # Panics
    /// Never, of the pages that are built in.
    pub fn of(code: Code) -> Page {
        Page::read(code, code.page()).expect("a test reads every page")
    }

    fn read(code: Code, text: &'static str) -> Option<Page> {
        let (meaning, rest) = text.split_once("\n\n## Example\n\n")?;
        let (example, rest) = rest.split_once("\n\n## Message\n\n")?;
        let (message, rest) = rest.split_once("\n\n## Cure\n\n")?;
        let (example, behind) = block(example)?;
        let (message, after) = block(message)?;
        let (cure, mended) = match rest.split_once("\n\n```") {
            None => (rest, None),
            Some((cure, _)) => (cure, Some(block(&rest[cure.len() + 2..])?)),
        };
        let whole = behind.is_empty() && after.is_empty() && mended.is_none_or(|m| m.1.is_empty());
        let page =
            Page { code, meaning, example, message: message.text, cure: cure.trim_end(), mended: mended.map(|m| m.0) };
        whole.then_some(page)
    }

    /// The page as Markdown, under a heading of this many signs.
    pub fn markdown(&self, level: usize) -> String {
        let Page { code, meaning, example, message, cure, mended } = self;
        let fenced = |fence: &str, text: &str| format!("```{fence}\n{text}\n```\n");
        let signs = "#".repeat(level);
        let mut text = format!("{signs} {code}\n\n**{}** {meaning}\n\n", code.summary());
        text.push_str(&fenced(example.kind.fence(), example.text));
        text.push_str(&format!("\n{}\n\n{cure}\n", fenced("text", message)));
        if let Some(mended) = mended {
            text.push_str(&format!("\n{}", fenced(mended.kind.fence(), mended.text)));
        }
        text
    }
}

/// A code block, and what is behind it.
fn block(text: &'static str) -> Option<(Example, &'static str)> {
    let (fence, rest) = text.strip_prefix("```")?.split_once('\n')?;
    let (text, behind) = rest.split_once("\n```")?;
    Some((Example { kind: ExampleKind::of_fence(fence)?, text }, behind.trim()))
}

/// Codes of one part of routefuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// The first four characters of its codes: `RF01`.
    pub prefix: &'static str,
    /// What they are about.
    pub title: &'static str,
}

impl Group {
    /// Every group, in the order of the codes.
    pub const ALL: &'static [Group] = &[
        Group { prefix: "RF01", title: "The text and the JSON form of a graph" },
        Group { prefix: "RF02", title: "Names" },
        Group { prefix: "RF03", title: "Dtypes and shapes" },
        Group { prefix: "RF04", title: "Outputs" },
        Group { prefix: "RF05", title: "Kernels" },
        Group { prefix: "RF06", title: "Arguments of a launch" },
        Group { prefix: "RF07", title: "Files" },
        Group { prefix: "RF08", title: "Compiling, loading and launching" },
        Group { prefix: "RF09", title: "Defects" },
        Group { prefix: "RF10", title: "Model presets" },
        Group { prefix: "RF11", title: "Calls of the C interface" },
    ];

    /// Its codes.
    pub fn codes(self) -> impl Iterator<Item = Code> {
        Code::ALL.iter().copied().filter(move |code| code.as_str().starts_with(self.prefix))
    }
}

/// The reference page of all codes, as Markdown.
pub fn reference() -> String {
    let mut text = String::from(
        "<!-- A test writes this file from `ir/src/diag/pages/`. -->\n\n# Error codes\n\nEvery error has a stable code. \
         `routefuse code RF0102` prints the page of one in a terminal. Commands are run in a folder in which `examples` is the \
         one of the repository. Parts of programs are in Rust: `graph()` is a graph with an input `ids` and an output `y` of \
         two columns of `i32`, `plan` is a prepared plan of it for the host, and `folder` is an empty folder.\n",
    );
    for group in Group::ALL {
        text.push_str(&format!("\n## {}: {}\n", group.prefix, group.title));
        for code in group.codes() {
            text.push_str(&format!("\n{}", Page::of(code).markdown(3)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_in_a_group() {
        for code in Code::ALL {
            let page = Page::read(*code, code.page()).unwrap_or_else(|| panic!("{code}: the page cannot be read"));
            assert!(page.message.starts_with(&format!("{code}: ")), "{code}: {}", page.message);
            assert!(page.meaning.ends_with('.') && page.cure.ends_with('.'), "{code}");
            assert_eq!(page.mended.is_none(), page.example.kind == ExampleKind::Words, "{code}: an example is mended");
        }
        let grouped: Vec<Code> = Group::ALL.iter().flat_map(|g| g.codes()).collect();
        assert_eq!(grouped, Code::ALL);
    }
}
