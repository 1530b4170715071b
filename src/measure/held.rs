//! Measurements of pairs of which one side is a sketch: over the values that it keeps.
//!
//! Sums run over the same places of both sides, in the order of rows: the same bits for any number
//! of threads. Equal bytes are told by digests, which a sketch has of every tensor.

use rayon::prelude::*;

use crate::align::Pair;
use crate::error::Result;
use crate::model::sides::Sides;
use crate::model::words::Role;
use crate::numeric::rows::RowSource;
use crate::numeric::sums::Sums;
use crate::view::model::Model;

use super::monitor::Monitor;
use super::record::{Digest, Estimated, Record, RowCentered};

/// Measures every pair of two models, of which at least one is a sketch. `digests` are those of the
/// tensors of each side, in the order of its [list](Model::listed). Runs on the current rayon
/// pool.
///
/// # Errors
/// A read that fails, or an interrupt.
pub(crate) fn measure_held(
    models: Sides<&Model>,
    pairs: &[Pair],
    digests: Sides<&[Digest]>,
    monitor: &dyn Monitor,
) -> Result<Vec<Record>> {
    let records: Vec<Result<Record>> = pairs
        .par_iter()
        .map(|pair| {
            monitor.check()?;
            let mut record = measure_pair(models, pair)?;
            record.identical = is_identical(models, pair, digests);
            Ok(record)
        })
        .collect();
    records.into_iter().collect()
}

fn is_identical(models: Sides<&Model>, pair: &Pair, digests: Sides<&[Digest]>) -> bool {
    let base = models.base.stored_as_listed(&pair.base);
    let target = models.target.stored_as_listed(&pair.target);
    let (Some(base), Some(target)) = (base, target) else {
        return false;
    };
    let is_equal = |(base, target): (&usize, &usize)| {
        let one = models.base.listed(*base);
        let other = models.target.listed(*target);
        let digest = |digests: &[Digest], at: usize| digests.get(at).copied();
        one.is_some()
            && one == other
            && digest(digests.base, *base).is_some()
            && digest(digests.base, *base) == digest(digests.target, *target)
    };
    base.len() == target.len() && !base.is_empty() && base.iter().zip(&target).all(is_equal)
}

/// Sums over one row.
#[derive(Clone, Copy)]
struct Row {
    ab: f64,
    aa: f64,
    bb: f64,
}

fn measure_pair(models: Sides<&Model>, pair: &Pair) -> Result<Record> {
    let unreadable = models
        .base
        .unreadable(&pair.base)
        .or_else(|| models.target.unreadable(&pair.target));
    if unreadable.is_some() {
        return Ok(Record {
            unreadable,
            ..Record::default()
        });
    }
    let (base, target) = (
        models.base.view(&pair.base)?,
        models.target.view(&pair.target)?,
    );
    let mut record = Record {
        columns: 1,
        ..Record::default()
    };
    if base.rows() != target.rows() || base.columns() != target.columns() {
        record.unreadable = Some("of another shape than its counterpart in the sketch".to_owned());
        return Ok(record);
    }
    let rows = held_rows(models, pair);
    let columns = base.columns();
    let is_table = matches!(pair.target.meaning.role, Role::Embed | Role::LmHead);
    let mut values = Sides {
        base: vec![0.0f32; columns],
        target: vec![0.0f32; columns],
    };
    let is_sketch = models.map(|model| model.opened.sketch.is_some());
    let (mut of_rows, mut first) = (Vec::with_capacity(rows.len()), None);
    let mut constant = Sides {
        base: true,
        target: true,
    };
    let mut means = Means::new(if is_table { columns } else { 0 });
    for &row in &rows {
        base.read_rows(row..row + 1, &mut values.base)?;
        target.read_rows(row..row + 1, &mut values.target)?;
        let mut sums = Sums::default();
        for (&a, &b) in values.base.iter().zip(&values.target) {
            add(&mut sums, a, b, is_sketch);
            if a.is_finite() && b.is_finite() {
                let (of_base, of_target) = *first.get_or_insert((a, b));
                constant.base &= a == of_base;
                constant.target &= b == of_target;
            }
        }
        if sums.n > 0 {
            record.row_products += sums.a * sums.b / sums.n as f64;
            of_rows.push(Row {
                ab: sums.ab,
                aa: sums.aa,
                bb: sums.bb,
            });
        }
        record.sums.add(&sums);
        means.add(&values);
    }
    if is_table && means.rows > 1 {
        record.row_centered = Some(centred(&base, &target, &rows, &means, &mut values)?);
    }
    let whole = (base.rows() * columns) as u64;
    if record.sums.n > 0 {
        record.constant = constant;
    } else if whole > 0 {
        record.unreadable = Some("no value of it in the sketch".to_owned());
    }
    record.estimated = (record.sums.n < whole).then(|| Estimated {
        values: record.sums.n,
        standard_error: standard_error(&of_rows),
    });
    Ok(record)
}

