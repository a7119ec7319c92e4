//! Times that were measured elsewhere, as `bench --json` and `tune --json` print them, and the bandwidth that they are compared
//! with.

use crate::model::{Bandwidth, Document, Measured};
use routefuse::Graph;
use routefuse::diag::{Code, Diagnostic, visible};
use serde_json::Value;

/// Memory bandwidths of cards in GB/s, from their vendors' data sheets, by a part of the name that a driver gives them. The first
/// that fits counts.
const CARDS: [(&str, f64); 25] = [
    ("B200", 8000.0),
    ("B300", 8000.0),
    ("GH200 480GB", 4000.0),
    ("H200 NVL", 4800.0),
    ("H200", 4800.0),
    ("H100 NVL", 3900.0),
    ("H100 PCIe", 2000.0),
    ("H100", 3350.0),
    ("H20", 4000.0),
    ("A100-SXM4-80GB", 2039.0),
    ("A100 80GB PCIe", 1935.0),
    ("A100", 1555.0),
    ("A40", 696.0),
    ("A30", 933.0),
    ("A10G", 600.0),
    ("L40S", 864.0),
    ("L4", 300.0),
    ("V100", 900.0),
    ("T4", 320.0),
    ("RTX 5090", 1792.0),
    ("RTX 4090", 1008.0),
    ("MI355X", 8000.0),
    ("MI350X", 8000.0),
    ("MI325X", 6000.0),
    ("MI300X", 5300.0),
];

/// The bandwidth of a card that is known. A name of the list stands in the card's between characters that are none of a name.
fn known(card: &str) -> Option<f64> {
    // A part of the same number for laptops has slower memory.
    if card.contains("Laptop") {
        return None;
    }
    let inside = |name: &str| {
        let ends = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
        card.match_indices(name)
            .any(|(at, _)| ends(card[..at].chars().next_back()) && ends(card[at + name.len()..].chars().next()))
    };
    CARDS.iter().find(|(name, _)| inside(name)).map(|(_, gigabytes)| *gigabytes)
}

impl Document {
    /// Adds the times of a text that `bench --json` or `tune --json` has printed for this graph. Where no bandwidth was given, it is
    /// that of the card, if it is known. `file` is the name to show.
    ///
    /// # Errors
    /// `RF0701` if it is no such text, or of another graph.
    pub fn add_measured(&mut self, graph: &Graph, file: &str, text: &str) -> Result<(), Diagnostic> {
        let wrong = |what: String| {
            Diagnostic::new(Code::CannotRead, format!("`{}` {what}", visible(file)))
                .help("give what `bench --json` or `tune --json` printed for this graph")
        };
        let json: Value = serde_json::from_str(text).map_err(|e| wrong(format!("is no JSON: {e}")))?;
        let word = |name: &str| json.get(name).and_then(Value::as_str);
        let name = word("graph").ok_or_else(|| wrong("has no times: it names no graph".to_owned()))?;
        if name != graph.name {
            return Err(wrong(format!("has times of `{}`, and this is `{}`", visible(name), visible(&graph.name))));
        }
        let card = word("card").or_else(|| word("processor")).or_else(|| word("target")).unwrap_or("?");
        let card = visible(card).into_owned();
        // Times of two machines are no times of one.
        if let Some(target) = word("target").filter(|target| *target != self.target) {
            return Err(wrong(format!("has times of {}, and this is the report of {}", visible(target), self.target)));
        }
        if let Some(other) = self.measured.iter().find(|m| m.card != card) {
            return Err(wrong(format!("has times of {card}, and another file has those of {}", other.card)));
        }
        let mut found: Vec<Measured> = Vec::new();
        let mut take = |row: &Value, time: &str, launches: &str| {
            let times = row.get("extent").and_then(Value::as_u64).zip(row.get(time).and_then(Value::as_f64));
            let Some((rows, microseconds)) = times.filter(|(_, us)| us.is_finite() && *us > 0.0) else { return };
            found.push(Measured { card: card.clone(), launches: launches.to_owned(), rows, microseconds });
        };
        let rows = |value: &Value| value.get("results").and_then(Value::as_array).cloned().unwrap_or_default();
        for row in rows(&json) {
            take(&row, "unfused_us", "before");
            take(&row, "fused_us", "after");
        }
        // A tuning times kernels: of a graph that is one kernel these are the times of the graph.
        if json.get("kernels").and_then(Value::as_u64) == Some(1) {
            for kernel in json.get("tuned").and_then(Value::as_array).into_iter().flatten() {
                rows(kernel).iter().for_each(|row| take(row, "chosen_us", "after"));
            }
        }
        if found.is_empty() {
            return Err(wrong("has no times of this graph".to_owned()));
        }
        self.measured.extend(found);
        if self.bandwidth.is_none()
            && let Some(gigabytes) = known(&card)
        {
            self.bandwidth =
                Some(Bandwidth { bytes_per_second: gigabytes * 1e9, of: format!("{card}, by its data sheet") });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_by_the_names_that_drivers_give() {
        assert_eq!(known("NVIDIA H100 80GB HBM3"), Some(3350.0));
        assert_eq!(known("NVIDIA H100 PCIe"), Some(2000.0));
        assert_eq!(known("NVIDIA H20"), Some(4000.0));
        assert_eq!(known("NVIDIA H200"), Some(4800.0));
        assert_eq!(known("NVIDIA A100-SXM4-80GB"), Some(2039.0));
        assert_eq!(known("NVIDIA L40S"), Some(864.0));
        assert_eq!(known("AMD Instinct MI300X"), Some(5300.0));
        assert_eq!(known("NVIDIA A1000"), None);
        assert_eq!(known("Quadro"), None);
    }
}
