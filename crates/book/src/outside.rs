//! Links that leave the book: a page names files of the repository by relative paths, which a reader of the repository can follow,
//! and which in the book become addresses of the repository.

use mdbook_driver::book::{Book, BookItem};
use mdbook_driver::errors::Result;
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};
use std::path::{Component, Path, PathBuf};

/// The preprocessor that rewrites them.
pub struct Outside {
    root: PathBuf,
    /// The folder of the pages, from the root.
    sources: PathBuf,
}

impl Outside {
    /// For pages in the folder `sources` of the repository at `root`.
    pub fn new(root: &Path, sources: &Path) -> Self {
        Outside { root: root.to_owned(), sources: sources.to_owned() }
    }

    /// Where a link of a page leads, if it leads out of the book.
    fn address(&self, page: &Path, target: &str) -> Option<String> {
        if target.contains("://") || target.starts_with('#') {
            return None;
        }
        let (path, anchor) = target.split_once('#').map_or((target, String::new()), |(p, a)| (p, format!("#{a}")));
        let file = normal(&self.sources.join(page.parent()?).join(path));
        if file.starts_with(&self.sources) {
            return None;
        }
        let kind = if self.root.join(&file).is_dir() { "tree" } else { "blob" };
        Some(format!("{}/{kind}/main/{}{anchor}", env!("CARGO_PKG_REPOSITORY"), file.display()))
    }

    /// A page's text with those links rewritten; what stands in a block of code stays.
    fn rewritten(&self, page: &Path, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut in_block = false;
        for line in text.split_inclusive('\n') {
            in_block ^= line.trim_start().starts_with("```");
            let mut rest = line;
            while let Some(at) = rest.find("](").filter(|_| !in_block) {
                let (before, behind) = rest.split_at(at + 2);
                out.push_str(before);
                let (target, behind) = behind.split_at(behind.find(')').unwrap_or(behind.len()));
                out.push_str(&self.address(page, target).unwrap_or_else(|| target.to_owned()));
                rest = behind;
            }
            out.push_str(rest);
        }
        out
    }
}

impl Preprocessor for Outside {
    fn name(&self) -> &str {
        "outside"
    }

    fn run(&self, _: &PreprocessorContext, mut book: Book) -> Result<Book> {
        book.for_each_mut(|item| {
            if let BookItem::Chapter(chapter) = item
                && let Some(page) = chapter.source_path.clone()
            {
                chapter.content = self.rewritten(&page, &chapter.content);
            }
        });
        Ok(book)
    }
}

/// A path without `.` and `..`.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_that_leave_the_book_change() {
        let outside = Outside::new(&crate::root(), Path::new("docs"));
        let text = "[a](../../ir/src/lib.rs#L3) [b](../start/x.md#y) [c](#d) [e](https://x.y) [f](../../examples)\n\
                    ```\n[g](../../ir/src/lib.rs)\n```\n![h](../pictures/x.svg)\n";
        let base = "https://github.com/routefuse/routefuse";
        assert_eq!(
            outside.rewritten(Path::new("guides/page.md"), text),
            format!(
                "[a]({base}/blob/main/ir/src/lib.rs#L3) [b](../start/x.md#y) [c](#d) [e](https://x.y) \
                 [f]({base}/tree/main/examples)\n```\n[g](../../ir/src/lib.rs)\n```\n![h](../pictures/x.svg)\n"
            )
        );
    }
}
