//! What engines' kernels leave, in plain loops, as each is described: nothing here knows of a graph or of an operation on bins.

use std::collections::BTreeMap;

/// Whose layout, of how many experts, and its options.
#[derive(Clone, Debug)]
pub struct Spec {
    pub engine: &'static str,
    pub experts: i64,
    pub k: usize,
    pub block: i64,
    pub local: Local,
    pub once: bool,
    pub ranks: i64,
    pub capacity: Option<i64>,
    pub keep: bool,
    pub optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    All,
    /// First, one past the last, and how far apart.
    Window(i64, i64, i64),
    Map,
    MapOfBlocks,
}

/// What a launch is given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `[T, K]`, −1 in rows of padding.
    pub ids: Vec<i64>,
    /// Bits of `f32[T, K]`.
    pub weights: Vec<i64>,
    /// Rows that count, and rows that there are.
    pub rows: i64,
    pub all_rows: i64,
    /// `expert_map`, or `expert_mask`.
    pub map: Vec<i64>,
    /// What was in the buffers that outputs lie in, by the output's name.
    pub buffers: BTreeMap<String, Vec<i64>>,
    /// The places and the blocks that there is room for.
    pub places: i64,
    pub blocks: i64,
}

/// The outputs, by name.
pub type Outputs = BTreeMap<&'static str, Vec<i64>>;

/// ⌈a / b⌉ for what is not negative.
fn ceil(a: i64, b: i64) -> i64 {
    (a + b - 1) / b
}

impl Spec {
    /// Experts that are laid out.
    pub fn bins(&self) -> i64 {
        match self.local {
            Local::Window(first, end, step) => ceil(end - first, step),
            _ => self.experts,
        }
    }

    /// The places and the blocks that the engine makes room for.
    pub fn least(&self, rows: i64) -> (i64, i64) {
        let (n, b, e) = (rows * self.k as i64, self.block, self.bins());
        match self.engine {
            "vllm" => {
                let places = (n * b).min(n + e * (b - 1));
                (places, ceil(places, b))
            }
            "sglang" => {
                let places = ceil((n * b).min(n + (e + 1) * (b - 1)), 4) * 4;
                (places, ceil(places, b))
            }
            "aiter" => {
                let places = (n + e * b - self.k as i64).max(0);
                (places, ceil(places, b))
            }
            "trtllm" | "deepgemm_contiguous" => {
                let full = e.min(n);
                let blocks = full + (n - full) / b;
                (blocks * b, blocks)
            }
            "vllm_permute" => (n, 0),
            _ => (0, 0),
        }
    }

    /// The number that this rank gives an expert, or nothing.
    fn number(&self, id: i64, map: &[i64]) -> Option<i64> {
        if !(0..self.experts).contains(&id) {
            return None;
        }
        match self.local {
            Local::All | Local::MapOfBlocks => Some(id),
            Local::Window(first, end, step) => {
                (id >= first && id < end && (id - first) % step == 0).then(|| (id - first) / step)
            }
            Local::Map if self.engine == "aiter" => (map[id as usize] != 0).then_some(id),
            Local::Map => Some(map[id as usize]).filter(|local| (0..self.experts).contains(local)),
        }
    }

    /// Items that are the same expert as an earlier one of their row are of none.
    fn ids(&self, given: &Given) -> Vec<i64> {
        let mut ids = given.ids.clone();
        if self.once {
            for (row, of_row) in given.ids.chunks(self.k).enumerate() {
                for (slot, id) in of_row.iter().enumerate() {
                    if (0..self.experts).contains(id) && of_row[..slot].contains(id) {
                        ids[row * self.k + slot] = self.experts;
                    }
                }
            }
        }
        ids
    }

