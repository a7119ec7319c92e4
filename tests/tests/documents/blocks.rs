//! The blocks of code in the documents: each says what it is, and something runs it.
//!
//! Blocks of `console` are run by the tests of the program (`crates/cli/tests/cli/guides.rs`), those of `rust` are doc tests
//! (`tests/src/guides.rs`), those of `python` are run by `python/tests/test_guides.py`. Graphs are checked here.

use super::{documents, read};
use routefuse_ir::text;

/// A fenced block: what stands behind the fence, the line it begins on, and what is inside.
struct Block {
    info: String,
    line: usize,
    text: String,
}

fn blocks(document: &str) -> Vec<Block> {
    let mut found: Vec<Block> = vec![];
    let mut inside = false;
    for (i, line) in read(document).lines().enumerate() {
        let trimmed = line.trim_start();
        match trimmed.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(info) => {
                inside = true;
                found.push(Block { info: info.to_owned(), line: i + 1, text: String::new() });
            }
            None if inside => {
                let text = &mut found.last_mut().expect("a block is open").text;
                text.push_str(line);
                text.push('\n');
            }
            None => {}
        }
    }
    assert!(!inside, "{document}: a block is not closed");
    found
}

/// A reader's editor colours by it, and rustdoc takes a block without one for Rust.
#[test]
fn every_block_says_what_it_is() {
    let mut silent = vec![];
    for document in documents() {
        silent.extend(blocks(&document).iter().filter(|b| b.info.is_empty()).map(|b| format!("{document}:{}", b.line)));
    }
    assert!(silent.is_empty(), "blocks of code that name no language (`text` is one):\n{}", silent.join("\n"));
}

/// `route,fails` is shown for its error. The page of error codes is made of pages whose own test knows which of their graphs fail.
#[test]
fn graphs_in_documents_verify() {
    let mut wrong = vec![];
    let mut count = 0;
    for document in documents().into_iter().filter(|d| d != "docs/reference/errors.md") {
        for block in blocks(&document) {
            let fails = match block.info.as_str() {
                "route" => false,
                "route,fails" => true,
                _ => continue,
            };
            count += 1;
            match (text::parse_verified(&block.text), fails) {
                (Err(error), false) => wrong.push(format!("{document}:{}: {error}", block.line)),
                (Ok(_), true) => wrong.push(format!("{document}:{}: verifies", block.line)),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 0);
}

/// A page with blocks of Rust is one of the doc tests; README's programs are built by `scripts/test-embed`.
#[test]
fn pages_with_rust_are_doc_tests() {
    let list = ["tests/src/guides.rs", "crates/candle/src/lib.rs", "crates/burn/src/lib.rs"].map(read).concat();
    let is_rust = |b: &Block| b.info == "rust" || b.info.starts_with("rust,") && !b.info.contains("ignore");
    let missing: Vec<String> = documents()
        .into_iter()
        .filter(|d| d.starts_with("docs/") && blocks(d).iter().any(is_rust) && !list.contains(&format!("../{d}\"")))
        .collect();
    assert!(missing.is_empty(), "neither tests/src/guides.rs nor an adapter for a framework has {missing:?}");
}
