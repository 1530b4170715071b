//! Mutual geometry: do the partners of units stand to one another as the units do (guide/methods.md,
//! section 8.1)?
//!
//! Whoever holds both files can order his units, scale them, flip their signs and rotate his stream
//! until each unit stands where its nearest stands. None of that changes the angles among the units
//! of one side. So a likeness that was *found*, by place or by content, is *confirmed* when the
//! angles among the units of one side repeat among their partners.

use crate::error::Result;
use crate::numeric::linalg::{Dense, inner_product, products, squared_length, symmetric_eigen};
use crate::numeric::rows::{Matrix, RowSource};
use crate::stats::units::{Features, Held};

/// Pairs of units that the geometry runs over at most. What an order chosen by an adversary can
/// reach falls with the root of their number; the cost grows with its square.
pub(crate) const MOST_PAIRS: usize = 256;

/// Fewer pairs than this say nothing.
pub(crate) const LEAST_PAIRS: usize = 16;

/// Eigenvalues of the inner products are cut at this many times their median: directions that many
/// units share (outlier dimensions, clusters, a low rank) then count no more than others. They are
/// what an order can be fitted to.
const MOST_OF_MEDIAN: f64 = 1.5;

/// Standard deviations, by the median, beyond which an angle is cut: two clones among the partners
/// of either side must not outweigh all other pairs.
const CUT: f64 = 4.0;

/// How far above what a choice can reach the limit lies.
const MARGIN: f64 = 1.3;

/// Fewest directions that the rows of each matrix must span: points on a line, in a plane or in a
/// few dimensions can be matched to any others, and strangers of rank 3 reach 0.56.
const LEAST_RANK: usize = 8;

/// The limit is never below this.
const LEAST_LIMIT: f64 = 0.2;

/// The rows of some `units` of a matrix, in the order given, for [`mutual_geometry`].
///
/// # Errors
/// When the rows cannot be read.
///
/// # Panics
/// When a unit is out of range or the matrix has no columns.
pub(crate) fn rows_of(source: &dyn RowSource, units: &[usize]) -> Result<Held> {
    let rows = Matrix::from_rows(source, units)?;
    Ok(Held::new(rows.values, rows.columns))
}

/// How well the geometry of one side repeats on the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Geometry {
    /// Pairs of units that it runs over.
    pub(crate) pairs: usize,
    /// The correlation G of the angles, −1 to 1.
    pub(crate) correlation: f64,
    /// What an order that was chosen reaches between independent models, with a margin: [`Choice::limit`].
    pub(crate) limit: f64,
    /// Bound of the chance that any order of the target's units makes independent models agree as
    /// well, base 10; approximate, as the angles are taken to be normal.
    pub(crate) log10_p: f64,
}

impl Geometry {
    /// Whether it confirms a likeness.
    pub(crate) fn confirms(&self) -> bool {
        self.correlation >= self.limit
    }

    /// Whether it speaks against one: as near to 0 as independent models are.
    pub(crate) fn denies(&self) -> bool {
        self.correlation < 0.5 * self.limit
    }
}

