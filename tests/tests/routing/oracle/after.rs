//! What follows the selection, slot by slot: zero experts, load balancing, padding, records, ranks, shared experts.

use super::choice::Choice;
use super::inputs::Inputs;
use super::select::{Row, sigmoid};

/// What leaves for one row, and what was counted on the way.
#[derive(Clone, Debug, Default)]
pub struct Leaves {
    pub ids: Vec<i64>,
    pub weights: Vec<f64>,
    pub identity: f64,
    pub constants: Vec<f64>,
    /// Physical experts for the record.
    pub recorded: Vec<i64>,
    /// Those for the record of load.
    pub loaded: Vec<i64>,
}

/// A slot on its way.
#[derive(Clone, Copy)]
struct Slot {
    /// −1 while it stands for nothing.
    id: i64,
    weight: f64,
    routed: bool,
    /// It was a zero expert's.
    zero: bool,
}

pub fn after(c: &Choice, inputs: &Inputs, t: usize, row: &Row) -> Leaves {
    let mut out = Leaves { constants: vec![0.0; c.model.constants], ..Leaves::default() };
    let padded = padded(c, inputs, t);
    let masks = c.word("padding", "keep") != "keep";
    let mut slots: Vec<Slot> = vec![];
    for (id, weight) in row.ids.iter().zip(&row.weights) {
        if *id >= c.experts as i64 {
            match out.constants.get_mut((*id - c.experts as i64) as usize) {
                Some(constant) => *constant += weight,
                None => out.identity += weight,
            }
            slots.push(Slot { id: -1, weight: 0.0, routed: true, zero: true });
        } else {
            slots.push(Slot { id: *id, weight: *weight, routed: true, zero: false });
        }
    }
    if padded && masks {
        out.identity = 0.0;
        out.constants.fill(0.0);
    }
    let shared = |s: usize| {
        let weight = shared_weight(c, inputs, t, s, row);
        Slot { id: -1, weight, routed: false, zero: false }
    };
    let balanced = c.is("balance_shared", "true");
    if balanced {
        slots.extend((0..c.appended()).map(|s| Slot { id: (c.experts + s) as i64, ..shared(s) }));
    }
    let columns = slots.len();
    for (k, slot) in slots.iter_mut().enumerate() {
        slot.id = physical(c, inputs, slot.id, t, k, columns);
    }
    let routed = |slots: &[Slot]| slots.iter().filter(|s| s.routed).map(|s| s.id).collect::<Vec<_>>();
    if !padded && c.is("eplb", "hashed_load") && inputs.integers("record_load")[0] != 0 {
        out.loaded = routed(&slots);
    }
    if !(padded && masks) && c.word("record", "none") != "none" {
        out.recorded = routed(&slots);
    }
    for slot in slots.iter_mut().filter(|s| s.routed || balanced) {
        slot.id = if padded && masks { -1 } else { slot.id };
        slot.id = of_rank(c, inputs, slot.id);
        if c.given("owned") {
            continue;
        }
        if slot.zero && !(padded && masks) {
            slot.id = c.word("identity_id", "-1").parse().expect("a number");
        }
        if padded && c.is("padding", "zero") {
            slot.id = 0;
        }
    }
    if !balanced {
        for s in 0..c.appended() {
            let mut slot = Slot { id: shared_id(c, inputs, s), ..shared(s) };
            if padded && masks {
                slot.id = match () {
                    () if c.given("owned") => c.ids_end(),
                    () if c.is("padding", "zero") => 0,
                    () => -1,
                };
            }
            slots.push(slot);
        }
    }
    for slot in &mut slots {
        if padded && matches!(c.word("padding", "keep"), "zero" | "minus_one_zeroed") {
            slot.weight = 0.0;
        }
    }
    out.ids = slots.iter().map(|s| s.id).collect();
    out.weights = slots.iter().map(|s| s.weight).collect();
    out
}

fn padded(c: &Choice, inputs: &Inputs, t: usize) -> bool {
    if c.word("padding", "keep") == "keep" && !c.is("eplb", "hashed_load") {
        return false;
    }
    if c.is("padded_rows", "mask") {
        inputs.integers("padding_mask")[t] != 0
    } else {
        t as i128 >= inputs.integers("n")[0]
    }
}

