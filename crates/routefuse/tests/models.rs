//! The presets: what their options do, what they refuse, and that `docs/reference/routing.md` has them all.

use routefuse::ir::interp;
use routefuse::models::{self, ModelOptions, PRESETS, Preset};
use routefuse::{DType, Tensor, text};
use std::fmt::Write;
use std::path::Path;

fn table_of_models() -> String {
    let mut s =
        "| name | models | E | K | groups → kept | S | rsf | | formula | source |\n|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for p in PRESETS {
        let experts = p.experts.iter().map(u64::to_string).collect::<Vec<_>>().join(" or ");
        let further = [(p.constants, "constant"), (p.identity, "zero"), (p.discards, "of nothing")];
        let further = further.iter().filter(|f| f.0 > 0).map(|(n, what)| format!(" + {n} {what}"));
        let further: String = further.collect();
        let groups = p.route.groups.map_or("–".to_owned(), |g| format!("{} → {}", g.count, g.keep));
        let scale = p.scale.map_or("–".to_owned(), |s| s.to_string());
        let (name, models, k, shared, row) = (p.name, p.models, p.top_k, p.shared, p.row);
        let (formula, source) = (p.formula, p.source);
        let _ = writeln!(
            s,
            "| `{name}` | {models} | {experts}{further} | {k} | {groups} | {shared} | {scale} | {row} | {formula} | {source} |"
        );
    }
    s
}

fn table_of_options() -> String {
    let mut s = "| option | values | | not for |\n|---|---|---|---|\n".to_owned();
    let everything: Vec<_> = PRESETS.iter().flat_map(Preset::options).collect();
    let mut seen = vec![];
    for option in everything {
        if seen.contains(&option.name) {
            continue;
        }
        seen.push(option.name);
        let lacking: Vec<&str> =
            PRESETS.iter().filter(|p| p.options().all(|o| o.name != option.name)).map(|p| p.name).collect();
        let not_for = match lacking.len() {
            0 => String::new(),
            n if n * 2 > PRESETS.len() => {
                let having = PRESETS.iter().filter(|p| !lacking.contains(&p.name)).map(|p| p.name);
                format!("only for {}", having.collect::<Vec<_>>().join(", "))
            }
            _ => lacking.join(", "),
        };
        let values = option.values.replace('|', " \\| ");
        let _ = writeln!(s, "| `{}` | {values} | {} | {not_for} |", option.name, option.summary);
    }
    s
}

/// The text with what lies between a marker and the next `<!-- end -->` replaced.
fn with_table(text: &str, marker: &str, table: &str) -> String {
    let start = text.find(&format!("<!-- {marker}:")).unwrap_or_else(|| panic!("no marker {marker}"));
    let from = start + text[start..].find('\n').expect("a line") + 1;
    let to = from + text[from..].find("<!-- end -->").expect("an end");
    format!("{}{table}{}", &text[..from], &text[to..])
}

#[test]
fn the_documentation_has_every_model_and_option() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/routing.md");
    let found = std::fs::read_to_string(&path).unwrap();
    let expected = with_table(&found, "models", &table_of_models());
    let expected = with_table(&expected, "options", &table_of_options());
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    let differs = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert!(found == expected, "docs/reference/routing.md is out of date (`make snapshots` writes it): {differs:?}");
}

fn graph(name: &str, options: &[(&str, &str)]) -> Result<String, String> {
    let preset = models::named(name).map_err(|e| e.to_string())?;
    let mut chosen = ModelOptions::default();
    for (option, value) in options {
        preset.set(&mut chosen, option, value).map_err(|e| e.to_string())?;
    }
    preset.graph(&chosen).map(|g| text::print(&g)).map_err(|e| e.to_string())
}

