//! What engines launch beside their routers, as plain loops. They share nothing with the interpreter: items come by token and
//! then by slot, as every engine counts them, and lie in each bin in that order.

use routefuse_generate::Choices;
use routefuse_ir::{DType, Tensor};

/// Sizes of a launch.
pub struct Layout {
    /// Tokens.
    pub t: u64,
    /// Slots of a token.
    pub k: u64,
    /// Places.
    pub capacity: u64,
    /// Blocks of places.
    pub blocks: u64,
}

/// A launch's tensors.
pub struct Case {
    /// By position.
    pub inputs: Vec<Tensor>,
    /// By loops.
    pub outputs: Vec<Tensor>,
}

/// An engine's operation.
pub type Engine = fn(&Layout, &[i64], Tensor, &mut Choices) -> Case;

/// Items by bin, in order.
fn bins(ids: &[i64], count: i64) -> Vec<Vec<usize>> {
    let mut bins = vec![vec![]; count as usize];
    for (i, id) in ids.iter().enumerate().filter(|(_, id)| (0..count).contains(*id)) {
        bins[*id as usize].push(i);
    }
    bins
}

fn ints(numbers: Vec<i64>) -> Tensor {
    Tensor::from_i32(&[numbers.len() as u64], &numbers.iter().map(|n| *n as i32).collect::<Vec<_>>())
}

fn of_items(l: &Layout, numbers: Vec<i64>) -> Tensor {
    Tensor::from_i32(&[l.t, l.k], &numbers.iter().map(|n| *n as i32).collect::<Vec<_>>())
}

/// Segments of whole blocks, one a bin: the item of each place, if there is one, and the bin of each block.
fn segments(bins: &[Vec<usize>], block: usize) -> (Vec<Option<usize>>, Vec<i64>) {
    let (mut places, mut owners) = (vec![], vec![]);
    for (bin, items) in bins.iter().enumerate() {
        places.extend(items.iter().map(|item| Some(*item)));
        while !places.len().is_multiple_of(block) {
            places.push(None);
        }
        owners.resize(places.len() / block, bin as i64);
    }
    (places, owners)
}

/// A buffer of so many, with a padding behind what there is; what does not fit is dropped.
fn buffer(numbers: impl IntoIterator<Item = i64>, length: u64, padding: i64) -> Vec<i64> {
    let mut all: Vec<i64> = numbers.into_iter().collect();
    all.resize(length as usize, padding);
    all
}

/// `moe_align_block_size` of e experts and blocks of so many places: what is in no block is n, and the expert of no block −1.
pub fn aligned(l: &Layout, ids: &[i64], tensor: Tensor, (e, block): (u64, u64)) -> Case {
    let (places, owners) = segments(&bins(ids, e as i64), block as usize);
    let n = ids.len() as i64;
    let sorted = buffer(places.iter().map(|p| p.map_or(n, |item| item as i64)), l.capacity, n);
    let outputs = vec![ints(sorted), ints(buffer(owners, l.blocks, -1)), ints(vec![places.len() as i64])];
    Case { inputs: vec![tensor], outputs }
}

/// `moe_align_block_size`: ids out of range are dropped, and the buffer is filled with n to its end.
pub fn vllm(l: &Layout, ids: &[i64], tensor: Tensor, _: &mut Choices) -> Case {
    aligned(l, ids, tensor, (16, 4))
}

/// The same, with −1 in a bin of its own in front; then also how many blocks that has.
pub fn sglang(l: &Layout, ids: &[i64], tensor: Tensor, _: &mut Choices) -> Case {
    let shifted: Vec<i64> = ids.iter().map(|id| id + 1).collect();
    let all = bins(&shifted, 17);
    let (places, owners) = segments(&all, 4);
    let n = ids.len() as i64;
    let sorted = buffer(places.iter().map(|p| p.map_or(n, |item| item as i64)), l.capacity, n);
    let experts = buffer(owners.iter().map(|bin| bin - 1), l.blocks, -1);
    let first = all[0].len().div_ceil(4) as i64;
    Case { inputs: vec![tensor], outputs: vec![ints(sorted), ints(experts), ints(vec![places.len() as i64, first])] }
}

