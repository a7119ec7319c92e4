//! What is read of a `Cargo.toml`: tables and the keys in them.

/// The keys of a table and what follows each `=`, in order. `[dependencies]` is named `dependencies`; a table of one dependency,
/// `[dependencies.serde]`, is a key of `dependencies`.
pub fn table<'t>(text: &'t str, name: &str) -> Vec<(&'t str, &'t str)> {
    let mut keys = Vec::new();
    let mut inside = false;
    for line in text.lines().map(str::trim).filter(|l| !l.starts_with('#')) {
        if let Some(header) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            inside = header == name;
            if let Some(key) = header.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) {
                keys.push((key, ""));
            }
        } else if inside && let Some((key, value)) = line.split_once('=') {
            // `serde.workspace = true` is the key `serde`.
            let key = key.trim();
            keys.push((key.split('.').next().unwrap_or(key), value.trim()));
        }
    }
    keys
}

/// The strings of a list on one or more lines: `members = ["a", "b"]`.
pub fn list<'t>(text: &'t str, table_name: &str, key: &str) -> Vec<&'t str> {
    let Some(start) = text.find(&format!("[{table_name}]")) else { return vec![] };
    let body = &text[start..];
    let Some(from) = body.find(&format!("\n{key} = [")) else { return vec![] };
    let Some(to) = body[from..].find(']') else { return vec![] };
    body[from..from + to].split('"').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_lists_are_read() {
        let text = "[workspace]\nmembers = [\n  \"a\", \"b/c\"]\n\n[dependencies]\n# serde = 1\nhalf = \"2\"\nir.workspace = \
                    true\n[dependencies.rand]\nversion = \"1\"\n[dev-dependencies]\nx = \"1\"\n";
        assert_eq!(list(text, "workspace", "members"), ["a", "b/c"]);
        let keys: Vec<&str> = table(text, "dependencies").iter().map(|k| k.0).collect();
        assert_eq!(keys, ["half", "ir", "rand"]);
        assert_eq!(table(text, "dev-dependencies"), [("x", "\"1\"")]);
    }
}
