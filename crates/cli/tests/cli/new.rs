//! `new`.

use crate::program::{command, examples, folder, names, ran, routefuse};
use routefuse::text;
use std::path::Path;

/// Writes a graph in a folder, as a user does who stands there.
fn written(folder: &Path, args: &[&str]) -> String {
    let all = [&["new", "mine"], args].concat();
    let said = ran(command(&all).current_dir(folder), b"").ok();
    assert!(said.starts_with("mine.route: @mine, like "), "{said}");
    std::fs::read_to_string(folder.join("mine.route")).unwrap()
}

/// The graph means what the preset's means, under another name; comments survive the formatter, which has nothing to do.
#[test]
fn every_model_and_chain() {
    let json = routefuse(&["models", "--json"]).json();
    let models = json.as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap().to_owned());
    let chains = names(&examples()).into_iter().filter_map(|n| Some(n.strip_suffix(".route")?.to_owned()));
    let mut seen = 0;
    for like in models.chain(chains) {
        let folder = folder();
        let file = written(folder.path(), &["--like", &like]);
        let comments = file.lines().filter(|l| l.trim_start().starts_with('#')).count();
        assert!(comments > 8 && file.contains("--like ") && file.contains("routefuse explain mine.route"), "{file}");
        assert_eq!(text::format(&file).unwrap(), file);
        let graph = text::parse_verified(&file).unwrap();
        let original = if examples().join(format!("{like}.route")).exists() {
            std::fs::read_to_string(examples().join(format!("{like}.route"))).unwrap()
        } else {
            routefuse(&["dump", "--stage", "graph", "--model", &like]).ok()
        };
        let begin = original.lines().find(|l| l.starts_with("graph @")).unwrap();
        let original = text::parse(&original.replace(begin, "graph @mine {")).unwrap();
        assert!(graph.same_as(&original), "{file}");
        seen += 1;
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn what_the_heading_says_works() {
    let folder = folder();
    let file =
        written(folder.path(), &["--like", "deepseek-v3", "--option", "eplb=static", "--option", "padding=minus_one"]);
    assert!(
        file.contains("# @mine, begun as `--like deepseek-v3 --option eplb=static --option padding=minus_one`."),
        "{file}"
    );
    let commands: Vec<&str> = file.lines().filter_map(|l| l.strip_prefix("#   routefuse ")).collect();
    assert_eq!(commands.len(), 3, "{file}");
    for line in commands {
        let args: Vec<&str> = line.split_whitespace().collect();
        ran(command(&args).current_dir(folder.path()), b"").ok();
    }
}

#[test]
fn nothing_is_lost() {
    let folder = folder();
    written(folder.path(), &["--like", "mixtral"]);
    let again = |more: &[&str]| {
        let all = [&["new", "mine", "--like", "gpt-oss"], more].concat();
        ran(command(&all).current_dir(folder.path()), b"")
    };
    again(&[]).fails(1, &["RF0702", "`mine.route` is there already, and is not written over"]);
    again(&["-o", "other.route"]).ok();
    again(&["--force"]).ok();
    let printed = again(&["-o", "-"]).ok();
    assert_eq!(names(folder.path()), ["mine.route", "other.route"]);
    assert!(printed.starts_with("route 1\n# @mine, begun as `--like gpt-oss`.\n"), "{printed}");
}

#[test]
fn usage() {
    routefuse(&["new", "mine"]).fails(2, &["--like <MODEL>"]);
    routefuse(&["new", "mine", "--like", "deepseek"]).fails(2, &["invalid value 'deepseek'", "deepseek-v3"]);
    routefuse(&["new", "my-router", "--like", "mixtral"]).fails(2, &["write a name of letters, digits and `_`"]);
    routefuse(&["new", "mine", "--like", "c_pack", "--option", "k=3"])
        .fails(1, &["RF1002", "the chain `c_pack` has no options"]);
    routefuse(&["new", "mine", "--like", "mixtral", "--option", "kk=3"])
        .fails(1, &["RF1002", "`mixtral` has no option `kk`"]);
}
