//! What is said of the lines of a graph to somebody who is going to change it.

use std::collections::HashSet;

/// What a line of a graph's text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'a> {
    Dim,
    Input(&'a str),
    Value { name: &'a str, op: &'a str, operand: &'a str },
    Output,
    Other,
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Line<'a> {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("dim"), ..) => Line::Dim,
            (Some("input"), Some(name), _) => Line::Input(name.trim_start_matches('%')),
            (Some("output"), ..) => Line::Output,
            (Some(name), Some("="), Some(op)) if name.starts_with('%') => {
                let operand = words.next().unwrap_or_default().trim_end_matches(',');
                Line::Value { name: &name[1..], op, operand }
            }
            _ => Line::Other,
        }
    }
}

/// The text with a heading above the graph, and a comment above the first line of each kind.
pub fn with(text: &str, heading: &[String]) -> String {
    let mut said = HashSet::new();
    let mut commented = String::with_capacity(2 * text.len());
    for line in text.lines() {
        if line.starts_with("graph ") {
            for words in heading {
                commented.push_str(format!("# {words}").trim_end());
                commented.push('\n');
            }
        }
        for words in comment(Line::of(line)).filter(|c| said.insert(*c)).into_iter().flat_map(str::lines) {
            commented.push_str("  # ");
            commented.push_str(words);
            commented.push('\n');
        }
        commented.push_str(line);
        commented.push('\n');
    }
    commented
}

/// What a line is for, and what may be changed in it.
fn comment(line: Line<'_>) -> Option<&'static str> {
    match line {
        Line::Dim => Some("An extent that is given at launch: one compile serves every value of it."),
        Line::Input(name) => input(name),
        Line::Value { op: "lt", operand: "%ids", .. } => {
            Some("An expert slot without an expert has an id below zero, and gets the weight zero.")
        }
        Line::Value { name, op, .. } => value(name).or_else(|| operation(op)),
        Line::Output => Some(
            "What is stored, by the names that the caller binds. What only a removed output needs is\n\
             not computed; a further output is any value, with its type.",
        ),
        Line::Other => None,
    }
}

fn input(name: &str) -> Option<&'static str> {
    Some(match name {
        "logits" => {
            "What the router's matrix product gives: a row for each token, a column for each expert.\n\
             For another number of experts, change it here and in the shapes below."
        }
        "bias" => "Added to the scores for the choice of experts.",
        "n" => "Rows from this one on are padding.",
        "padding_mask" => "Which rows are padding.",
        "map" => "The physical id of each logical expert.",
        "replicas" => "The physical ids of each logical expert, a column for each replica.",
        "valid_replicas" => "How many replicas each logical expert has.",
        "tid2eid" => "The experts of each token of the vocabulary: these layers do not choose by logits.",
        "input_ids" => "Which token of the vocabulary each row is.",
        "sink_logits" => "Logits beside those of the experts, which are never chosen.",
        "ids" => "The experts that the router chose: a row for each token, a column for each expert slot.",
        "weights" => "The weight of each expert slot.",
        "shared_weights" => "The weight of the shared experts, for each token.",
        "shared_gate" => "What the gate of the shared experts gives, for each token.",
        "record" | "record_load" | "counts" => "Counters, added to in place.",
        "seed" => "The seed of the random numbers; with an offset, each launch has numbers of its own.",
        _ => return None,
    })
}

/// What values of these names are, in presets and chains.
fn value(name: &str) -> Option<&'static str> {
    Some(match name {
        "scores" => "The score of each expert. `softmax %logits` or `sigmoid %logits` would be others.",
        "biased" => "What experts are chosen by.",
        "group_scores" => "A score for each group of neighbouring experts.",
        "kept" => "Experts of groups that are not kept cannot be chosen: `keep` says how many groups are.",
        "ids" => "The experts of each token, the best first: `k` of them, as in the shapes below.",
        "chosen" => "The score of each chosen expert, which becomes its weight.",
        "physical" => "Physical ids, and -1 for what is none.",
        "masked" => "Rows of padding have the fill instead.",
        "replica" => "Which replica of an expert takes the token.",
        _ => return None,
    })
}

fn operation(op: &str) -> Option<&'static str> {
    Some(match op {
        "cast" => "Another dtype: 16-bit floats are for storage, and arithmetic is in f32.",
        "const" => "A constant, which stands where it is used: it is neither loaded nor stored.",
        "renorm" => "The weights of a token are divided by their sum: `denominator` says how.",
        "mul" => "Element by element; a constant is a factor for all.",
        "iota" => "The number of each column, or of each row.",
        "concat" => "The columns of both, the second behind the first.",
        "gather" => "A look-up in a table, at indices that are data; `out_of_range` says what else happens.",
        "gather_row" => "A look-up in another column of the same row.",
        "mask_rows" => "Rows of padding have the fill instead.",
        "pack" => "An id and its weight in one word.",
        "atomic_add" => "Counting, in the memory of an input.",
        "cumsum" => "Running sums along a row.",
        "reduce_sum" => "The sum of each row.",
        "philox" => "Random bits that depend on the seed, the offset and the place alone.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(Line::of("  dim T"), Line::Dim);
        assert_eq!(Line::of("  input %logits : bf16[T, 8]"), Line::Input("logits"));
        assert_eq!(
            Line::of("  %v1 = cast %logits {dtype = f32} : f32[T, 8]"),
            Line::Value { name: "v1", op: "cast", operand: "%logits" }
        );
        assert_eq!(Line::of("  output ids_out = %ids : i32[T, 2]"), Line::Output);
        assert_eq!([Line::of("route 1"), Line::of("}")], [Line::Other; 2]);
    }

    #[test]
    fn a_kind_is_explained_once() {
        let text = "route 1\ngraph @g {\n  dim T\n  %a = cast %x\n  %b = cast %a\n}\n";
        let commented = with(text, &["About it.".to_owned(), String::new()]);
        assert_eq!(commented.matches("16-bit floats").count(), 1);
        assert!(commented.starts_with("route 1\n# About it.\n#\ngraph @g {\n  # An extent"), "{commented}");
    }
}
