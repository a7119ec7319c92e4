//! Lanes that share instructions.

use crate::mlir::builder::{Builder, IntPredicate, Val};

/// Lanes that run in lock step. All of a warp's lanes have to come by what is emitted here, unless a method says otherwise.
pub(crate) trait Warps {
    /// Lanes of a warp: 32 or 64.
    fn lanes(&self) -> u32;

    /// Lets the kernel behind this one begin: it waits in its turn.
    fn let_next_begin(&self, _b: &Builder<'_>) {}

    /// Waits until what the kernel in front of this one has written can be read.
    fn wait_for_inputs(&self, _b: &Builder<'_>) {}

    /// Blocks of the grid, `i64`. For any lane.
    fn blocks<'m>(&self, b: &Builder<'m>) -> Val<'m>;

    /// The word of the lane whose number differs in the bits of `mask`, which is less than a warp has lanes. `own` is the own
    /// number in the warp, `i32`.
    fn xor<'m>(&self, b: &Builder<'m>, word: Val<'m>, own: Val<'m>, mask: u32) -> Val<'m>;

    /// Whether [`Self::xor`] by this mask does not go by way of memory.
    fn has_xor(&self, _mask: u32) -> bool {
        true
    }

    /// The word of lane `lane` of the own aligned group of `span` lanes, a power of two; of `lane` the low bits count. `own` is
    /// the own number in the warp, `i32`.
    fn from<'m>(&self, b: &Builder<'m>, word: Val<'m>, own: Val<'m>, lane: Val<'m>, span: u32) -> Val<'m>;

    /// Whether [`Self::from`] takes no longer than [`Self::xor`] and [`Self::across`].
    fn reaches_all_lanes_alike(&self) -> bool {
        false
    }

    /// Whether the end of a loop over rows is voted on, though all lanes of a warp say the same. A compiler that does not know this of
    /// a loop takes it that lanes part there, and writes all that they do together once more, for lanes that are not together.
    fn votes_to_go_on(&self) -> bool {
        false
    }

    /// A bit for each lane, as an integer of as many bits.
    fn ballot<'m>(&self, b: &Builder<'m>, bit: Val<'m>) -> Val<'m>;

    /// Whether any lane has the bit set: one answer for all of them.
    fn any<'m>(&self, b: &Builder<'m>, bit: Val<'m>) -> Val<'m> {
        let bits = self.ballot(b, bit);
        b.cmpi(IntPredicate::Ne, bits, b.const_int(b.type_of(bits), 0))
    }

    /// Of a bit for each lane, those whose word has the bit of this number as the own one has it; `i32`.
    fn alike<'m>(&self, b: &Builder<'m>, lanes: Val<'m>, word: Val<'m>, bit: u32) -> Val<'m> {
        let (ty, i32) = (b.type_of(lanes), b.int(32));
        let is_set = b.cmpi(IntPredicate::Ne, b.andi(word, b.const_int(i32, 1 << bit)), b.const_int(i32, 0));
        let differs = b.xori(self.ballot(b, is_set), b.select(is_set, b.const_int(ty, -1), b.const_int(ty, 0)));
        b.andi(lanes, b.xori(differs, b.const_int(ty, -1)))
    }

    /// Whether [`Self::max`] finds the largest word of the warp.
    fn has_max(&self) -> bool {
        false
    }

    /// The largest word, unsigned, of each aligned group of `span` lanes, at most a warp's, if there is a shorter way to it than
    /// by [`Self::across`]. `own` is the own number in the warp, `i32`.
    fn max<'m>(&self, _b: &Builder<'m>, _word: Val<'m>, _own: Val<'m>, _span: u32) -> Option<Val<'m>> {
        None
    }

    /// The sum of the words of all lanes, which wraps. `own` is the own number in the warp, `i32`.
    fn sum<'m>(&self, b: &Builder<'m>, word: Val<'m>, own: Val<'m>) -> Val<'m> {
        let masks = std::iter::successors(Some(1), |mask| Some(2 * mask)).take_while(|mask| *mask < self.lanes());
        masks.fold(word, |sum, mask| b.addi(sum, self.xor(b, sum, own, mask)))
    }

    /// Whether exchanges of what is the same on several lanes ([`Self::across`]) go from the nearest lanes to the farthest, and
    /// not the other way.
    fn nearest_first(&self) -> bool {
        false
    }

    /// The word of some lane in the aligned group of `mask` lanes beside the own one, both of which are in one of twice as many.
    /// Where [`Self::nearest_first`], all lanes of a group have the same word. `own` is the own number in the warp, `i32`.
    fn across<'m>(&self, b: &Builder<'m>, word: Val<'m>, own: Val<'m>, mask: u32) -> Val<'m> {
        self.xor(b, word, own, mask)
    }

    /// What all lanes of a warp agree on without memory, if there is such a way: then a lane that others wait for is soon found.
    fn scalars(&self) -> Option<&dyn Scalars> {
        None
    }

    /// What lanes select from stays in their registers, and not in shared memory.
    fn keeps_keys(&self) -> bool {
        false
    }

    /// What any lane of the warp reads and writes of shared memory before this comes before what any of them does behind.
    fn settle_memory(&self, b: &Builder<'_>);

    /// `word + constant` where the condition holds, else `word`; `i32`. For any lane.
    fn add_where<'m>(&self, b: &Builder<'m>, condition: Val<'m>, word: Val<'m>, constant: u32) -> Val<'m> {
        let ty = b.int(32);
        b.addi(word, b.select(condition, b.const_int(ty, i64::from(constant)), b.const_int(ty, 0)))
    }

    /// Stores a word to shared memory where the condition holds. For any lane.
    fn store_where<'m>(&self, b: &Builder<'m>, condition: Val<'m>, word: Val<'m>, address: Val<'m>) {
        b.if_then(condition, |b| b.store(word, address, 4));
    }
}

/// Words of the whole warp: one register for all lanes.
pub(crate) trait Scalars {
    /// The word of a lane that all lanes name, `i32`.
    fn read_lane<'m>(&self, b: &Builder<'m>, word: Val<'m>, lane: Val<'m>) -> Val<'m>;

    /// `words`, with a word of the whole warp at the lane of this number.
    fn write_lane<'m>(&self, b: &Builder<'m>, words: Val<'m>, word: Val<'m>, lane: u32) -> Val<'m>;

    /// The lowest lane that has the bit set, `i32`: some lane has.
    fn first_lane<'m>(&self, b: &Builder<'m>, bit: Val<'m>) -> Val<'m>;
}
