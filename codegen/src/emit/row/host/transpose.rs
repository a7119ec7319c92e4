//! Elements that lie row by row, as vectors with a row in each lane, and back.

use super::RowHost;
use super::stack::Columns;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::store::Pulled;
use crate::mlir::builder::Val;
use routefuse_ir::DType;
use routefuse_ir::Layout;
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::schedule::block_rows::{BLOCK_ROWS, NARROW};
use routefuse_ir::kernel::{ParamId, ValueId, ValueKind};

/// Columns that are turned at once: four elements of 32 bits are what shuffles move within.
const GROUP: u64 = 4;

/// Rows of a block.
const ROWS: usize = BLOCK_ROWS as usize;

impl<'m> RowHost<'_, 'm> {
    /// Whoever asks for a narrow value of a block that is held gets vectors that are read a row at a time.
    pub(super) fn stand_up_held(&self, id: ValueId, columns: &Columns<'m>, at: &Index<'m>) {
        let value = self.pull.kernel.value(id);
        if value.space.cols > NARROW {
            return;
        }
        for (first, count) in groups(value.space.cols) {
            let row = |number: usize| {
                let of_row = self.stack.of_row(columns, Ix::constant(number as u64));
                let at: Vec<Ix<'m>> = (first..first + count).map(Ix::constant).collect();
                self.stack.read(&of_row, &at)
            };
            let rows: Vec<Lanes<'m>> = (0..ROWS).map(row).collect();
            let upright = self.columns_of(&rows.iter().map(|row| row.value).collect::<Vec<_>>());
            let traps: Option<Vec<Val<'m>>> = rows.iter().map(|row| row.trap).collect();
            let traps = traps.map(|traps| {
                let spread = |trap: &Val<'m>| self.lanewise.spread(*trap, count as u32);
                self.columns_of(&traps.iter().map(spread).collect::<Vec<_>>())
            });
            for (number, value) in upright.into_iter().enumerate() {
                let trap = traps.as_ref().map(|traps| traps[number]);
                let lanes = Lanes { value, lanes: ROWS as u32, trap, ..rows[0] };
                self.pull.remember(id, &at.at(vec![Ix::constant(first + number as u64)]), lanes);
            }
        }
    }

    /// The same of narrow inputs.
    pub(super) fn stand_up_loads(&self, at: &Index<'m>) {
        for (id, value) in self.pull.kernel.values() {
            let ValueKind::Load(param) = value.kind else { continue };
            let narrow = value.space.per_row && (2..=NARROW).contains(&value.space.cols);
            if !narrow || !self.pull.is_reached(id) {
                continue;
            }
            for (first, count) in groups(value.space.cols) {
                let loaded = self.b.made_for(id.0, || self.loaded_columns(param, (first, count), at));
                for (number, value) in loaded.into_iter().enumerate() {
                    let column = at.at(vec![Ix::constant(first + number as u64)]);
                    self.pull.remember(id, &column, Lanes::exact(value, ROWS as u32));
                }
            }
        }
    }

    fn loaded_columns(&self, param: ParamId, (first, count): (u64, u64), at: &Index<'m>) -> Vec<Val<'m>> {
        let columns: Vec<Ix<'m>> = (first..first + count).map(Ix::constant).collect();
        let row = |row: &Ix<'m>| {
            let offsets = self.pull.memory.offsets(param, &Index::new(vec![*row], columns.clone(), None));
            self.pull.memory.load_at(param, &offsets)
        };
        self.columns_of(&at.row.iter().map(row).collect::<Vec<_>>())
    }

    /// All stores of a domain of a block.
    pub(super) fn store_upright(&self, domain: &Domain, at: &Index<'m>) {
        let columns: Vec<Index<'m>> = (0..domain.cols).map(|c| at.at(vec![Ix::constant(c)])).collect();
        // All is read before anything is stored.
        let pulled: Vec<_> = columns.iter().map(|at| self.pull.pull(&domain.stores, at, |value| value)).collect();
        for number in 0..domain.stores.len() {
            if pulled[0][number].at.is_some() {
                pulled.iter().zip(&columns).for_each(|(of, at)| self.pull.store(&of[number], at));
                continue;
            }
            let Pulled { param, id, .. } = pulled[0][number];
            self.b.made_for(id.0, || {
                let bits: Vec<Val<'m>> =
                    pulled.iter().map(|of| self.pull.bits_to_store(param, ROWS as u32, of[number].value)).collect();
                for (first, count) in groups(domain.cols) {
                    let bits = &bits[first as usize..(first + count) as usize];
                    self.write_columns(param, (first, domain.cols), bits, at);
                }
            });
        }
    }

    /// Writes neighbouring columns, of so many, from this one on.
    fn write_columns(&self, param: ParamId, (first, cols): (u64, u64), columns: &[Val<'m>], at: &Index<'m>) {
        let b = self.b;
        let columns_at = |count: usize| (0..count as u64).map(|c| Ix::constant(first + c)).collect::<Vec<_>>();
        if let [column] = columns {
            return self.pull.memory.write(param, &at.at(columns_at(1)), *column);
        }
        let ty = b.element(b.type_of(columns[0]));
        let turned = self.turned(columns);
        let count = columns.len();
        let gapless = self.pull.kernel.param(param).layout == Layout::Contiguous && cols == count as u64;
        for (number, rows) in turned.iter().enumerate() {
            let rows = self.narrowed(*rows, ty);
            // Two columns give four neighbouring rows, four give rows n and n + 4.
            let of_part = |part: usize| if count == 2 { 4 * number + part } else { number + 4 * part };
            if count == 2 && gapless {
                let rows_at: Vec<Ix<'m>> = (0..ROWS).map(|lane| at.row[of_part(lane / 2)]).collect();
                let columns_at = (0..ROWS).map(|lane| Ix::constant(first + lane as u64 % 2)).collect();
                self.pull.memory.write(param, &Index::new(rows_at, columns_at, None), rows);
                continue;
            }
            for part in 0..ROWS / count {
                let lanes: Vec<i32> = (0..count).map(|lane| (part * count + lane) as i32).collect();
                let index = Index::new(vec![at.row[of_part(part)]], columns_at(count), None);
                self.pull.memory.write(param, &index, b.shuffle(rows, rows, &lanes));
            }
        }
    }

    /// Of as many elements of every row, vectors of a column each.
    fn columns_of(&self, rows: &[Val<'m>]) -> Vec<Val<'m>> {
        let b = self.b;
        let ty = b.element(b.type_of(rows[0]));
        let both = |x: Val<'m>, y: Val<'m>| {
            let lanes = 2 * b.lanes(b.type_of(x)) as i32;
            b.shuffle(x, y, &(0..lanes).collect::<Vec<_>>())
        };
        let wide: Vec<Val<'m>> = rows.iter().map(|row| self.widened(*row)).collect();
        let columns = match b.lanes(b.type_of(rows[0])) {
            1 => return vec![b.gather_lanes(rows)],
            2 => {
                let halves: Vec<Val<'m>> = wide.chunks(4).map(|r| both(both(r[0], r[1]), both(r[2], r[3]))).collect();
                let every_second = |from: i32| (0..8).map(|lane| from + 2 * lane).collect::<Vec<i32>>();
                vec![
                    b.shuffle(halves[0], halves[1], &every_second(0)),
                    b.shuffle(halves[0], halves[1], &every_second(1)),
                ]
            }
            _ => self.turned(&(0..4).map(|row| both(wide[row], wide[row + 4])).collect::<Vec<_>>()),
        };
        columns.into_iter().map(|column| self.narrowed(column, ty)).collect()
    }

    /// Of two columns, a row in each lane, four rows and four more; of four columns rows n and n + 4 for n = 0, 1, 2, 3, and of
    /// these the columns: in each half of a vector, the transposed of four vectors.
    fn turned(&self, vectors: &[Val<'m>]) -> Vec<Val<'m>> {
        let b = self.b;
        let wide: Vec<Val<'m>> = vectors.iter().map(|x| self.widened(*x)).collect();
        let pick = |x: Val<'m>, y: Val<'m>, mask: [i32; 8]| b.shuffle(x, y, &mask);
        if let [x, y] = wide[..] {
            return vec![pick(x, y, [0, 8, 1, 9, 2, 10, 3, 11]), pick(x, y, [4, 12, 5, 13, 6, 14, 7, 15])];
        }
        let low = |x, y| pick(x, y, [0, 8, 1, 9, 4, 12, 5, 13]);
        let high = |x, y| pick(x, y, [2, 10, 3, 11, 6, 14, 7, 15]);
        let low_pairs = |x, y| pick(x, y, [0, 1, 8, 9, 4, 5, 12, 13]);
        let high_pairs = |x, y| pick(x, y, [2, 3, 10, 11, 6, 7, 14, 15]);
        let (first, second) = ((wide[0], wide[1]), (wide[2], wide[3]));
        let (a, c) = (low(first.0, first.1), low(second.0, second.1));
        let (d, e) = (high(first.0, first.1), high(second.0, second.1));
        vec![low_pairs(a, c), high_pairs(a, c), low_pairs(d, e), high_pairs(d, e)]
    }

    /// Integers of at least 32 bits, for which there are shuffles on every processor.
    fn widened(&self, x: Val<'m>) -> Val<'m> {
        let b = self.b;
        let ty = b.element(b.type_of(x));
        if ty == b.f32() || b.width(ty) >= DType::I32.bits() { x } else { b.extui(x, b.int(32)) }
    }

    fn narrowed(&self, x: Val<'m>, ty: melior::ir::Type<'m>) -> Val<'m> {
        if self.b.element(self.b.type_of(x)) == ty { x } else { self.b.trunci(x, ty) }
    }
}

/// Columns in groups: the first of each, and how many.
fn groups(cols: u64) -> Vec<(u64, u64)> {
    let mut groups = vec![];
    let mut first = 0;
    while first < cols {
        let count = GROUP.min(1 << (cols - first).ilog2());
        groups.push((first, count));
        first += count;
    }
    groups
}
