//! `fmt`.

use crate::program::{example, examples, file, folder, names, routefuse, with_stdin};
use std::fs;

const UGLY: &str = "route 1\n# Kept.\ngraph @g{\ndim T\ninput %x:i32[T,8]\n%y=neg   %x:i32[T,8] # here too\noutput out=%y:i32[T,8]\n}\n";

#[test]
fn examples_are_formatted() {
    for name in names(&examples()).iter().filter(|n| n.ends_with(".route")) {
        assert_eq!(routefuse(&["fmt", "--check", &example(name.trim_end_matches(".route"))]).ok(), "");
    }
}

#[test]
fn in_place_keeping_comments() {
    let temporary = folder();
    let path = file(&temporary, "ugly.route", UGLY);
    routefuse(&["fmt", "--check", &path]).fails(1, &["is not formatted", "run `routefuse fmt "]);
    assert_eq!(fs::read_to_string(&path).unwrap(), UGLY, "--check wrote");
    let printed = routefuse(&["fmt", "--stdout", &path]).ok();
    assert_eq!(fs::read_to_string(&path).unwrap(), UGLY, "--stdout wrote");
    assert_eq!(routefuse(&["fmt", &path]).ok(), "");
    let formatted = fs::read_to_string(&path).unwrap();
    assert_eq!(formatted, printed);
    assert!(formatted.contains("# Kept.") && formatted.contains("# here too"), "{formatted}");
    assert!(formatted.contains("  %y = neg %x : i32[T, 8]"), "{formatted}");
    assert_eq!(routefuse(&["fmt", "--check", &path]).ok(), "");
    assert_eq!(with_stdin(&["fmt", "-"], UGLY.as_bytes()).ok(), formatted);
    assert_eq!(names(temporary.path()), ["ugly.route"]);
}

#[test]
fn what_cannot_be_formatted_stays() {
    let temporary = folder();
    let broken = UGLY.replace("neg", "neg neg");
    let path = file(&temporary, "broken.route", &broken);
    routefuse(&["fmt", &path]).fails(1, &["RF0102"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), broken);
    let json = routefuse(&["dump", &example("c_pack"), "--stage", "json"]).ok();
    with_stdin(&["fmt", "-"], json.as_bytes())
        .fails(1, &["RF0104", "`<stdin>` is the JSON form, which has no formatter"]);
}