/// `moe_sorting`: words of slot and token, and weights, of the first rows alone.
pub fn aiter(l: &Layout, ids: &[i64], tensor: Tensor, c: &mut Choices) -> Case {
    let rows = c.of(&[l.t, l.t / 2, 0]) as i64;
    let live: Vec<i64> = ids.iter().enumerate().map(|(i, id)| if (i as i64 / 4) < rows { *id } else { -1 }).collect();
    let weights: Vec<f32> = (0..ids.len()).map(|i| i as f32 + 0.5).collect();
    let (places, owners) = segments(&bins(&live, 16), 4);
    let word = |item: usize| ((item as i64 % 4) << 24) | (item as i64 / 4);
    let none = (4 << 24) | rows;
    let sorted = buffer(places.iter().map(|p| p.map_or(none, word)), l.capacity, none);
    let mut of_places: Vec<f32> = places.iter().map(|p| p.map_or(0.0, |item| weights[item])).collect();
    of_places.resize(l.capacity as usize, 0.0);
    let mut reverse = vec![-1; ids.len()];
    for (place, item) in places.iter().enumerate() {
        if let Some(item) = item {
            reverse[*item] = place as i64;
        }
    }
    let f32s =
        |shape: &[u64], x: &[f32]| Tensor::from_bits(DType::F32, shape, x.iter().map(|x| u64::from(x.to_bits())));
    let inputs = vec![tensor, f32s(&[l.t, l.k], &weights), Tensor::from_i32(&[], &[rows as i32])];
    let outputs = vec![
        ints(sorted),
        f32s(&[l.capacity], &of_places),
        ints(buffer(owners, l.blocks, -1)),
        ints(vec![places.len() as i64, rows]),
        of_items(l, reverse),
    ];
    Case { inputs, outputs }
}

/// The maps of TensorRT-LLM's routing, where 8 experts from 4 on are here.
pub fn trtllm(l: &Layout, ids: &[i64], tensor: Tensor, _: &mut Choices) -> Case {
    let local: Vec<i64> = ids.iter().map(|id| id - 4).collect();
    let all = bins(&local, 8);
    let (places, owners) = segments(&all, 4);
    let mut permuted = vec![-1; ids.len()];
    for (place, item) in places.iter().enumerate() {
        if let Some(item) = item {
            permuted[*item] = place as i64;
        }
    }
    let tokens = buffer(places.iter().map(|p| p.map_or(-1, |item| item as i64 / 4)), l.capacity, -1);
    let limits = owners.iter().enumerate().map(|(j, bin)| {
        let first = owners.iter().position(|b| b == bin).unwrap_or(0) as i64 * 4;
        (j as i64 * 4 + 4).min(first + all[*bin as usize].len() as i64)
    });
    let limits = buffer(limits.collect::<Vec<_>>(), l.blocks, -1);
    let live = places.len() as i64 / 4;
    let counts = all.iter().map(|items| items.len() as i64).collect();
    let outputs = vec![
        of_items(l, permuted),
        ints(tokens),
        ints(buffer(owners, l.blocks, -1)),
        ints(limits),
        ints(vec![places.len() as i64]),
        ints(vec![live]),
        ints(counts),
    ];
    Case { inputs: vec![tensor], outputs }
}

