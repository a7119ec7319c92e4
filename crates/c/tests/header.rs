//! The header that is checked in is what cbindgen makes of the sources.

use std::path::Path;

#[test]
fn the_header_is_what_the_sources_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let mut made = Vec::new();
    let bindings = cbindgen::Builder::new().with_crate(folder).with_config(config).generate().unwrap();
    bindings.write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let path = folder.join("include/routefuse.h");
    if std::env::var_os("ROUTEFUSE_WRITE_HEADER").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let first = made.lines().zip(kept.lines()).position(|(a, b)| a != b).unwrap_or(0) + 1;
    assert!(
        made == kept,
        "{} is not what the sources say, from line {first} on; \
         ROUTEFUSE_WRITE_HEADER=1 cargo test -p routefuse-c --test header writes it",
        path.display()
    );
}