    pub fn outputs(&self, given: &Given) -> Outputs {
        let ids = self.ids(given);
        let number = |id: &i64| self.number(*id, &given.map);
        match self.engine {
            "vllm" => {
                let bins = sorted(&ids, self.bins(), number);
                let laid = Laid::of(&bins, self.block);
                let n = ids.len() as i64;
                let mut experts = laid.owners.clone();
                if self.local == Local::MapOfBlocks {
                    experts.iter_mut().for_each(|e| *e = given.map[*e as usize]);
                }
                Outputs::from([
                    ("sorted_token_ids", self.places(given, "sorted_token_ids", &laid, n, |item| item)),
                    ("expert_ids", padded(&experts, given.blocks, -1)),
                    ("num_tokens_post_pad", vec![laid.places.len() as i64]),
                ])
            }
            "sglang" => {
                // The bin of −1 comes first, and what is elsewhere is −1.
                let bin = |id: &i64| match number(id) {
                    Some(local) => Some(local + 1),
                    None => (-1..self.experts).contains(id).then_some(0),
                };
                let bins = sorted(&ids, self.bins() + 1, bin);
                let laid = Laid::of(&bins, self.block);
                let experts: Vec<i64> = laid.owners.iter().map(|bin| bin - 1).collect();
                let of_none = experts.iter().filter(|e| **e == -1).count() as i64;
                Outputs::from([
                    ("sorted_token_ids", self.places(given, "sorted_token_ids", &laid, ids.len() as i64, |item| item)),
                    ("expert_ids", padded(&experts, given.blocks, -1)),
                    ("num_tokens_post_pad", vec![laid.places.len() as i64, of_none]),
                ])
            }
            "aiter" => self.aiter(given, &ids),
            "trtllm" => self.trtllm(given, &ids),
            "deepgemm_contiguous" => {
                let bins = sorted(&ids, self.bins(), number);
                let laid = Laid::of(&bins, self.block);
                let experts: Vec<i64> = laid
                    .places
                    .iter()
                    .enumerate()
                    .map(|(place, item)| item.map_or(-1, |_| laid.owners[place / self.block as usize]))
                    .collect();
                let mut ends = vec![];
                let mut begin = 0;
                for items in &bins {
                    ends.push(begin + items.len() as i64);
                    begin += ceil(items.len() as i64, self.block) * self.block;
                }
                Outputs::from([
                    ("m_indices", padded(&experts, given.places, -1)),
                    ("psum", ends),
                    ("src2dst", laid.inverse(ids.len())),
                ])
            }
            "deepgemm_masked" => {
                let bins = sorted(&ids, self.bins(), number);
                let slab = self.capacity.unwrap_or((given.all_rows / self.block + 1) * self.block);
                let most = self.capacity.unwrap_or(i64::MAX);
                let mut places = vec![-1; ids.len()];
                for (bin, items) in bins.iter().enumerate() {
                    for (rank, item) in items.iter().enumerate().filter(|(rank, _)| (*rank as i64) < most) {
                        places[*item as usize] = bin as i64 * slab + rank as i64;
                    }
                }
                Outputs::from([("masked_m", counts(&bins)), ("src2dst", places)])
            }
            "deepep" => self.deepep(&ids),
            "vllm_permute" => {
                let e = self.bins();
                let bin = |id: &i64| {
                    let elsewhere = if (0..self.experts).contains(id) { e + id } else { e + self.experts };
                    Some(number(id).unwrap_or(elsewhere))
                };
                let bins = sorted(&ids, e + self.experts + 1, bin);
                let laid = Laid::of(&bins, 1);
                let mut first = vec![0];
                for items in &bins[..e as usize] {
                    first.push(first[first.len() - 1] + items.len() as i64);
                }
                Outputs::from([
                    ("permuted_to_item", self.places(given, "permuted_to_item", &laid, -1, |item| item)),
                    ("item_to_permuted", laid.inverse(ids.len())),
                    ("expert_first_token_offset", first),
                ])
            }
            "gshard" => {
                let capacity = self.capacity.expect("a capacity");
                let mut seen = vec![0; self.experts as usize];
                let (mut positions, mut places) = (vec![-1; ids.len()], vec![-1; ids.len()]);
                for slot in 0..self.k {
                    for item in (slot..ids.len()).step_by(self.k) {
                        let Some(expert) = number(&ids[item]) else { continue };
                        if seen[expert as usize] < capacity {
                            positions[item] = seen[expert as usize];
                            places[item] = expert * capacity + seen[expert as usize];
                        }
                        seen[expert as usize] += 1;
                    }
                }
                Outputs::from([("position", positions), ("destination", places), ("expert_counts", seen)])
            }
            other => panic!("no engine {other}"),
        }
    }

    fn aiter(&self, given: &Given, ids: &[i64]) -> Outputs {
        let number = |id: &i64| self.number(*id, &given.map);
        let bins = sorted(ids, self.bins(), number);
        let laid = Laid::of(&bins, self.block);
        let k = self.k as i64;
        let before = |expert: i64| match self.local {
            Local::Map => given.map[..expert as usize].iter().filter(|m| **m != 0).count() as i64,
            _ => expert,
        };
        let word = |item: i64| (((item % k) << 24) | (item / k)) as i32;
        let none = (((k << 24) as i32) | (given.rows as i32)).into();
        let experts: Vec<i64> = laid.owners.iter().map(|e| before(*e)).collect();
        let mut all = Outputs::from([
            ("sorted_ids", self.places(given, "sorted_ids", &laid, none, |item| word(item).into())),
            ("sorted_weights", self.places(given, "sorted_weights", &laid, 0, |item| given.weights[item as usize])),
            ("sorted_expert_ids", padded(&experts, given.blocks, -1)),
            ("num_valid_ids", vec![laid.places.len() as i64, given.rows]),
        ]);
        if self.optional {
            all.insert("local_topk_ids", ids.iter().map(|id| number(id).map_or(-1, before)).collect());
            all.insert("m_indices", self.places(given, "m_indices", &laid, given.rows, |item| item / k));
            all.insert("reverse_sorted", laid.inverse(ids.len()));
        }
        all
    }

