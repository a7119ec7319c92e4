//! What a test wants of a kernel.

use crate::Choices;

/// What a test wants of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Extents of inner dims.
    pub columns: &'static [u64],
    /// The most columns of a value.
    pub most: u64,
    /// Whether there are row values; then the schedules are those of rows.
    pub row_values: bool,
}

impl Profile {
    /// No row values, flat schedules.
    pub const FLAT: Profile = Profile { columns: &[1, 2, 3, 4, 6, 8, 9, 12], most: 24, row_values: false };

    /// Row values: rows with odd numbers of columns, and of more than is written out.
    pub const ROWS: Profile = Profile {
        columns: &[1, 2, 3, 5, 8, 9, 16, 17, 24, 32, 40, 72, 128, 160, 256, 384],
        most: 512,
        row_values: true,
    };

    /// Wider still.
    pub const WIDE_ROWS: Profile =
        Profile { columns: &[1, 8, 300, 512, 513, 896, 2048, 4096], most: 4096, row_values: true };

    /// Rows, wide ones once in ten times.
    pub fn any_rows(choices: &mut Choices) -> Profile {
        if choices.one_in(10) { Profile::WIDE_ROWS } else { Profile::ROWS }
    }
}