/// The mutual geometry of partners. `base` and `target` have the rows of the same matrices in the
/// same order, one a pair of partners: the i-th row on one side belongs to the partner of the i-th
/// on the other. The two sides may have other widths. Matrices named in `free_signs` (up and down
/// of a gated feed-forward) may be negated unit by unit, all of them together; the signs that fit
/// best are taken. `units` is the number of units among which a partner could be chosen, of the
/// larger side. Beyond [`MOST_PAIRS`] rows are left out.
///
/// For each pair of matrices of one width, among them each with itself: inner products of rows,
/// centred, at unit length, shared directions made even, off the diagonal, less the
/// means of row and column, cut at 4 deviations, standardised. G is the correlation of all of
/// them with those of the other side.
///
/// None where fewer than [`LEAST_PAIRS`] pairs have usable rows everywhere, or nothing varies.
///
/// # Panics
/// When the numbers of matrices or of rows differ.
pub(crate) fn mutual_geometry(
    base: &[Held],
    target: &[Held],
    free_signs: &[usize],
    units: usize,
) -> Option<Geometry> {
    assert_eq!(base.len(), target.len(), "the same matrices on both sides");
    let rows = base.first()?.units();
    assert!(
        base.iter().chain(target).all(|held| held.units() == rows),
        "a row for every pair"
    );
    let usable: Vec<usize> = (0..rows)
        .filter(|&row| {
            let is_usable = |held: &Held| {
                let width = held.width();
                let values = &held.values()[row * width..(row + 1) * width];
                values.iter().any(|&x| x != 0.0)
            };
            base.iter().chain(target).all(is_usable)
        })
        .take(MOST_PAIRS)
        .collect();
    if usable.len() < LEAST_PAIRS {
        return None;
    }
    let fits = |(one, other): &(usize, usize)| {
        base[*one].width() == base[*other].width() && target[*one].width() == target[*other].width()
    };
    let blocks: Vec<(usize, usize)> = (0..base.len())
        .flat_map(|one| (one..base.len()).map(move |other| (one, other)))
        .filter(fits)
        .collect();
    let (of_base, spanned_by_base) =
        angles(&inner_products(base, &usable, &blocks), &blocks, base.len())?;
    let mut products = inner_products(target, &usable, &blocks);
    if !free_signs.is_empty() {
        let (as_stored, _) = angles(&products, &blocks, base.len())?;
        let signs = best_signs(&of_base, &as_stored, &blocks, free_signs)?;
        for (block, (one, other)) in products.iter_mut().zip(&blocks) {
            flip(
                block,
                &signs,
                free_signs.contains(one),
                free_signs.contains(other),
            );
        }
    }
    let (of_target, spanned_by_target) = angles(&products, &blocks, base.len())?;
    let sum = |x: &[Dense], y: &[Dense]| -> f64 { x.iter().zip(y).map(|(x, y)| dot(x, y)).sum() };
    let scale = (sum(&of_base, &of_base) * sum(&of_target, &of_target)).sqrt();
    let correlation = sum(&of_base, &of_target) / scale;
    let choice = Choice {
        pairs: usable.len(),
        units,
        matrices: base.len(),
        signs_are_free: !free_signs.is_empty(),
        directions: spanned_by_base.min(spanned_by_target),
    };
    correlation.is_finite().then(|| Geometry {
        pairs: usable.len(),
        correlation,
        limit: choice.limit(),
        log10_p: choice.log10_p(correlation),
    })
}

/// How the rows of some matrices of one side stand to one another, to be held against many others
/// in which they stand in the same places.
pub(crate) struct Constellation {
    usable: Vec<usize>,
    blocks: Vec<(usize, usize)>,
    angles: Vec<f32>,
    directions: f64,
    matrices: usize,
}

impl Constellation {
    /// As [`mutual_geometry`] takes them of one side; `None` where that would say nothing.
    pub(crate) fn of(held: &[Held]) -> Option<Self> {
        let rows = held.first()?.units();
        let is_usable = |row: &usize| {
            held.iter().all(|held| {
                let width = held.width();
                let values = held.values().get(row * width..(row + 1) * width);
                values.is_some_and(|values| values.iter().any(|&x| x != 0.0))
            })
        };
        let usable: Vec<usize> = (0..rows).filter(is_usable).take(MOST_PAIRS).collect();
        if usable.len() < LEAST_PAIRS {
            return None;
        }
        let blocks: Vec<(usize, usize)> = (0..held.len())
            .flat_map(|one| (one..held.len()).map(move |other| (one, other)))
            .filter(|(one, other)| held[*one].width() == held[*other].width())
            .collect();
        let products = inner_products(held, &usable, &blocks);
        let (angles, directions) = angles(&products, &blocks, held.len())?;
        let angles = angles.iter().flat_map(|block| &block.values);
        Some(Self {
            angles: angles.map(|angle| *angle as f32).collect(),
            usable,
            blocks,
            directions,
            matrices: held.len(),
        })
    }