fn shared_weight(c: &Choice, inputs: &Inputs, t: usize, s: usize, row: &Row) -> f64 {
    let given = c.given("shared_weight").then(|| c.word("shared_weight", "").parse::<f32>().expect("a number"));
    match c.word("shared", "none") {
        "constant" => {
            let usual = if c.scaled() { 1.0 } else { 1.0 / c.scale };
            f64::from(given.unwrap_or(usual))
        }
        "per_token" => inputs.floats("shared_weights")[t * c.shared + s],
        "gate" => sigmoid(inputs.floats("shared_gate")[t * c.shared + s]) * f64::from(given.unwrap_or(1.0)),
        _ => row.in_gate,
    }
}

/// A table's entry, −1 out of range.
fn entry(table: &[i128], at: Option<usize>) -> i128 {
    at.and_then(|i| table.get(i)).copied().unwrap_or(-1)
}

fn physical(c: &Choice, inputs: &Inputs, id: i64, t: usize, k: usize, columns: usize) -> i64 {
    let eplb = c.word("eplb", "none");
    if eplb == "none" {
        return id;
    }
    let Ok(expert) = usize::try_from(id) else { return -1 };
    let found = if eplb == "static" {
        entry(inputs.integers("map"), Some(expert))
    } else {
        let replicas: usize = c.word("replicas", "4").parse().expect("a number");
        let valid = inputs.integers("valid_replicas")[expert].clamp(1, replicas as i128) as u32;
        // A graph that drew its ids draws replicas from another stretch of positions.
        let further = if c.is("simulate", "random") { 1 << 63 } else { 0 };
        let position = (t * columns + k) as u64 + further;
        let column = match eplb {
            "dynamic" => inputs.integers("random")[t * columns + k] as u32 % valid,
            "philox" => inputs.philox(position) % valid,
            "hashed" | "hashed_load" => (t as u32).wrapping_mul(2_654_435_769) % valid,
            "proportional" => {
                in_proportion(inputs, expert, replicas, valid, inputs.floats("uniform")[t * columns + k] as f32)
            }
            _ => in_proportion(inputs, expert, replicas, valid, (inputs.philox(position) >> 8) as f32 / 16_777_216.0),
        };
        entry(inputs.integers("replicas"), Some(expert * replicas + column as usize))
    };
    if (0..c.physical as i128).contains(&found) { found as i64 } else { -1 }
}

/// P3. Probabilities are eighths, so that their sums are exact in f32, and the products are f32's own.
fn in_proportion(inputs: &Inputs, expert: usize, replicas: usize, valid: u32, u: f32) -> u32 {
    let p = &inputs.floats("probabilities")[expert * replicas..(expert + 1) * replicas];
    let total = p.iter().sum::<f64>() as f32;
    let pick = if total > 0.0 {
        let mut sum = 0.0;
        let passed = p.iter().filter(|p| {
            sum += **p;
            sum as f32 <= u * total
        });
        passed.count() as i64
    } else {
        (u * valid as f32) as i64
    };
    pick.clamp(0, i64::from(valid) - 1) as u32
}

/// The rank in force, and how many there are of this share.
fn rank(c: &Choice, inputs: &Inputs) -> i64 {
    let constant = c.expert_parallel().and_then(|ep| ep.1);
    constant.unwrap_or_else(|| inputs.integers("rank")[0] as i64)
}

fn of_rank(c: &Choice, inputs: &Inputs, id: i64) -> i64 {
    let moved = match c.expert_parallel() {
        Some((l, _)) if id >= 0 => id + id / l as i64 * c.shared as i64,
        _ => id,
    };
    if !c.given("owned") {
        return moved;
    }
    let owned = c.word("owned", "");
    let mine = match owned.split_once(':') {
        Some((first, end)) => (first.parse::<i64>().expect("first")..end.parse::<i64>().expect("end")).contains(&id),
        None => id >= 0 && id / owned.parse::<i64>().expect("N") == rank(c, inputs),
    };
    if mine { moved } else { c.ids_end() }
}

fn shared_id(c: &Choice, inputs: &Inputs, s: usize) -> i64 {
    let Some((l, _)) = c.expert_parallel() else { return (c.physical + s) as i64 };
    let (l, rank) = (l as i64, rank(c, inputs));
    if (0..c.physical as i64 / l).contains(&rank) {
        rank * (l + c.shared as i64) + l + s as i64
    } else if c.given("owned") {
        c.ids_end()
    } else {
        -1
    }
}
