//! Values of options that are more than a word, and what they may be.

use routefuse::diag::Code;

/// The values of one dim, each of which is timed.
#[derive(Clone, Debug)]
pub struct Extents(pub Vec<u64>);

/// `eplb=static`.
pub fn named_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, as in eplb=static".to_owned()),
    }
}

/// `my_router`.
pub fn graph_name(text: &str) -> Result<String, String> {
    let letters = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if letters && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return Ok(text.to_owned());
    }
    Err("write a name of letters, digits and `_`, as in my_router".to_owned())
}

/// `ids=path.npy`.
pub fn named_file(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.to_owned())),
        _ => Err("write NAME=FILE.npy or NAME=FILE.safetensors:KEY".to_owned()),
    }
}

/// `T=64`.
pub fn extent(text: &str) -> Result<(String, u64), String> {
    let pair = text.split_once('=').and_then(|(name, n)| Some((name.trim(), n.trim().parse().ok()?)));
    pair.filter(|p| !p.0.is_empty())
        .map(|(name, n)| (name.to_owned(), n))
        .ok_or_else(|| "write NAME=N, as in T=64".to_owned())
}

/// `T=1,64,4096`.
pub fn extents(text: &str) -> Result<(String, Extents), String> {
    let wrong = || "write NAME=N,N,…, as in T=1,64,4096".to_owned();
    let (name, list) = text.split_once('=').filter(|(name, _)| !name.trim().is_empty()).ok_or_else(wrong)?;
    let values = list.split(',').map(|n| n.trim().parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    Ok((name.trim().to_owned(), Extents(values)))
}

/// `3350`: GB/s.
pub fn gigabytes(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0);
    number.ok_or_else(|| "write gigabytes a second, as in 3350".to_owned())
}

/// `RF0107`, also as `rf0107` or `0107`.
pub fn code(text: &str) -> Result<Code, String> {
    let upper = text.to_uppercase();
    let written = if upper.starts_with("RF") { upper } else { format!("RF{upper}") };
    Code::from_text(&written).ok_or_else(|| {
        let near: Vec<&str> = Code::ALL.iter().map(|c| c.as_str()).filter(|c| is_near(c, &written)).take(4).collect();
        match near.is_empty() {
            true => "no error has this code; `routefuse code` lists them all".to_owned(),
            false => {
                format!("no error has this code; near it are {}, and `routefuse code` lists them all", near.join(", "))
            }
        }
    })
}

/// Whether two codes differ in one character, or in the order of two neighbours.
fn is_near(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let differing: Vec<usize> = (0..a.len().min(b.len())).filter(|i| a[*i] != b[*i]).collect();
    a.len() == b.len()
        && match differing[..] {
            [_] => true,
            [i, j] => j == i + 1 && a[i] == b[j] && a[j] == b[i],
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        assert_eq!(named_file("ids=a=b.npy").unwrap(), ("ids".to_owned(), "a=b.npy".to_owned()));
        assert!(named_file("ids").is_err() && named_file("=x").is_err() && named_file("x=").is_err());
        assert_eq!(graph_name("my_router2"), Ok("my_router2".to_owned()));
        assert!(["", "2x", "a-b", "a b", "ä", "a\u{1b}"].iter().all(|name| graph_name(name).is_err()));
        assert_eq!(named_value("eplb=static").unwrap(), ("eplb".to_owned(), "static".to_owned()));
        assert!(named_value("eplb").is_err() && named_value("=static").is_err());
        assert_eq!(extent("T=64").unwrap(), ("T".to_owned(), 64));
        assert!(extent("T").is_err() && extent("=1").is_err() && extent("T=-1").is_err());
        assert_eq!(extents("T=1, 64").unwrap().1.0, [1, 64]);
        assert!(extents("T=").is_err() && extents("T=1,").is_err() && extents("1,2").is_err());
        assert_eq!(gigabytes("3350.5"), Ok(3350.5));
        assert!(gigabytes("0").is_err() && gigabytes("nan").is_err() && gigabytes("3 TB/s").is_err());
        assert_eq!(code("rf0107"), Ok(Code::UnknownOp));
        assert!(code("RF9999").is_err());
    }
}
