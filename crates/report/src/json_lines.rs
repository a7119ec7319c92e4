//! Which values stand on which line of a graph in the JSON form.

use crate::lines;
use crate::origin::Origin;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What of a graph says names: as they stand in the text.
#[derive(Deserialize)]
struct Names<'s> {
    #[serde(borrow)]
    inputs: Vec<Defined<'s>>,
    nodes: Vec<Defined<'s>>,
    outputs: Vec<Stored<'s>>,
}

#[derive(Deserialize)]
struct Defined<'s> {
    #[serde(borrow)]
    name: &'s RawValue,
}

#[derive(Deserialize)]
struct Stored<'s> {
    #[serde(borrow)]
    value: &'s RawValue,
}

/// The value that each input and node defines stands on the line of its `"name"`, and the one that an output stores on the line of its
/// `"value"`. A name that stands anywhere else (an operand, the graph's name, an output's) defines nothing there.
pub(crate) fn of_json(source: &str, origin: &Origin<'_>) -> Vec<Vec<usize>> {
    let mut lines = lines::none(source);
    // A text that is no graph defines nothing.
    let Ok(Names { inputs, nodes, outputs }) = serde_json::from_str(source) else { return lines };
    let starts = lines::Starts::of(source);
    let defined = inputs.iter().chain(&nodes).map(|of| of.name);
    for name in defined.chain(outputs.iter().map(|of| of.value)) {
        // It is a part of the source.
        let at = name.get().as_ptr().addr() - source.as_ptr().addr();
        let value = serde_json::from_str::<String>(name.get()).ok().and_then(|name| origin.find_exactly(&name));
        if let (Some(value), Some(values)) = (value, lines.get_mut(starts.line_of(at))) {
            lines::insert(values, value);
        }
    }
    lines
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
