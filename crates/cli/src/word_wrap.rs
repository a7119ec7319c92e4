//! Words in lines that fit a terminal.

/// Words in lines of at most `width` characters.
pub fn wrapped<W: AsRef<str>>(words: &[W], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut().filter(|line| line.chars().count() + 1 + word.as_ref().chars().count() <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(word.as_ref());
            }
            None => lines.push(word.as_ref().to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap() {
        let words = ["aes", "avx", "avx2"];
        assert_eq!(wrapped(&words, 8), ["aes avx", "avx2"]);
        assert!(wrapped::<String>(&[], 8).is_empty());
    }
}
