//! The segments of a pair put together: its record.

use crate::align::Pair;
use crate::model::sides::{Side, Sides};
use crate::numeric::sums::Sums;

use super::as_stored::is_read_transposed;
use super::record::{Record, RowCentered};
use super::segment::{Constant, Geometry, Tally};

/// Folds the segments of a pair, which must come in order.
pub(super) fn fold(
    pair: &Pair,
    geometry: Geometry,
    tallies: impl IntoIterator<Item = Tally>,
) -> Record {
    let mut total = Total::new(geometry);
    tallies.into_iter().for_each(|tally| total.add(tally));

    let sums = total.tally.sums;
    let mut record = Record {
        sums,
        row_products: total.tally.row_products,
        columns: geometry.columns,
        identical: total.tally.equal_bytes && (total.has_begun || geometry.values() == 0),
        constant: total.constant(),
        row_centered: None,
        is_by_formula: false,
        unreadable: None,
        estimated: None,
    };
    match total.tally.columns {
        // What was read as rows are the columns of the logical matrix, and the other way round.
        Some(columns) if is_read_transposed(pair) => {
            record.row_products = dot(&columns.base, &columns.target);
            record.columns = geometry.rows;
        }
        Some(columns) => {
            record.row_centered = Some(row_centered(&record, geometry, &columns));
        }
        None => {}
    }
    record
}

/// A sum over segments in progress.
struct Total {
    geometry: Geometry,
    tally: Tally,
    /// Whether a segment was added.
    has_begun: bool,
    /// Sum of the row that is not yet complete, where segments are pieces of rows.
    open_row: Sides<f64>,
}

impl Total {
    fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            tally: Tally::new(None),
            has_begun: false,
            open_row: Sides::default(),
        }
    }

    fn add(&mut self, segment: Tally) {
        self.has_begun = true;
        self.tally.sums.add(&segment.sums);
        self.tally.row_products += segment.row_products;
        self.tally.equal_bytes &= segment.equal_bytes;
        self.close_row(&segment.sums);
        for side in Side::BOTH {
            let constant = self.tally.constant.get_mut(side);
            *constant = constant.join(*segment.constant.get(side));
        }
        self.add_columns(segment.columns);
    }

    /// Rows longer than a segment come in pieces, and the product of row sums is taken when the
    /// last piece is there. A segment never holds pieces of two rows, so that the number of values
    /// so far tells where a row ends.
    fn close_row(&mut self, piece: &Sums) {
        if !self.geometry.in_pieces() {
            return;
        }
        self.open_row.base += piece.a;
        self.open_row.target += piece.b;

        let is_complete = self.tally.sums.n.is_multiple_of(self.geometry.columns);
        if is_complete {
            self.tally.row_products += self.open_row.base * self.open_row.target;
            self.open_row = Sides::default();
        }
    }

    fn add_columns(&mut self, more: Option<Box<Sides<Vec<f64>>>>) {
        let Some(more) = more else { return };
        let Some(columns) = &mut self.tally.columns else {
            self.tally.columns = Some(more);
            return;
        };
        for side in Side::BOTH {
            let sums = columns.get_mut(side).iter_mut();
            sums.zip(more.get(side))
                .for_each(|(sum, more)| *sum += more);
        }
    }

    /// Whether all values of a side are one: the bytes of all are the same, or all are zeros, of
    /// whatever sign.
    fn constant(&self) -> Sides<bool> {
        let Sums { n, zeros, .. } = self.tally.sums;
        let is_constant = |(seen, zeros): (Constant, u64)| {
            let is_zero = n > 0 && zeros == n;
            matches!(seen, Constant::Of(_)) || is_zero
        };
        self.tally.constant.zip(zeros).map(is_constant)
    }
}

/// The sums after the mean row is taken off each side: with m the mean row and c = rows·m the
/// column sums, Σ(a − m_a)(b − m_b) = Σab − c_a·c_b / rows.
fn row_centered(record: &Record, geometry: Geometry, columns: &Sides<Vec<f64>>) -> RowCentered {
    let Sides { base, target } = columns;
    let rows = geometry.rows as f64;
    let sums = &record.sums;
    RowCentered {
        ab: sums.ab - dot(base, target) / rows,
        aa: sums.aa - dot(base, base) / rows,
        bb: sums.bb - dot(target, target) / rows,
        row_products: record.row_products - sums.a * sums.b / rows,
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(p, q)| p * q).sum()
}