    /// The mutual geometry of two sides whose rows stand in the same places, signs as stored;
    /// `units` is the number among which a row could be chosen.
    pub(crate) fn geometry(&self, other: &Self, units: usize) -> Option<Geometry> {
        if self.usable != other.usable || self.blocks != other.blocks {
            return None;
        }
        let lengths = squared_length(&self.angles) * squared_length(&other.angles);
        let correlation = inner_product(&self.angles, &other.angles) / lengths.sqrt();
        let choice = Choice {
            pairs: self.usable.len(),
            units,
            matrices: self.matrices,
            signs_are_free: self.matrices > 2,
            directions: self.directions.min(other.directions),
        };
        correlation.is_finite().then(|| Geometry {
            pairs: self.usable.len(),
            correlation,
            limit: choice.limit(),
            log10_p: choice.log10_p(correlation),
        })
    }
}

/// What an order can be chosen from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    /// Pairs of partners.
    pub(crate) pairs: usize,
    /// Units among which the second of each is chosen.
    pub(crate) units: usize,
    /// Matrices whose rows are compared.
    pub(crate) matrices: usize,
    /// Whether rows of some of them may be negated.
    pub(crate) signs_are_free: bool,
    /// Directions that the rows span, of all matrices together: for each (Σλ)²/Σλ² of the
    /// eigenvalues of its inner products.
    pub(crate) directions: f64,
}

impl Choice {
    /// The least G that confirms.
    ///
    /// Between independent models G is a mean of E = (matrices·pairs)²/2 products that do not hang
    /// together, so its deviation is 1/√E; the greatest of N values so spread is √(2 ln N/E)
    /// (Derrida 1981), and an accuser has N = (units·signs)^pairs orders to choose from. The best
    /// that graph matching reached in simulation, once shared directions are made even (without: up
    /// to 2.7 times), is 0.8 to 1.0 times that, whatever the structure, and 1.0 to 1.16 times where
    /// gate, up and down of a unit are themselves alike, so that their angles repeat one another.
    /// Where rows span few directions D, each can be matched by itself: the nearest of N points has
    /// the cosine √(2 ln N/D), and G follows its square. The limit is 1.3 times the greater of the
    /// two, and at least 0.2, since models that share their initial weights come near that.
    pub(crate) fn limit(&self) -> f64 {
        let (pairs, matrices) = (self.pairs.max(1) as f64, self.matrices.max(1) as f64);
        let greatest = (4.0 * self.ln_each() / (pairs * matrices * matrices)).sqrt();
        let each_by_itself = 2.0 * self.ln_each() / self.directions.max(1.0);
        (MARGIN * greatest.max(each_by_itself)).clamp(LEAST_LIMIT, 1.0)
    }

    /// log10 of a bound of the chance of a correlation G for the best of all (2n)^k choices of
    /// partners and signs: ln p = k·ln(2n) − G²·E/2, E the angles, at most the values that they are
    /// made of.
    fn log10_p(&self, correlation: f64) -> f64 {
        let pairs = self.pairs as f64;
        let angles = 0.5 * (pairs * self.matrices as f64).powi(2);
        let numbers = angles.min(pairs * self.directions);
        let ln_p = pairs * self.ln_each() - 0.5 * numbers * correlation.max(0.0).powi(2);
        (ln_p / std::f64::consts::LN_10).min(0.0)
    }

    /// ln of the choices that each pair has.
    fn ln_each(&self) -> f64 {
        let signs = if self.signs_are_free { 2.0 } else { 1.0 };
        (self.units.max(2) as f64 * signs).ln()
    }
}

/// Inner products of the `usable` rows of each block's two matrices, shape (rows, rows).
fn inner_products(held: &[Held], usable: &[usize], blocks: &[(usize, usize)]) -> Vec<Dense> {
    let count = usable.len();
    let chosen: Vec<Vec<f32>> = held
        .iter()
        .map(|held| {
            let width = held.width();
            let rows = usable.iter().flat_map(|&row| {
                let values = &held.values()[row * width..(row + 1) * width];
                values.iter().copied()
            });
            rows.collect()
        })
        .collect();
    let mut out = vec![0.0f32; count * count];
    blocks
        .iter()
        .map(|&(one, other)| {
            products(&chosen[one], &chosen[other], held[one].width(), &mut out);
            Dense {
                rows: count,
                columns: count,
                values: out.iter().map(|&x| f64::from(x)).collect(),
            }
        })
        .collect()
}

