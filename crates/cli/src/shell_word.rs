//! Words of commands that are shown, as one gives them to a shell.

use routefuse::diag::visible;

/// A text as one word: quoted where a shell would read something else, with every hidden character made visible.
pub fn shell_word(text: &str) -> String {
    let shown = visible(text);
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,@%=:".contains(c);
    if !shown.is_empty() && shown.chars().all(is_plain) {
        shown.into_owned()
    } else {
        format!("'{}'", shown.replace('\'', r"'\''"))
    }
}

/// The path of a file as one word, which no program takes for an option.
pub fn file_word(path: &str) -> String {
    if path.len() > 1 && path.starts_with('-') { shell_word(&format!("./{path}")) } else { shell_word(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_word() {
        assert_eq!(shell_word("a/b-c_1.route"), "a/b-c_1.route");
        assert_eq!(shell_word("eplb=static"), "eplb=static");
        assert_eq!(shell_word("my graph.route"), "'my graph.route'");
        assert_eq!(shell_word("it's; rm -r *"), r"'it'\''s; rm -r *'");
        assert_eq!(shell_word(""), "''");
        assert_eq!((file_word("-x.route"), file_word("-")), ("./-x.route".to_owned(), "-".to_owned()));
        assert!(!shell_word("a\n$(b)\u{202e}").contains('\n'));
    }
}