/// The expert of each row, and where each ends.
pub fn deepgemm_contiguous(l: &Layout, ids: &[i64], tensor: Tensor, _: &mut Choices) -> Case {
    let all = bins(ids, 16);
    let (places, owners) = segments(&all, 8);
    let rows = places.iter().enumerate().map(|(place, item)| item.map_or(-1, |_| owners[place / 8]));
    let rows = buffer(rows.collect::<Vec<_>>(), l.capacity, -1);
    let (mut ends, mut end) = (vec![], 0);
    for items in &all {
        ends.push(end + items.len() as i64);
        end += items.len().next_multiple_of(8) as i64;
    }
    Case { inputs: vec![tensor], outputs: vec![ints(rows), ints(ends)] }
}

/// Slabs of 8 places; what is more is dropped.
pub fn deepgemm_masked(l: &Layout, ids: &[i64], tensor: Tensor, _: &mut Choices) -> Case {
    let all = bins(ids, 16);
    let (mut slabs, mut places) = (vec![-1; 128], vec![-1; ids.len()]);
    for (bin, items) in all.iter().enumerate() {
        for (place, item) in items.iter().take(8).enumerate() {
            slabs[bin * 8 + place] = *item as i64 / 4;
            places[*item] = (bin * 8 + place) as i64;
        }
    }
    let counts = all.iter().map(|items| items.len() as i64).collect();
    Case { inputs: vec![tensor], outputs: vec![ints(counts), ints(slabs), of_items(l, places)] }
}

/// `get_dispatch_layout` of 4 ranks: a token counts once a rank.
pub fn deepep(l: &Layout, ids: &[i64], tensor: Tensor, _: &mut Choices) -> Case {
    let of_token = |token: u64, rank: i64| {
        (0..4).any(|slot| {
            let id = ids[token as usize * 4 + slot];
            (0..16).contains(&id) && id / 4 == rank
        })
    };
    let is_in: Vec<bool> =
        (0..l.t).flat_map(|token| (0..4).map(move |rank| (token, rank))).map(|(t, r)| of_token(t, r)).collect();
    let per_rank = (0..4).map(|rank| is_in.iter().skip(rank).step_by(4).filter(|x| **x).count() as i64).collect();
    let per_expert = bins(ids, 16).iter().map(|items| items.len() as i64).collect();
    let bits = is_in.iter().map(|x| u64::from(*x));
    let outputs = vec![ints(per_rank), ints(per_expert), Tensor::from_bits(DType::Bool, &[l.t, 4], bits)];
    Case { inputs: vec![tensor], outputs }
}

/// TensorRT-LLM's permutation for CUTLASS: items by slot and then by token, of 8 experts from 4 on; all others come last.
pub fn cutlass_permutation(l: &Layout, ids: &[i64], tensor: Tensor, _: &mut Choices) -> Case {
    let (t, k) = (l.t as usize, l.k as usize);
    let (mut order, mut first, mut places) = (vec![], vec![], vec![0; ids.len()]);
    for bin in 0..9 {
        first.push(order.len() as i64);
        for item in 0..t * k {
            let (slot, token) = (item / t, item % t);
            let local = ids[token * k + slot] - 4;
            let own = if (0..8).contains(&local) { local } else { 8 };
            if own == bin {
                places[token * k + slot] = order.len() as i64;
                order.push(item as i64);
            }
        }
    }
    let first = Tensor::from_bits(DType::I64, &[9], first.iter().map(|n| *n as u64));
    let outputs = vec![ints(buffer(order, l.capacity, -1)), of_items(l, places), first];
    Case { inputs: vec![tensor], outputs }
}