    fn trtllm(&self, given: &Given, ids: &[i64]) -> Outputs {
        let bins = sorted(ids, self.bins(), |id| self.number(*id, &given.map));
        let laid = Laid::of(&bins, self.block);
        let k = self.k as i64;
        let limits: Vec<i64> = laid
            .places
            .chunks(self.block as usize)
            .enumerate()
            .map(|(cta, places)| cta as i64 * self.block + places.iter().flatten().count() as i64)
            .collect();
        let mut all = Outputs::from([
            ("expanded_to_permuted", laid.inverse(ids.len())),
            ("permuted_to_token", self.places(given, "permuted_to_token", &laid, -1, |item| item / k)),
            ("total_padded", vec![laid.places.len() as i64]),
            ("cta_to_expert", padded(&laid.owners, given.blocks, -1)),
            ("cta_to_limit", padded(&limits, given.blocks, -1)),
            ("live_ctas", vec![laid.owners.len() as i64]),
        ]);
        if self.optional {
            all.insert("permuted_to_expanded", self.places(given, "permuted_to_expanded", &laid, -1, |item| item));
            all.insert("tokens_per_expert", counts(&bins));
        }
        all
    }

    fn deepep(&self, ids: &[i64]) -> Outputs {
        let per_rank = self.experts / self.ranks;
        let mut of_ranks = vec![0; self.ranks as usize];
        let machines = self.ranks / 8;
        let mut of_machines = vec![0; machines as usize];
        let mut of_experts = vec![0; self.experts as usize];
        let mut in_rank = vec![];
        for row in ids.chunks(self.k) {
            let experts = || row.iter().copied().filter(|id| (0..self.experts).contains(id));
            experts().for_each(|id| of_experts[id as usize] += 1);
            for rank in 0..self.ranks {
                let is = experts().any(|id| id / per_rank == rank);
                in_rank.push(i64::from(is));
                of_ranks[rank as usize] += i64::from(is);
            }
            for machine in 0..machines {
                of_machines[machine as usize] += i64::from(experts().any(|id| id / per_rank / 8 == machine));
            }
        }
        let mut all = Outputs::from([
            ("num_tokens_per_rank", of_ranks),
            ("num_tokens_per_expert", of_experts),
            ("is_token_in_rank", in_rank),
        ]);
        if self.ranks > 8 && self.ranks % 8 == 0 {
            all.insert("num_tokens_per_rdma_rank", of_machines);
        }
        all
    }

    /// What is at each place: of an item, padding, or behind the last block what was there.
    fn places(&self, given: &Given, name: &str, laid: &Laid, fill: i64, value: impl Fn(i64) -> i64) -> Vec<i64> {
        let mut all = match (self.keep, given.buffers.get(name)) {
            (true, Some(before)) => before.clone(),
            _ => vec![fill; given.places as usize],
        };
        for (place, item) in laid.places.iter().enumerate().take(given.places as usize) {
            all[place] = item.map_or(fill, &value);
        }
        all
    }
}

/// The items of each bin, in order.
fn sorted(ids: &[i64], bins: i64, bin: impl Fn(&i64) -> Option<i64>) -> Vec<Vec<i64>> {
    let mut all = vec![vec![]; bins as usize];
    for (item, id) in ids.iter().enumerate() {
        if let Some(bin) = bin(id) {
            all[bin as usize].push(item as i64);
        }
    }
    all
}

fn counts(bins: &[Vec<i64>]) -> Vec<i64> {
    bins.iter().map(|items| items.len() as i64).collect()
}

fn padded(values: &[i64], to: i64, fill: i64) -> Vec<i64> {
    let mut all = values[..values.len().min(to as usize)].to_vec();
    all.resize(to as usize, fill);
    all
}

/// Blocks one after the other.
struct Laid {
    /// The item at each place, or padding.
    places: Vec<Option<i64>>,
    /// The bin of each block.
    owners: Vec<i64>,
}

impl Laid {
    fn of(bins: &[Vec<i64>], block: i64) -> Laid {
        let (mut places, mut owners) = (vec![], vec![]);
        for (bin, items) in bins.iter().enumerate() {
            for items in items.chunks(block as usize) {
                owners.push(bin as i64);
                places.extend(items.iter().map(|item| Some(*item)));
                places.resize(owners.len() * block as usize, None);
            }
        }
        Laid { places, owners }
    }

    /// The place of each item, or −1.
    fn inverse(&self, items: usize) -> Vec<i64> {
        let mut all = vec![-1; items];
        for (place, item) in self.places.iter().enumerate() {
            if let Some(item) = item {
                all[*item as usize] = place as i64;
            }
        }
        all
    }
}
