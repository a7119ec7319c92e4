//! The book builds without a warning, every link and anchor in what was built leads somewhere, and no page asks the network for
//! anything.

use routefuse_book::normal;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The values of an attribute in a page, without those inside comments and scripts.
fn values<'t>(html: &'t str, attribute: &str) -> Vec<&'t str> {
    let start = format!(" {attribute}=\"");
    html.match_indices(&start).filter_map(|(at, _)| html[at + start.len()..].split('"').next()).collect()
}

/// What is between tags alone: scripts make addresses out of strings.
fn without_scripts(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(at) = rest.find("<script") {
        let tag = rest[at..].find('>').map_or(rest.len(), |end| at + end + 1);
        out.push_str(&rest[..tag]);
        rest = rest[tag..].find("</script>").map_or("", |end| &rest[tag + end..]);
    }
    out + rest
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace("&amp;", "&")).decode_utf8_lossy().into_owned()
}

fn html_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(html_files(&path));
        } else if path.extension().is_some_and(|e| e == "html") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_book_builds_and_its_links_hold() {
    let folder = tempfile::tempdir().unwrap();
    routefuse_book::build(&routefuse_book::root(), folder.path()).unwrap_or_else(|e| panic!("{e:#}"));
    let pages: BTreeMap<PathBuf, String> = html_files(folder.path())
        .into_iter()
        .map(|path| {
            let text = without_scripts(&std::fs::read_to_string(&path).unwrap());
            (path.strip_prefix(folder.path()).unwrap().to_owned(), text)
        })
        // The frame without JavaScript and the page for what is not there have addresses from the root of a site.
        .filter(|(path, _)| !["toc.html", "404.html"].iter().any(|name| path == Path::new(name)))
        .collect();
    assert!(pages.len() > 10, "{} pages", pages.len());
    let anchors: BTreeMap<&PathBuf, BTreeSet<String>> =
        pages.iter().map(|(path, text)| (path, values(text, "id").into_iter().map(decoded).collect())).collect();

    let mut broken = vec![];
    for (path, text) in &pages {
        for target in values(text, "href").into_iter().chain(values(text, "src")) {
            let target = decoded(target);
            if target.contains("://") || target.starts_with("data:") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = if file.is_empty() { path.clone() } else { normal(&path.parent().unwrap().join(file)) };
            let there = folder.path().join(&file).exists();
            let anchored = anchor.is_empty() || anchors.get(&file).is_some_and(|found| found.contains(anchor));
            if !there || !anchored {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
        // What is loaded with a page, not what a reader may follow.
        let loaded = values(text, "src").into_iter().chain(
            text.match_indices("<link ").flat_map(|(at, _)| values(text[at..].split('>').next().unwrap(), "href")),
        );
        broken.extend(
            loaded.filter(|t| t.contains("//")).map(|t| format!("{} loads {t} from elsewhere", path.display())),
        );
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(
        std::fs::read_dir(folder.path())
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with("searchindex") })
    );
}

/// Every page is in the table of contents: nothing else is built, or found by the search.
#[test]
fn the_summary_has_every_page() {
    let docs = routefuse_book::root().join("docs");
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let mut waiting = vec![docs.clone()];
    let mut missing = vec![];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&docs).unwrap().display().to_string();
            if path.is_dir() {
                waiting.push(path);
            } else if name.ends_with(".md") && name != "SUMMARY.md" && !summary.contains(&format!("({name})")) {
                missing.push(name);
            }
        }
    }
    assert!(missing.is_empty(), "docs/SUMMARY.md does not name {missing:?}");
}

#[test]
fn a_warning_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("docs")).unwrap();
    std::fs::write(folder.path().join("book.toml"), "[book]\nsrc = \"docs\"\n").unwrap();
    std::fs::write(folder.path().join("docs/SUMMARY.md"), "# Summary\n- [One](one.md)\n").unwrap();
    std::fs::write(folder.path().join("docs/one.md"), "# One\n<b>open\n\nnever closed <i></b>\n").unwrap();
    let error = routefuse_book::build(folder.path(), &folder.path().join("out")).unwrap_err().to_string();
    assert!(error.contains("the book has warnings:") && error.contains("one.md"), "{error}");
}
