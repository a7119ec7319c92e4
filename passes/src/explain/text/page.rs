//! Lines that fit a terminal.

use textwrap::{Options, WordSplitter};

/// What is written so far, for a terminal of some width.
pub(super) struct Page {
    pub text: String,
    width: usize,
}

/// The column at which what is said of an item begins.
const ITEM: usize = 11;

impl Page {
    pub fn new(width: usize) -> Page {
        Page { text: String::new(), width: width.max(40) }
    }

    /// Columns of a line.
    pub fn width(&self) -> usize {
        self.width
    }

    /// A line as it is, however long: of a text that has a form of its own.
    pub fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// An empty line, unless there is one.
    pub fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// The first line of a part.
    pub fn heading(&mut self, title: &str) {
        self.gap();
        self.paragraph(0, 2, title);
    }

    /// Words, in lines that begin at `first` and then at `rest`. A word that is longer than a line is left whole.
    pub fn paragraph(&mut self, first: usize, rest: usize, words: &str) {
        self.behind(&" ".repeat(first), rest, words);
    }

    /// Words behind what the first line begins with.
    pub fn behind(&mut self, first: &str, rest: usize, words: &str) {
        let rest = " ".repeat(rest);
        let options = Options::new(self.width)
            .initial_indent(first)
            .subsequent_indent(&rest)
            .break_words(false)
            .word_separator(textwrap::WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation);
        for line in textwrap::wrap(words, options) {
            self.line(&line);
        }
    }

    /// `  name     words`.
    pub fn item(&mut self, name: &str, words: &str) {
        self.named(2, name, words);
    }

    /// The same, further in.
    pub fn named(&mut self, indent: usize, name: &str, words: &str) {
        let first = format!("{}{name:<width$} ", " ".repeat(indent), width = ITEM - 3);
        self.behind(&first, indent + ITEM - 2, words);
    }

    /// A point of a list.
    pub fn point(&mut self, words: &str) {
        self.paragraph(2, 4, words);
    }
}