/// What CUTLASS' grouped GEMMs are told of 16 experts.
pub fn cutlass_prepare(l: &Layout, ids: &[i64], tensor: Tensor, _: &mut Choices) -> Case {
    let all = bins(ids, 16);
    let sizes = |n: i64, k: i64| {
        let sizes: Vec<i32> = all.iter().flat_map(|items| [items.len() as i32, n as i32, k as i32]).collect();
        Tensor::from_i32(&[16, 3], &sizes)
    };
    let starts = |whole: usize| {
        let mut starts = vec![0];
        for items in &all {
            starts.push(starts[starts.len() - 1] + items.len().next_multiple_of(whole) as i64);
        }
        ints(starts)
    };
    let (order, _) = segments(&all, 1);
    let mut places = vec![-1; ids.len()];
    for (place, item) in order.iter().enumerate() {
        if let Some(item) = item {
            places[*item] = place as i64;
        }
    }
    let tokens = buffer(order.iter().map(|item| item.map_or(0, |item| item as i64 / 4)), l.capacity, 0);
    let outputs = vec![sizes(4096, 7168), sizes(7168, 2048), starts(1), starts(128), ints(tokens), of_items(l, places)];
    Case { inputs: vec![tensor], outputs }
}

/// `batched_moe_align_block_size` of counts that are given, of slabs of 40 rows.
pub fn vllm_batched(l: &Layout, ids: &[i64], _: Tensor, _: &mut Choices) -> Case {
    let counts: Vec<i64> = bins(ids, 16).iter().map(|items| items.len().min(40) as i64).collect();
    let (mut sorted, mut owners) = (vec![], vec![]);
    for (expert, count) in counts.iter().enumerate() {
        sorted.extend((0..*count).map(|row| expert as i64 * 40 + row));
        sorted.resize(sorted.len().next_multiple_of(4), 640);
        owners.resize(sorted.len() / 4, expert as i64);
    }
    let total = ints(vec![sorted.len() as i64]);
    let outputs = vec![ints(buffer(sorted, l.capacity, 640)), ints(buffer(owners, l.blocks, -1)), total];
    Case { inputs: vec![ints(counts)], outputs }
}

/// An alignment with a bin for each of 16 experts of each of 3 adapters.
pub fn lora_align(l: &Layout, ids: &[i64], tensor: Tensor, c: &mut Choices) -> Case {
    let adapters: Vec<i32> = (0..l.t).map(|_| c.of(&[-1, 0, 0, 1, 2, 2, 3])).collect();
    let bin = |(item, id): (usize, &i64)| {
        let adapter = i64::from(adapters[item / 4]);
        let is_one = (0..16).contains(id) && (0..3).contains(&adapter);
        if is_one { adapter * 16 + id } else { -1 }
    };
    let of_items: Vec<i64> = ids.iter().enumerate().map(bin).collect();
    let (places, owners) = segments(&bins(&of_items, 48), 4);
    let n = ids.len() as i64;
    let sorted = buffer(places.iter().map(|p| p.map_or(n, |item| item as i64)), l.capacity, n);
    let experts = buffer(owners.iter().map(|bin| bin % 16), l.blocks, -1);
    let of_adapters = buffer(owners.iter().map(|bin| bin / 16), l.blocks, -1);
    let outputs = vec![ints(sorted), ints(experts), ints(of_adapters), ints(vec![places.len() as i64])];
    Case { inputs: vec![tensor, Tensor::from_i32(&[l.t, 1], &adapters)], outputs }
}

/// Tokens of all of 4 ranks up to each, and where the items of each of 16 experts end in segments of whole 8.
pub fn deepep_prefix(l: &Layout, ids: &[i64], tensor: Tensor, _: &mut Choices) -> Case {
    let mut up_to = vec![0; 4];
    for token in 0..l.t as usize {
        let own = &ids[token * 4..token * 4 + 4];
        for (rank, sum) in up_to.iter_mut().enumerate() {
            // Of ranks up to this one, those that the token goes to.
            *sum +=
                (0..=rank as i64).filter(|r| own.iter().any(|id| (0..16).contains(id) && id / 4 == *r)).count() as i64;
        }
    }
    let (mut ends, mut begin) = (vec![], 0);
    for items in bins(ids, 16) {
        ends.push(begin + items.len() as i64);
        begin += items.len().next_multiple_of(8) as i64;
    }
    Case { inputs: vec![tensor], outputs: vec![ints(up_to), ints(ends)] }
}
