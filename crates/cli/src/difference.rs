//! Outputs against the interpreter's.

use routefuse::Tensor;
use routefuse::diag::visible;

/// The first element in which outputs differ from the interpreter's, in words; `None` if every bit agrees.
pub fn first(got: &[(String, Tensor)], want: &[Tensor]) -> Option<String> {
    for ((name, got), want) in got.iter().zip(want) {
        if got == want {
            continue;
        }
        for i in 0..want.len() {
            if got.bits(i) != want.bits(i) {
                let digits = want.dtype().size() as usize * 2;
                return Some(format!(
                    "output `{}` differs at {:?}: {} ({:#0w$x}), the interpreter says {} ({:#0w$x})",
                    visible(name),
                    index(i as u64, want.shape()),
                    got.get(i),
                    got.bits(i),
                    want.get(i),
                    want.bits(i),
                    w = digits + 2,
                ));
            }
        }
    }
    None
}

fn index(mut position: u64, shape: &[u64]) -> Vec<u64> {
    let mut at: Vec<u64> = shape
        .iter()
        .rev()
        .map(|&d| {
            let i = position % d.max(1);
            position /= d.max(1);
            i
        })
        .collect();
    at.reverse();
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named_with_its_bits() {
        let want = [Tensor::from_i32(&[1], &[7]), Tensor::from_f32(&[2, 2], &[1.0, 2.0, 0.0, 4.0])];
        let mut got: Vec<(String, Tensor)> =
            ["a", "b"].iter().zip(&want).map(|(n, t)| ((*n).to_owned(), t.clone())).collect();
        assert_eq!(first(&got, &want), None);
        // -0.0 equals 0.0, and has other bits.
        got[1].1.set_bits(2, 0x8000_0000);
        let text = "output `b` differs at [1, 0]: -0.0 (0x80000000), the interpreter says 0.0 (0x00000000)";
        assert_eq!(first(&got, &want).as_deref(), Some(text));
    }
}
