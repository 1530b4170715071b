//! The two orders of the rows of a rotary head: the two halves one behind the other, or the rows of
//! each rotated pair side by side.

/// Rows of heads that are stored as interleaved pairs, (first half, second half), and belong
/// half-split: for each of `heads` heads, row `h·d + p·d/2 + j` of the original is stored as row
/// `h·d + 2j + p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfSplit {
    /// Number of heads in the rows.
    pub heads: u64,
}

impl HalfSplit {
    /// Whether `rows` rows are that many heads of an even size.
    pub fn fits(self, rows: u64) -> bool {
        rows.checked_div(self.heads).is_some_and(|size| {
            size >= 2 && size.is_multiple_of(2) && rows.is_multiple_of(self.heads)
        })
    }

    /// The stored row of row `row` of the original, of `rows` rows; `None` where the rows are not
    /// that many heads of an even size.
    pub fn stored_row(self, row: u64, rows: u64) -> Option<u64> {
        let is_one = row < rows && self.fits(rows);
        is_one.then(|| interleaved_row(row, rows / self.heads))
    }
}

/// The stored row of row `row` of the original, heads of `head` rows.
pub(crate) fn interleaved_row(row: u64, head: u64) -> u64 {
    let (start, within) = (row / head * head, row % head);
    let half = head / 2;
    let (side, pair) = (within / half, within % half);
    start + 2 * pair + side
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_stand_side_by_side_within_their_head() {
        let rows: Vec<_> = (0..8)
            .map(|row| HalfSplit { heads: 2 }.stored_row(row, 8))
            .collect();
        assert_eq!(rows, [0, 2, 1, 3, 4, 6, 5, 7].map(Some));
        assert_eq!(HalfSplit { heads: 2 }.stored_row(8, 8), None);
        assert_eq!(HalfSplit { heads: 3 }.stored_row(0, 32), None);
        assert_eq!(HalfSplit { heads: 0 }.stored_row(0, 32), None);
    }
}
