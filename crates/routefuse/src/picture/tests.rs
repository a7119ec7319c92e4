//! Pictures of graphs: what they show, and that nothing in a name breaks them.

use super::drawing::{Drawing, Kind};
use super::*;
use crate::chains::PostChain;
use crate::{Engine, chains, models};
use routefuse_ir::text;
use routefuse_passes::pipeline::Options;

fn picture(graph: &Verified<Graph>) -> Picture {
    Engine::builder().build().unwrap().picture(graph, &Options::default()).unwrap()
}

fn of_text(source: &str) -> Picture {
    picture(&text::parse_verified(source).unwrap())
}

fn post_chain() -> Picture {
    picture(&PostChain::default().graph().unwrap())
}

/// Every chain and every preset.
fn all() -> Vec<(String, Picture)> {
    let chains = chains::examples().into_iter().map(|(name, graph)| (name.to_owned(), graph.unwrap()));
    let models = models::examples().into_iter().map(|e| (e.file.to_owned(), e.graph().unwrap()));
    chains.chain(models).map(|(name, graph)| (name, picture(&graph))).collect()
}

fn count(d: &Drawing, kind: Kind) -> usize {
    d.boxes.iter().filter(|b| b.kind == kind).count()
}

/// A table that is computed for every row lies in memory between two kernels.
const TWO_KERNELS: &str = "route 1
graph @two_kernels {
  dim T
  input %ids : i32[T, 2]
  input %map : i32[T]
  %one = const {dtype = i32, value = 1} : i32[]
  %next = add %map, %one : i32[T]
  %out = gather %next, %ids {out_of_range = clamp} : i32[T, 2]
  output out = %out : i32[T, 2]
}
";

#[test]
fn before_every_operation_is_a_kernel_and_after_one_kernel_holds_them() {
    let Picture { before, after, .. } = post_chain();
    assert_eq!(before.title, "as written: 9 kernels, an operation each; 470 bytes a row");
    assert_eq!((count(&before, Kind::Kernel), before.kernels.len()), (9, 0));
    assert_eq!(after.title, "as compiled: 1 kernel; 174 bytes a row");
    assert_eq!((count(&after, Kind::Kernel), after.kernels.as_slice()), (0, ["post_chain".to_owned()].as_slice()));
    for d in [&before, &after] {
        assert_eq!((count(d, Kind::Input), count(d, Kind::Output)), (5, 3));
        for arrow in &d.arrows {
            let (from, to) = (&d.boxes[arrow.from], &d.boxes[arrow.to]);
            let inside = from.kind == Kind::Constant || from.kernel.is_some() && from.kernel == to.kernel;
            assert_eq!(arrow.memory, !inside, "{from:?} -> {to:?}");
        }
    }
}

#[test]
fn memory_between_kernels_is_a_box() {
    let Picture { after, .. } = of_text(TWO_KERNELS);
    assert_eq!((after.kernels.len(), count(&after, Kind::Workspace)), (2, 1));
    let workspace = after.boxes.iter().position(|b| b.kind == Kind::Workspace).unwrap();
    let kernel = |end: usize| after.boxes[end].kernel;
    let written: Vec<_> = after.arrows.iter().filter(|a| a.to == workspace).map(|a| kernel(a.from)).collect();
    let read: Vec<_> = after.arrows.iter().filter(|a| a.from == workspace).map(|a| kernel(a.to)).collect();
    assert_eq!((written, read), (vec![Some(0)], vec![Some(1)]));
}

#[test]
fn an_output_that_is_an_input_is_copied() {
    let Picture { after, .. } = of_text(
        "route 1
graph @same {
  dim T
  input %x : f32[T, 2]
  output y = %x : f32[T, 2]
}
",
    );
    let copy = after.boxes.iter().position(|b| b.lines[0] == "copy").unwrap();
    let ends: Vec<_> = after.arrows.iter().map(|a| (after.boxes[a.from].kind, after.boxes[a.to].kind)).collect();
    assert_eq!(ends, [(Kind::Input, Kind::Op), (Kind::Op, Kind::Output)]);
    assert_eq!(after.boxes[copy].kernel, Some(0));
}

/// A stored value has an arrow from where it is computed, whichever graph it is.
#[test]
fn every_output_is_written_once() {
    for (name, picture) in all() {
        for d in [&picture.before, &picture.after] {
            for (i, b) in d.boxes.iter().enumerate().filter(|(_, b)| b.kind == Kind::Output) {
                assert_eq!(d.arrows.iter().filter(|a| a.to == i).count(), 1, "{name}: {b:?}");
            }
            assert!(d.arrows.iter().all(|a| a.from < d.boxes.len() && a.to < d.boxes.len()));
        }
    }
}

#[test]
fn dot_text() {
    insta::assert_snapshot!("post_chain.dot", post_chain().dot());
    insta::assert_snapshot!("two_kernels.dot", of_text(TWO_KERNELS).dot());
}

/// Quotes, backslashes, markup, controls, and marks that turn the text around them.
const ODD: &str = r#"route 1
graph @"a\"]; evil [\\" {
  dim T
  input %"<script>&'\n" : i32[T, 2]
  %"back\\slash\u{7}\u{202e}" = add %"<script>&'\n", %"<script>&'\n" : i32[T, 2]
  output "\"quoted\"" = %"back\\slash\u{7}\u{202e}" : i32[T, 2]
  output "a quite long name that no box of a picture could hold in one line" = %"back\\slash\u{7}\u{202e}" : i32[T, 2]
}
"#;

