//! Which values stand on which line of a graph in the JSON form.

use crate::lines;
use crate::origin::Origin;

/// The value that each input and node defines stands on the line of its `"name"`, and the one that an output stores on the line of its
/// `"value"`. A name that stands anywhere else (an operand, the graph's name, an output's) defines nothing there.
pub(crate) fn of_json(source: &str, origin: &Origin<'_>) -> Vec<Vec<usize>> {
    let mut lines = lines::none(source);
    let mut walk = Walk { source, at: 0, line: 0 };
    walk.object(&mut |list, walk| {
        let wanted = match list {
            "inputs" | "nodes" => "name",
            "outputs" => "value",
            _ => return walk.skip(),
        };
        walk.array(&mut |walk| {
            walk.object(&mut |key, walk| {
                if key != wanted {
                    return walk.skip();
                }
                walk.space();
                let line = walk.line;
                let name = walk.string()?;
                if let (Some(value), Some(values)) = (origin.find_exactly(&name), lines.get_mut(line)) {
                    lines::insert(values, value);
                }
                Some(())
            })
        })
    });
    lines
}

/// A walk through a text that is known to be JSON. It ends early where it is not.
struct Walk<'s> {
    source: &'s str,
    at: usize,
    /// From 0.
    line: usize,
}

/// What is done with the value of a key.
type OfKey<'f, 's> = &'f mut dyn FnMut(&str, &mut Walk<'s>) -> Option<()>;

impl<'s> Walk<'s> {
    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(byte) = self.peek().filter(u8::is_ascii_whitespace) {
            self.line += usize::from(byte == b'\n');
            self.at += 1;
        }
    }

    /// This character, behind space.
    fn take(&mut self, wanted: u8) -> Option<()> {
        self.space();
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// A string, decoded.
    fn string(&mut self) -> Option<String> {
        self.space();
        let from = self.at;
        self.take(b'"')?;
        while self.peek()? != b'"' {
            self.at += if self.peek()? == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_str(self.source.get(from..self.at)?).ok()
    }

    fn object(&mut self, of_key: OfKey<'_, 's>) -> Option<()> {
        self.take(b'{')?;
        self.list(b'}', &mut |walk| {
            let key = walk.string()?;
            walk.take(b':')?;
            of_key(&key, walk)
        })
    }

    fn array(&mut self, of_item: &mut dyn FnMut(&mut Walk<'s>) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        self.list(b']', of_item)
    }

    /// Items with commas between them, and the end.
    fn list(&mut self, end: u8, of_item: &mut dyn FnMut(&mut Walk<'s>) -> Option<()>) -> Option<()> {
        if self.take(end).is_some() {
            return Some(());
        }
        loop {
            of_item(self)?;
            if self.take(b',').is_none() {
                return self.take(end);
            }
        }
    }

    /// Goes past a value.
    fn skip(&mut self) -> Option<()> {
        self.space();
        match self.peek()? {
            b'{' => self.object(&mut |_, walk| walk.skip()),
            b'[' => self.array(&mut Walk::skip),
            b'"' => self.string().map(drop),
            _ => {
                while self.peek().is_some_and(|b| !b.is_ascii_whitespace() && !matches!(b, b',' | b']' | b'}')) {
                    self.at += 1;
                }
                Some(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The graph is called as its input is, an operand stands before its definition, and one line defines two values.
    #[test]
    fn a_name_is_linked_where_it_is_defined() {
        let graph = "route 1\ngraph @x {\n  dim T\n  input %x : i32[T, 4]\n  %y = neg %x : i32[T, 4]\n  output y = %x : i32[T, 4]\n  \
                     output second = %y : i32[T, 4]\n}\n";
        let graph = routefuse::text::parse_verified(graph).unwrap_or_else(|e| panic!("{e}"));
        let json = r#"{
  "format": "routefuse-graph", "version": 1, "name": "x", "dims": ["T"],
  "outputs": [{"name": "y", "value": "x"},
    {"value":
      "y", "name": "second"}],
  "nodes": [{"operands": ["x"],
    "op": "neg", "attributes": {"a": [1, {"name": "x"}, "\"x\"", true]},
    "name": "y"}],
  "inputs": [{"name": "\u0078", "dtype": "i32"}]
}"#;
        let none = Vec::<usize>::new;
        let (x, y) = (vec![0], vec![1]);
        let lines = of_json(json, &Origin::of(&graph));
        assert_eq!(lines, [none(), none(), x.clone(), none(), y.clone(), none(), none(), y, x, none()]);
    }
}
