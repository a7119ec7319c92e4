//! The documents' programs: every block of `rust` in these pages is a doc test.
//!
//! A block of `rust,no_run` is compiled alone: it needs a GPU, or a file that the reader has. A test of the documents compares this
//! list with the pages.

/// What a page has, where doc tests are made and nowhere else.
macro_rules! pages {
    ($($name:ident $page:literal;)+) => {
        $(#[cfg(doctest)] #[doc = include_str!($page)] mod $name {})+
    };
}

pages! {
    embed "../../docs/start/embed.md";
    rust "../../docs/guides/rust.md";
    bundles "../../docs/guides/bundles.md";
    gpu "../../docs/guides/gpu.md";
    tune "../../docs/guides/tune.md";
    cache "../../docs/guides/cache.md";
}