/// Adds one pair of values; what a sketch does not keep reads as NaN and counts nowhere.
fn add(sums: &mut Sums, a: f32, b: f32, is_sketch: Sides<bool>) {
    if is_sketch.base && a.is_nan() || is_sketch.target && b.is_nan() {
        return;
    }
    sums.n += 1;
    sums.equal += u64::from(a.to_bits() == b.to_bits());
    sums.zeros.base += u64::from(a == 0.0);
    sums.zeros.target += u64::from(b == 0.0);
    if !a.is_finite() || !b.is_finite() {
        sums.nonfinite.base += u64::from(!a.is_finite());
        sums.nonfinite.target += u64::from(!b.is_finite());
        return;
    }
    let (a, b) = (f64::from(a), f64::from(b));
    sums.ab += a * b;
    sums.aa += a * a;
    sums.bb += b * b;
    sums.a += a;
    sums.b += b;
    sums.dd += (a - b) * (a - b);
    sums.max_abs_diff = sums.max_abs_diff.max((a - b).abs());
}

/// Rows of a pair of which a sketch keeps values, ascending.
fn held_rows(models: Sides<&Model>, pair: &Pair) -> Vec<usize> {
    let of_base = models.base.held_rows(&pair.base);
    let of_target = models.target.held_rows(&pair.target);
    match (of_base, of_target) {
        (Some(rows), None) | (None, Some(rows)) => rows,
        (Some(base), Some(target)) => {
            let is_in_both = |row: &usize| target.binary_search(row).is_ok();
            base.into_iter().filter(is_in_both).collect()
        }
        (None, None) => Vec::new(),
    }
}

/// The mean row of each side.
struct Means {
    rows: u64,
    sums: Sides<Vec<f64>>,
}

impl Means {
    fn new(columns: usize) -> Self {
        Self {
            rows: 0,
            sums: Sides {
                base: vec![0.0; columns],
                target: vec![0.0; columns],
            },
        }
    }

    fn add(&mut self, values: &Sides<Vec<f32>>) {
        let is_whole = |row: &[f32]| row.iter().all(|x| x.is_finite());
        if self.sums.base.is_empty() || !is_whole(&values.base) || !is_whole(&values.target) {
            return;
        }
        self.rows += 1;
        let sides = [
            (&mut self.sums.base, &values.base),
            (&mut self.sums.target, &values.target),
        ];
        for (sums, row) in sides {
            sums.iter_mut()
                .zip(row)
                .for_each(|(sum, x)| *sum += f64::from(*x));
        }
    }
}

fn centred(
    base: &dyn RowSource,
    target: &dyn RowSource,
    rows: &[usize],
    means: &Means,
    values: &mut Sides<Vec<f32>>,
) -> Result<RowCentered> {
    let mut out = RowCentered::default();
    let count = means.rows as f64;
    for &row in rows {
        base.read_rows(row..row + 1, &mut values.base)?;
        target.read_rows(row..row + 1, &mut values.target)?;
        let (mut a_sum, mut b_sum) = (0.0, 0.0);
        let both = values.base.iter().zip(&values.target);
        let of_means = means.sums.base.iter().zip(&means.sums.target);
        for ((a, b), (of_a, of_b)) in both.zip(of_means) {
            let (a, b) = (f64::from(*a) - of_a / count, f64::from(*b) - of_b / count);
            if a.is_finite() && b.is_finite() {
                out.ab += a * b;
                out.aa += a * a;
                out.bb += b * b;
                a_sum += a;
                b_sum += b;
            }
        }
        out.row_products += a_sum * b_sum / values.base.len().max(1) as f64;
    }
    Ok(out)
}

/// Standard error of a cosine that was estimated from some rows: of a ratio, rows being the units
/// that were drawn (Cochran 1977, Sampling Techniques, section 6.3). None of one row.
fn standard_error(rows: &[Row]) -> Option<f64> {
    let sum = |part: fn(&Row) -> f64| rows.iter().map(part).sum::<f64>();
    let (ab, aa, bb) = (sum(|r| r.ab), sum(|r| r.aa), sum(|r| r.bb));
    let norms = (aa * bb).sqrt();
    if rows.len() < 2 || !norms.is_finite() || norms <= 0.0 {
        return None;
    }
    let cosine = ab / norms;
    // What each row adds to the cosine beyond its share of the lengths.
    let squares = rows.iter().map(|row| {
        let lengths = 0.5 * (row.aa * (bb / aa).sqrt() + row.bb * (aa / bb).sqrt());
        (row.ab - cosine * lengths).powi(2)
    });
    let count = rows.len() as f64;
    Some((squares.sum::<f64>() * count / (count - 1.0)).sqrt() / norms)
}