/// Every value of every option is taken by some model, and makes a graph.
#[test]
fn every_value_of_every_option() {
    let mut tried = 0;
    for preset in PRESETS {
        for option in preset.options() {
            let values: Vec<&str> = match option.values {
                "E" => vec!["24"],
                "K" => vec!["1"],
                "G" => vec!["4"],
                "N" | "S" | "X" | "Z" => vec!["2"],
                "V" => vec!["100"],
                "P" => vec!["2000"],
                "RSF" | "W" | "SUM" => vec!["0.75"],
                "L:RANK|L" => vec!["4:1", "4"],
                "FIRST:END|N" => vec!["2:7", "2"],
                "B" => vec!["16"],
                "R" => vec!["2"],
                "all|map|map_of_blocks|FIRST:END" => vec!["all", "map", "map_of_blocks", "1:3"],
                list => list.split('|').map(|v| v.split('[').next().unwrap_or(v)).collect(),
            };
            // What the option has its effect on.
            let beside: &[(&str, &str)] = match option.name {
                "physical" | "map" => &[("eplb", "static")],
                "replicas" => &[("eplb", "dynamic")],
                "shared_experts" | "shared_weight" => &[("shared", "constant")],
                "shared_dtype" => &[("shared", "per_token")],
                "balance_shared" => &[("shared", "constant"), ("eplb", "static")],
                "padded_rows" => &[("padding", "minus_one")],
                "pack" => &[("output", "packed")],
                "align_block" | "align_experts" | "align_duplicates" => &[("align", "vllm")],
                "align_ranks" => &[("align", "deepep")],
                "align_capacity" => &[("align", "gshard")],
                "align_tail" | "align_optional" => &[("align", "trtllm")],
                "order" | "adaptive_k" | "top_p" if preset.top_k == 1 => &[("k", "2")],
                _ => &[],
            };
            for value in values {
                let more: &[(&str, &str)] = match (option.name, value) {
                    ("align", "gshard") => &[("align_capacity", "4")],
                    // Not all numbers of experts are shared by eight ranks.
                    ("align", "deepep") => &[("align_ranks", "1")],
                    _ => &[],
                };
                let given = beside.iter().chain(more).copied();
                let options: Vec<_> = given.chain([(option.name, value)]).collect();
                let g = graph(preset.name, &options);
                // Fewer groups or experts may leave fewer candidates than slots.
                let g = g.or_else(|_| graph(preset.name, &[options.as_slice(), &[("k", "1")]].concat()));
                let g = g.or_else(|e| {
                    if e.contains("RF031") {
                        graph(preset.name, &[(option.name, value), ("keep", "1")])
                    } else {
                        Err(e)
                    }
                });
                if let Err(e) = g {
                    panic!("{} {}={value}: {e}", preset.name, option.name);
                }
                tried += 1;
            }
            let wrong = graph(preset.name, &[(option.name, "?")]).unwrap_err();
            assert!(wrong.starts_with("RF1003") && wrong.contains(option.values), "{wrong}");
        }
    }
    println!("{tried} options");
}

#[test]
fn what_is_wrong_has_a_code_and_says_what_is_right() {
    type Given<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, Given<'_>, &str); 14] = [
        ("mixtral", &[("k", "9")], "RF0312"),
        ("mixtral", &[("experts", "0")], "RF1003"),
        ("mixtral", &[("k", "0")], "RF1003"),
        ("kimi-k2", &[("k", "385")], "RF0312"),
        ("kimi-k2", &[("experts", "1000000")], "RF0312"),
        ("deepseek-v3", &[("groups", "3")], "RF0313"),
        ("deepseek-v3", &[("keep", "9")], "RF0312"),
        ("deepseek-v3", &[("identity_id", "0")], "RF1002"),
        ("qwen3-moe", &[("shared", "constant")], "RF1002"),
        ("llama-4", &[("adaptive_k", "true")], "RF1002"),
        ("glm-5", &[("part", "head_gate"), ("k", "4")], "RF1004"),
        ("mixtral", &[("adaptive_k", "true"), ("k", "1")], "RF1004"),
        ("gpt-oss", &[("output", "packed"), ("weights", "f16")], "RF1004"),
        ("glm-4.5", &[("expert_parallel", "0:1")], "RF1003"),
    ];
    for (model, options, code) in cases {
        let e = graph(model, options).expect_err(model);
        assert!(e.starts_with(code) && e.contains("help: "), "{model} {options:?}: {e}");
    }
    let e = models::named("deepseek-v33").unwrap_err();
    assert_eq!(
        e.to_string(),
        "RF1001: no model is called `deepseek-v33`\n  help: did you mean `deepseek-v3`, `deepseek-v2` or `deepseek-v4`?"
    );
    // Options set as fields are checked as those set by name.
    let options = ModelOptions::default().with(|o| {
        o.groups = Some(2);
        o.record = Some(DType::I32);
    });
    let Err(e) = models::named("kimi-k2").unwrap().graph(&options) else { panic!("kimi-k2 has groups") };
    assert!(e.to_string().starts_with("RF1002: `kimi-k2` has no option `groups`: it has no groups"), "{e}");
}