/// The standardised angles of each block, from inner products of rows, and the directions that the
/// rows of all matrices span.
fn angles(
    products: &[Dense],
    blocks: &[(usize, usize)],
    matrices: usize,
) -> Option<(Vec<Dense>, f64)> {
    let mut centred: Vec<Dense> = products.to_vec();
    centred.iter_mut().for_each(centre);
    let own = |matrix: usize| blocks.iter().position(|&block| block == (matrix, matrix));
    let mut evening = Vec::with_capacity(matrices);
    let mut directions = 0.0;
    for matrix in 0..matrices {
        let gram = &centred[own(matrix)?];
        let lengths: Vec<f64> = (0..gram.rows)
            .map(|at| gram.row(at)[at].max(0.0).sqrt())
            .map(|length| if length > 1e-6 { length.recip() } else { 0.0 })
            .collect();
        let mut scaled = gram.clone();
        scale(&mut scaled, &lengths, &lengths);
        // The factor of each direction on its rows, with the lengths on its inner side.
        let eigen = symmetric_eigen(&scaled)?;
        if positive(&eigen.values) < LEAST_RANK {
            return None;
        }
        let most = MOST_OF_MEDIAN * median_of_positive(&eigen.values);
        directions += participation(eigen.values.iter().map(|value| value.clamp(0.0, most)));
        let mut left = eigen.vectors.clone();
        for (at, value) in eigen.values.iter().enumerate() {
            let factor = if *value > most {
                (most / value).sqrt()
            } else {
                1.0
            };
            left.row_mut(at).iter_mut().for_each(|x| *x *= factor);
        }
        let mut root = Dense::zeros(gram.rows, gram.rows);
        root.add_transposed_times(&eigen.vectors, &left, 1.0);
        scale(&mut root, &vec![1.0; lengths.len()], &lengths);
        evening.push(root);
    }
    let evened = centred.iter().zip(blocks).map(|(gram, &(one, other))| {
        let mut block = evening[one].times(gram).times_transposed(&evening[other]);
        standardise(&mut block);
        block
    });
    Some((evened.collect(), directions))
}

/// How many of some eigenvalues count: (Σλ)²/Σλ².
fn participation(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = values.fold((0.0, 0.0), |(sum, squares), value| {
        (sum + value, squares + value * value)
    });
    if squares > 0.0 {
        sum * sum / squares
    } else {
        0.0
    }
}

/// Eigenvalues, largest first, that are more than rounding.
fn positive(values: &[f64]) -> usize {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter().filter(|&&value| value > 1e-4 * mean).count()
}

/// Median of those eigenvalues, largest first, that are not zero but for rounding.
fn median_of_positive(values: &[f64]) -> f64 {
    let positive = positive(values);
    match positive {
        0 => 0.0,
        _ => 0.5 * (values[positive / 2] + values[(positive - 1) / 2]),
    }
}

/// Takes the means of rows and columns off.
fn centre(matrix: &mut Dense) {
    let (rows, columns) = (matrix.rows, matrix.columns);
    let of_rows: Vec<f64> = (0..rows)
        .map(|at| matrix.row(at).iter().sum::<f64>() / columns as f64)
        .collect();
    let mut of_columns = vec![0.0; columns];
    for at in 0..rows {
        of_columns
            .iter_mut()
            .zip(matrix.row(at))
            .for_each(|(sum, x)| *sum += x / rows as f64);
    }
    let mean = of_rows.iter().sum::<f64>() / rows as f64;
    for (at, of_row) in of_rows.iter().enumerate() {
        let row = matrix.row_mut(at).iter_mut().zip(&of_columns);
        row.for_each(|(x, of_column)| *x += mean - of_row - of_column);
    }
}

