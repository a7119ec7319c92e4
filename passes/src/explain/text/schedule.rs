//! Schedules for people: lanes drawn as cells, phases as a list, and the words of the notation.

use super::super::{KernelReport, Phase, ShapeLanes};
use super::grid::{caption, grid};
use super::page::Page;
use super::targets;
use routefuse_ir::visible::visible;

/// Every schedule of a kernel; what is drawn once is named from then on.
pub(super) fn all(page: &mut Page, k: &KernelReport) {
    page.heading(&format!("schedules of kernel @{}", visible(&k.name)));
    let mut drawn: Vec<(&ShapeLanes, String)> = vec![];
    for schedule in &k.schedules {
        let on = targets(&schedule.targets);
        page.gap();
        page.paragraph(2, 4, &format!("on {on}"));
        page.paragraph(4, 6, &format!("schedule {}", visible(&schedule.schedule)));
        page.paragraph(4, 6, &format!("variants {}", schedule.variants.join(", ")));
        schedule.why.iter().for_each(|w| page.paragraph(4, 6, &visible(w)));
        for shape in &schedule.lanes.shapes {
            page.paragraph(4, 6, &format!("{}: {}", shape.rows, shape.notation));
            match drawn.iter().find(|(other, _)| same(other, shape)) {
                Some((_, on)) => page.paragraph(6, 8, &format!("lanes and phases as on {on}")),
                None => {
                    self::shape(page, shape);
                    drawn.push((shape, on.clone()));
                }
            }
        }
    }
    let mut words: Vec<(&str, &str)> = vec![];
    for word in k.schedules.iter().flat_map(|s| &s.lanes.words) {
        if !words.iter().any(|(term, meaning)| (*term, *meaning) == (word.term.as_str(), word.meaning.as_str())) {
            words.push((&word.term, &word.meaning));
        }
    }
    page.gap();
    page.paragraph(2, 4, "words of these schedules");
    for (term, meaning) in words {
        page.behind(&format!("    {}  ", visible(term)), 6, &visible(meaning));
    }
}

/// Whether two shapes are drawn the same.
fn same(a: &ShapeLanes, b: &ShapeLanes) -> bool {
    (&a.spreads, &a.phases, &a.notation) == (&b.spreads, &b.phases, &b.notation)
}

/// The lanes and the phases of a shape.
pub(super) fn shape(page: &mut Page, shape: &ShapeLanes) {
    for spread in &shape.spreads {
        page.paragraph(6, 8, &visible(&caption(spread)));
        for line in grid(spread, page.width() - 8) {
            page.line(&format!("        {line}"));
        }
    }
    for (number, phase) in (1..).zip(&shape.phases) {
        self::phase(page, number, phase);
    }
}

fn phase(page: &mut Page, number: usize, phase: &Phase) {
    let Phase { title, loads, values, stores, crosses_lanes: _, crossing, why, then } = phase;
    page.behind(&format!("      {number}. "), 9, &visible(title));
    for (name, list) in [("reads", loads), ("computes", values), ("writes", stores)] {
        if !list.is_empty() {
            page.named(9, name, &visible(&list.join(", ")));
        }
    }
    for (name, words) in [("crosses", crossing), ("because", why), ("then", then)] {
        if !words.is_empty() {
            page.named(9, name, &visible(words));
        }
    }
}