/// The load record counts real rows only, while it is switched on; the recorder every id that is left.
#[test]
fn load_records_follow_the_device_scalars() {
    let preset = models::named("mixtral").unwrap();
    let mut options = ModelOptions::default();
    for (name, value) in [("eplb", "hashed_load"), ("padding", "minus_one"), ("record", "i64"), ("replicas", "1")] {
        preset.set(&mut options, name, value).unwrap();
    }
    let g = preset.graph(&options).unwrap();
    let i32s = |shape: &[u64], x: &[i32]| Tensor::from_bits(DType::I32, shape, x.iter().map(|v| u64::from(*v as u32)));
    for (n, enabled, expected) in [(3, 1, 6), (3, 0, 0), (-1, 1, 0), (0, 1, 0), (9, 2, 8)] {
        let inputs: Vec<Tensor> = g
            .inputs
            .iter()
            .enumerate()
            .map(|(i, input)| match input.name.as_str() {
                "n" => i32s(&[], &[n]),
                "record_load" => i32s(&[], &[enabled]),
                "replicas" => i32s(&[8, 1], &[0, 1, 2, 3, 4, 5, 6, 7]),
                "valid_replicas" => i32s(&[8], &[1; 8]),
                _ => {
                    let ty = g.input_type(i);
                    let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(&[4])).collect();
                    Tensor::zeros(ty.dtype, &shape)
                }
            })
            .collect();
        let outcome = interp::run(&g, &inputs, &[("T", 4)]).unwrap();
        let output = |name: &str| {
            let at = g.outputs.iter().position(|o| o.name == name).unwrap();
            let t = &outcome.outputs[at];
            (0..t.len()).map(|i| t.bits(i)).collect::<Vec<u64>>()
        };
        // All logits are equal, so that every row takes experts 0 and 1.
        let rows = expected / 2;
        assert_eq!(output("load_out"), [rows, rows, 0, 0, 0, 0, 0, 0], "n = {n}, enabled = {enabled}");
        let kept = u64::try_from(n.clamp(0, 4)).unwrap();
        assert_eq!(output("record_out"), [kept, kept, 0, 0, 0, 0, 0, 0], "n = {n}");
    }
}

/// `post` is a name for several options, and takes nothing away that stands in front of it.
#[test]
fn options_are_the_same_in_front_of_post_and_behind_it() {
    let beside = [
        ("align", "vllm"),
        ("logits", "f32"),
        ("eplb", "dynamic"),
        ("padding", "zero"),
        ("shared", "constant"),
        ("record", "i32"),
        ("k", "4"),
    ];
    let preset = models::named("deepseek-v3").unwrap();
    let of = |options: [(&str, &str); 2]| {
        let mut chosen = ModelOptions::default();
        options.into_iter().for_each(|(name, value)| preset.set(&mut chosen, name, value).unwrap());
        text::print(&preset.graph(&chosen).unwrap())
    };
    let post = ("post", "true");
    let alone = of([post, post]);
    for option in beside {
        let (front, behind) = (of([option, post]), of([post, option]));
        assert_eq!(front, behind, "{option:?}");
        assert_ne!(front, alone, "{option:?}");
    }
}

/// Where ids are drawn as well as replicas, the two do not follow each other.
#[test]
fn two_draws_are_two_draws() {
    let options = [
        ("experts", "4"),
        ("k", "4"),
        ("simulate", "random"),
        ("eplb", "philox"),
        ("replicas", "4"),
        ("physical", "16"),
    ];
    let preset = models::named("qwen3-moe").unwrap();
    let mut chosen = ModelOptions::default();
    for (name, value) in options {
        preset.set(&mut chosen, name, value).unwrap();
    }
    let g = preset.graph(&chosen).unwrap();
    let rows = 64;
    let inputs: Vec<Tensor> = g
        .inputs
        .iter()
        .enumerate()
        .map(|(i, input)| match input.name.as_str() {
            "seed" | "offset" => Tensor::from_bits(DType::U64, &[], [7]),
            "replicas" => Tensor::from_bits(DType::I32, &[4, 4], 0..16),
            "valid_replicas" => Tensor::from_bits(DType::I32, &[4], [4; 4]),
            _ => Tensor::zeros(g.input_type(i).dtype, &[rows, 4]),
        })
        .collect();
    let ids = &interp::run(&g, &inputs, &[("T", rows)]).unwrap().outputs[0];
    // Replica x of expert e is 4e + x. Of the same number e and x would be equal in every slot; of two, in about a quarter.
    let equal = (0..ids.len()).filter(|i| ids.bits(*i) / 4 == ids.bits(*i) % 4).count();
    assert!((32..96).contains(&equal), "{equal} of {} slots", ids.len());
}