fn scale(matrix: &mut Dense, of_rows: &[f64], of_columns: &[f64]) {
    for (at, of_row) in of_rows.iter().enumerate() {
        let row = matrix.row_mut(at).iter_mut().zip(of_columns);
        row.for_each(|(x, of_column)| *x *= of_row * of_column);
    }
}

fn clear_diagonal(matrix: &mut Dense) {
    (0..matrix.rows).for_each(|at| matrix.row_mut(at)[at] = 0.0);
}

/// Off the diagonal, centred, cut, to a mean square of 1; zeros where nothing varies.
fn standardise(block: &mut Dense) {
    clear_diagonal(block);
    centre(block);
    clear_diagonal(block);
    let mut sizes: Vec<f64> = block.values.iter().map(|x| x.abs()).collect();
    let middle = sizes.len() / 2;
    let median = *sizes.select_nth_unstable_by(middle, f64::total_cmp).1;
    let most = CUT * median / 0.6745;
    block
        .values
        .iter_mut()
        .for_each(|x| *x = x.clamp(-most, most));
    centre(block);
    clear_diagonal(block);
    let deviation = (block.energy() / block.values.len() as f64).sqrt();
    let factor = if deviation > 1e-9 {
        deviation.recip()
    } else {
        0.0
    };
    block.values.iter_mut().for_each(|x| *x *= factor);
}

fn dot(x: &Dense, y: &Dense) -> f64 {
    x.values.iter().zip(&y.values).map(|(x, y)| x * y).sum()
}

fn flip(block: &mut Dense, signs: &[f64], rows: bool, columns: bool) {
    let ones = vec![1.0; signs.len()];
    scale(
        block,
        if rows { signs } else { &ones },
        if columns { signs } else { &ones },
    );
}

/// Signs of the target's units that make its angles fit best: from the leading direction of what
/// the two sides have in common, then unit by unit while one gains.
///
/// An accuser can choose the signs of his units anyway, so this adds nothing to what he can reach.
fn best_signs(
    base: &[Dense],
    target: &[Dense],
    blocks: &[(usize, usize)],
    free: &[usize],
) -> Option<Vec<f64>> {
    let count = base.first()?.rows;
    let mut both = Dense::zeros(count, count);
    let mut one_side = vec![0.0; count];
    for ((x, y), (one, other)) in base.iter().zip(target).zip(blocks) {
        let (rows, columns) = (free.contains(one), free.contains(other));
        for i in 0..count {
            for j in 0..count {
                let fit = x.row(i)[j] * y.row(i)[j];
                match (rows, columns) {
                    (true, true) => {
                        both.row_mut(i)[j] += 0.5 * fit;
                        both.row_mut(j)[i] += 0.5 * fit;
                    }
                    (true, false) => one_side[i] += fit,
                    (false, true) => one_side[j] += fit,
                    (false, false) => {}
                }
            }
        }
    }
    clear_diagonal(&mut both);
    let leading = symmetric_eigen(&both)?.vectors.row(0).to_vec();
    let sign = |x: &f64| if *x < 0.0 { -1.0 } else { 1.0 };
    let starts = [
        vec![1.0; count],
        leading.iter().map(sign).collect(),
        leading.iter().map(|x| -sign(x)).collect(),
        one_side.iter().map(sign).collect(),
    ];
    let mut best: Option<(f64, Vec<f64>)> = None;
    for start in starts {
        let (value, signs) = ascend(&both, &one_side, start);
        if best.as_ref().is_none_or(|(most, _)| value > *most + 1e-9) {
            best = Some((value, signs));
        }
    }
    best.map(|(_, signs)| signs)
}

