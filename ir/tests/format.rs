//! The formatter keeps what a reader wrote between the statements, and nothing else of the layout.

use routefuse_ir::text;

fn formatted(source: &str) -> String {
    let once = text::format(source).unwrap_or_else(|e| panic!("{e}\n{source}"));
    assert_eq!(text::format(&once).as_deref(), Ok(once.as_str()), "not idempotent");
    once
}

#[test]
fn comments_and_groups_stay() {
    let source = "\u{feff}\r\n\n# licence\n\n\n#   why\nroute   1 # version\r\n\n\ngraph @g{#open\n\n\n# first\n\tdim T#rows\n\n\n\n  \
                  # ids\n  # of experts\n input %ids:i32[T,8]rows\n%x=add %ids,%ids{ }:i32[ T , 8 ]   # twice  \n %y = \
                  mask_rows %x,%n{fill=0x10}\n\noutput out=%y rows in_place( ids )\n# last\n\n} # close\n\n\n# the end\n\n";
    let expected = "\
# licence

#   why
route 1  # version

graph @g {  #open
  # first
  dim T  #rows

  # ids
  # of experts
  input %ids : i32[T, 8] rows
  %x = add %ids, %ids : i32[T, 8]  # twice
  %y = mask_rows %x, %n {fill = 0x10}

  output out = %y rows in_place(ids)
  # last
}  # close

# the end
";
    assert_eq!(formatted(source), expected);
}

#[test]
fn names_are_quoted_only_where_they_must_be() {
    let source = "route 1\ngraph @\"g\" {\n  input %\"plain\" : i32[]\n  input %\"a b\\u{7f}\\\"\" : i32[]\n  input %7 : \
                  i32[]\n  output \"7\" = %7\n  output \"x\" = %\"\"\n}\n";
    let expected = "route 1\ngraph @g {\n  input %plain : i32[]\n  input %\"a b\\u{7f}\\\"\" : i32[]\n  input %7 : \
                    i32[]\n  output \"7\" = %7\n  output x = %\"\"\n}\n";
    assert_eq!(formatted(source), expected);
}

#[test]
fn an_empty_graph_has_no_blank_lines() {
    assert_eq!(formatted("route 1\ngraph @g {\n\n\n}"), "route 1\ngraph @g {\n}\n");
    assert_eq!(formatted("route 1\ngraph @g {\n\n# c\n\n}\n\n"), "route 1\ngraph @g {\n  # c\n}\n");
}

#[test]
fn a_text_with_syntax_errors_is_left_alone() {
    let errors = text::format("route 1\ngraph @g {\n  %x = add %a %b\n  dim\n}\n").unwrap_err();
    assert_eq!(errors.len(), 2);
}