#[test]
fn names_are_escaped_in_dot() {
    let dot = of_text(ODD).dot();
    insta::assert_snapshot!("odd_names.dot", dot);
    assert!(dot.chars().all(|c| c == '\n' || !c.is_control()), "{dot:?}");
}

#[cfg(feature = "svg")]
mod svg {
    use super::*;
    use crate::picture::layout::{Geometry, Rectangle, layout};
    use quick_xml::events::Event;

    #[test]
    fn svg_text() {
        insta::assert_snapshot!("two_kernels.svg", of_text(TWO_KERNELS).svg().unwrap());
    }

    #[test]
    fn names_are_escaped_in_svg() {
        let svg = of_text(ODD).svg().unwrap();
        assert!(svg.contains("&lt;script&gt;&amp;&#39;\\u{a}"), "{svg}");
        assert!(svg.contains("back\\slash\\u{7}\\u{202e}: i32[T, 2]"), "{svg}");
        assert!(svg.contains("a quite long name that no box of a …<"), "{svg}");
        well_formed("odd", &svg);
    }

    /// The file that the README shows is what the library draws today; `make snapshots` writes it anew.
    #[test]
    fn the_picture_in_the_readme() {
        let svg = post_chain().svg().unwrap();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pictures/post_chain.svg");
        if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
            std::fs::write(&path, &svg).unwrap();
        }
        assert!(
            std::fs::read_to_string(&path).is_ok_and(|file| file == svg),
            "docs/pictures/post_chain.svg: make snapshots"
        );
    }

    #[test]
    fn equal_graphs_have_equal_pictures() {
        assert_eq!(post_chain().svg(), post_chain().svg());
        assert_eq!(post_chain().dot(), post_chain().dot());
    }

    #[test]
    fn more_boxes_than_anyone_can_read_are_refused() {
        let mut source = "route 1\ngraph @long {\n  input %v0 : i32[4]\n".to_owned();
        for i in 0..500 {
            source.push_str(&format!("  %v{} = add %v{i}, %v{i} : i32[4]\n", i + 1));
        }
        source.push_str("  output out = %v500 : i32[4]\n}\n");
        let picture = of_text(&source);
        let error = picture.svg().unwrap_err();
        assert_eq!(error.code(), routefuse_ir::Code::TooLarge);
        let message = error.to_string();
        // An operation, an input and an output each, and what is kept between the kernels that it is cut into.
        let boxes =
            message.split("the picture of `long` has ").nth(1).and_then(|rest| rest.split_once(" boxes; at most 500"));
        assert!(boxes.is_some_and(|(n, _)| n.parse::<usize>().is_ok_and(|n| n >= 502)), "{message}");
        assert!(message.contains("the stage `dot` has no limit"), "{message}");
        // In both drawings, each time with its hint.
        assert_eq!(picture.dot().matches("\"add").count(), 2 * 2 * 500);
    }

    fn well_formed(name: &str, svg: &str) {
        let mut reader = quick_xml::Reader::from_str(svg);
        reader.config_mut().check_end_names = true;
        let mut depth = 0;
        loop {
            match reader.read_event().unwrap_or_else(|e| panic!("{name}: {e}")) {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(depth, 0, "{name}");
        assert!(svg.chars().all(|c| c == '\n' || !c.is_control()), "{name}");
    }

    #[test]
    fn pictures_of_chains_are_well_formed() {
        for (name, graph) in chains::examples() {
            well_formed(name, &picture(&graph.unwrap()).svg().unwrap());
        }
    }

    fn edges(r: Rectangle) -> [f64; 4] {
        [r.x - r.width / 2.0, r.y - r.height / 2.0, r.x + r.width / 2.0, r.y + r.height / 2.0]
    }

    /// Boxes overlap neither each other nor the frame of a kernel that is not theirs, and lie inside of their own.
    #[test]
    fn boxes_lie_in_their_kernels_and_nowhere_else() {
        for (name, picture) in all() {
            for d in [&picture.before, &picture.after] {
                let l = layout(&Geometry::of(d, 1));
                let apart = |a: Rectangle, b: Rectangle| {
                    let ([al, at, ar, ab], [bl, bt, br, bb]) = (edges(a), edges(b));
                    ar <= bl || br <= al || ab <= bt || bb <= at
                };
                for (i, b) in d.boxes.iter().enumerate() {
                    for (j, other) in d.boxes.iter().enumerate().skip(i + 1) {
                        assert!(apart(l.boxes[i], l.boxes[j]), "{name}: {b:?} over {other:?}");
                    }
                    for (k, kernel) in l.kernels.iter().enumerate() {
                        let ([bl, bt, br, bb], [kl, kt, kr, kb]) = (edges(l.boxes[i]), edges(*kernel));
                        let inside = kl <= bl && br <= kr && kt <= bt && bb <= kb;
                        let right = if b.kernel == Some(k) { inside } else { apart(l.boxes[i], *kernel) };
                        assert!(right, "{name}: {b:?} and {}", d.kernels[k]);
                    }
                }
                assert!(l.arrows.iter().all(|points| points.len() >= 2), "{name}");
            }
        }
    }
}