/// Flips the sign that gains most until none gains; the value Σ both·s·s + Σ one_side·s with it.
fn ascend(both: &Dense, one_side: &[f64], mut signs: Vec<f64>) -> (f64, Vec<f64>) {
    let count = signs.len();
    let mut fields: Vec<f64> = (0..count)
        .map(|at| both.row(at).iter().zip(&signs).map(|(q, s)| q * s).sum())
        .collect();
    for _ in 0..8 * count {
        let gain = |at: usize| -2.0 * signs[at] * (2.0 * fields[at] + one_side[at]);
        let Some(most) = (0..count).max_by(|&a, &b| gain(a).total_cmp(&gain(b)).then(b.cmp(&a)))
        else {
            break;
        };
        if gain(most) <= 1e-9 {
            break;
        }
        signs[most] = -signs[most];
        let change = 2.0 * signs[most];
        fields
            .iter_mut()
            .zip(both.row(most))
            .for_each(|(field, q)| *field += change * q);
    }
    let value = (0..count)
        .map(|at| signs[at] * (fields[at] + one_side[at]))
        .sum();
    (value, signs)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::numeric::linalg::orthonormal_rows;
    use crate::numeric::rng::Draws;
    use crate::numeric::rows::Matrix;

    /// Gate, up and down of `units` units; every kind of structure that independent models share.
    fn model(kind: &str, units: usize, width: usize, draws: &mut Draws) -> Vec<Matrix> {
        let mut normal =
            |count: usize| -> Vec<f64> { (0..count).map(|_| draws.normal()).collect() };
        let latent = normal(units * 6);
        (0..3)
            .map(|_| {
                let noise = normal(units * width);
                let directions = normal(6 * width);
                let value = |at: usize| {
                    let (unit, column) = (at / width, at % width);
                    let x = noise[at];
                    match kind {
                        "common" => x + directions[column],
                        "hubs" => x + directions[unit % 5 * width + column],
                        "tails" => x * x * x,
                        "low rank" => {
                            let terms = (0..6)
                                .map(|k| latent[unit * 6 + k] * directions[k * width + column]);
                            x + 0.8 * terms.sum::<f64>()
                        }
                        "clones" => noise[unit % (units * 2 / 3) * width + column] + 0.05 * x,
                        _ => x,
                    }
                };
                Matrix {
                    rows: units,
                    columns: width,
                    values: (0..units * width).map(|at| value(at) as f32).collect(),
                }
            })
            .collect()
    }

    const KINDS: [&str; 6] = ["plain", "common", "hubs", "tails", "low rank", "clones"];

    fn some(model: &[Matrix], units: &[usize]) -> Vec<Held> {
        model
            .iter()
            .map(|matrix| rows_of(matrix, units).unwrap())
            .collect()
    }

    fn noised(model: &[Matrix], share: f64, draws: &mut Draws) -> Vec<Matrix> {
        model
            .iter()
            .map(|matrix| {
                let energy: f64 = matrix.values.iter().map(|&x| f64::from(x).powi(2)).sum();
                let size = share * (energy / matrix.values.len() as f64).sqrt();
                let noise = matrix.values.iter();
                Matrix {
                    values: noise
                        .map(|&x| (f64::from(x) + size * draws.normal()) as f32)
                        .collect(),
                    ..*matrix
                }
            })
            .collect()
    }

    /// The stream rotated, into a wider one; the units scaled, their signs flipped.
    fn disguised(model: &[Matrix], draws: &mut Draws) -> Vec<Matrix> {
        let (width, wider) = (model[0].columns, model[0].columns + 8);
        let random = Dense {
            rows: width,
            columns: wider,
            values: (0..width * wider).map(|_| draws.normal()).collect(),
        };
        let rotation = orthonormal_rows(&random);
        let factors: Vec<f64> = (0..model[0].rows).map(|_| draws.normal().exp()).collect();
        let signs: Vec<f64> = (0..model[0].rows)
            .map(|_| if draws.below(2) == 0 { 1.0 } else { -1.0 })
            .collect();
        model
            .iter()
            .enumerate()
            .map(|(role, matrix)| {
                let wide = Dense {
                    rows: matrix.rows,
                    columns: width,
                    values: matrix.values.iter().map(|&x| f64::from(x)).collect(),
                };
                let mut turned = wide.times(&rotation);
                for unit in 0..matrix.rows {
                    let factor = match role {
                        0 => 1.0,
                        1 => signs[unit] * factors[unit],
                        _ => signs[unit] / factors[unit],
                    };
                    turned.row_mut(unit).iter_mut().for_each(|x| *x *= factor);
                }
                Matrix {
                    rows: matrix.rows,
                    columns: wider,
                    values: turned.values.iter().map(|&x| x as f32).collect(),
                }
            })
            .collect()
    }

    fn all(units: usize) -> Vec<usize> {
        (0..units).collect()
    }

    #[test]
    fn no_rotation_scale_or_sign_changes_it() {
        let mut draws = Draws::new(0, "disguise");
        let base = model("hubs", 120, 40, &mut draws);
        let target = noised(&base, 0.8, &mut draws);
        let other = disguised(&target, &mut draws);
        let places = all(120);
        let plain = mutual_geometry(&some(&base, &places), &some(&target, &places), &[1, 2], 120);
        let turned = mutual_geometry(&some(&base, &places), &some(&other, &places), &[1, 2], 120);
        let (plain, turned) = (plain.unwrap(), turned.unwrap());
        assert!(
            (plain.correlation - turned.correlation).abs() < 1e-3,
            "{plain:?} {turned:?}"
        );
        assert!(plain.confirms() && plain.pairs == 120, "{plain:?}");
    }

    #[test]
    fn it_falls_with_noise_and_strangers_have_none() {
        let mut draws = Draws::new(1, "ladder");
        for kind in KINDS {
            let base = model(kind, 128, 48, &mut draws);
            let own = some(&base, &all(128));
            let mut last = 1.1;
            for (noise, least) in [(0.0, 0.999), (0.3, 0.7), (1.0, 0.2)] {
                let target = some(&noised(&base, noise, &mut draws), &all(128));
                let found = mutual_geometry(&own, &target, &[1, 2], 128).unwrap();
                assert!(
                    found.correlation > least && found.correlation < last,
                    "{kind} {noise}: {found:?}"
                );
                last = found.correlation;
            }
            let stranger = some(&model(kind, 128, 48, &mut draws), &all(128));
            let found = mutual_geometry(&own, &stranger, &[1, 2], 128).unwrap();
            assert!(
                found.denies() && found.correlation.abs() < 0.1,
                "{kind}: {found:?}"
            );
        }
    }

    /// The accuser takes for each of the victim's units the one of his own that fits best beside
    /// those chosen so far, signs too, and goes round until nothing gains.
    fn chosen(base: &[Held], own: &[Matrix], pairs: usize, draws: &mut Draws) -> Vec<usize> {
        let units = own[0].rows;
        let blocks: Vec<(usize, usize)> = (0..3)
            .flat_map(|one| (one..3).map(move |other| (one, other)))
            .collect();
        let held = some(own, &all(units));
        let all_rows = all(units);
        let (of_base, _) = angles(&inner_products(base, &all(pairs), &blocks), &blocks, 3).unwrap();
        let (of_own, _) = angles(&inner_products(&held, &all_rows, &blocks), &blocks, 3).unwrap();
        let mut places: Vec<usize> = draws.permutation(units)[..pairs].to_vec();
        let mut signs = vec![1.0; pairs];
        for _ in 0..6 {
            for at in 0..pairs {
                let mut best = (f64::NEG_INFINITY, places[at], 1.0);
                for unit in (0..units).filter(|u| *u == places[at] || !places.contains(u)) {
                    let (mut fixed, mut signed) = (0.0, 0.0);
                    for ((x, y), (one, other)) in of_base.iter().zip(&of_own).zip(&blocks) {
                        for (beside, (&place, sign)) in places.iter().zip(&signs).enumerate() {
                            if beside != at {
                                let as_row = x.row(at)[beside] * y.row(unit)[place];
                                let as_column = x.row(beside)[at] * y.row(place)[unit];
                                let theirs = |free: usize| if free > 0 { *sign } else { 1.0 };
                                let term = as_row * theirs(*other);
                                if *one > 0 {
                                    signed += term
                                } else {
                                    fixed += term
                                }
                                let term = as_column * theirs(*one);
                                if *other > 0 {
                                    signed += term
                                } else {
                                    fixed += term
                                }
                            }
                        }
                    }
                    if fixed + signed.abs() > best.0 {
                        best = (fixed + signed.abs(), unit, signed.signum());
                    }
                }
                (places[at], signs[at]) = (best.1, best.2);
            }
        }
        places
    }

    #[test]
    fn an_order_that_was_chosen_stays_below_the_limit() {
        let mut draws = Draws::new(2, "frames");
        for kind in KINDS {
            let base = some(&model(kind, 40, 32, &mut draws), &all(40));
            let own = model(kind, 120, 32, &mut draws);
            let places = chosen(&base, &own, 40, &mut draws);
            let found = mutual_geometry(&base, &some(&own, &places), &[1, 2], 120).unwrap();
            assert!(
                found.correlation > 0.12,
                "{kind}: the accuser tried: {found:?}"
            );
            assert!(!found.confirms(), "{kind}: {found:?}");
        }
    }

    /// Independent models as they are: 2,400 pairs with `--ignored`.
    fn strangers(rounds: u64) {
        for round in 0..rounds {
            let mut draws = Draws::new(round, "strangers");
            for kind in KINDS {
                let [one, other] =
                    [(); 2].map(|()| some(&model(kind, 64, 48, &mut draws), &all(64)));
                let found = mutual_geometry(&one, &other, &[1, 2], 4096).unwrap();
                // Clones stand in the same places on both sides: that is an order in common.
                let most = if kind == "clones" { 0.2 } else { 0.13 };
                assert!(found.correlation < most, "{kind} {round}: {found:?}");
            }
        }
    }

    #[test]
    fn strangers_stay_far_below_the_limit() {
        strangers(6);
    }

    #[test]
    #[ignore = "some minutes: the level over 2,400 pairs"]
    fn strangers_stay_far_below_the_limit_always() {
        strangers(400);
    }

    #[test]
    fn rows_of_few_directions_say_nothing() {
        let mut draws = Draws::new(3, "few directions");
        let mut block = |rank: usize| -> Vec<Held> {
            (0..3)
                .map(|_| {
                    let rows = (0..64).flat_map(|_| {
                        let mut row = vec![0.0f32; 48];
                        row[..rank].fill_with(|| draws.normal() as f32);
                        row
                    });
                    Held::new(rows.collect(), 48)
                })
                .collect()
        };
        let few = block(3);
        assert!(mutual_geometry(&few, &few, &[1, 2], 64).is_none());
        let enough = block(12);
        let found = mutual_geometry(&enough, &enough, &[1, 2], 64).unwrap();
        assert!(found.confirms());
    }

    #[test]
    fn the_limit_falls_with_pairs_matrices_and_directions_and_grows_with_units() {
        let limit = |pairs, units, matrices, signs_are_free, directions| {
            let choice = Choice {
                pairs,
                units,
                matrices,
                signs_are_free,
                directions,
            };
            choice.limit()
        };
        assert!((limit(64, 176, 3, true, 150.0) - 0.2627).abs() < 0.001);
        assert!((limit(64, 4096, 3, true, 150.0) - 0.3253).abs() < 0.001);
        assert_eq!(limit(256, 176, 3, true, 150.0), 0.2);
        assert!(limit(16, 176, 3, true, 48.0) > 0.45);
        assert!(limit(64, 176, 1, false, 50.0) > 0.6);
        assert!((limit(64, 176, 3, true, 24.0) - 0.6354).abs() < 0.001);
    }

    #[test]
    fn units_without_rows_are_left_out_and_few_give_nothing() {
        let mut draws = Draws::new(3, "few");
        let mut base = model("plain", 40, 16, &mut draws);
        base[1].values[..20 * 16].fill(0.0);
        let own = some(&base, &all(40));
        let found = mutual_geometry(&own, &own, &[], 40).unwrap();
        assert_eq!((found.pairs, found.correlation > 0.999), (20, true));
        let few = some(&base, &(20..35).collect::<Vec<_>>());
        assert_eq!(mutual_geometry(&few, &few, &[], 40), None);
        let flat = vec![Held::new(vec![1.0; 40 * 16], 16)];
        assert_eq!(mutual_geometry(&flat, &flat, &[], 40), None);
        assert_eq!(mutual_geometry(&[], &[], &[], 40), None);
    }
}
